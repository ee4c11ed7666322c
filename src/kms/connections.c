/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections are open: the gRPC core does not tell when it closes one. */
#include "kms/connections.h"

#include "base/error.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor's number comes again, its socket's inode does not. */
typedef struct
{
  int fd;
  ino_t inode;
  gboolean parted; /* the peer has been told */
} Connection;

struct _ObkConnections
{
  GArray *list; /* of Connection; some may be closed by now */
};

ObkConnections *
obk_connections_new (void)
{
  ObkConnections *connections = g_new0 (ObkConnections, 1);

  connections->list = g_array_new (FALSE, FALSE, sizeof (Connection));
  return connections;
}

void
obk_connections_free (ObkConnections *connections)
{
  if (connections == NULL)
    return;
  g_array_unref (connections->list);
  g_free (connections);
}

static gboolean
is_of (const Connection *connection, int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0 && S_ISSOCK (status.st_mode) && status.st_ino == connection->inode;
}

static gboolean
is_open (const Connection *connection)
{
  return is_of (connection, connection->fd);
}

static void
forget_closed (ObkConnections *connections)
{
  for (guint i = connections->list->len; i > 0; i--)
    if (!is_open (&g_array_index (connections->list, Connection, i - 1)))
      g_array_remove_index_fast (connections->list, i - 1);
}

gboolean
obk_connections_add (ObkConnections *connections, int fd, GError **error)
{
  Connection added = { .fd = fd };
  struct stat status;

  g_return_val_if_fail (connections != NULL, FALSE);

  if (connections->list->len >= OBK_MAX_CONNECTIONS)
    forget_closed (connections);
  if (connections->list->len >= OBK_MAX_CONNECTIONS || fstat (fd, &status) != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONCURRENCY_LIMIT, "%d connections are open already, which is the limit",
                   OBK_MAX_CONNECTIONS);
      return FALSE;
    }
  added.inode = status.st_ino;
  g_array_append_val (connections->list, added);
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
  /* The core may close its own at any time, and the number come again. */
  int fd = fcntl (connection->fd, F_DUPFD_CLOEXEC, 0);

  if (fd < 0)
    return;
  if (is_of (connection, fd) && is_all_read (fd))
    connection->parted = send (fd, goaway, sizeof goaway, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof goaway;
  close (fd);
}

guint
obk_connections_part (ObkConnections *connections)
{
  g_return_val_if_fail (connections != NULL, 0);

  forget_closed (connections);
  for (guint i = 0; i < connections->list->len; i++)
    {
      Connection *connection = &g_array_index (connections->list, Connection, i);

      if (!connection->parted)
        part (connection);
    }
  return connections->list->len;
}
