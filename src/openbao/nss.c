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

#define RSA_MIN_BITS 2048

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
      obk_tls_error_set (error, PR_GetError (), "cannot enter FIPS mode");
      return FALSE;
    }
  if (!PK11_IsFIPS ())
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, "cannot enter FIPS mode: NSS refuses it");
      return FALSE;
    }
  return TRUE;
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
      /* A context of our own, so that a library of this process that also uses NSS is not disturbed. */
      started = NSS_InitContext ("", "", "", "", NULL,
                                 NSS_INIT_READONLY | NSS_INIT_NOCERTDB | NSS_INIT_NOMODDB | NSS_INIT_FORCEOPEN
                                     | NSS_INIT_NOROOTINIT | NSS_INIT_OPTIMIZESPACE)
                != NULL;
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
