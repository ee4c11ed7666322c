/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the way to OpenBao, all addresses of it: names and connections. */
#include "cli/doctor/network.h"

#include "base/clock.h"

#include <glib/gi18n.h>

#include <string.h>

#define LINGER_MS 500 /* for more addresses after the first */

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

ObkDoctorAddress *
obk_doctor_address (ObkDoctor *doctor, guint i)
{
  return g_ptr_array_index (doctor->addresses, i);
}

void
obk_doctor_add_failure (ObkCheckReport *report, const char *authority, const char *text, gboolean others_pass)
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
    obk_check_remedy (
        report,
        _ ("see that the servers of /etc/resolv.conf answer, or raise openbao.timeout if they take longer; this "
           "must then find it:"));
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
      ObkDoctorAddress *address = obk_doctor_address (doctor, i);
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
      const ObkDoctorAddress *address = obk_doctor_address (doctor, i);
      const char *host = obk_endpoint_host (address->endpoint);
      const GError *error = g_ptr_array_index (errors, i);
      g_autofree char *found = list_found (address->found);

      if (error == NULL)
        {
          obk_check_ok (report, g_strcmp0 (host, found) == 0 ? "%s" : "%s: %s", host, found);
          continue;
        }
      obk_doctor_add_failure (report, host, error->message, n_found > 0);
      advise_on_name (report, host, error);
    }
}

/* Connections */

GSocket *
obk_doctor_connect_to (GInetAddress *to, guint16 port, gint64 timeout_us, GError **error)
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
      GSocket *socket = obk_doctor_connect_to (node->data, obk_endpoint_port (address->endpoint),
                                               doctor->config->openbao.timeout_us, &cause);

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

void
obk_doctor_advise_on_connection (ObkCheckReport *report, const ObkDoctorAddress *address, const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    obk_check_remedy (report,
                      _ ("nobody listens there: start OpenBao on that machine (systemctl status openbao), or "
                         "correct the port or the name in openbao.address or openbao.additionalAddresses, or what "
                         "that name stands for"));
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
      g_autoptr (GSocket) socket = connect_address (doctor, obk_doctor_address (doctor, i), &error);

      took_us[i] = obk_clock_boot_us () - start_us;
      n_reached += socket != NULL ? 1 : 0;
      g_ptr_array_add (errors, g_steal_pointer (&error));
    }
  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const ObkDoctorAddress *address = obk_doctor_address (doctor, i);
      const GError *error = g_ptr_array_index (errors, i);
      const char *authority = obk_endpoint_authority (address->endpoint);
      g_autofree char *found = NULL;
      g_autofree char *tried = NULL;

      if (error == NULL)
        {
          obk_check_ok (report, _ ("%s takes connections (%.1f ms)"), authority, (double)took_us[i] / 1000);
          continue;
        }
      found = list_found (address->found);
      tried = *found != '\0' && strcmp (found, obk_endpoint_host (address->endpoint)) != 0
                  ? g_strdup_printf ("%s (%s)", authority, found)
                  : g_strdup (authority);
      obk_doctor_add_failure (report, tried, error->message, n_reached > 0);
      obk_doctor_advise_on_connection (report, address, error);
    }
}
