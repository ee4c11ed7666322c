/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server for metrics and health: a few pages, made by the main loop when they are asked for. */
#include "observe/web.h"

#include "base/clock.h"
#include "base/door.h"
#include "base/error.h"
#include "base/log.h"
#include "base/names.h"
#include "observe/web-listen.h"

#include <microhttpd.h>

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 32
#define MAX_DESCRIPTORS_LEFT_TO_CLOSE 8      /* beyond that, for those that were told to go */
#define CONNECTION_US (5 * G_USEC_PER_SEC)   /* from its begin to its end */
#define CONNECTION_MEMORY ((size_t)8 * 1024) /* holds a request's head: a longer one is a 431 */
#define TURNS_AT_ONCE 8                      /* then others of the main loop have their turn */

struct _ObkWeb
{
  ObkPoller *poller;
  const ObkWebPage *pages;
  gpointer user_data;
  ObkWebListen *listen;
  GPtrArray *doors; /* of ObkDoor */
  struct MHD_Daemon *daemon;
  ObkWatch watch; /* the daemon's epoll set */
  ObkTimer again; /* it has more to do than it could */
  GQueue connections;
};

typedef struct
{
  ObkWeb *web;
  GList link; /* in its connections, the oldest first */
  int fd;     /* the daemon's */
  ObkTimer deadline;
} Connection;

/* The daemon's turn */

static gboolean
has_more (const ObkWeb *web)
{
  struct pollfd set = { .fd = web->watch.fd, .events = POLLIN };
  MHD_UNSIGNED_LONG_LONG wait_ms = 0;

  return poll (&set, 1, 0) > 0 || (MHD_get_timeout (web->daemon, &wait_ms) == MHD_YES && wait_ms == 0);
}

static void
turn (ObkWeb *web)
{
  for (guint i = 0; i < TURNS_AT_ONCE; i++)
    {
      (void)MHD_run (web->daemon);
      if (!has_more (web))
        return;
    }
  obk_poller_set_timer (web->poller, &web->again, obk_clock_boot_us ());
}

static void
set_ready (ObkWatch *watch, guint32 events)
{
  turn (OBK_CONTAINER_OF (watch, ObkWeb, watch));
}

static void
again_expired (ObkTimer *timer)
{
  turn (OBK_CONTAINER_OF (timer, ObkWeb, again));
}

/* Connections */

/* The daemon finds it ended then, and closes it. */
static void
hang_up (Connection *connection)
{
  (void)shutdown (connection->fd, SHUT_RDWR);
}

static void
connection_expired (ObkTimer *timer)
{
  Connection *connection = OBK_CONTAINER_OF (timer, Connection, deadline);
  ObkWeb *web = connection->web;

  hang_up (connection);
  turn (web);
}

static Connection *
connection_new (ObkWeb *web, struct MHD_Connection *of)
{
  Connection *connection = g_new0 (Connection, 1);

  connection->web = web;
  connection->fd = MHD_get_connection_info (of, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  connection->link.data = connection;
  g_queue_push_tail_link (&web->connections, &connection->link);
  connection->deadline.expired = connection_expired;
  obk_poller_set_timer (web->poller, &connection->deadline, obk_clock_boot_us () + CONNECTION_US);
  return connection;
}

static void
connection_free (Connection *connection)
{
  obk_poller_cancel_timer (connection->web->poller, &connection->deadline);
  g_queue_unlink (&connection->web->connections, &connection->link);
  g_free (connection);
}

static void
connection_noted (void *user_data, struct MHD_Connection *of, void **connection,
                  enum MHD_ConnectionNotificationCode code)
{
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    *connection = connection_new (user_data, of);
  else if (*connection != NULL)
    connection_free (*connection);
}

static void
accepted (int fd, gpointer user_data)
{
  ObkWeb *web = user_data;
  struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
  socklen_t length = sizeof peer;

  if (web->connections.length >= MAX_CONNECTIONS)
    {
      hang_up (web->connections.head->data);
      turn (web);
    }
  if (getpeername (fd, (struct sockaddr *)&peer, &length) != 0 || web->connections.length >= MAX_CONNECTIONS)
    close (fd);
  else if (MHD_add_connection (web->daemon, fd, (struct sockaddr *)&peer, length) == MHD_YES) /* else it is closed */
    turn (web);
}

/* Answers */

static enum MHD_Result
queue (struct MHD_Connection *connection, ObkWebAnswer *answer)
{
  struct MHD_Response *response = MHD_create_response_from_buffer (answer->length, answer->body, MHD_RESPMEM_MUST_FREE);
  enum MHD_Result result = MHD_NO;

  if (response == NULL)
    {
      g_free (answer->body);
      return MHD_NO;
    }
  MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
  MHD_add_response_header (response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header (response, MHD_HTTP_HEADER_CONNECTION, "close");
  if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header (response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  result = MHD_queue_response (connection, answer->status, response);
  MHD_destroy_response (response);
  return result;
}

static enum MHD_Result
refuse (struct MHD_Connection *connection, guint status, const char *text)
{
  ObkWebAnswer answer
      = { .status = status, .content_type = "text/plain", .body = g_strdup (text), .length = strlen (text) };

  return queue (connection, &answer);
}

/* Whatever comes after the head of a request is not waited for. */
static enum MHD_Result
requested (void *user_data, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
           const char *data, size_t *n_data, void **request_data)
{
  const ObkWeb *web = user_data;
  ObkWebRequest request = { .accept = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "Accept") };
  ObkWebAnswer answer = { .status = MHD_HTTP_OK };

  if (strcmp (method, MHD_HTTP_METHOD_GET) != 0 && strcmp (method, MHD_HTTP_METHOD_HEAD) != 0)
    return refuse (connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
  for (const ObkWebPage *page = web->pages; page->path != NULL; page++)
    if (strcmp (page->path, url) == 0)
      {
        page->make (&request, &answer, web->user_data);
        return queue (connection, &answer);
      }
  return refuse (connection, MHD_HTTP_NOT_FOUND, "no such page\n");
}

/* Beginning and end */

static gboolean
start_daemon (ObkWeb *web, GError **error)
{
  const union MHD_DaemonInfo *info = NULL;

  web->daemon = MHD_start_daemon (MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, requested, web,
                                  MHD_OPTION_NOTIFY_CONNECTION, connection_noted, web, MHD_OPTION_CONNECTION_LIMIT,
                                  (unsigned int)(MAX_CONNECTIONS + MAX_DESCRIPTORS_LEFT_TO_CLOSE),
                                  MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
  if (web->daemon != NULL)
    info = MHD_get_daemon_info (web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == NULL)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot start the HTTP server");
      return FALSE;
    }
  web->watch.fd = info->epoll_fd;
  return obk_poller_add (web->poller, &web->watch, EPOLLIN, error);
}

static gboolean
open_doors (ObkWeb *web, GError **error)
{
  const GArray *fds = obk_web_listen_fds (web->listen);

  for (guint i = 0; i < fds->len; i++)
    {
      ObkDoor *door = obk_door_new (web->poller, g_array_index (fds, int, i), accepted, web, error);

      if (door == NULL)
        return FALSE;
      g_ptr_array_add (web->doors, door);
    }
  return TRUE;
}

static void
log_listening (const ObkWeb *web)
{
  g_autofree char *address = obk_web_listen_describe (web->listen);
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_SOCKET_LISTENING);
  obk_log_string (&record, OBK_FIELD_ADDRESS, address);
  obk_log_string (&record, OBK_FIELD_DETAIL, web->pages[0].path);
  obk_log_emit (&record);
  if (!obk_web_listen_is_public (web->listen))
    return;
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_ADDRESS, address);
  obk_log_string (&record, OBK_FIELD_DETAIL,
                  "metrics or health are served beyond this machine, without TLS and to whoever asks");
  obk_log_emit (&record);
}

ObkWeb *
obk_web_new (ObkPoller *poller, const char *address, const ObkWebPage *pages, gpointer user_data, GError **error)
{
  g_autoptr (ObkWeb) web = NULL;

  g_return_val_if_fail (poller != NULL && address != NULL && pages != NULL, NULL);

  web = g_new0 (ObkWeb, 1);
  web->poller = poller;
  web->pages = pages;
  web->user_data = user_data;
  web->watch.ready = set_ready;
  web->again.expired = again_expired;
  web->doors = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_door_free);
  web->listen = obk_web_listen_new (address, error);
  if (web->listen == NULL || !start_daemon (web, error) || !open_doors (web, error))
    return NULL;
  log_listening (web);
  return g_steal_pointer (&web);
}

void
obk_web_set_pages (ObkWeb *web, const ObkWebPage *pages)
{
  g_return_if_fail (web != NULL && pages != NULL);

  if (web->pages == pages)
    return;
  web->pages = pages;
  log_listening (web);
}

void
obk_web_free (ObkWeb *web)
{
  if (web == NULL)
    return;
  g_ptr_array_unref (web->doors);
  obk_web_listen_free (web->listen);
  obk_poller_cancel_timer (web->poller, &web->again);
  if (web->watch.events != 0)
    obk_poller_remove (web->poller, &web->watch);
  if (web->daemon != NULL)
    MHD_stop_daemon (web->daemon); /* with its connections */
  g_free (web);
}
