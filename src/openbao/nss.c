/* SPDX-License-Identifier: Apache-2.0 */
/* NSS for the whole process: started once, without databases, under the system's crypto policy. */
#include "openbao/nss.h"

#include "base/error.h"
#include "openbao/tls-error.h"

#include <nss.h>
#include <pk11pub.h>
#include <prinit.h>
#include <secmod.h>
#include <secoid.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <string.h>

#define RSA_MIN_BITS 2048
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

G_LOCK_DEFINE_STATIC (start);

/*
 * The policy file of the distribution, where there is one, has been read by now. NSS' own floor is older
 * than today's rules, so it is raised to them; never lowered. A policy that the distribution
 * has locked stays as it is.
 */
static void
raise_floor (void)
{
  PRInt32 bits = 0;

  if (NSS_OptionGet (NSS_RSA_MIN_KEY_SIZE, &bits) == SECSuccess && bits < RSA_MIN_BITS)
    NSS_OptionSet (NSS_RSA_MIN_KEY_SIZE, RSA_MIN_BITS);
  NSS_SetAlgorithmPolicy (SEC_OID_SHA1, 0, NSS_USE_ALG_IN_CERT_SIGNATURE);
  NSS_SetAlgorithmPolicy (SEC_OID_MD5, 0, NSS_USE_ALG_IN_CERT_SIGNATURE);
  CERT_SetSlopTime (0); /* else a certificate is good a day before its time */
}

static gboolean
enter_fips (GError **error)
{
  SECMODModule *internal = SECMOD_GetInternalModule ();

  /* Deleting the internal module is how NSS toggles between its two forms. */
  if (!PK11_IsFIPS () && (internal == NULL || SECMOD_DeleteInternalModule (internal->commonName) != SECSuccess))
    {
      obk_tls_error_set (error, PR_GetError (), OBK_NSS_SAYS_NO_FIPS);
      return FALSE;
    }
  if (!PK11_IsFIPS ())
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, OBK_NSS_SAYS_NO_FIPS ": NSS refuses it");
      return FALSE;
    }
  return TRUE;
}

/* A context of our own, so that a library of this process that also uses NSS is not disturbed. */
static gboolean
start_context (void)
{
  const PRUint32 flags = NSS_INIT_READONLY | NSS_INIT_NOCERTDB | NSS_INIT_NOMODDB | NSS_INIT_FORCEOPEN
                         | NSS_INIT_NOROOTINIT | NSS_INIT_OPTIMIZESPACE;
  gboolean ok = FALSE;

#ifdef __SANITIZE_ADDRESS__
  __lsan_disable (); /* what it makes here it loses a lock of when it gets to know another module (nss-key.c) */
#endif
  ok = NSS_InitContext ("", "", "", "", NULL, flags) != NULL;
#ifdef __SANITIZE_ADDRESS__
  __lsan_enable ();
#endif
  return ok;
}

gboolean
obk_nss_start (gboolean fips, GError **error)
{
  static gboolean started = FALSE;
  gboolean ok = TRUE;

  G_LOCK (start);
  if (!started)
    {
      PR_Init (PR_USER_THREAD, PR_PRIORITY_NORMAL, 0);
      started = start_context ();
      if (started)
        raise_floor ();
      else
        obk_tls_error_set (error, PR_GetError (), "cannot start NSS");
      ok = started;
    }
  ok = ok && (!fips || enter_fips (error));
  G_UNLOCK (start);
  return ok;
}

gboolean
obk_nss_is_fips (void)
{
  return PK11_IsFIPS () == PR_TRUE;
}

/* Adds the certificate of one PEM block. */
static gboolean
add_block (CERTCertList *certificates, const char *block, gsize length, GError **error)
{
  g_autofree char *copy = g_strndup (block, length); /* NSS wants to write to it */
  CERTCertificate *certificate = CERT_DecodeCertFromPackage (copy, (int)length);

  if (certificate == NULL || CERT_AddCertToListTail (certificates, certificate) != SECSuccess)
    {
      g_clear_pointer (&certificate, CERT_DestroyCertificate);
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "a certificate in it cannot be decoded");
      return FALSE;
    }
  return TRUE;
}

CERTCertList *
obk_nss_read_pem (const char *pem, gsize length, GError **error)
{
  g_autoptr (CERTCertList) certificates = CERT_NewCertList ();
  const char *at = pem;

  g_return_val_if_fail (pem != NULL, NULL);

  for (;;)
    {
      gsize left = length - (gsize)(at - pem);
      const char *begin = g_strstr_len (at, (gssize)left, BEGIN);
      const char *end = begin != NULL ? g_strstr_len (begin, (gssize)(left - (gsize)(begin - at)), END) : NULL;

      if (begin == NULL)
        break;
      if (end == NULL)
        {
          g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "its last certificate is cut short");
          return NULL;
        }
      at = end + strlen (END);
      if (!add_block (certificates, begin, (gsize)(at - begin), error))
        return NULL;
    }
  if (CERT_LIST_EMPTY (certificates))
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "there is no PEM certificate in it");
      return NULL;
    }
  return g_steal_pointer (&certificates);
}
