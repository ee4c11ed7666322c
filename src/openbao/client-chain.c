/* SPDX-License-Identifier: Apache-2.0 */
/* Our own certificate and its issuers, and whether a server could accept it. */
#include "openbao/client-chain.h"

#include "base/error.h"

#include <secder.h>
#include <secerr.h>
#include <secoid.h>

#include <string.h>

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 4096 /* OBK_NSS_SIGNATURE_MAX_BYTES */

#define MAX_CHAIN 8

struct _ObkClientChain
{
  CERTCertList *certificates;
  SECKEYPublicKey *key;
};

#define FOREACH(node, chain)                                                                                           \
  for (CERTCertListNode *node = CERT_LIST_HEAD ((chain)->certificates); !CERT_LIST_END (node, (chain)->certificates);  \
       node = CERT_LIST_NEXT (node))

/* --- signatures --- */

/* The hash of an RSASSA-PSS signature is among its parameters, and SHA-1 unless they say otherwise (RFC 4055, 3.1). */
static SECOidTag
pss_hash (const SECAlgorithmID *algorithm)
{
  PLArenaPool *arena = PORT_NewArena (DER_DEFAULT_CHUNKSIZE);
  SECKEYRSAPSSParams parameters = { .trailerField = { .data = NULL } };
  SECOidTag tag = SEC_OID_SHA1;

  if (SEC_QuickDERDecodeItem (arena, &parameters, SEC_ASN1_GET (SECKEY_RSAPSSParamsTemplate), &algorithm->parameters)
          == SECSuccess
      && parameters.hashAlg != NULL)
    tag = SECOID_GetAlgorithmTag (parameters.hashAlg);
  PORT_FreeArena (arena, PR_FALSE);
  return tag;
}

static gboolean
is_weak (const CERTCertificate *certificate)
{
  SECOidTag tag = SECOID_GetAlgorithmTag (&certificate->signature);

  switch (tag == SEC_OID_PKCS1_RSA_PSS_SIGNATURE ? pss_hash (&certificate->signature) : tag)
    {
    case SEC_OID_MD2:
    case SEC_OID_MD4:
    case SEC_OID_MD5:
    case SEC_OID_SHA1:
    case SEC_OID_PKCS1_MD2_WITH_RSA_ENCRYPTION:
    case SEC_OID_PKCS1_MD4_WITH_RSA_ENCRYPTION:
    case SEC_OID_PKCS1_MD5_WITH_RSA_ENCRYPTION:
    case SEC_OID_PKCS1_SHA1_WITH_RSA_ENCRYPTION:
    case SEC_OID_ISO_SHA_WITH_RSA_SIGNATURE:
    case SEC_OID_ISO_SHA1_WITH_RSA_SIGNATURE:
    case SEC_OID_ANSIX962_ECDSA_SHA1_SIGNATURE:
    case SEC_OID_ANSIX9_DSA_SIGNATURE_WITH_SHA1_DIGEST:
    case SEC_OID_BOGUS_DSA_SIGNATURE_WITH_SHA1_DIGEST:
      return TRUE;
    default:
      return FALSE;
    }
}

/* By its name, and its key: an authority that has a new key keeps its name. What NSS does not verify, since it is weak,
 * is refused for that. */
static gboolean
is_issued_by (CERTCertificate *certificate, CERTCertificate *issuer)
{
  g_autoptr (SECKEYPublicKey) key = NULL;

  if (!SECITEM_ItemsAreEqual (&certificate->derIssuer, &issuer->derSubject))
    return FALSE;
  key = is_weak (certificate) ? NULL : CERT_ExtractPublicKey (issuer);
  return key == NULL || CERT_VerifySignedDataWithPublicKey (&certificate->signatureWrap, key, NULL) == SECSuccess
         || PORT_GetError () != SEC_ERROR_BAD_SIGNATURE;
}

/* --- making one --- */

/* Each must be issued by the next one. */
static gboolean
check_order (const ObkClientChain *chain, GError **error)
{
  CERTCertificate *before = NULL;

  FOREACH (node, chain)
  {
    if (before != NULL && !is_issued_by (before, node->cert))
      return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                         "the certificates " OBK_CLIENT_CHAIN_SAYS_NO_CHAIN
                         ": \"%s\" is not issued by \"%s\", which follows it",
                         before->subjectName, node->cert->subjectName);
    before = node->cert;
  }
  return TRUE;
}

/* @certificates: (transfer full) (nullable) */
static ObkClientChain *
chain_new (CERTCertList *certificates, GError **error)
{
  g_autoptr (ObkClientChain) chain = g_new0 (ObkClientChain, 1);

  chain->certificates = certificates;
  if (!check_order (chain, error))
    return NULL;
  chain->key = CERT_ExtractPublicKey (obk_client_chain_certificate (chain));
  if (chain->key == NULL)
    {
      obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                  "the certificate's key is of a kind that cannot be used; RSA, P-256 and P-384 can");
      return NULL;
    }
  return g_steal_pointer (&chain);
}

ObkClientChain *
obk_client_chain_new_pem (const char *pem, gsize length, GError **error)
{
  CERTCertList *certificates = NULL;

  g_return_val_if_fail (pem != NULL && length <= OBK_CLIENT_CHAIN_MAX_BYTES, NULL);

  certificates = obk_nss_read_pem (pem, length, error);
  return certificates != NULL ? chain_new (certificates, error) : NULL;
}

void
obk_client_chain_free (ObkClientChain *chain)
{
  if (chain == NULL)
    return;
  g_clear_pointer (&chain->key, SECKEY_DestroyPublicKey);
  g_clear_pointer (&chain->certificates, CERT_DestroyCertList);
  g_free (chain);
}

CERTCertificate *
obk_client_chain_certificate (const ObkClientChain *chain)
{
  return CERT_LIST_HEAD (chain->certificates)->cert;
}

SECKEYPublicKey *
obk_client_chain_public_key (const ObkClientChain *chain)
{
  return chain->key;
}

/* --- checks --- */

static gboolean
check_validity (const ObkClientChain *chain, const ObkClientChainRules *rules, gint64 now_unix, GError **error)
{
  gint64 now_us = now_unix * G_USEC_PER_SEC;

  FOREACH (node, chain)
  {
    const char *name = node->cert->subjectName;
    PRTime not_before = 0, not_after = 0;

    if (CERT_GetCertTimes (node->cert, &not_before, &not_after) != SECSuccess)
      return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the validity of \"%s\" cannot be read", name);
    if (not_before > now_us + rules->clock_skew_leeway_us)
      return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_NOT_YET,
                         name);
    if (not_after <= now_us)
      return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_EXPIRED,
                         name);
    if (node->cert == obk_client_chain_certificate (chain) && not_after - now_us <= rules->min_remaining_ttl_us)
      return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                         "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_EXPIRES " %" G_GINT64_FORMAT
                         " s, which is no more than auth.cert.minRemainingTtl",
                         name, (gint64)(not_after - now_us) / G_USEC_PER_SEC);
  }
  return TRUE;
}

static gboolean
allows_clients (CERTCertificate *certificate)
{
  SECItem extension = { .data = NULL };
  CERTOidSequence *purposes = NULL;
  gboolean allowed = FALSE;

  if (CERT_FindCertExtension (certificate, SEC_OID_X509_EXT_KEY_USAGE, &extension) != SECSuccess)
    return TRUE; /* RFC 5280, 4.2.1.12: any purpose */
  purposes = CERT_DecodeOidSequence (&extension);
  for (SECItem **oid = purposes != NULL ? purposes->oids : NULL; oid != NULL && *oid != NULL; oid++)
    {
      SECOidTag tag = SECOID_FindOIDTag (*oid);

      allowed = allowed || tag == SEC_OID_EXT_KEY_USAGE_CLIENT_AUTH || tag == SEC_OID_X509_ANY_EXT_KEY_USAGE;
    }
  g_clear_pointer (&purposes, CERT_DestroyOidSequence);
  SECITEM_FreeItem (&extension, PR_FALSE);
  return allowed;
}

static gboolean
check_usage (const ObkClientChain *chain, GError **error)
{
  CERTCertificate *certificate = obk_client_chain_certificate (chain);

  if (CERT_IsCACert (certificate, NULL))
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       "the first certificate, \"%s\", is an authority's; " OBK_CLIENT_CHAIN_SAYS_NOT_FIRST,
                       certificate->subjectName);
  if (!allows_clients (certificate))
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_NOT_FOR_CLIENTS
                       ": its extended key usage lacks clientAuth",
                       certificate->subjectName);
  if (CERT_CheckCertUsage (certificate, KU_DIGITAL_SIGNATURE) != SECSuccess)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_NOT_FOR_CLIENTS
                       ": its key usage lacks digitalSignature",
                       certificate->subjectName);
  return TRUE;
}

static gboolean
check_signatures (const ObkClientChain *chain, GError **error)
{
  FOREACH (node, chain)
  /* What an authority says of itself is not what it is trusted for. */
  if (!node->cert->isRoot && is_weak (node->cert))
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the certificate \"%s\" " OBK_CLIENT_CHAIN_SAYS_WEAK,
                       node->cert->subjectName);
  return TRUE;
}

/* Returns: (transfer full) (nullable): the key in words; %NULL when we cannot use it */
static char *
describe_key (const ObkClientChain *chain)
{
  guint bits = SECKEY_PublicKeyStrengthInBits (chain->key);
  SECItem curve = { .data = NULL };

  switch (SECKEY_GetPublicKeyType (chain->key))
    {
    case rsaKey:
      return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS ? g_strdup_printf ("RSA with %u bits", bits) : NULL;
    case ecKey:
      curve = chain->key->u.ec.DEREncodedParams; /* an object identifier: tag, length, value */
      curve.data += MIN (2, curve.len);
      curve.len -= MIN (2, curve.len);
      switch (SECOID_FindOIDTag (&curve))
        {
        case SEC_OID_ANSIX962_EC_PRIME256V1:
          return g_strdup ("P-256");
        case SEC_OID_SECG_EC_SECP384R1:
          return g_strdup ("P-384");
        default:
          return NULL;
        }
    default:
      return NULL;
    }
}

static gboolean
check_key (const ObkClientChain *chain, GError **error)
{
  g_autofree char *key = describe_key (chain);

  return key != NULL
         || obk_refuse (
             error, OBK_ERROR_CREDENTIAL_INVALID,
             "the key of the certificate \"%s\" cannot be used; RSA with 2048 to 4096 bits, P-256 and P-384 can",
             obk_client_chain_certificate (chain)->subjectName);
}

gboolean
obk_client_chain_check (const ObkClientChain *chain, const ObkClientChainRules *rules, gint64 now_unix, GError **error)
{
  g_return_val_if_fail (chain != NULL && rules != NULL, FALSE);

  return check_usage (chain, error) && check_validity (chain, rules, now_unix, error) && check_signatures (chain, error)
         && check_key (chain, error);
}

/* --- choosing one --- */

static PRTime
start_of (const CERTCertificate *certificate)
{
  PRTime not_before = 0, not_after = 0;

  return CERT_GetCertTimes (certificate, &not_before, &not_after) == SECSuccess ? not_before : 0;
}

static gboolean
is_newer (const CERTCertificate *one, const CERTCertificate *other)
{
  return other == NULL || start_of (one) > start_of (other);
}

/* Returns: (transfer none) (nullable): the newest one */
static CERTCertificate *
find_issuer (CERTCertificate *certificate, const GPtrArray *among, PRTime now)
{
  CERTCertificate *best[2] = { NULL }; /* of those that are not valid now, and of those that are */

  for (guint i = 0; i < among->len; i++)
    {
      CERTCertificate *one = g_ptr_array_index (among, i);
      gboolean valid = CERT_CheckCertValidTimes (one, now, PR_FALSE) == secCertTimeValid;

      if (is_newer (one, best[valid]) && is_issued_by (certificate, one))
        best[valid] = one;
    }
  return best[TRUE] != NULL ? best[TRUE] : best[FALSE];
}

/* @own: goes first, and its issuers follow as far as they are @among */
static ObkClientChain *
chain_new_among (CERTCertificate *own, const GPtrArray *among, gint64 now_unix, GError **error)
{
  CERTCertList *list = CERT_NewCertList ();
  CERTCertificate *at = own;

  for (guint n = 0; at != NULL && n < MAX_CHAIN; n++)
    {
      if (CERT_AddCertToListTail (list, CERT_DupCertificate (at)) != SECSuccess)
        CERT_DestroyCertificate (at);
      at = at->isRoot ? NULL : find_issuer (at, among, now_unix * G_USEC_PER_SEC);
    }
  return chain_new (list, error);
}

/* Returns: (nullable): what cannot be decoded is passed over */
static CERTCertificate *
decode (GBytes *bytes)
{
  gsize length = 0;
  gconstpointer data = g_bytes_get_data (bytes, &length);
  SECItem der = { siDERCertBuffer, (unsigned char *)data, (unsigned)length };

  return CERT_NewTempCertificate (CERT_GetDefaultCertDB (), &der, NULL, PR_FALSE, PR_TRUE);
}

static gint
compare_starts (gconstpointer a, gconstpointer b)
{
  const ObkClientChain *one = *(ObkClientChain *const *)a, *other = *(ObkClientChain *const *)b;
  PRTime starts[] = { start_of (obk_client_chain_certificate (one)), start_of (obk_client_chain_certificate (other)) };

  return starts[0] == starts[1] ? 0 : starts[0] > starts[1] ? -1 : 1;
}

/* Leaves those that pass; the first one if none does. */
static void
leave_good (GPtrArray *chains, const ObkClientChainRules *rules, gint64 now_unix)
{
  guint n_good = 0;

  for (guint i = 0; i < chains->len; i++)
    n_good += obk_client_chain_check (chains->pdata[i], rules, now_unix, NULL) ? 1 : 0;
  if (n_good == 0)
    g_ptr_array_set_size (chains, 1);
  for (guint i = chains->len; n_good > 0 && i > 0; i--)
    if (!obk_client_chain_check (chains->pdata[i - 1], rules, now_unix, NULL))
      g_ptr_array_remove_index (chains, i - 1);
}

GPtrArray *
obk_client_chain_choose (const GPtrArray *certificates, guint n_own, const ObkClientChainRules *rules, gint64 now_unix,
                         GError **error)
{
  g_autoptr (GPtrArray) chains = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_client_chain_free);
  g_autoptr (GPtrArray) decoded = g_ptr_array_new_with_free_func ((GDestroyNotify)CERT_DestroyCertificate);
  g_autoptr (GError) cause = NULL;
  guint n_own_decoded = 0;

  g_return_val_if_fail (certificates != NULL && n_own > 0 && n_own <= certificates->len && rules != NULL, NULL);

  for (guint i = 0; i < certificates->len; i++)
    {
      CERTCertificate *certificate = decode (certificates->pdata[i]);

      if (certificate != NULL)
        g_ptr_array_add (decoded, certificate);
      n_own_decoded = i < n_own ? decoded->len : n_own_decoded;
    }
  for (guint i = 0; i < n_own_decoded; i++)
    {
      ObkClientChain *chain = chain_new_among (decoded->pdata[i], decoded, now_unix, cause == NULL ? &cause : NULL);

      if (chain != NULL)
        g_ptr_array_add (chains, chain);
    }
  if (chains->len == 0)
    {
      if (cause == NULL)
        obk_refuse (&cause, OBK_ERROR_CREDENTIAL_INVALID, "a certificate in the token cannot be decoded");
      g_propagate_error (error, g_steal_pointer (&cause));
      return NULL;
    }
  g_ptr_array_sort (chains, compare_starts);
  leave_good (chains, rules, now_unix);
  return g_steal_pointer (&chains);
}

/* --- what is told of it --- */

gint64
obk_client_chain_expires_unix (const ObkClientChain *chain)
{
  PRTime first = G_MAXINT64;

  FOREACH (node, chain)
  {
    PRTime not_before = 0, not_after = 0;

    if (CERT_GetCertTimes (node->cert, &not_before, &not_after) == SECSuccess)
      first = MIN (first, not_after);
  }
  return first / G_USEC_PER_SEC;
}

char *
obk_client_chain_describe (const ObkClientChain *chain)
{
  g_autofree char *key = describe_key (chain);

  return g_strdup_printf ("\"%s\", %s", obk_client_chain_certificate (chain)->subjectName,
                          key != NULL ? key : "a key of another kind");
}
