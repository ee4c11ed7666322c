/* SPDX-License-Identifier: Apache-2.0 */
/* One KMS v2 request sent through the provider's socket again and again by the gRPC core.
 *
 * One connection, as an API server has it, one thread, and one call in flight for each caller. The request is encoded
 * once; every answer is compared with what a right one must be. */
#include "report.h"

#include "proto/kms.pb-c.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <string.h>

#define MAX_CALLERS 1024
#define PLAINTEXT_SIZE 32 /* the seed that an API server has wrapped */

typedef struct
{
  grpc_call *call;
  gint64 sent_ns;
  grpc_byte_buffer *request; /* sending empties it */
  grpc_metadata_array initial;
  grpc_metadata_array trailing;
  grpc_byte_buffer *answer;
  grpc_status_code status;
  grpc_slice details;
} Caller;

typedef struct
{
  ObkSamples samples;
  grpc_channel *channel;
  grpc_completion_queue *queue;
  void *method;
  grpc_slice request;
  GBytes *expected; /* (nullable): the answer's exact bytes */
  guint busy;
} Load;

static char *arg_socket = NULL;
static char *arg_method = NULL;
static char *arg_out = NULL;
static int arg_callers = 1;
static int arg_calls = 10000;
static int arg_warmup = 500;
static double arg_seconds = 0;
static double arg_deadline = 10;
static gboolean arg_tolerate = FALSE;

static const GOptionEntry arguments[] = {
  { "socket", 0, 0, G_OPTION_ARG_FILENAME, &arg_socket, "the provider's socket", "PATH" },
  { "method", 0, 0, G_OPTION_ARG_STRING, &arg_method, "status, encrypt or decrypt", "METHOD" },
  { "out", 0, 0, G_OPTION_ARG_FILENAME, &arg_out, "file for the latencies", "FILE" },
  { "callers", 0, 0, G_OPTION_ARG_INT, &arg_callers, "calls in flight", "N" },
  { "calls", 0, 0, G_OPTION_ARG_INT, &arg_calls, "calls to count", "N" },
  { "warmup", 0, 0, G_OPTION_ARG_INT, &arg_warmup, "calls before those", "N" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &arg_seconds, "end by time instead of by count", "S" },
  { "deadline", 0, 0, G_OPTION_ARG_DOUBLE, &arg_deadline, "of each call", "S" },
  { "tolerate-errors", 0, 0, G_OPTION_ARG_NONE, &arg_tolerate, "count failed calls instead of stopping", NULL },
  G_OPTION_ENTRY_NULL,
};

static GQuark
load_error (void)
{
  return g_quark_from_static_string ("load");
}

static void
load_register (Load *load, const char *method)
{
  g_autofree char *path = g_strconcat ("/v2.KeyManagementService/", method, NULL);

  load->method = grpc_channel_register_call (load->channel, path, "localhost", NULL);
}

/* Takes the packed message. */
static void
load_set_request (Load *load, grpc_slice message)
{
  grpc_slice_unref (load->request);
  load->request = message;
}

static grpc_slice
pack (const ProtobufCMessage *message)
{
  grpc_slice slice = grpc_slice_malloc (protobuf_c_message_get_packed_size (message));

  protobuf_c_message_pack (message, GRPC_SLICE_START_PTR (slice));
  return slice;
}

static void
caller_send (Caller *caller, Load *load)
{
  grpc_byte_buffer *request = grpc_raw_byte_buffer_create (&load->request, 1);
  grpc_op ops[] = {
    { .op = GRPC_OP_SEND_INITIAL_METADATA },
    { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request },
    { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
    { .op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &caller->initial },
    { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &caller->answer },
    { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
      .data.recv_status_on_client
      = { .trailing_metadata = &caller->trailing, .status = &caller->status, .status_details = &caller->details } },
  };

  caller->sent_ns = obk_samples_now_ns ();
  caller->call = grpc_channel_create_registered_call (
      load->channel, NULL, GRPC_PROPAGATE_DEFAULTS, load->queue, load->method,
      gpr_time_add (gpr_now (GPR_CLOCK_MONOTONIC), gpr_time_from_millis ((int64_t)(arg_deadline * 1000), GPR_TIMESPAN)),
      NULL);
  caller->request = request;
  caller->answer = NULL;
  grpc_metadata_array_init (&caller->initial);
  grpc_metadata_array_init (&caller->trailing);
  grpc_call_start_batch (caller->call, ops, G_N_ELEMENTS (ops), caller, NULL);
  load->busy++;
}

static Caller *
load_next (Load *load)
{
  grpc_event event = grpc_completion_queue_next (load->queue, gpr_inf_future (GPR_CLOCK_MONOTONIC), NULL);

  load->busy--;
  return event.tag;
}

/* Returns: (transfer full) (nullable): the answer's bytes; the call is over and its parts are freed */
static GBytes *
caller_take_answer (Caller *caller)
{
  grpc_byte_buffer_reader reader;
  grpc_slice slice;
  GBytes *bytes = NULL;

  if (caller->answer != NULL && grpc_byte_buffer_reader_init (&reader, caller->answer))
    {
      slice = grpc_byte_buffer_reader_readall (&reader);
      bytes = g_bytes_new (GRPC_SLICE_START_PTR (slice), GRPC_SLICE_LENGTH (slice));
      grpc_slice_unref (slice);
      grpc_byte_buffer_reader_destroy (&reader);
    }
  g_clear_pointer (&caller->answer, grpc_byte_buffer_destroy);
  grpc_byte_buffer_destroy (caller->request);
  grpc_metadata_array_destroy (&caller->initial);
  grpc_metadata_array_destroy (&caller->trailing);
  grpc_call_unref (caller->call);
  return bytes;
}

static gboolean
caller_check (const Caller *caller, const Load *load, GBytes *answer, GError **error)
{
  g_autofree char *details = NULL;

  if (caller->status != GRPC_STATUS_OK)
    {
      details = grpc_slice_to_c_string (caller->details);
      g_set_error (error, load_error (), 0, "%s failed with code %d: %s", arg_method, caller->status, details);
      return FALSE;
    }
  if (answer == NULL || g_bytes_get_size (answer) == 0
      || (load->expected != NULL && !g_bytes_equal (answer, load->expected)))
    {
      g_set_error (error, load_error (), 0, "%s: not the expected answer", arg_method);
      return FALSE;
    }
  return TRUE;
}

/* One call outside the measurement. */
static GBytes *
load_call_once (Load *load, GError **error)
{
  g_autoptr (GBytes) answer = NULL;
  Caller caller = { 0 };
  gboolean ok;

  caller_send (&caller, load);
  load_next (load);
  answer = caller_take_answer (&caller);
  ok = caller_check (&caller, load, answer, error);
  grpc_slice_unref (caller.details);
  return ok ? g_steal_pointer (&answer) : NULL;
}

static void
load_prepare_encrypt (Load *load, guint8 *plaintext)
{
  V2__EncryptRequest request = V2__ENCRYPT_REQUEST__INIT;

  for (guint i = 0; i < PLAINTEXT_SIZE; i++)
    plaintext[i] = (guint8)g_random_int ();
  request.plaintext.data = plaintext;
  request.plaintext.len = PLAINTEXT_SIZE;
  request.uid = (char *)"00000000-0000-4000-8000-000000000000";
  load_register (load, "Encrypt");
  load_set_request (load, pack (&request.base));
}

static gboolean
load_prepare_decrypt (Load *load, GError **error)
{
  V2__DecryptRequest request = V2__DECRYPT_REQUEST__INIT;
  V2__DecryptResponse expected = V2__DECRYPT_RESPONSE__INIT;
  V2__EncryptResponse *encrypted = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_autofree V2__DecryptRequest__AnnotationsEntry *entries = NULL;
  g_autofree V2__DecryptRequest__AnnotationsEntry **annotations = NULL;
  guint8 plaintext[PLAINTEXT_SIZE];
  grpc_slice slice;

  load_prepare_encrypt (load, plaintext);
  answer = load_call_once (load, error);
  if (answer == NULL)
    return FALSE;
  encrypted = v2__encrypt_response__unpack (NULL, g_bytes_get_size (answer), g_bytes_get_data (answer, NULL));
  if (encrypted == NULL)
    {
      g_set_error (error, load_error (), 0, "Encrypt answered what is not an EncryptResponse");
      return FALSE;
    }

  entries = g_new0 (V2__DecryptRequest__AnnotationsEntry, encrypted->n_annotations);
  annotations = g_new0 (V2__DecryptRequest__AnnotationsEntry *, encrypted->n_annotations);
  for (gsize i = 0; i < encrypted->n_annotations; i++)
    {
      v2__decrypt_request__annotations_entry__init (&entries[i]);
      entries[i].key = encrypted->annotations[i]->key;
      entries[i].value = encrypted->annotations[i]->value;
      annotations[i] = &entries[i];
    }
  request.ciphertext = encrypted->ciphertext;
  request.uid = (char *)"00000000-0000-4000-8000-000000000000";
  request.key_id = encrypted->key_id;
  request.annotations = annotations;
  request.n_annotations = encrypted->n_annotations;
  load_register (load, "Decrypt");
  load_set_request (load, pack (&request.base));
  v2__encrypt_response__free_unpacked (encrypted, NULL);

  expected.plaintext.data = plaintext;
  expected.plaintext.len = PLAINTEXT_SIZE;
  slice = pack (&expected.base);
  load->expected = g_bytes_new (GRPC_SLICE_START_PTR (slice), GRPC_SLICE_LENGTH (slice));
  grpc_slice_unref (slice);
  return TRUE;
}

static gboolean
load_prepare (Load *load, GError **error)
{
  guint8 plaintext[PLAINTEXT_SIZE];

  if (g_str_equal (arg_method, "encrypt"))
    {
      load_prepare_encrypt (load, plaintext);
      return TRUE;
    }
  if (g_str_equal (arg_method, "decrypt"))
    return load_prepare_decrypt (load, error);
  load_register (load, "Status");
  load_set_request (load, grpc_empty_slice ());
  load->expected = load_call_once (load, error);
  return load->expected != NULL;
}

static gboolean
load_run (Load *load, GError **error)
{
  g_autofree Caller *callers = g_new0 (Caller, arg_callers);

  if (!load_prepare (load, error))
    return FALSE;
  obk_samples_init (&load->samples, (guint64)arg_warmup, (guint64)arg_calls, arg_seconds);
  for (int i = 0; i < arg_callers && obk_samples_start (&load->samples); i++)
    caller_send (&callers[i], load);
  while (load->busy > 0)
    {
      g_autoptr (GError) failure = NULL;
      Caller *caller = load_next (load);
      gint64 sent_ns = caller->sent_ns;
      g_autoptr (GBytes) answer = caller_take_answer (caller);
      gboolean ok = caller_check (caller, load, answer, &failure);

      grpc_slice_unref (caller->details);
      obk_samples_finish (&load->samples, sent_ns, ok);
      if (!ok && !arg_tolerate)
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      if (obk_samples_start (&load->samples))
        caller_send (caller, load);
    }
  return TRUE;
}

static void
load_connect (Load *load)
{
  grpc_arg arg = { .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 };
  grpc_channel_args args = { .num_args = 1, .args = &arg };
  grpc_channel_credentials *plain = grpc_insecure_credentials_create ();
  g_autofree char *target = g_strconcat ("unix:", arg_socket, NULL);

  load->queue = grpc_completion_queue_create_for_next (NULL);
  load->channel = grpc_channel_create (target, plain, &args);
  grpc_channel_credentials_release (plain);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- measure a running provider through its socket");
  g_autoptr (GError) error = NULL;
  Load load = { .request = grpc_empty_slice () };

  g_option_context_add_main_entries (context, arguments, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    goto failed;
  if (arg_socket == NULL || arg_method == NULL
      || !g_strv_contains ((const char *const[]){ "status", "encrypt", "decrypt", NULL }, arg_method) || arg_callers < 1
      || arg_callers > MAX_CALLERS || arg_calls < 1 || arg_warmup < 0)
    {
      g_printerr ("bench-load: --socket and a known --method are needed, numbers in range\n");
      return 2;
    }
  grpc_init ();
  load_connect (&load);
  if (!load_run (&load, &error) || !samples_report (&load.samples, arg_out, &error))
    goto failed;
  return 0;

failed:
  g_printerr ("bench-load: %s\n", error->message);
  return 1;
}
