/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at a connection to OpenBao: the name, its addresses, a connected descriptor. */
#include "openbao/dial.h"

#include "base/descriptors.h"
#include "base/error.h"

#include <gio/gio.h>
#include <glib-unix.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that is gone without a word is found out in about a minute. */
#define KEEPALIVE_IDLE_SECONDS 30
#define KEEPALIVE_INTERVAL_SECONDS 10
#define KEEPALIVE_PROBES 3

struct _ObkDial
{
  ObkDialCallbacks callbacks;
  gpointer user_data;
  gboolean cancelled; /* GIO still has to say so */
  GCancellable *cancellable;
};

/* Returns: a descriptor of our own for what @connection is connected to, or -1 */
static int
duplicate (GSocketConnection *connection, GError **error)
{
  g_autoptr (GError) cause = NULL;
  int fd = fcntl (g_socket_get_fd (g_socket_connection_get_socket (connection)), F_DUPFD_CLOEXEC, 0);

  if (fd >= 0 && g_unix_set_fd_nonblocking (fd, TRUE, &cause))
    return fd;
  obk_refuse (error,
              cause == NULL ? obk_descriptors_code (errno, OBK_ERROR_CONNECTION_FAILED) : OBK_ERROR_CONNECTION_FAILED,
              "cannot use the connection: %s", cause != NULL ? cause->message : g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static void
set_options (int fd)
{
  static const struct
  {
    int level, option, value;
  } options[] = {
    { IPPROTO_TCP, TCP_NODELAY, 1 },
    { SOL_SOCKET, SO_KEEPALIVE, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS },
    { IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS },
    { IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    setsockopt (fd, options[i].level, options[i].option, &options[i].value, sizeof options[i].value);
}

static int
take_descriptor (GSocketConnection *connection, GError **error)
{
  int fd = duplicate (connection, error);

  if (fd >= 0)
    set_options (fd);
  return fd;
}

static GError *
connect_error (const GError *cause)
{
  gboolean dns = cause->domain == G_RESOLVER_ERROR;

  /* The resolver does not tell its own lack of them. */
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES) || !obk_descriptors_left (1))
    return g_error_new (OBK_ERROR, OBK_ERROR_NO_DESCRIPTORS, "cannot %s: %s: %s", dns ? "resolve the name" : "connect",
                        g_strerror (EMFILE), cause->message);
  return g_error_new (OBK_ERROR, dns ? OBK_ERROR_DNS_FAILED : OBK_ERROR_CONNECTION_FAILED, "cannot %s: %s",
                      dns ? "resolve the name" : "connect", cause->message);
}

static void
connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree ObkDial *dial = user_data;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GSocketConnection) connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &cause);
  GError *error = NULL;
  int fd = -1;

  g_signal_handlers_disconnect_by_data (source, dial);
  g_object_unref (dial->cancellable);
  if (dial->cancelled)
    return;
  if (connection != NULL)
    fd = take_descriptor (connection, &error);
  else
    error = connect_error (cause);
  dial->callbacks.done (fd, error, dial->user_data);
}

/* What GIO is about; the first address of a name ends the question for more. */
static void
connecting (GSocketClient *client, GSocketClientEvent event, GSocketConnectable *address, GIOStream *stream,
            gpointer user_data)
{
  const ObkDial *dial = user_data;

  if (event == G_SOCKET_CLIENT_CONNECTING && !dial->cancelled)
    dial->callbacks.resolved (dial->user_data);
}

ObkDial *
obk_dial_start (ObkEndpoint *endpoint, const ObkDialCallbacks *callbacks, gpointer user_data)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  /* Takes an IP address as it is, and tries the addresses of a name in turn, the next when one is slow. */
  g_autoptr (GSocketConnectable) address
      = g_network_address_new (obk_endpoint_host (endpoint), obk_endpoint_port (endpoint));
  ObkDial *dial = g_new0 (ObkDial, 1);

  dial->callbacks = *callbacks;
  dial->user_data = user_data;
  dial->cancellable = g_cancellable_new ();
  g_socket_client_set_enable_proxy (client, FALSE);
  g_signal_connect (client, "event", G_CALLBACK (connecting), dial);
  g_socket_client_connect_async (client, address, dial->cancellable, connected, dial);
  return dial;
}

void
obk_dial_cancel (ObkDial *dial)
{
  dial->cancelled = TRUE;
  g_cancellable_cancel (dial->cancellable);
}
