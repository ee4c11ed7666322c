/* SPDX-License-Identifier: Apache-2.0 */
/* A set of trusted certificates, and the verification of a server's certificate against it alone. */
#include "openbao/ca-bundle.h"

#include "base/error.h"
#include "openbao/tls-error.h"

#include <secerr.h>
#include <secoid.h>
#include <sslerr.h>

#define MAX_CHAIN 8
#define VERIFY_FAILED "cannot verify the server's certificate"

struct _ObkCaBundle
{
  gint references;
  CERTCertList *anchors;
  gint64 expires_unix; /* atomic: of the anchor last used; of the last of all at first */
};

/* Returns: 0 when it cannot be told */
static gint64
expires_unix (const CERTCertificate *certificate)
{
  PRTime not_before = 0, not_after = 0;

  if (CERT_GetCertTimes (certificate, &not_before, &not_after) != SECSuccess)
    return 0;
  return not_after / PR_USEC_PER_SEC;
}

ObkCaBundle *
obk_ca_bundle_new (const char *pem, gsize length, GError **error)
{
  CERTCertList *anchors = NULL;
  ObkCaBundle *bundle = NULL;

  g_return_val_if_fail (pem != NULL && length <= OBK_CA_BUNDLE_MAX_BYTES, NULL);

  anchors = obk_nss_read_pem (pem, length, error);
  if (anchors == NULL)
    return NULL;
  bundle = g_new0 (ObkCaBundle, 1);
  bundle->references = 1;
  bundle->anchors = anchors;
  for (CERTCertListNode *node = CERT_LIST_HEAD (anchors); !CERT_LIST_END (node, anchors); node = CERT_LIST_NEXT (node))
    bundle->expires_unix = MAX (bundle->expires_unix, expires_unix (node->cert));
  return bundle;
}

ObkCaBundle *
obk_ca_bundle_ref (ObkCaBundle *bundle)
{
  g_return_val_if_fail (bundle != NULL, NULL);

  g_atomic_int_inc (&bundle->references);
  return bundle;
}

void
obk_ca_bundle_unref (ObkCaBundle *bundle)
{
  if (bundle == NULL || !g_atomic_int_dec_and_test (&bundle->references))
    return;
  CERT_DestroyCertList (bundle->anchors);
  g_free (bundle);
}

static gboolean
is_in_time (const CERTCertificate *certificate)
{
  return CERT_CheckCertValidTimes (certificate, PR_Now (), PR_FALSE) == secCertTimeValid;
}

/* Returns: (transfer none) (nullable): an anchor of that name, one that is in its time before others */
static CERTCertificate *
find_anchor (ObkCaBundle *bundle, SECItem *subject)
{
  CERTCertificate *found = NULL;

  for (CERTCertListNode *node = CERT_LIST_HEAD (bundle->anchors); !CERT_LIST_END (node, bundle->anchors);
       node = CERT_LIST_NEXT (node))
    if (SECITEM_ItemsAreEqual (&node->cert->derSubject, subject) && (found == NULL || is_in_time (node->cert)))
      found = node->cert;
  return found;
}

/* NSS passes over an anchor whose time is not now, and says "unknown issuer". Returns: whether that is the cause */
static gboolean
leads_to_dead_anchor (ObkCaBundle *bundle, CERTCertificate *certificate)
{
  CERTCertificate *at = CERT_DupCertificate (certificate);
  CERTCertificate *anchor = NULL;

  for (guint i = 0; at != NULL && i < MAX_CHAIN && (anchor = find_anchor (bundle, &at->derIssuer)) == NULL; i++)
    {
      CERTCertificate *issuer = CERT_FindCertByName (CERT_GetDefaultCertDB (), &at->derIssuer);

      CERT_DestroyCertificate (at);
      at = issuer;
    }
  if (at != NULL)
    CERT_DestroyCertificate (at);
  return anchor != NULL && !is_in_time (anchor);
}

/* NSS says "expired" of a certificate whose time has not come, too. */
static gboolean
refuse_chain (CERTCertificate *certificate, PRErrorCode code, GError **error)
{
  PRTime not_before = 0, not_after = 0;

  if (code == SEC_ERROR_EXPIRED_CERTIFICATE && CERT_GetCertTimes (certificate, &not_before, &not_after) == SECSuccess
      && PR_Now () < not_before)
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, VERIFY_FAILED ": " OBK_TLS_SAYS_NOT_YET);
  else
    obk_tls_error_set (error, code, VERIFY_FAILED);
  return FALSE;
}

static gboolean
is_anchor (ObkCaBundle *bundle, CERTCertificate *certificate)
{
  for (CERTCertListNode *node = CERT_LIST_HEAD (bundle->anchors); !CERT_LIST_END (node, bundle->anchors);
       node = CERT_LIST_NEXT (node))
    if (CERT_CompareCerts (node->cert, certificate))
      return TRUE;
  return FALSE;
}

static void
note_anchor (ObkCaBundle *bundle, const CERTCertificate *anchor)
{
  __atomic_store_n (&bundle->expires_unix, expires_unix (anchor), __ATOMIC_RELAXED);
}

/* A server's own certificate as its authority: there is no chain, but the rest holds. */
static gboolean
verify_anchor (CERTCertificate *certificate, GError **error)
{
  if (!is_in_time (certificate))
    return refuse_chain (certificate, SEC_ERROR_EXPIRED_CERTIFICATE, error);
  if (CERT_CheckCertUsage (certificate, KU_DIGITAL_SIGNATURE) != SECSuccess
      || (certificate->nsCertType & NS_CERT_TYPE_SSL_SERVER) == 0) /* which holds the extended usage, too */
    return refuse_chain (certificate, SEC_ERROR_INADEQUATE_KEY_USAGE, error);
  return TRUE;
}

/* By NSS' RFC 5280 library, which alone can be told its trust anchors call by call. */
static gboolean
verify_chain (ObkCaBundle *bundle, CERTCertificate *certificate, GError **error)
{
  CERTRevocationFlags no_revocation = { .leafTests = { 0 } };
  CERTValInParam in[] = {
    { .type = cert_pi_trustAnchors, .value.pointer.chain = bundle->anchors },
    { .type = cert_pi_useOnlyTrustAnchors, .value.scalar.b = PR_TRUE },
    { .type = cert_pi_useAIACertFetch, .value.scalar.b = PR_FALSE },
    { .type = cert_pi_revocationFlags, .value.pointer.revocation = &no_revocation },
    { .type = cert_pi_end },
  };
  CERTValOutParam out[] = { { .type = cert_po_trustAnchor }, { .type = cert_po_end } };

  if (is_anchor (bundle, certificate))
    {
      note_anchor (bundle, certificate);
      return verify_anchor (certificate, error);
    }
  if (CERT_PKIXVerifyCert (certificate, certificateUsageSSLServer, in, out, NULL) != SECSuccess)
    {
      PRErrorCode code = PR_GetError ();

      if (code == SEC_ERROR_UNKNOWN_ISSUER && leads_to_dead_anchor (bundle, certificate))
        code = SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE;
      return refuse_chain (certificate, code, error);
    }
  if (out[0].value.pointer.cert != NULL)
    {
      note_anchor (bundle, out[0].value.pointer.cert);
      CERT_DestroyCertificate (out[0].value.pointer.cert);
    }
  return TRUE;
}

static gboolean
verify_name (CERTCertificate *certificate, const char *server_name, GError **error)
{
  SECItem names = { .data = NULL };

  /* Without alternative names NSS would go on to the subject's common name. */
  if (CERT_FindCertExtension (certificate, SEC_OID_X509_SUBJECT_ALT_NAME, &names) == SECSuccess)
    {
      SECITEM_FreeItem (&names, PR_FALSE);
      if (CERT_VerifyCertName (certificate, server_name) == SECSuccess)
        return TRUE;
    }
  g_set_error (error, OBK_ERROR, OBK_ERROR_TLS_FAILED,
               VERIFY_FAILED ": " OBK_TLS_SAYS_NAME ": \"%s\" is not among its alternative names", server_name);
  return FALSE;
}

gboolean
obk_ca_bundle_verify (ObkCaBundle *bundle, CERTCertificate *certificate, const char *server_name, GError **error)
{
  g_return_val_if_fail (bundle != NULL && certificate != NULL && server_name != NULL, FALSE);

  return verify_chain (bundle, certificate, error) && verify_name (certificate, server_name, error);
}

gint64
obk_ca_bundle_expires_unix (ObkCaBundle *bundle)
{
  return __atomic_load_n (&bundle->expires_unix, __ATOMIC_RELAXED);
}
