/* SPDX-License-Identifier: Apache-2.0 */
/* A listening Unix socket in a directory that only we may enter. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Removed with its directory when freed. */
typedef struct _ObkPrivateSocket ObkPrivateSocket;

/**
 * obk_private_socket_new:
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE, OBK_ERROR_NO_DESCRIPTORS
 *
 * Made below $RUNTIME_DIRECTORY (its first entry), or in a fresh temporary directory when that is not set
 * or makes too long a path for a socket. Directories below $RUNTIME_DIRECTORY that a killed process has left are
 * removed.
 */
ObkPrivateSocket *obk_private_socket_new (GError **error);
void obk_private_socket_free (ObkPrivateSocket *socket);

int obk_private_socket_fd (const ObkPrivateSocket *socket); /* non-blocking */
const char *obk_private_socket_path (const ObkPrivateSocket *socket);

/* Returns: the next connection of our own process, non-blocking (transfer full); -1 when there is none. Others are
 * turned away. */
int obk_private_socket_accept (ObkPrivateSocket *socket);

/**
 * obk_private_socket_client:
 * @name: (out): what identifies it on the accepted side; see obk_private_socket_peer()
 *
 * Returns: (transfer full): a socket with a name of its own, for connecting; -1 with @error
 */
int obk_private_socket_client (guint32 *name, GError **error);

/* Returns: the name of who has connected to @fd; 0 when it has none of that kind */
guint32 obk_private_socket_peer (int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkPrivateSocket, obk_private_socket_free)

G_END_DECLS
