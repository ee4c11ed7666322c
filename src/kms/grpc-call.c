/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call on the server's side: comes in, is watched, is answered once. */
#include "kms/grpc-call.h"

#include "base/poller.h"

#define MAX_OPERATIONS 4

/* Of a reference that a batch held */
static void
on_sent (grpc_completion_queue_functor *functor, int ok)
{
  obk_grpc_call_unref (OBK_CONTAINER_OF (functor, ObkGrpcCall, sent));
}

static void
on_closed (grpc_completion_queue_functor *functor, int ok)
{
  ObkGrpcCall *call = OBK_CONTAINER_OF (functor, ObkGrpcCall, closed);

  if (call->cancelled != 0)
    call->calls->abandoned (call);
  else
    obk_grpc_call_unref (call);
}

void
obk_grpc_call_request (const ObkGrpcCalls *calls, ObkMethod method)
{
  ObkGrpcCall *call = g_new0 (ObkGrpcCall, 1);
  grpc_call_error failure = GRPC_CALL_OK;

  call->calls = calls;
  call->method = method;
  call->references = 1;
  call->closed.functor_run = on_closed;
  call->closed.inlineable = TRUE;
  call->sent.functor_run = on_sent;
  call->sent.inlineable = TRUE;
  grpc_metadata_array_init (&call->metadata);
  if (method == OBK_METHOD_OTHER)
    {
      grpc_call_details_init (&call->details);
      failure = grpc_server_request_call (calls->server, &call->call, &call->details, &call->metadata, calls->rest,
                                          calls->arrivals, call);
    }
  else
    failure = grpc_server_request_registered_call (calls->server, calls->methods[method], &call->call, &call->deadline,
                                                   &call->metadata, &call->payload, calls->rest, calls->arrivals, call);
  if (failure == GRPC_CALL_OK)
    return;
  g_critical ("the gRPC core takes no request for calls: %s", grpc_call_error_to_string (failure));
  obk_grpc_call_unref (call);
}

void
obk_grpc_call_ref (ObkGrpcCall *call)
{
  g_atomic_int_inc (&call->references);
}

void
obk_grpc_call_unref (ObkGrpcCall *call)
{
  const ObkGrpcCalls *calls = call->calls;
  ObkMethod method = call->method;
  gboolean arrived = call->arrived;

  if (!g_atomic_int_dec_and_test (&call->references))
    return;
  obk_decrypt_message_clear (&call->decrypt);
  g_clear_pointer (&call->message, obk_secret_unref);
  g_clear_pointer (&call->payload, grpc_byte_buffer_destroy);
  g_clear_pointer (&call->answer, grpc_byte_buffer_destroy);
  grpc_metadata_array_destroy (&call->metadata);
  if (method == OBK_METHOD_OTHER)
    grpc_call_details_destroy (&call->details);
  g_clear_pointer (&call->call, grpc_call_unref);
  g_free (call);
  if (arrived)
    calls->gone (calls->user_data, method);
}

static void
start_batch (ObkGrpcCall *call, const grpc_op *operations, gsize n, grpc_completion_queue_functor *functor)
{
  grpc_call_error failure = GRPC_CALL_OK;

  obk_grpc_call_ref (call);
  failure = grpc_call_start_batch (call->call, operations, n, functor, NULL);
  if (failure == GRPC_CALL_OK)
    return;
  g_critical ("the gRPC core refuses a batch: %s", grpc_call_error_to_string (failure));
  obk_grpc_call_unref (call);
}

void
obk_grpc_call_watch (ObkGrpcCall *call)
{
  grpc_op operation = {
    .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
    .data.recv_close_on_server.cancelled = &call->cancelled,
  };

  call->watched = TRUE;
  start_batch (call, &operation, 1, &call->closed);
}

void
obk_grpc_call_answer (ObkGrpcCall *call, grpc_status_code status, const char *text, ObkSecret *answer)
{
  grpc_slice details = grpc_slice_from_static_string (text);
  grpc_op operations[MAX_OPERATIONS] = { { .op = GRPC_OP_SEND_INITIAL_METADATA } };
  gsize n = 1;

  if (answer != NULL)
    {
      call->answer = obk_grpc_make_message (answer);
      operations[n++] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->answer };
    }
  operations[n++] = (grpc_op){
    .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
    .data.send_status_from_server = { .status = status, .status_details = *text != '\0' ? &details : NULL },
  };
  if (!call->watched)
    operations[n++] = (grpc_op){
      .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
      .data.recv_close_on_server.cancelled = &call->cancelled,
    };
  start_batch (call, operations, n, &call->sent);
}
