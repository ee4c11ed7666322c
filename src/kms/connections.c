/* SPDX-License-Identifier: Apache-2.0 */
/* The open connections: when the gRPC core has something to do on one, and when it is gone. The core tells neither. */
#include "kms/connections.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* By a descriptor of our own for the core's socket: the core shuts the socket down before it closes its one. */
typedef struct
{
  ObkWatch watch;
  ObkConnections *connections;
  gboolean parted; /* the peer has been told */
} Connection;

struct _ObkConnections
{
  ObkPoller *poller;
  GPtrArray *list;
  void (*ready) (gpointer user_data);
  gpointer user_data;
};

ObkConnections *
obk_connections_new (ObkPoller *poller, void (*ready) (gpointer user_data), gpointer user_data)
{
  ObkConnections *connections = NULL;

  g_return_val_if_fail (poller != NULL && ready != NULL, NULL);

  connections = g_new0 (ObkConnections, 1);
  connections->poller = poller;
  connections->list = g_ptr_array_new ();
  connections->ready = ready;
  connections->user_data = user_data;
  return connections;
}

static void
forget (Connection *connection)
{
  ObkConnections *connections = connection->connections;

  obk_poller_remove (connections->poller, &connection->watch);
  close (connection->watch.fd);
  g_ptr_array_remove_fast (connections->list, connection);
  obk_poller_defer_free (connections->poller, connection, g_free);
}

void
obk_connections_free (ObkConnections *connections)
{
  if (connections == NULL)
    return;
  while (connections->list->len > 0)
    forget (g_ptr_array_index (connections->list, 0));
  g_ptr_array_unref (connections->list);
  g_free (connections);
}

static void
connection_ready (ObkWatch *watch, guint32 events)
{
  Connection *connection = OBK_CONTAINER_OF (watch, Connection, watch);
  ObkConnections *connections = connection->connections;

  if ((events & EPOLLHUP) != 0) /* both ways are shut */
    forget (connection);
  connections->ready (connections->user_data); /* last: it may free us */
}

gboolean
obk_connections_add (ObkConnections *connections, int fd, GError **error)
{
  Connection *added = NULL;
  int own = -1;

  g_return_val_if_fail (connections != NULL, FALSE);

  if (connections->list->len >= OBK_MAX_CONNECTIONS)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONCURRENCY_LIMIT, "%d connections are open already, which is the limit",
                   OBK_MAX_CONNECTIONS);
      return FALSE;
    }
  own = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot watch the connection: %s", g_strerror (errno));
      return FALSE;
    }
  added = g_new0 (Connection, 1);
  added->watch = (ObkWatch){ .fd = own, .ready = connection_ready };
  added->connections = connections;
  if (!obk_poller_add (connections->poller, &added->watch, EPOLLIN | EPOLLRDHUP, error))
    {
      close (own);
      g_free (added);
      return FALSE;
    }
  g_ptr_array_add (connections->list, added);
  return TRUE;
}

/* Nothing that was sent waits for the peer, and so nothing waits in the core to be sent after half of it. */
static gboolean
is_all_read (int fd)
{
  int unread = 0;

  return ioctl (fd, SIOCOUTQ, &unread) == 0 && unread == 0;
}

static void
part (Connection *connection)
{
  /* GOAWAY without an error, for no stream in particular: RFC 9113, section 6.8. */
  static const guint8 goaway[] = { 0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
  int fd = connection->watch.fd;

  if (is_all_read (fd))
    connection->parted = send (fd, goaway, sizeof goaway, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof goaway;
}

guint
obk_connections_part (ObkConnections *connections)
{
  g_return_val_if_fail (connections != NULL, 0);

  for (guint i = 0; i < connections->list->len; i++)
    {
      Connection *connection = g_ptr_array_index (connections->list, i);

      if (!connection->parted)
        part (connection);
    }
  return connections->list->len;
}
