/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the way to OpenBao, all addresses of it: names, connections, TLS. */
#include "cli/doctor/access.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/safe-file.h"
#include "cli/doctor/advice.h"
#include "cli/registry-command.h"
#include "openbao/handshake.h"
#include "openbao/nss.h"
#include "openbao/tls-error.h"

#include <glib/gi18n.h>

#include <string.h>

#define MAX_NAMES_SHOWN 5
#define LINGER_MS 500                    /* for more addresses after the first */
#define EXPIRY_WARNING_S (7 * 86400)     /* or a fifth of the certificate's life, when that is less */
#define AUTHORITY_WARNING_S (14 * 86400) /* its successor must come to all nodes first */

static void
address_free (gpointer data)
{
  ObkDoctorAddress *address = data;

  obk_endpoint_unref (address->endpoint);
  g_resolver_free_addresses (address->found);
  g_clear_object (&address->reached);
  g_free (address);
}

static void
add_address (GPtrArray *addresses, const char *url, const char *tls_server_name)
{
  ObkEndpoint *endpoint = obk_endpoint_new (url, tls_server_name, NULL);
  ObkDoctorAddress *address = NULL;

  if (endpoint == NULL) /* config/ has let none such through */
    return;
  address = g_new0 (ObkDoctorAddress, 1);
  address->endpoint = endpoint;
  g_ptr_array_add (addresses, address);
}

/* One address' failure; %NULL where it has passed. */
static void
error_free (gpointer data)
{
  if (data != NULL)
    g_error_free (data);
}

GPtrArray *
obk_doctor_addresses_new (const ObkConfig *config)
{
  GPtrArray *addresses = g_ptr_array_new_with_free_func (address_free);

  add_address (addresses, config->openbao.address, config->openbao.tls_server_name);
  for (char **more = config->openbao.additional_addresses; *more != NULL; more++)
    add_address (addresses, *more, config->openbao.tls_server_name);
  return addresses;
}

static ObkDoctorAddress *
address_at (ObkDoctor *doctor, guint i)
{
  return g_ptr_array_index (doctor->addresses, i);
}

/* An address that is out while another one serves is a warning. Adds @text as one or the other. */
static void
add_failure (ObkCheckReport *report, const char *authority, const char *text, gboolean others_pass)
{
  if (others_pass)
    obk_check_warn (report, "%s: %s", authority, text);
  else
    obk_check_fail (report, "%s: %s", authority, text);
}

/* Names */

typedef struct
{
  GMainLoop *loop;
  GSocketAddressEnumerator *enumerator;
  GCancellable *cancellable;
  GList *found; /* of GInetAddress */
  GError *error;
  guint linger; /* GLib's source; 0 before the first is found */
} Lookup;

static gboolean
give_up (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_CONTINUE;
}

static void
got_address (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Lookup *lookup = user_data;
  g_autoptr (GSocketAddress) address
      = g_socket_address_enumerator_next_finish (lookup->enumerator, result, &lookup->error);

  if (address == NULL)
    {
      g_main_loop_quit (lookup->loop);
      return;
    }
  lookup->found = g_list_append (lookup->found,
                                 g_object_ref (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address))));
  if (lookup->linger == 0)
    lookup->linger = g_timeout_add (LINGER_MS, give_up, lookup->cancellable);
  g_socket_address_enumerator_next_async (lookup->enumerator, lookup->cancellable, got_address, lookup);
}

/*
 * As a connection of the provider does it: addresses of both families are asked for at once, and the first that comes
 * is good enough, however long a server takes to say that there is none of the other.
 */
static GList *
look_up (const char *host, gint64 timeout_us, GError **error)
{
  g_autoptr (GSocketConnectable) address = g_network_address_new (host, 0);
  g_autoptr (GSocketAddressEnumerator) enumerator = g_socket_connectable_enumerate (address);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Lookup lookup = { .loop = loop, .enumerator = enumerator, .cancellable = cancellable };
  guint timer = g_timeout_add ((guint)MIN (timeout_us / 1000, G_MAXINT), give_up, cancellable);

  g_socket_address_enumerator_next_async (enumerator, cancellable, got_address, &lookup);
  g_main_loop_run (loop);
  g_source_remove (timer);
  if (lookup.linger != 0)
    g_source_remove (lookup.linger);
  if (lookup.error != NULL && lookup.found == NULL)
    g_propagate_error (error, lookup.error);
  else
    g_clear_error (&lookup.error);
  return lookup.found;
}

static char *
list_found (GList *found)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  for (GList *node = found; node != NULL; node = node->next)
    g_ptr_array_add (texts, g_inet_address_to_string (node->data));
  g_ptr_array_add (texts, NULL);
  return g_strjoinv (", ", (GStrv)texts->pdata);
}

static void
advise_on_name (ObkCheckReport *report, const char *host, const GError *error)
{
  g_autofree char *quoted = obk_doctor_quote (host);

  if (g_error_matches (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
    obk_check_remedy (report, _ ("correct the name in openbao.address or openbao.additionalAddresses, or have it added "
                                 "to the DNS or to /etc/hosts; this must then find it:"));
  else
    obk_check_remedy (report, _ ("see that the servers of /etc/resolv.conf answer; this must then find it:"));
  obk_check_command (report, "getent ahosts %s", quoted);
}

void
obk_doctor_dns (ObkDoctor *doctor, ObkCheckReport *report)
{
  gint64 timeout_us = doctor->config->openbao.timeout_us;
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (error_free);
  guint n_found = 0;

  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      ObkDoctorAddress *address = address_at (doctor, i);
      g_autoptr (GError) error = NULL;

      address->found = look_up (obk_endpoint_host (address->endpoint), timeout_us, &error);
      n_found += address->found != NULL ? 1 : 0;
      if (error == NULL && address->found == NULL)
        error = g_error_new_literal (G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no address");
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_clear_error (&error);
          error = g_error_new (G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE,
                               _ ("no answer within openbao.timeout"));
        }
      g_ptr_array_add (errors, g_steal_pointer (&error));
    }
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const ObkDoctorAddress *address = address_at (doctor, i);
      const char *host = obk_endpoint_host (address->endpoint);
      const GError *error = g_ptr_array_index (errors, i);
      g_autofree char *found = list_found (address->found);

      if (error == NULL)
        {
          obk_check_ok (report, g_strcmp0 (host, found) == 0 ? "%s" : "%s: %s", host, found);
          continue;
        }
      add_failure (report, host, error->message, n_found > 0);
      advise_on_name (report, host, error);
    }
}

/* Connections */

/* Returns: (transfer full) (nullable): connected, not blocking */
static GSocket *
connect_to (GInetAddress *to, guint16 port, gint64 timeout_us, GError **error)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (to, port);
  g_autoptr (GSocket) socket
      = g_socket_new (g_inet_address_get_family (to), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  g_autoptr (GError) cause = NULL;

  if (socket == NULL)
    return NULL;
  g_socket_set_blocking (socket, FALSE);
  if (g_socket_connect (socket, address, NULL, &cause))
    return g_steal_pointer (&socket);
  if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PENDING))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return NULL;
    }
  if (!g_socket_condition_timed_wait (socket, G_IO_OUT, timeout_us, NULL, error)
      || !g_socket_check_connect_result (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

/* Returns: (transfer full): the first of what the name was resolved to that takes a connection */
static GSocket *
connect_address (ObkDoctor *doctor, ObkDoctorAddress *address, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (GList *node = address->found; node != NULL; node = node->next)
    {
      g_autoptr (GError) cause = NULL;
      GSocket *socket
          = connect_to (node->data, obk_endpoint_port (address->endpoint), doctor->config->openbao.timeout_us, &cause);

      if (socket != NULL)
        {
          g_set_object (&address->reached, node->data);
          return socket;
        }
      if (first == NULL)
        first = g_steal_pointer (&cause);
    }
  if (first != NULL)
    g_propagate_error (error, g_steal_pointer (&first));
  else
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("its name is not known"));
  return NULL;
}

static void
advise_on_connection (ObkCheckReport *report, const ObkDoctorAddress *address, const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    obk_check_remedy (report, _ ("nobody listens there: start OpenBao on that machine (systemctl status openbao), or "
                                 "correct the port in openbao.address or openbao.additionalAddresses"));
  else if (address->found != NULL)
    obk_check_remedy (report,
                      _ ("nothing comes back: open TCP port %u to that machine in the firewalls between, or "
                         "mend the route to it"),
                      obk_endpoint_port (address->endpoint));
  else
    obk_check_remedy (report, _ ("see the finding of openbao.dns on it"));
}

void
obk_doctor_connect (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (error_free);
  g_autofree gint64 *took_us = g_new0 (gint64, doctor->addresses->len);
  guint n_reached = 0;

  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 start_us = obk_clock_boot_us ();
      g_autoptr (GSocket) socket = connect_address (doctor, address_at (doctor, i), &error);

      took_us[i] = obk_clock_boot_us () - start_us;
      n_reached += socket != NULL ? 1 : 0;
      g_ptr_array_add (errors, g_steal_pointer (&error));
    }
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const ObkDoctorAddress *address = address_at (doctor, i);
      const GError *error = g_ptr_array_index (errors, i);
      const char *authority = obk_endpoint_authority (address->endpoint);

      if (error == NULL)
        {
          obk_check_ok (report, _ ("%s takes connections (%.1f ms)"), authority, (double)took_us[i] / 1000);
          continue;
        }
      add_failure (report, authority, error->message, n_reached > 0);
      advise_on_connection (report, address, error);
    }
}

/* TLS */

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
        g_string_append_printf (text, "\"%s\"", certificate->subject);
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

  if (left_s >= AUTHORITY_WARNING_S)
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
      = connect_to (address->reached, obk_endpoint_port (address->endpoint), timeout_us, &result->error);

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
      ObkDoctorAddress *address = address_at (doctor, i);
      TlsResult *result = address->reached != NULL ? try_tls (doctor, address, bundle) : NULL;

      n_passed += result != NULL && result->passed ? 1 : 0;
      g_ptr_array_add (results, result);
    }
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const char *authority = obk_endpoint_authority (address_at (doctor, i)->endpoint);
      const TlsResult *result = g_ptr_array_index (results, i);

      if (result == NULL)
        continue;
      if (result->passed)
        {
          add_passed (report, authority, &result->handshake);
          continue;
        }
      add_failure (report, authority, result->error->message, n_passed > 0);
      if (result->handshake.chain != NULL)
        advise_on_tls (doctor, report, &result->handshake, result->error);
      else
        advise_on_connection (report, address_at (doctor, i), result->error);
    }
  if (n_passed > 0)
    check_authority_end (doctor, report, bundle);
}
