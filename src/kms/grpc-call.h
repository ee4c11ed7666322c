/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call on the server's side: comes in, is watched, is answered once. Only for grpc-server.c. */
#pragma once

#include <glib.h>
#include <grpc/grpc.h>

#include "kms/error-table.h"
#include "kms/grpc-core.h"
#include "kms/message.h"
#include "kms/service.h"

G_BEGIN_DECLS

#define OBK_METHOD_OTHER OBK_N_METHODS /* one that we do not have */

typedef struct _ObkGrpcCall ObkGrpcCall;

/* What the calls of a server have in common. */
typedef struct
{
  grpc_server *server;
  grpc_completion_queue *arrivals; /* a thread sleeps in it */
  grpc_completion_queue *rest;     /* calls functors from whatever thread is there */
  void *methods[OBK_N_METHODS];    /* registered ones */
  /* From any thread: the client has gone before it had an answer. The caller's reference is passed on. */
  void (*abandoned) (ObkGrpcCall *call);
  /* From any thread, last thing of a call that had arrived. */
  void (*gone) (gpointer user_data, ObkMethod method);
  gpointer user_data;
} ObkGrpcCalls;

struct _ObkGrpcCall
{
  const ObkGrpcCalls *calls;
  ObkMethod method;
  gint references;
  gboolean arrived;

  /* the core's, from the arrival on */
  grpc_call *call;
  gpr_timespec deadline;
  grpc_call_details details; /* of OBK_METHOD_OTHER only */
  grpc_metadata_array metadata;
  grpc_byte_buffer *payload;
  grpc_byte_buffer *answer;
  int cancelled;
  gboolean watched;
  grpc_completion_queue_functor closed;
  grpc_completion_queue_functor sent;

  /* the server's */
  GList arrived_link;
  GList abandoned_link;
  GList running_link;
  gint64 start_us;
  gint64 deadline_us;
  ObkSecret *message;
  ObkEncryptMessage encrypt;
  ObkDecryptMessage decrypt;
  ObkServiceCall *service_call;
};

/**
 * obk_grpc_call_request:
 *
 * Asks the core for the next call of @method: it comes as the tag of an event of the arrivals, with one reference;
 * when the event has failed (the server ends), all that is left to do is to drop it.
 */
void obk_grpc_call_request (const ObkGrpcCalls *calls, ObkMethod method);
void obk_grpc_call_ref (ObkGrpcCall *call);
void obk_grpc_call_unref (ObkGrpcCall *call);

/* Watches for the client's going away, until the answer. */
void obk_grpc_call_watch (ObkGrpcCall *call);

/* @answer: (nullable): the message of an answer that is OK; @text: static, what else goes with the status */
void obk_grpc_call_answer (ObkGrpcCall *call, grpc_status_code status, const char *text, ObkSecret *answer);

G_END_DECLS
