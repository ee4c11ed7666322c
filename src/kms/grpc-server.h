/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC on descriptors that somebody else accepted: bytes to messages and back. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "health/board.h"
#include "kms/service.h"

G_BEGIN_DECLS

typedef struct _ObkGrpcServer ObkGrpcServer;

/**
 * obk_grpc_server_new:
 * @max_status: Status calls whose answer is not yet out, beyond the queue that each method has
 * @error: OBK_ERROR_UNKNOWN when the process is out of descriptors or threads
 *
 * One thread drains the completion queue and answers Status from the board; Encrypt and Decrypt go to the main
 * context of @poller, and to @service.
 */
ObkGrpcServer *obk_grpc_server_new (ObkPoller *poller, ObkBoardSlot *board, ObkService *service, guint max_status,
                                    GError **error);

/* As in obk_grpc_server_new(), from now on. */
void obk_grpc_server_set_max_status (ObkGrpcServer *server, guint max_status);

/**
 * obk_grpc_server_add_connection:
 * @fd: taken over (also on failure): connected, checked, non-blocking
 * @error: OBK_ERROR_CONCURRENCY_LIMIT
 */
gboolean obk_grpc_server_add_connection (ObkGrpcServer *server, int fd, GError **error);

/* No new connections are to be added. Sees the peers off (parting.h), and takes no new calls once they have gone or
 * none is made any more.
 * @drained is called on the main context when none is left. */
void obk_grpc_server_drain (ObkGrpcServer *server, void (*drained) (gpointer user_data), gpointer user_data);

/* Cancels what still runs. */
void obk_grpc_server_free (ObkGrpcServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkGrpcServer, obk_grpc_server_free)

G_END_DECLS
