/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends share of the gRPC core: its start and end, and cleanups of its handles. */
#pragma once

#include <glib.h>
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>

#include "base/names.h"
#include "base/secret.h"

G_BEGIN_DECLS

#define OBK_PATH_STATUS "/" OBK_KMS_SERVICE "/Status"
#define OBK_PATH_ENCRYPT "/" OBK_KMS_SERVICE "/Encrypt"
#define OBK_PATH_DECRYPT "/" OBK_KMS_SERVICE "/Decrypt"

/**
 * obk_grpc_core_init:
 *
 * Starts the library, each time once more; its messages go to our log at debug. The environment variables that steer
 * it are taken out of the environment: its traces show what is sent.
 */
void obk_grpc_core_init (void);
void obk_grpc_core_shutdown (void);

/* Returns: a server with all our limits, not started */
grpc_server *obk_grpc_core_server_new (void);

/* @ended: called when nothing will complete any more. Returns: a queue whose completions call functors and wake no
 * thread */
grpc_completion_queue *obk_grpc_core_calling_queue_new (grpc_completion_queue_functor *ended);

/* @fd: taken over: a connected socket */
void obk_grpc_core_server_add (grpc_server *server, int fd);

/* @fd: taken over. Returns: a client's channel over it */
grpc_channel *obk_grpc_core_channel_new (int fd);

/**
 * obk_grpc_take_message:
 * @buffer: (nullable): what was received; its bytes are wiped where they lie, and it is destroyed
 *
 * Wiped here and now: the core goes on using the block that they were read into.
 *
 * Returns: (transfer full): the bytes
 */
ObkSecret *obk_grpc_take_message (grpc_byte_buffer *buffer);

/* Returns: (transfer full): a buffer over the very bytes of @message, which are wiped when the core is done with them
 */
grpc_byte_buffer *obk_grpc_make_message (ObkSecret *message);

/* Returns: on our clock when an answer is due, a little before the client's @deadline, so that it gets to hear what
 * failed before it gives up; OBK_NO_DEADLINE when that is infinite */
gint64 obk_grpc_answer_by_us (gpr_timespec deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (grpc_byte_buffer, grpc_byte_buffer_destroy)

G_END_DECLS
