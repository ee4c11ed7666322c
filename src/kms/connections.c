/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections are open: the gRPC core does not tell when it closes one. */
#include "kms/connections.h"

#include "base/error.h"

#include <sys/stat.h>

/* A descriptor's number comes again, its socket's inode does not. */
typedef struct
{
  int fd;
  ino_t inode;
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
is_open (const Connection *connection)
{
  struct stat status;

  return fstat (connection->fd, &status) == 0 && S_ISSOCK (status.st_mode) && status.st_ino == connection->inode;
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
