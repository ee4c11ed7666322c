/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the client certificate and its key in a PKCS#11 token, step by step. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "openbao/cert-signer.h"
#include "openbao/nss.h"

#include <glib/gi18n.h>

#include <string.h>

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
    obk_check_fail (report, "%s", error->message);
  return doctor->signer != NULL;
}

/* By the words of openbao/pkcs11*.c, cert-signer.c and client-chain.c. */
static void
advise (ObkCheckReport *report, const char *problem)
{
  static const struct
  {
    const char *phrase;
    const char *remedy;
    const char *command;
  } rows[] = {
    { "cannot load the PKCS#11 module", N_ ("correct auth.cert.pkcs11.modulePath, or install the module"),
      "p11-kit list-modules" },
    { "p11-kit knows no", N_ ("install the token's module, or name it in auth.cert.pkcs11.modulePath"),
      "p11-kit list-modules" },
    { "no PKCS#11 token is there",
      N_ ("plug the token in, see that the service's user may use it, or correct "
          "auth.cert.pkcs11.tokenLabel or the uri; these are there:"),
      "p11-kit list-modules" },
    { "tokens fit", N_ ("name it by auth.cert.pkcs11.uri, with serial="), "p11-kit list-modules" },
    { "PIN is not tried", N_ ("log in to it once with another tool, with the right PIN"), "p11tool --list-tokens" },
    { "PIN of the", N_ ("unlock it with the tools of its maker"), "p11tool --list-tokens" },
    { "refused the PIN", N_ ("write the right PIN into auth.cert.pkcs11.pinFile; do not try many, since tokens lock"),
      NULL },
    { "wants a PIN", N_ ("name a file that holds it in auth.cert.pkcs11.pinFile"), NULL },
    { "PIN file", N_ ("the file holds the PIN alone, and belongs to root and the service's group, mode 0640"), NULL },
    { "no private key", N_ ("correct auth.cert.pkcs11.keyLabel or the uri's object or id; these are in the token:"),
      "p11tool --login --list-privkeys" },
    { "several private keys", N_ ("name it by auth.cert.pkcs11.uri, with id="), "p11tool --login --list-privkeys" },
    { "does not belong to the certificate",
      N_ ("name the certificate of that key in auth.cert.pkcs11.certificateFile, "
          "or the key of that certificate in keyLabel"),
      NULL },
    { "has no certificate", N_ ("name the file of the certificate in auth.cert.pkcs11.certificateFile"), NULL },
    { "not yet valid", N_ ("set this node's clock, or have another one issued"), OBK_DOCTOR_SET_CLOCK },
    { "expire", N_ ("have a new certificate issued for the key, and write it into its file"), NULL },
    { "for clients", N_ ("have one issued with the extended key usage clientAuth"), NULL },
    { "must come first", N_ ("put our own certificate first in the file"), NULL },
    { "no chain", N_ ("order the file: ours, then who has issued it, and so on"), NULL },
    { "MD5 or SHA-1", N_ ("have it issued anew with SHA-256 or better"), NULL },
    { "certificate file",
      N_ ("correct auth.cert.pkcs11.certificateFile; it belongs to root and the service's group, "
          "mode 0640"),
      NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if (strstr (problem, rows[i].phrase) == NULL)
        continue;
      obk_check_remedy (report, "%s", _ (rows[i].remedy));
      if (rows[i].command != NULL)
        obk_check_command (report, "%s", rows[i].command);
      return;
    }
  obk_check_remedy (report, _ ("see the token's own tools and logs (for a card: systemctl status pcscd)"));
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
      advise (report, error->message);
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
