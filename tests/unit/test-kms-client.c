/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' client, against servers that answer what a test likes. */
#include "kms/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "kms/grpc-core.h"
#include "proto/kms.pb-c.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_US (20 * G_USEC_PER_SEC)
#define SHORT_US (G_USEC_PER_SEC / 20)
#define SOON_US (10 * G_USEC_PER_SEC) /* far from what a short wait takes, and from none at all */
#define MAX_ANSWER 65536
#define STRANGER 54321

/* What the server says to each call */
typedef struct
{
  grpc_status_code status;
  const char *details;
  ObkSecret *message; /* (nullable) */
  gboolean silent;    /* nothing, until the client gives up */
} Reply;

typedef struct
{
  char *directory;
  char *path;
  int listening;
  ObkKmsClient *client; /* (nullable) */
  int peer;             /* the server's end, unless gRPC has it */
  grpc_server *server;  /* (nullable) */
  grpc_completion_queue *queue;
  GThread *thread;
  Reply reply;
  /* what came last; read when its answer is there */
  char *method;
  ObkSecret *request;
} Fixture;

/* The server, in a thread of its own */

static gboolean
finish_batch (Fixture *f, grpc_call *call, const grpc_op *operations, gsize n)
{
  g_assert_cmpint (grpc_call_start_batch (call, operations, n, call, NULL), ==, GRPC_CALL_OK);
  return grpc_completion_queue_next (f->queue, gpr_inf_future (GPR_CLOCK_REALTIME), NULL).tag == call;
}

static void
send_reply (Fixture *f, grpc_call *call)
{
  g_autoptr (grpc_byte_buffer) message = f->reply.message != NULL ? obk_grpc_make_message (f->reply.message) : NULL;
  grpc_slice details = grpc_slice_from_copied_string (f->reply.details != NULL ? f->reply.details : "");
  grpc_op operations[3]
      = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
          { .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
            .data.send_status_from_server = { .status = f->reply.status, .status_details = &details } } };
  gsize n = 2;

  if (message != NULL)
    operations[n++] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message };
  g_assert_true (finish_batch (f, call, operations, n));
  grpc_slice_unref (details);
}

static void
answer (Fixture *f, grpc_call *call, const grpc_call_details *details)
{
  grpc_byte_buffer *message = NULL;
  int cancelled = 0;
  const grpc_op receive = { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &message };
  const grpc_op wait = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &cancelled };

  g_free (f->method);
  f->method = g_strndup ((const char *)GRPC_SLICE_START_PTR (details->method), GRPC_SLICE_LENGTH (details->method));
  g_assert_true (finish_batch (f, call, &receive, 1));
  g_clear_pointer (&f->request, obk_secret_unref);
  f->request = obk_grpc_take_message (message);
  if (f->reply.silent)
    {
      g_assert_true (finish_batch (f, call, &wait, 1));
      g_assert_cmpint (cancelled, !=, 0);
    }
  else
    send_reply (f, call);
  grpc_call_unref (call);
}

static gpointer
serve (gpointer data)
{
  Fixture *f = data;
  gboolean going_on = TRUE;

  while (going_on)
    {
      grpc_call *call = NULL;
      grpc_call_details details;
      grpc_metadata_array metadata;
      grpc_event event;

      grpc_call_details_init (&details);
      grpc_metadata_array_init (&metadata);
      g_assert_cmpint (grpc_server_request_call (f->server, &call, &details, &metadata, f->queue, f->queue, &f->server),
                       ==, GRPC_CALL_OK);
      do
        event = grpc_completion_queue_next (f->queue, gpr_inf_future (GPR_CLOCK_REALTIME), NULL);
      while (event.tag == f); /* that it has been shut down; the request fails for that */
      going_on = event.success != 0;
      if (going_on)
        answer (f, call, &details);
      grpc_call_details_destroy (&details);
      grpc_metadata_array_destroy (&metadata);
    }
  return NULL;
}

static void
start_server (Fixture *f)
{
  obk_grpc_core_init ();
  f->queue = grpc_completion_queue_create_for_next (NULL);
  f->server = grpc_server_create (NULL, NULL); /* without our limits, to send what is beyond them */
  grpc_server_register_completion_queue (f->server, f->queue, NULL);
  grpc_server_start (f->server);
  obk_grpc_core_server_add (f->server, f->peer);
  f->peer = -1;
  f->thread = g_thread_new ("server", serve, f);
}

static void
stop_server (Fixture *f)
{
  grpc_server_shutdown_and_notify (f->server, f->queue, f);
  g_thread_join (f->thread);
  grpc_completion_queue_shutdown (f->queue);
  while (grpc_completion_queue_next (f->queue, gpr_inf_future (GPR_CLOCK_REALTIME), NULL).type != GRPC_QUEUE_SHUTDOWN)
    ;
  grpc_server_destroy (f->server);
  grpc_completion_queue_destroy (f->queue);
  obk_grpc_core_shutdown ();
}

/* The socket */

static struct sockaddr_un
address_of (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  return address;
}

static int
make_socket (const char *path, int type, int backlog)
{
  struct sockaddr_un address = address_of (path);
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fd, backlog), ==, 0);
  return fd;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("obk-client-XXXXXX", NULL);
  g_assert_nonnull (f->directory);
  f->path = g_build_filename (f->directory, "s", NULL);
  f->listening = -1;
  f->peer = -1;
}

static void
connect_client (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->listening = make_socket (f->path, SOCK_STREAM, 8);
  f->client = obk_kms_client_new (f->path, TIMEOUT_US, &error);
  g_assert_no_error (error);
  f->peer = accept4 (f->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  g_assert_cmpint (f->peer, >=, 0);
}

static void
set_up_served (Fixture *f, gconstpointer data)
{
  set_up (f, data);
  connect_client (f);
  start_server (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_kms_client_free (f->client);
  if (f->server != NULL)
    stop_server (f);
  if (f->peer >= 0)
    close (f->peer);
  if (f->listening >= 0)
    close (f->listening);
  g_clear_pointer (&f->reply.message, obk_secret_unref);
  g_clear_pointer (&f->request, obk_secret_unref);
  g_free (f->method);
  g_unlink (f->path);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->path);
  g_free (f->directory);
}

/* Connecting */

static void
expect_unavailable (const char *path, gint64 timeout_us, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (obk_kms_client_new (path, timeout_us, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE);
  g_assert_true (g_str_has_prefix (error->message, "cannot connect to socket \""));
  if (strstr (error->message, text) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, text);
}

static void
test_no_socket (Fixture *f, gconstpointer data)
{
  g_autofree char *filling = g_strnfill (108, 'x');
  g_autofree char *too_long = g_strconcat ("/", filling, NULL);

  expect_unavailable (f->path, TIMEOUT_US, "No such file or directory");
  expect_unavailable (f->directory, TIMEOUT_US, "it is not a socket");
  expect_unavailable (too_long, TIMEOUT_US, "the path is too long");
  g_assert_true (g_file_set_contents (f->path, "", 0, NULL));
  expect_unavailable (f->path, TIMEOUT_US, "it is not a socket");
  g_unlink (f->path);
  close (make_socket (f->path, SOCK_STREAM, 1));
  expect_unavailable (f->path, TIMEOUT_US, "nobody listens on it; is the provider running?");
  g_unlink (f->path);
  f->listening = make_socket (f->path, SOCK_SEQPACKET, 1);
  expect_unavailable (f->path, TIMEOUT_US, g_strerror (EPROTOTYPE));
}

static void
test_not_permitted (Fixture *f, gconstpointer data)
{
  int status = 0;
  pid_t pid = -1;

  if (geteuid () != 0)
    {
      g_test_skip ("becoming another user needs root");
      return;
    }
  f->listening = make_socket (f->path, SOCK_STREAM, 1);
  g_assert_cmpint (chmod (f->path, 0600), ==, 0);
  g_assert_cmpint (chmod (f->directory, 0711), ==, 0);
  pid = fork ();
  if (pid == 0)
    {
      if (setuid (STRANGER) != 0)
        _exit (1);
      expect_unavailable (f->path, TIMEOUT_US, "permission denied; is this user a member of the socket group?");
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

/* Returns: how many connections the queue of the socket took until it was full */
static guint
fill_queue (const char *path, int *fds, guint max)
{
  struct sockaddr_un address = address_of (path);
  guint n = 0;

  for (; n < max; n++)
    {
      fds[n] = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (connect (fds[n], (const struct sockaddr *)&address, sizeof address) != 0)
        break;
    }
  g_assert_cmpint (errno, ==, EAGAIN);
  close (fds[n]);
  return n;
}

static gpointer
accept_later (gpointer data)
{
  const Fixture *f = data;

  g_usleep (SHORT_US);
  close (accept4 (f->listening, NULL, NULL, SOCK_CLOEXEC));
  return NULL;
}

static void
test_full_queue (Fixture *f, gconstpointer data)
{
  int fds[8];
  gint64 start_us = 0;
  guint n = 0;
  GThread *thread = NULL;
  g_autoptr (GError) error = NULL;

  f->listening = make_socket (f->path, SOCK_STREAM, 1);
  n = fill_queue (f->path, fds, G_N_ELEMENTS (fds));
  expect_unavailable (f->path, 0, "too many others are waiting to be accepted");
  start_us = obk_clock_boot_us ();
  expect_unavailable (f->path, SHORT_US, "does the provider hang?");
  g_assert_cmpint (obk_clock_boot_us () - start_us, >=, SHORT_US);

  thread = g_thread_new ("accepts", accept_later, f);
  f->client = obk_kms_client_new (f->path, TIMEOUT_US, &error);
  g_assert_no_error (error);
  g_thread_join (thread);
  while (n > 0)
    close (fds[--n]);
}

/* Peers that are no server */

static void
expect_status_error (Fixture *f, gint64 timeout_us, ObkError code, const char *text)
{
  g_auto (ObkKmsStatus) status = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (obk_kms_client_status (f->client, timeout_us, &status, &error));
  g_assert_error (error, OBK_ERROR, (gint)code);
  if (!g_str_has_prefix (error->message, text))
    g_error ("\"%s\" does not begin with \"%s\"", error->message, text);
  g_assert_null (status.version);
}

static void
test_peer_gone (Fixture *f, gconstpointer data)
{
  connect_client (f);
  close (f->peer);
  f->peer = -1;
  expect_status_error (f, TIMEOUT_US, OBK_ERROR_UNAVAILABLE, "UNAVAILABLE: ");
}

static void
test_peer_mute (Fixture *f, gconstpointer data)
{
  gint64 start_us = 0;

  connect_client (f);
  start_us = obk_clock_boot_us ();
  expect_status_error (f, SHORT_US, OBK_ERROR_TIMEOUT, "DEADLINE_EXCEEDED: ");
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, SOON_US);
}

static void
test_peer_speaks_otherwise (Fixture *f, gconstpointer data)
{
  static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

  connect_client (f);
  g_assert_cmpint (write (f->peer, text, sizeof text - 1), ==, sizeof text - 1);
  close (f->peer);
  f->peer = -1;
  expect_status_error (f, TIMEOUT_US, OBK_ERROR_UNAVAILABLE, "UNAVAILABLE: ");
}

static void
test_server_mute (Fixture *f, gconstpointer data)
{
  f->reply.silent = TRUE;
  expect_status_error (f, SHORT_US, OBK_ERROR_TIMEOUT, "DEADLINE_EXCEEDED: ");
}

/* Answers */

static const struct
{
  grpc_status_code status;
  const char *name;
  ObkError code;
} statuses[] = {
  { GRPC_STATUS_CANCELLED, "CANCELLED", OBK_ERROR_CANCELED },
  { GRPC_STATUS_UNKNOWN, "UNKNOWN", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT", OBK_ERROR_REQUEST_LIMIT },
  { GRPC_STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", OBK_ERROR_TIMEOUT },
  { GRPC_STATUS_NOT_FOUND, "NOT_FOUND", OBK_ERROR_KEY_ID_UNKNOWN },
  { GRPC_STATUS_ALREADY_EXISTS, "ALREADY_EXISTS", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_PERMISSION_DENIED, "PERMISSION_DENIED", OBK_ERROR_POLICY_DENIED },
  { GRPC_STATUS_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", OBK_ERROR_CONCURRENCY_LIMIT },
  { GRPC_STATUS_FAILED_PRECONDITION, "FAILED_PRECONDITION", OBK_ERROR_STATUS_STALE },
  { GRPC_STATUS_ABORTED, "ABORTED", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_OUT_OF_RANGE, "OUT_OF_RANGE", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_UNIMPLEMENTED, "UNIMPLEMENTED", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_INTERNAL, "INTERNAL", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE", OBK_ERROR_UNAVAILABLE },
  { GRPC_STATUS_DATA_LOSS, "DATA_LOSS", OBK_ERROR_UNKNOWN },
  { GRPC_STATUS_UNAUTHENTICATED, "UNAUTHENTICATED", OBK_ERROR_AUTH_FAILED },
  { (grpc_status_code)99, "UNKNOWN", OBK_ERROR_UNKNOWN },
};

/* One connection after all: a refusal leaves it alone. */
static void
test_statuses (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_autofree char *expected = g_strdup_printf ("%s: what was said", statuses[i].name);

      f->reply.status = statuses[i].status;
      f->reply.details = "what was said";
      expect_status_error (f, TIMEOUT_US, statuses[i].code, expected);
    }
}

static void
test_details_that_are_no_text (Fixture *f, gconstpointer data)
{
  f->reply.status = GRPC_STATUS_INTERNAL;
  f->reply.details = "a\xff z";
  expect_status_error (f, TIMEOUT_US, OBK_ERROR_UNKNOWN, "INTERNAL: a\xef\xbf\xbd z");
}

static void
reply_with (Fixture *f, const char *bytes, gsize length)
{
  g_clear_pointer (&f->reply.message, obk_secret_unref);
  f->reply.message = obk_secret_new_copy (bytes, length);
}

static ObkKmsEncrypted
make_encrypted (void)
{
  ObkKmsEncrypted encrypted = { g_bytes_new ("c\0\xff", 3), g_strdup ("the key_id"), NULL };

  encrypted.annotations = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  g_hash_table_insert (encrypted.annotations, g_strdup ("a.example"), g_bytes_new ("v\0\xfe", 3));
  return encrypted;
}

static void
expect_malformed (Fixture *f)
{
  g_autoptr (ObkSecret) plaintext = obk_secret_new_copy ("x", 1);
  g_autoptr (ObkSecret) back = NULL;
  g_auto (ObkKmsEncrypted) sent = make_encrypted (), encrypted = { 0 };
  g_autoptr (GError) encrypt_error = NULL;
  g_autoptr (GError) decrypt_error = NULL;

  expect_status_error (f, TIMEOUT_US, OBK_ERROR_UNKNOWN, "the answer is malformed");
  g_assert_false (obk_kms_client_encrypt (f->client, TIMEOUT_US, plaintext, "uid", &encrypted, &encrypt_error));
  g_assert_error (encrypt_error, OBK_ERROR, OBK_ERROR_UNKNOWN);
  back = obk_kms_client_decrypt (f->client, TIMEOUT_US, &sent, "uid", &decrypt_error);
  g_assert_null (back);
  g_assert_error (decrypt_error, OBK_ERROR, OBK_ERROR_UNKNOWN);
  g_assert_cmpstr (decrypt_error->message, ==, "the answer is malformed");
}

static void
test_malformed (Fixture *f, gconstpointer data)
{
  expect_malformed (f); /* good, and no message at all */
  reply_with (f, "\x0a\x05x", 3);
  expect_malformed (f);
}

static void
test_too_long (Fixture *f, gconstpointer data)
{
  g_autofree char *bytes = g_strnfill (MAX_ANSWER + 1, 'x');
  g_auto (ObkKmsStatus) status = { 0 };
  g_autoptr (GError) error = NULL;

  memcpy (bytes, "\x0a\xfd\xff\x03", 4); /* one field that fills the rest */
  reply_with (f, bytes, MAX_ANSWER + 1);
  expect_status_error (f, TIMEOUT_US, OBK_ERROR_CONCURRENCY_LIMIT, "RESOURCE_EXHAUSTED: ");
  memcpy (bytes, "\x0a\xfc\xff\x03", 4);
  reply_with (f, bytes, MAX_ANSWER);
  obk_kms_client_status (f->client, TIMEOUT_US, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (status.version), ==, MAX_ANSWER - 4);
}

static void
test_status (Fixture *f, gconstpointer data)
{
  g_auto (ObkKmsStatus) status = { 0 }, empty = { 0 };
  g_autoptr (GError) error = NULL;

  reply_with (f, "\x0a\x02v2\x12\x02ok\x1a\x03i\xffz", 13);
  g_assert_true (obk_kms_client_status (f->client, TIMEOUT_US, &status, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (f->method, ==, "/v2.KeyManagementService/Status");
  g_assert_cmpuint (obk_secret_length (f->request), ==, 0);
  g_assert_cmpstr (status.version, ==, "v2");
  g_assert_cmpstr (status.healthz, ==, "ok");
  g_assert_cmpstr (status.key_id, ==, "i\xef\xbf\xbdz"); /* it goes to a terminal */
  reply_with (f, "", 0);
  g_assert_true (obk_kms_client_status (f->client, TIMEOUT_US, &empty, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (empty.healthz, ==, "");
}

static void
test_encrypt (Fixture *f, gconstpointer data)
{
  static const char bytes[] = "\x0a\x03"
                              "c\0\xff"
                              "\x12\x02id"
                              "\x1a\x07\x0a\x01k\x12\x02\0\xfe"
                              "\x1a\x05\x0a\x01l\x12\x00";
  g_autoptr (ObkSecret) plaintext = obk_secret_new_copy ("p\0q", 3);
  g_auto (ObkKmsEncrypted) encrypted = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) ciphertext = g_bytes_new ("c\0\xff", 3);
  g_autoptr (GBytes) value = g_bytes_new ("\0\xfe", 2);

  reply_with (f, bytes, sizeof bytes - 1);
  g_assert_true (obk_kms_client_encrypt (f->client, TIMEOUT_US, plaintext, "uid", &encrypted, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (f->method, ==, "/v2.KeyManagementService/Encrypt");
  g_assert_cmpmem (obk_secret_data (f->request), obk_secret_length (f->request), "\x0a\x03p\0q\x12\x03uid", 10);
  g_assert_true (g_bytes_equal (encrypted.ciphertext, ciphertext));
  g_assert_cmpstr (encrypted.key_id, ==, "id");
  g_assert_cmpuint (g_hash_table_size (encrypted.annotations), ==, 2);
  g_assert_true (g_bytes_equal (g_hash_table_lookup (encrypted.annotations, "k"), value));
  g_assert_cmpuint (g_bytes_get_size (g_hash_table_lookup (encrypted.annotations, "l")), ==, 0);
}

static void
test_decrypt (Fixture *f, gconstpointer data)
{
  g_auto (ObkKmsEncrypted) encrypted = make_encrypted ();
  g_autoptr (ObkSecret) plaintext = NULL;
  g_autoptr (GError) error = NULL;
  V2__DecryptRequest *request = NULL;

  reply_with (f, "\x0a\x03p\0q", 5);
  plaintext = obk_kms_client_decrypt (f->client, TIMEOUT_US, &encrypted, "the uid", &error);
  g_assert_no_error (error);
  g_assert_cmpmem (obk_secret_data (plaintext), obk_secret_length (plaintext), "p\0q", 3);
  g_assert_cmpstr (f->method, ==, "/v2.KeyManagementService/Decrypt");
  request = v2__decrypt_request__unpack (NULL, obk_secret_length (f->request),
                                         (const guint8 *)obk_secret_data (f->request));
  g_assert_nonnull (request);
  g_assert_cmpmem (request->ciphertext.data, request->ciphertext.len, "c\0\xff", 3);
  g_assert_cmpstr (request->key_id, ==, "the key_id");
  g_assert_cmpstr (request->uid, ==, "the uid");
  g_assert_cmpuint (request->n_annotations, ==, 1);
  g_assert_cmpstr (request->annotations[0]->key, ==, "a.example");
  g_assert_cmpmem (request->annotations[0]->value.data, request->annotations[0]->value.len, "v\0\xfe", 3);
  v2__decrypt_request__free_unpacked (request, NULL);
}

#define TEST(path, set_up, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/kms-client/connect/not-permitted", set_up, test_not_permitted); /* before there are other threads */
  TEST ("/kms-client/connect/no-socket", set_up, test_no_socket);
  TEST ("/kms-client/connect/full-queue", set_up, test_full_queue);
  TEST ("/kms-client/peer/gone", set_up, test_peer_gone);
  TEST ("/kms-client/peer/mute", set_up, test_peer_mute);
  TEST ("/kms-client/peer/speaks-otherwise", set_up, test_peer_speaks_otherwise);
  TEST ("/kms-client/server/mute", set_up_served, test_server_mute);
  TEST ("/kms-client/answer/statuses", set_up_served, test_statuses);
  TEST ("/kms-client/answer/details-that-are-no-text", set_up_served, test_details_that_are_no_text);
  TEST ("/kms-client/answer/malformed", set_up_served, test_malformed);
  TEST ("/kms-client/answer/too-long", set_up_served, test_too_long);
  TEST ("/kms-client/answer/status", set_up_served, test_status);
  TEST ("/kms-client/answer/encrypt", set_up_served, test_encrypt);
  TEST ("/kms-client/answer/decrypt", set_up_served, test_decrypt);
  return g_test_run ();
}
