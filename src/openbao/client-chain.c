/* SPDX-License-Identifier: Apache-2.0 */
/* Our own certificate and its issuers, and whether a server could accept it. */
#include "openbao/client-chain.h"

#include "base/error.h"

#include <secder.h>
#include <secoid.h>

#include <string.h>

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 4096 /* OBK_NSS_SIGNATURE_MAX_BYTES */

struct _ObkClientChain
{
  CERTCertList *certificates;
  SECKEYPublicKey *key;
};

#define FOREACH(node, chain)                                                                                           \
  for (CERTCertListNode *node = CERT_LIST_HEAD ((chain)->certificates); !CERT_LIST_END (node, (chain)->certificates);  \
       node = CERT_LIST_NEXT (node))

/* --- making one --- */

/* Each must be issued by the next one. */
static gboolean
check_order (const ObkClientChain *chain, GError **error)
{
  const CERTCertificate *before = NULL;

  FOREACH (node, chain)
  {
    if (before != NULL && !SECITEM_ItemsAreEqual (&before->derIssuer, &node->cert->derSubject))
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

ObkClientChain *
obk_client_chain_new_der (GPtrArray *certificates, GError **error)
{
  g_autoptr (CERTCertList) list = CERT_NewCertList ();

  g_return_val_if_fail (certificates != NULL && certificates->len > 0, NULL);

  for (guint i = 0; i < certificates->len; i++)
    {
      gsize length = 0;
      gconstpointer data = g_bytes_get_data (g_ptr_array_index (certificates, i), &length);
      SECItem der = { siDERCertBuffer, (unsigned char *)data, (unsigned)length };
      CERTCertificate *certificate = CERT_NewTempCertificate (CERT_GetDefaultCertDB (), &der, NULL, PR_FALSE, PR_TRUE);

      if (certificate == NULL || CERT_AddCertToListTail (list, certificate) != SECSuccess)
        {
          g_clear_pointer (&certificate, CERT_DestroyCertificate);
          obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "a certificate in the token cannot be decoded");
          return NULL;
        }
    }
  return chain_new (g_steal_pointer (&list), error);
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
