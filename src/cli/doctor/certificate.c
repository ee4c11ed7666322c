/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the client certificate and its key in a PKCS#11 token, step by step. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "cli/doctor/advice.h"
#include "openbao/cert-signer.h"
#include "openbao/nss.h"
#include "provider/expiry.h"

#include <glib/gi18n.h>

/* Returns: whether there is something to check. The three checks share one signer, and so one session with the token.
 */
static gboolean
prepare (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  ObkCertSignerOptions options;
  g_autoptr (GError) error = NULL;

  if (config->auth.method != OBK_AUTH_CERT)
    {
      obk_check_pass_over (report, _ ("no client certificate is used"));
      return FALSE;
    }
  options = obk_session_cert_signer_options (config);
  if (doctor->signer == NULL && obk_nss_start (obk_session_wants_fips (config), &error))
    doctor->signer = obk_cert_signer_new (&options, &error);
  if (doctor->signer == NULL)
    {
      obk_check_fail (report, "%s", error->message);
      obk_advice_add (obk_advice_on_certificate, error->message, report);
    }
  return doctor->signer != NULL;
}

/* @found: (transfer full): what is said when it has passed */
static void
conclude (ObkCheckReport *report, gboolean passed, char *found, const GError *error)
{
  if (passed)
    obk_check_ok (report, "%s", found);
  else
    {
      obk_check_fail (report, "%s", error->message);
      if (!obk_advice_add (obk_advice_on_certificate, error->message, report))
        obk_check_remedy (report, _ ("see the token's own tools and logs (for a card: systemctl status pcscd)"));
    }
  g_free (found);
}

void
obk_doctor_cert_pkcs11 (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;
  gboolean passed = FALSE;

  if (!prepare (doctor, report))
    return;
  passed = obk_cert_signer_open_token (doctor->signer, &error);
  conclude (report, passed, obk_cert_signer_describe_token (doctor->signer), error);
}

void
obk_doctor_cert_local (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *chain = NULL;
  g_autofree char *span = NULL;
  gboolean passed = FALSE;
  gint64 left_s = 0;

  if (!prepare (doctor, report))
    return;
  passed = obk_cert_signer_load_chain (doctor->signer, &error);
  chain = obk_cert_signer_describe_chain (doctor->signer);
  left_s = obk_cert_signer_expires_unix (doctor->signer) - obk_clock_unix ();
  span = obk_doctor_span (left_s * G_USEC_PER_SEC);
  if (passed && left_s < OBK_EXPIRY_CLIENT_SECONDS)
    {
      obk_check_warn (report, _ ("%s, for %s more"), chain, span);
      obk_check_remedy (report,
                        _ ("have a new certificate issued for the same key, and put it in the place of this one"));
      return;
    }
  conclude (report, passed, g_strdup_printf (_ ("%s, for %s more"), chain, span), error);
}

void
obk_doctor_cert_signer (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;
  gboolean passed = FALSE;

  if (!prepare (doctor, report))
    return;
  passed = obk_cert_signer_open_key (doctor->signer, &error);
  conclude (report, passed, g_strdup (_ ("the key signs, and the certificate verifies it")), error);
  g_clear_pointer (&doctor->signer, obk_cert_signer_free); /* a login has a session of its own */
}
