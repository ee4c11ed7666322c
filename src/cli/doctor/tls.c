/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: TLS with each address of OpenBao, and the certificates that it shows. */
#include "cli/doctor/access.h"
#include "cli/doctor/network.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/safe-file.h"
#include "cli/doctor/advice.h"
#include "cli/registry-command.h"
#include "openbao/handshake.h"
#include "openbao/nss.h"
#include "openbao/tls-error.h"
#include "provider/expiry.h"

#include <glib/gi18n.h>

#include <string.h>

#define MAX_NAMES_SHOWN 5
#define EXPIRY_WARNING_S (7 * 86400) /* or a fifth of the certificate's life, when that is less */

/* Returns: (transfer full) (nullable) */
static ObkCaBundle *
read_bundle (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = obk_credential_path (config->openbao.ca_cert_file, &error);
  g_autoptr (ObkSecret) pem
      = path != NULL ? obk_safe_file_read (path, OBK_FILE_MASK_PUBLIC, OBK_CA_BUNDLE_MAX_BYTES, &error) : NULL;
  ObkCaBundle *bundle = NULL;

  if (!obk_nss_start (obk_session_wants_fips (config), &error))
    {
      obk_check_fail (report, "%s", error->message);
      obk_advice_add (obk_advice_on_tls, error->message, report);
      return NULL;
    }
  if (pem != NULL)
    bundle = obk_ca_bundle_new (obk_secret_data (pem), obk_secret_length (pem), &error);
  if (bundle == NULL)
    {
      obk_check_fail (report, _ ("openbao.caCertFile \"%s\": %s"), config->openbao.ca_cert_file, error->message);
      obk_check_remedy (report, _ ("put the certificate of the authority that has issued OpenBao's there, in PEM form, "
                                   "of root and writable by nobody else"));
      if (path != NULL && pem == NULL)
        obk_doctor_advise_on_file (doctor, report, path, OBK_FILE_PUBLIC);
    }
  return bundle;
}

/* Returns: (transfer full): its alternative names, the first few */
static char *
describe_names (const ObkPeerCertificate *certificate)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; certificate->names[i] != NULL && i < MAX_NAMES_SHOWN; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", certificate->names[i]);
  if (g_strv_length (certificate->names) > MAX_NAMES_SHOWN)
    g_string_append (text, ", …");
  return g_strdup (text->len > 0 ? text->str : _ ("no alternative name"));
}

/* The chain from the server's certificate up, as names. */
static char *
describe_chain (const ObkHandshake *handshake)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < handshake->chain->len; i++)
    {
      const ObkPeerCertificate *certificate = g_ptr_array_index (handshake->chain, i);

      if (i == 0)
        g_string_append_printf (text, _ ("\"%s\""), certificate->subject);
      if (i + 1 == handshake->chain->len && strcmp (certificate->subject, certificate->issuer) == 0 && i > 0)
        break; /* the root names itself */
      g_string_append_printf (text, _ (" issued by \"%s\""), certificate->issuer);
    }
  return g_strdup (text->str);
}

static const ObkPeerCertificate *
leaf_of (const ObkHandshake *handshake)
{
  return handshake->chain->len > 0 ? g_ptr_array_index (handshake->chain, 0) : NULL;
}

/* Who has issued the last certificate that it showed. */
static const char *
last_issuer (const ObkHandshake *handshake)
{
  const ObkPeerCertificate *last = g_ptr_array_index (handshake->chain, handshake->chain->len - 1);

  return last->issuer;
}

/* By the causes of openbao/tls-error.h: those whose remedies name what was found, and then advice.h's. */
static void
advise_on_tls (ObkDoctor *doctor, ObkCheckReport *report, const ObkHandshake *handshake, const GError *error)
{
  const char *problem = error->message;
  const ObkPeerCertificate *leaf = leaf_of (handshake);
  g_autofree char *now = obk_registry_command_time (obk_clock_unix ());

  if (strstr (problem, OBK_TLS_SAYS_NAME) != NULL && leaf != NULL)
    {
      g_autofree char *names = describe_names (leaf);

      if (leaf->names[0] == NULL)
        obk_check_remedy (report,
                          _ ("have a certificate issued with the alternative name \"%s\": names elsewhere in "
                             "it do not count"),
                          doctor->config->openbao.tls_server_name);
      else
        obk_check_remedy (report,
                          _ ("set openbao.tlsServerName to a name that the certificate has (%s), or have one "
                             "issued for \"%s\""),
                          names, doctor->config->openbao.tls_server_name);
    }
  else if (strstr (problem, OBK_TLS_SAYS_ISSUER) != NULL && leaf != NULL)
    obk_check_remedy (report,
                      _ ("put the certificate of \"%s\", or of who has issued that, into openbao.caCertFile "
                         "(%s); one between goes behind OpenBao's own in tls_cert_file of its listener"),
                      leaf->issuer, doctor->config->openbao.ca_cert_file);
  else if (strstr (problem, OBK_TLS_SAYS_ISSUER_TIME) != NULL && leaf != NULL)
    obk_check_remedy (
        report,
        _ ("in openbao.caCertFile (%s) the certificate of \"%s\" has ended: put its successor's there, on all "
           "nodes; or this node's clock, %s, is wrong"),
        doctor->config->openbao.ca_cert_file, last_issuer (handshake), now);
  else if (strstr (problem, OBK_TLS_SAYS_EXPIRED) != NULL && leaf != NULL)
    {
      g_autofree char *end = obk_registry_command_time (leaf->not_after_unix);

      obk_check_remedy (
          report, _ ("renew OpenBao's certificate, which ended at %s; or this node's clock, %s, is wrong"), end, now);
    }
  else if (strstr (problem, OBK_TLS_SAYS_NOT_YET) != NULL && leaf != NULL)
    {
      g_autofree char *begin = obk_registry_command_time (leaf->not_before_unix);

      obk_check_remedy (report, _ ("set this node's clock, which says %s; the certificate begins at %s"), now, begin);
      obk_check_command (report, OBK_DOCTOR_SET_CLOCK);
    }
  else if (obk_error_code (error) == OBK_ERROR_TIMEOUT)
    obk_check_remedy (report,
                      _ ("it takes connections and says nothing: see whether OpenBao hangs or is overloaded, and "
                         "whether the port is its own"));
  else if (!obk_advice_add (obk_advice_on_tls, problem, report))
    obk_check_remedy (report, _ ("see OpenBao's log and its listener's tls settings on that machine"));
}

static void
add_passed (ObkCheckReport *report, const char *authority, const ObkHandshake *handshake)
{
  const ObkPeerCertificate *leaf = leaf_of (handshake);
  g_autofree char *chain = describe_chain (handshake);
  g_autofree char *names = describe_names (leaf);
  gint64 left_s = leaf->not_after_unix - obk_clock_unix ();
  g_autofree char *left = obk_doctor_span (left_s * G_USEC_PER_SEC);
  g_autofree char *end = obk_registry_command_time (leaf->not_after_unix);

  if (left_s < MIN (EXPIRY_WARNING_S, (leaf->not_after_unix - leaf->not_before_unix) / 5))
    {
      obk_check_warn (report, _ ("%s: the certificate of OpenBao ends in %s, at %s"), authority, left, end);
      obk_check_remedy (report, _ ("renew it on that machine, and have OpenBao reload it (SIGHUP)"));
      return;
    }
  obk_check_ok (report, _ ("%s: %s, %s, for %s, ends in %s (%s)"), authority,
                handshake->protocol != NULL ? handshake->protocol : "TLS", chain, names, left, end);
}

/* The authority that the last server was traced to. */
static void
check_authority_end (ObkDoctor *doctor, ObkCheckReport *report, ObkCaBundle *bundle)
{
  gint64 end_unix = obk_ca_bundle_expires_unix (bundle);
  gint64 left_s = end_unix - obk_clock_unix ();
  g_autofree char *left = obk_doctor_span (left_s * G_USEC_PER_SEC);
  g_autofree char *end = obk_registry_command_time (end_unix);

  if (left_s >= OBK_EXPIRY_AUTHORITY_SECONDS)
    return;
  obk_check_warn (report,
                  _ ("the authority in openbao.caCertFile that has issued OpenBao's certificate ends in %s, at %s"),
                  left, end);
  obk_check_remedy (report,
                    _ ("add its successor to %s on all nodes, then have OpenBao's certificate issued by that one"),
                    doctor->config->openbao.ca_cert_file);
}

typedef struct
{
  gboolean passed;
  ObkHandshake handshake;
  GError *error; /* (nullable) */
} TlsResult;

static void
tls_result_free (gpointer data)
{
  TlsResult *result = data;

  if (result == NULL)
    return;
  obk_handshake_clear (&result->handshake);
  g_clear_error (&result->error);
  g_free (result);
}

static TlsResult *
try_tls (ObkDoctor *doctor, ObkDoctorAddress *address, ObkCaBundle *bundle)
{
  TlsResult *result = g_new0 (TlsResult, 1);
  gint64 timeout_us = doctor->config->openbao.timeout_us;
  g_autoptr (GSocket) socket
      = obk_doctor_connect_to (address->reached, obk_endpoint_port (address->endpoint), timeout_us, &result->error);

  if (socket == NULL)
    return result;
  result->passed = obk_handshake_run (g_socket_get_fd (socket), obk_endpoint_tls_server_name (address->endpoint),
                                      bundle, obk_clock_boot_us () + timeout_us, &result->handshake, &result->error);
  return result;
}

void
obk_doctor_tls (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (ObkCaBundle) bundle = read_bundle (doctor, report);
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (tls_result_free);
  guint n_passed = 0;

  if (bundle == NULL)
    return;
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      ObkDoctorAddress *address = obk_doctor_address (doctor, i);
      TlsResult *result = address->reached != NULL ? try_tls (doctor, address, bundle) : NULL;

      n_passed += result != NULL && result->passed ? 1 : 0;
      g_ptr_array_add (results, result);
    }
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const char *authority = obk_endpoint_authority (obk_doctor_address (doctor, i)->endpoint);
      const TlsResult *result = g_ptr_array_index (results, i);

      if (result == NULL)
        continue;
      if (result->passed)
        {
          add_passed (report, authority, &result->handshake);
          continue;
        }
      obk_doctor_add_failure (report, authority, result->error->message, n_passed > 0);
      if (result->handshake.chain != NULL)
        advise_on_tls (doctor, report, &result->handshake, result->error);
      else
        obk_doctor_advise_on_connection (report, obk_doctor_address (doctor, i), result->error);
    }
  if (n_passed > 0)
    check_authority_end (doctor, report, bundle);
}
