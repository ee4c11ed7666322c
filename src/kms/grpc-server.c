/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC on descriptors that somebody else accepted: bytes to messages and back. */
#include "kms/grpc-server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/metric.h"
#include "base/names.h"
#include "kms/connections.h"
#include "kms/error-table.h"
#include "kms/gate.h"
#include "kms/grpc-call.h"
#include "kms/message.h"
#include "kms/parting.h"
#include "kms/request-log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REQUESTS_AHEAD 8 /* of each method, for the core to fill without waiting for us */

struct _ObkGrpcServer
{
  ObkGrpcCalls calls;
  ObkPoller *poller;
  ObkBoardSlot *board;
  ObkService *service;
  guint max_status;
  ObkConnections *connections;
  GThread *thread;
  grpc_completion_queue_functor rest_ended;

  /* of the main loop */
  GQueue running;      /* of ObkGrpcCall, with the service */
  ObkParting *parting; /* (nullable): the peers are told to go */
  gboolean draining;   /* the core takes no more calls */
  gboolean ending;     /* nor does the service */
  void (*drained) (gpointer user_data);
  gpointer drained_data;

  ObkWatch wake; /* an event descriptor: something below needs the main loop */
  GMutex lock;
  GCond changed;
  GQueue jobs;        /* of ObkGrpcCall */
  guint ahead;        /* requests that the core holds */
  guint live;         /* calls that have come and are not gone */
  guint status_calls; /* of these */
  gboolean rest_over; /* nothing will complete any more */
};

/* From any thread, the lock held */
static void
wake_main (ObkGrpcServer *server)
{
  guint64 one = 1;
  ssize_t n = write (server->wake.fd, &one, sizeof one);

  (void)n; /* it is full after 2^64 - 2 of them */
  g_cond_broadcast (&server->changed);
}

static void
push_job (ObkGrpcServer *server, ObkGrpcCall *call, GList *link)
{
  link->data = call;
  g_mutex_lock (&server->lock);
  g_queue_push_tail_link (&server->jobs, link);
  if (server->jobs.length == 1)
    wake_main (server);
  g_mutex_unlock (&server->lock);
}

static void
abandoned (ObkGrpcCall *call)
{
  push_job (call->calls->user_data, call, &call->abandoned_link);
}

static gboolean
is_quiet (const ObkGrpcServer *server)
{
  return server->live == 0 && server->ahead == 0;
}

static void
count_in_flight (ObkMethod method, gint64 by)
{
  if (method != OBK_METHOD_OTHER)
    obk_metric_add (OBK_METRIC_GRPC_IN_FLIGHT, obk_method_name (method), by);
}

static void
gone (gpointer user_data, ObkMethod method)
{
  ObkGrpcServer *server = user_data;

  count_in_flight (method, -1);
  g_mutex_lock (&server->lock);
  server->live--;
  if (method == OBK_METHOD_STATUS)
    server->status_calls--;
  if (is_quiet (server))
    wake_main (server);
  g_mutex_unlock (&server->lock);
}

/* In the thread of the core's events */

static void
request (ObkGrpcServer *server, ObkMethod method)
{
  g_mutex_lock (&server->lock);
  server->ahead++;
  g_mutex_unlock (&server->lock);
  obk_grpc_call_request (&server->calls, method);
}

static void
answer_error (ObkGrpcCall *call, const GError *error)
{
  const char *message = NULL;
  grpc_status_code status = obk_error_table_status (error, call->method, &message);

  obk_grpc_call_answer (call, status, message, NULL);
}

/* An error that comes before the service has seen the request */
static void
refuse (ObkGrpcCall *call, const GError *error)
{
  obk_request_log (&(ObkRequestOutcome){ .method = call->method, .start_us = call->start_us, .error = error });
  answer_error (call, error);
  obk_grpc_call_unref (call);
}

static gboolean
may_have_status (ObkGrpcServer *server, GError **error)
{
  gboolean ok = FALSE;

  g_mutex_lock (&server->lock);
  ok = server->status_calls <= server->max_status + OBK_GATE_MAX_WAITING;
  g_mutex_unlock (&server->lock);
  if (ok)
    return TRUE;
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CONCURRENCY_LIMIT, "too many answers are not taken");
  return FALSE;
}

static void
answer_status (ObkGrpcServer *server, ObkGrpcCall *call)
{
  g_autoptr (ObkBoard) board = obk_board_slot_get (server->board);
  gboolean healthy = obk_board_healthy (board, call->start_us);
  const ObkKeyIdentity *identity = healthy ? obk_board_active (board) : NULL;
  const char *healthz = healthy ? OBK_HEALTHZ_OK : OBK_HEALTHZ_UNHEALTHY;
  const char *key_id = identity != NULL ? obk_key_identity_key_id (identity) : "";
  g_autoptr (ObkSecret) answer = obk_status_answer_pack (healthz, key_id);

  obk_grpc_call_answer (call, GRPC_STATUS_OK, "", answer);
  obk_request_log (&(ObkRequestOutcome){
      .method = OBK_METHOD_STATUS,
      .start_us = call->start_us,
      .identity = identity,
      .healthz = healthz,
  });
  obk_grpc_call_unref (call);
}

static gboolean
read_message (ObkGrpcCall *call, GError **error)
{
  char *bytes = obk_secret_writable (call->message);
  gsize length = obk_secret_length (call->message);

  switch (call->method)
    {
    case OBK_METHOD_STATUS:
      return obk_status_message_read (bytes, length, error);
    case OBK_METHOD_ENCRYPT:
      return obk_encrypt_message_read (bytes, length, &call->encrypt, error);
    default:
      return obk_decrypt_message_read (bytes, length, &call->decrypt, error);
    }
}

static void
handle_arrival (ObkGrpcServer *server, ObkGrpcCall *call)
{
  g_autoptr (GError) error = NULL;

  call->start_us = obk_clock_boot_us ();
  if (call->method == OBK_METHOD_OTHER)
    {
      obk_grpc_call_answer (call, GRPC_STATUS_UNIMPLEMENTED, "unknown method", NULL);
      obk_grpc_call_unref (call);
      return;
    }
  call->message = obk_grpc_take_message (g_steal_pointer (&call->payload));
  if (!read_message (call, &error) || (call->method == OBK_METHOD_STATUS && !may_have_status (server, &error)))
    refuse (call, error);
  else if (call->method == OBK_METHOD_STATUS)
    answer_status (server, call);
  else
    {
      call->deadline_us = obk_grpc_answer_by_us (call->deadline);
      obk_grpc_call_watch (call);
      push_job (server, call, &call->arrived_link);
    }
}

/* Returns: whether the event brings a call; else the core takes no more. */
static gboolean
note_arrival (ObkGrpcServer *server, ObkGrpcCall *call, gboolean success)
{
  if (success)
    count_in_flight (call->method, 1);
  g_mutex_lock (&server->lock);
  server->ahead--;
  if (success)
    {
      call->arrived = TRUE;
      server->live++;
      if (call->method == OBK_METHOD_STATUS)
        server->status_calls++;
    }
  else if (is_quiet (server))
    wake_main (server);
  g_mutex_unlock (&server->lock);
  return success;
}

static gpointer
serve_arrivals (gpointer user_data)
{
  ObkGrpcServer *server = user_data;

  for (;;)
    {
      grpc_event event = grpc_completion_queue_next (server->calls.arrivals, gpr_inf_future (GPR_CLOCK_REALTIME), NULL);
      ObkGrpcCall *call = event.tag;

      if (event.type == GRPC_QUEUE_SHUTDOWN)
        return NULL;
      if (event.tag == server) /* no connection is left */
        grpc_completion_queue_shutdown (server->calls.arrivals);
      else if (note_arrival (server, call, event.success != 0))
        {
          request (server, call->method);
          handle_arrival (server, call);
        }
      else
        obk_grpc_call_unref (call);
    }
}

/* In the main loop */

/* What the request borrowed from the message is not needed any more. */
static void
leave_service (ObkGrpcServer *server, ObkGrpcCall *call)
{
  call->service_call = NULL;
  obk_decrypt_message_clear (&call->decrypt);
  g_clear_pointer (&call->message, obk_secret_unref);
  g_queue_unlink (&server->running, &call->running_link);
}

static void
finish (ObkGrpcCall *call, ObkSecret *answer, const GError *error)
{
  if (error == NULL)
    obk_grpc_call_answer (call, GRPC_STATUS_OK, "", answer);
  else
    answer_error (call, error);
  leave_service (call->calls->user_data, call);
  obk_grpc_call_unref (call);
}

static void
encrypted (const char *ciphertext, const ObkKeyIdentity *identity, const GError *error, gpointer user_data)
{
  g_autoptr (ObkSecret) answer = error == NULL ? obk_encrypt_answer_pack (ciphertext, identity) : NULL;

  finish (user_data, answer, error);
}

static void
decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  g_autoptr (ObkSecret) answer = error == NULL ? obk_decrypt_answer_pack (plaintext) : NULL;

  finish (user_data, answer, error);
}

static ObkServiceCall *
start_encrypt (ObkGrpcServer *server, ObkGrpcCall *call)
{
  const ObkEncryptRequest encrypt = {
    .plaintext = call->encrypt.plaintext,
    .plaintext_length = call->encrypt.plaintext_length,
    .arrived_us = call->start_us,
    .deadline_us = call->deadline_us,
    .uid = call->encrypt.uid,
    .uid_length = call->encrypt.uid_length,
  };

  return obk_service_encrypt (server->service, &encrypt, encrypted, call);
}

static ObkServiceCall *
start_decrypt (ObkGrpcServer *server, ObkGrpcCall *call)
{
  const ObkDecryptRequest decrypt = {
    .ciphertext = call->decrypt.ciphertext,
    .ciphertext_length = call->decrypt.ciphertext_length,
    .key_id = call->decrypt.key_id,
    .key_id_length = call->decrypt.key_id_length,
    .annotations = (const ObkAnnotation *)(gpointer)call->decrypt.annotations->data,
    .n_annotations = call->decrypt.annotations->len,
    .arrived_us = call->start_us,
    .deadline_us = call->deadline_us,
    .uid = call->decrypt.uid,
    .uid_length = call->decrypt.uid_length,
  };

  return obk_service_decrypt (server->service, &decrypt, decrypted, call);
}

static void
enter_service (ObkGrpcServer *server, ObkGrpcCall *call)
{
  ObkServiceCall *service_call = NULL;

  call->running_link.data = call;
  g_queue_push_tail_link (&server->running, &call->running_link);
  service_call = call->method == OBK_METHOD_ENCRYPT ? start_encrypt (server, call) : start_decrypt (server, call);
  if (service_call != NULL) /* else the call is over, and may be gone */
    call->service_call = service_call;
}

static void
cancel (ObkGrpcServer *server, ObkGrpcCall *call)
{
  obk_service_cancel (call->service_call);
  leave_service (server, call);
  obk_grpc_call_unref (call);
}

static void
do_job (ObkGrpcServer *server, GList *link)
{
  ObkGrpcCall *call = link->data;

  if (link == &call->arrived_link && !server->ending)
    enter_service (server, call);
  else if (link == &call->arrived_link)
    obk_grpc_call_unref (call);
  else
    {
      if (call->service_call != NULL)
        cancel (server, call);
      obk_grpc_call_unref (call); /* the reference that came with the job */
    }
}

/* Returns: whether no call is left and none can come */
static gboolean
do_jobs (ObkGrpcServer *server)
{
  GQueue jobs = G_QUEUE_INIT;
  GList *link = NULL;
  gboolean quiet = FALSE;

  g_mutex_lock (&server->lock);
  jobs = server->jobs;
  g_queue_init (&server->jobs);
  g_mutex_unlock (&server->lock);

  while ((link = g_queue_pop_head_link (&jobs)) != NULL)
    do_job (server, link);

  g_mutex_lock (&server->lock);
  quiet = is_quiet (server);
  g_mutex_unlock (&server->lock);
  return quiet;
}

static void
woken (ObkWatch *watch, guint32 events)
{
  ObkGrpcServer *server = OBK_CONTAINER_OF (watch, ObkGrpcServer, wake);
  void (*drained) (gpointer user_data) = server->drained;

  /* The descriptor is not read: each write to it is one more edge. */
  if (!do_jobs (server) || drained == NULL || !server->draining)
    return;
  server->drained = NULL;
  drained (server->drained_data);
}

/* Beginning and end */

static gboolean
watch_wake (ObkGrpcServer *server, GError **error)
{
  server->wake.ready = woken;
  server->wake.fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (server->wake.fd >= 0)
    return obk_poller_add (server->poller, &server->wake, EPOLLIN, error);
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot make an event descriptor: %s", g_strerror (errno));
  return FALSE;
}

static void
on_rest_ended (grpc_completion_queue_functor *functor, int ok)
{
  ObkGrpcServer *server = OBK_CONTAINER_OF (functor, ObkGrpcServer, rest_ended);

  g_mutex_lock (&server->lock);
  server->rest_over = TRUE;
  g_cond_broadcast (&server->changed);
  g_mutex_unlock (&server->lock);
}

static void
start_core (ObkGrpcServer *server)
{
  static const char *const paths[OBK_N_METHODS] = { OBK_PATH_STATUS, OBK_PATH_ENCRYPT, OBK_PATH_DECRYPT };
  ObkGrpcCalls *calls = &server->calls;

  obk_grpc_core_init ();
  calls->server = obk_grpc_core_server_new ();
  calls->arrivals = grpc_completion_queue_create_for_next (NULL);
  server->rest_ended.functor_run = on_rest_ended;
  calls->rest = obk_grpc_core_calling_queue_new (&server->rest_ended);
  calls->abandoned = abandoned;
  calls->gone = gone;
  calls->user_data = server;
  grpc_server_register_completion_queue (calls->server, calls->arrivals, NULL);
  for (ObkMethod method = 0; method < OBK_N_METHODS; method++)
    calls->methods[method] = grpc_server_register_method (calls->server, paths[method], NULL,
                                                          GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
  grpc_server_start (calls->server);
  for (ObkMethod method = 0; method <= OBK_METHOD_OTHER; method++)
    for (guint i = 0; i < REQUESTS_AHEAD; i++)
      request (server, method);
}

ObkGrpcServer *
obk_grpc_server_new (ObkPoller *poller, ObkBoardSlot *board, ObkService *service, guint max_status, GError **error)
{
  g_autoptr (ObkGrpcServer) server = NULL;

  g_return_val_if_fail (poller != NULL && board != NULL && service != NULL && max_status > 0, NULL);

  server = g_new0 (ObkGrpcServer, 1);
  server->poller = poller;
  server->board = board;
  server->service = service;
  server->max_status = max_status;
  server->connections = obk_connections_new ();
  g_mutex_init (&server->lock);
  g_cond_init (&server->changed);
  if (!watch_wake (server, error))
    return NULL;
  start_core (server);
  server->thread = g_thread_try_new ("grpc", serve_arrivals, server, error);
  return server->thread != NULL ? g_steal_pointer (&server) : NULL;
}

void
obk_grpc_server_set_max_status (ObkGrpcServer *server, guint max_status)
{
  g_return_if_fail (server != NULL && max_status > 0);

  g_mutex_lock (&server->lock);
  server->max_status = max_status;
  g_mutex_unlock (&server->lock);
}

gboolean
obk_grpc_server_add_connection (ObkGrpcServer *server, int fd, GError **error)
{
  g_return_val_if_fail (server != NULL && fd >= 0, FALSE);

  if (obk_connections_add (server->connections, fd, error))
    {
      obk_grpc_core_server_add (server->calls.server, fd);
      return TRUE;
    }
  close (fd);
  return FALSE;
}

static void
stop_taking_calls (ObkGrpcServer *server)
{
  if (!server->draining)
    grpc_server_shutdown_and_notify (server->calls.server, server->calls.arrivals, server);
  server->draining = TRUE;
}

static gboolean
is_busy (gpointer user_data)
{
  ObkGrpcServer *server = user_data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&server->lock);

  return server->live > 0;
}

static void
parted (gpointer user_data)
{
  ObkGrpcServer *server = user_data;

  g_clear_pointer (&server->parting, obk_parting_free);
  stop_taking_calls (server);
  g_mutex_lock (&server->lock);
  wake_main (server); /* maybe nothing is left already */
  g_mutex_unlock (&server->lock);
}

/* The core drops calls that come once it is told to stop, also those that were sent before the peer could know. */
void
obk_grpc_server_drain (ObkGrpcServer *server, void (*drained) (gpointer user_data), gpointer user_data)
{
  g_return_if_fail (server != NULL && drained != NULL && server->drained == NULL && !server->draining);

  server->drained = drained;
  server->drained_data = user_data;
  server->parting = obk_parting_new (server->poller, server->connections, is_busy, parted, server);
}

/* Sees the last calls off: each has something of ours, or waits for us, or for the core. */
static void
wait_for_calls (ObkGrpcServer *server)
{
  GList *link = NULL;

  server->ending = TRUE;
  while ((link = server->running.head) != NULL)
    cancel (server, link->data);
  grpc_server_cancel_all_calls (server->calls.server);
  while (!do_jobs (server))
    {
      g_mutex_lock (&server->lock);
      while (!is_quiet (server) && server->jobs.length == 0)
        g_cond_wait (&server->changed, &server->lock);
      g_mutex_unlock (&server->lock);
    }
}

static void
stop_core (ObkGrpcServer *server)
{
  stop_taking_calls (server);
  if (server->thread == NULL) /* it could not be made; no call has come, and what is left to do will not wait */
    serve_arrivals (server);
  else
    wait_for_calls (server);
  g_clear_pointer (&server->thread, g_thread_join);

  grpc_completion_queue_shutdown (server->calls.rest);
  g_mutex_lock (&server->lock);
  while (!server->rest_over)
    g_cond_wait (&server->changed, &server->lock);
  g_mutex_unlock (&server->lock);

  grpc_server_destroy (server->calls.server);
  grpc_completion_queue_destroy (server->calls.arrivals);
  grpc_completion_queue_destroy (server->calls.rest);
  obk_grpc_core_shutdown ();
}

void
obk_grpc_server_free (ObkGrpcServer *server)
{
  if (server == NULL)
    return;
  g_clear_pointer (&server->parting, obk_parting_free);
  if (server->calls.server != NULL)
    stop_core (server);
  if (server->wake.events != 0)
    obk_poller_remove (server->poller, &server->wake);
  if (server->wake.fd >= 0)
    close (server->wake.fd);
  obk_connections_free (server->connections);
  g_cond_clear (&server->changed);
  g_mutex_clear (&server->lock);
  g_free (server);
}
