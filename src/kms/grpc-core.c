/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends share of the gRPC core: its start and end, and cleanups of its handles. */
#include "kms/grpc-core.h"

#include "base/clock.h"
#include "base/log.h"
#include "config-build.h"
#include "kms/gate.h"
#include "kms/message.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

/* All calls of all methods that may run or wait, at the largest limits that can be configured, come in one connection.
 */
#define MAX_STREAMS (3 * (4096 + OBK_GATE_MAX_WAITING))
#define MAX_HEADERS (8 * 1024) /* bytes of all headers of a call */
#define NEVER G_MAXINT32
#define ANSWER_MARGIN_US (200 * 1000) /* at most; a tenth of a shorter time */
#define MIN_PING_INTERVAL_MS 500      /* what clients use are seconds */

#define INTEGER_ARG(name, number)                                                                                      \
  {                                                                                                                    \
    .type = GRPC_ARG_INTEGER, .key = (char *)(name), .value.integer = (number)                                         \
  }

static void
forward_log (gpr_log_func_args *args)
{
  ObkLogRecord record;

  if (!obk_log_enabled (OBK_LOG_DEBUG))
    return;
  obk_log_begin (&record, OBK_LOG_DEBUG, OBK_EVENT_LIBRARY);
  obk_log_string (&record, OBK_FIELD_COMPONENT, "grpc");
  obk_log_string (&record, OBK_FIELD_DETAIL, args->message);
  obk_log_emit (&record);
}

void
obk_grpc_core_init (void)
{
  g_auto (GStrv) names = g_listenv ();

  for (guint i = 0; names[i] != NULL; i++)
    if (g_str_has_prefix (names[i], "GRPC_"))
      g_unsetenv (names[i]);
  gpr_set_log_function (forward_log);
  gpr_set_log_verbosity (GPR_LOG_SEVERITY_INFO);
  grpc_init ();
}

void
obk_grpc_core_shutdown (void)
{
  grpc_shutdown ();
}

/* What a peer may make grow, and what costs without use on a local socket. */
static grpc_arg server_args[] = {
  INTEGER_ARG (GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, OBK_MAX_MESSAGE),
  INTEGER_ARG (GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, OBK_MAX_MESSAGE),
  INTEGER_ARG (GRPC_ARG_MAX_CONCURRENT_STREAMS, MAX_STREAMS),
  INTEGER_ARG (GRPC_ARG_MAX_METADATA_SIZE, MAX_HEADERS),
  /* A compressed message would be unpacked before its size is looked at; a call with one is UNIMPLEMENTED. */
  INTEGER_ARG (GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE),
  INTEGER_ARG (GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
  INTEGER_ARG (GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
  /* Clients keep idle connections alive by pings, which is not to be punished. */
  INTEGER_ARG (GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
  INTEGER_ARG (GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_INTERVAL_MS),
  INTEGER_ARG (GRPC_ARG_KEEPALIVE_TIME_MS, NEVER),
  INTEGER_ARG (GRPC_ARG_HTTP2_BDP_PROBE, 0),
  INTEGER_ARG (GRPC_ARG_ENABLE_CHANNELZ, 0),
  INTEGER_ARG (GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
  /* Deadlines are the service's business. */
  INTEGER_ARG (GRPC_ARG_ENABLE_DEADLINE_CHECKS, 0),
};

grpc_server *
obk_grpc_core_server_new (void)
{
  const grpc_channel_args args = { G_N_ELEMENTS (server_args), server_args };

  return grpc_server_create (&args, NULL);
}

grpc_completion_queue *
obk_grpc_core_calling_queue_new (grpc_completion_queue_functor *ended)
{
  const grpc_completion_queue_attributes attributes = {
    .version = GRPC_CQ_VERSION_MINIMUM_FOR_CALLBACKABLE,
    .cq_completion_type = GRPC_CQ_CALLBACK,
    .cq_polling_type = GRPC_CQ_NON_POLLING,
    .cq_shutdown_cb = ended,
  };

  return grpc_completion_queue_create (grpc_completion_queue_factory_lookup (&attributes), &attributes, NULL);
}

void
obk_grpc_core_server_add (grpc_server *server, int fd)
{
#ifdef HAVE_GRPC_SERVER_ADD_CHANNEL_FROM_FD
  grpc_server_credentials *credentials = grpc_insecure_server_credentials_create ();

  grpc_server_add_channel_from_fd (server, fd, credentials);
  grpc_server_credentials_release (credentials);
#else
  grpc_server_add_insecure_channel_from_fd (server, NULL, fd);
#endif
}

grpc_channel *
obk_grpc_core_channel_new (int fd)
{
  grpc_arg channel_args[] = {
    INTEGER_ARG (GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, OBK_MAX_MESSAGE),
    INTEGER_ARG (GRPC_ARG_HTTP2_BDP_PROBE, 0),
    INTEGER_ARG (GRPC_ARG_ENABLE_CHANNELZ, 0),
  };
  const grpc_channel_args args = { G_N_ELEMENTS (channel_args), channel_args };
#ifdef HAVE_GRPC_SERVER_ADD_CHANNEL_FROM_FD
  grpc_channel_credentials *credentials = grpc_insecure_credentials_create ();
  grpc_channel *channel = grpc_channel_create_from_fd ("localhost", fd, credentials, &args);

  grpc_channel_credentials_release (credentials);
  return channel;
#else
  return grpc_insecure_channel_create_from_fd ("localhost", fd, &args);
#endif
}

ObkSecret *
obk_grpc_take_message (grpc_byte_buffer *buffer)
{
  g_autoptr (grpc_byte_buffer) owned = buffer;
  ObkSecret *message = obk_secret_new (buffer != NULL ? grpc_byte_buffer_length (buffer) : 0);
  grpc_byte_buffer_reader reader;
  grpc_slice *slice = NULL;

  if (buffer == NULL || !grpc_byte_buffer_reader_init (&reader, buffer))
    return message;
  while (grpc_byte_buffer_reader_peek (&reader, &slice))
    {
      obk_secret_append (message, GRPC_SLICE_START_PTR (*slice), GRPC_SLICE_LENGTH (*slice));
      obk_wipe (GRPC_SLICE_START_PTR (*slice), GRPC_SLICE_LENGTH (*slice));
    }
  grpc_byte_buffer_reader_destroy (&reader);
  return message;
}

static void
unref_secret (void *secret)
{
  obk_secret_unref (secret);
}

grpc_byte_buffer *
obk_grpc_make_message (ObkSecret *message)
{
  /* The core copies short slices of other kinds into places that it keeps. */
  grpc_slice slice = grpc_slice_new_with_user_data (obk_secret_writable (message), obk_secret_length (message),
                                                    unref_secret, obk_secret_ref (message));
  grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create (&slice, 1);

  grpc_slice_unref (slice);
  return buffer;
}

gint64
obk_grpc_answer_by_us (gpr_timespec deadline)
{
  gpr_timespec left = gpr_time_sub (deadline, gpr_now (deadline.clock_type));
  gint64 left_us = 0;

  if (gpr_time_cmp (deadline, gpr_inf_future (deadline.clock_type)) == 0
      || left.tv_sec > G_MAXINT64 / G_USEC_PER_SEC / 2)
    return OBK_NO_DEADLINE;
  left_us = left.tv_sec * G_USEC_PER_SEC + left.tv_nsec / 1000;
  return obk_clock_boot_us () + left_us - CLAMP (left_us / 10, 0, ANSWER_MARGIN_US);
}
