/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections are open: the gRPC core does not tell when it closes one. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_MAX_CONNECTIONS 256

typedef struct _ObkConnections ObkConnections;

ObkConnections *obk_connections_new (void);
void obk_connections_free (ObkConnections *connections);

/**
 * obk_connections_add:
 * @fd: a connected socket that somebody else will close
 * @error: OBK_ERROR_CONCURRENCY_LIMIT when too many others are still open; @fd stays the caller's
 */
gboolean obk_connections_add (ObkConnections *connections, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_connections_part:
 *
 * Tells each peer, once, to make its next calls on another connection; what it still sends on this one is served. The
 * core itself says so only when it serves nothing any more. Who has not read yet what was sent before is left for the
 * next time.
 *
 * Returns: how many are open
 */
guint obk_connections_part (ObkConnections *connections);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkConnections, obk_connections_free)

G_END_DECLS
