/* SPDX-License-Identifier: Apache-2.0 */
/* A KMS v2 client on a Unix socket, for the commands that ask a running provider. Blocking. */
#include "kms/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "kms/grpc-core.h"
#include "proto/kms.pb-c.h"

#include <grpc/support/alloc.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_PAUSE_US 5000 /* between tries on a socket whose queue is full */

struct _ObkKmsClient
{
  grpc_channel *channel;
  grpc_completion_queue *queue;
};

/* What comes back of a call. */
typedef struct
{
  grpc_metadata_array initial_metadata;
  grpc_metadata_array trailing_metadata;
  grpc_byte_buffer *message;
  grpc_status_code status;
  grpc_slice details;
} Answer;

static void
answer_init (Answer *answer)
{
  *answer = (Answer){ .status = GRPC_STATUS_UNKNOWN, .details = grpc_empty_slice () };
  grpc_metadata_array_init (&answer->initial_metadata);
  grpc_metadata_array_init (&answer->trailing_metadata);
}

static void
answer_clear (Answer *answer)
{
  grpc_metadata_array_destroy (&answer->initial_metadata);
  grpc_metadata_array_destroy (&answer->trailing_metadata);
  g_clear_pointer (&answer->message, grpc_byte_buffer_destroy);
  grpc_slice_unref (answer->details);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (grpc_call, grpc_call_unref)

/* Connecting */

static gboolean
refuse (GError **error, const char *path, const char *what)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot connect to socket \"%s\": %s", path, what);
  return FALSE;
}

static gboolean
check_path (const char *path, GError **error)
{
  struct stat status;

  if (strlen (path) >= sizeof ((struct sockaddr_un *)NULL)->sun_path)
    return refuse (error, path, "the path is too long");
  if (stat (path, &status) != 0)
    return refuse (error, path, g_strerror (errno));
  if (!S_ISSOCK (status.st_mode))
    return refuse (error, path, "it is not a socket");
  return TRUE;
}

static const char *
explain (int failure)
{
  switch (failure)
    {
    case ECONNREFUSED:
      return "nobody listens on it; is the provider running?";
    case EACCES:
    case EPERM:
      return OBK_KMS_CLIENT_SAYS_DENIED "; is this user a member of the socket group?";
    case EAGAIN:
      return "too many others are waiting to be accepted; does the provider hang?";
    default:
      return g_strerror (failure);
    }
}

/* Tries again while the queue of the socket is full. */
static gboolean
connect_within (int fd, const char *path, gint64 deadline_us, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  while (connect (fd, (const struct sockaddr *)&address, sizeof address) != 0)
    {
      int failure = errno;

      if ((failure != EAGAIN && failure != EINTR) || obk_clock_boot_us () >= deadline_us)
        return refuse (error, path, explain (failure));
      g_usleep (CONNECT_PAUSE_US);
    }
  return TRUE;
}

ObkKmsClient *
obk_kms_client_new (const char *socket_path, gint64 timeout_us, GError **error)
{
  ObkKmsClient *client = NULL;
  int fd = -1;

  g_return_val_if_fail (socket_path != NULL, NULL);

  if (!check_path (socket_path, error))
    return NULL;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    {
      refuse (error, socket_path, g_strerror (errno));
      return NULL;
    }
  if (!connect_within (fd, socket_path, obk_clock_boot_us () + timeout_us, error))
    {
      close (fd);
      return NULL;
    }
  obk_grpc_core_init ();
  client = g_new0 (ObkKmsClient, 1);
  client->channel = obk_grpc_core_channel_new (fd);
  client->queue = grpc_completion_queue_create_for_next (NULL);
  return client;
}

void
obk_kms_client_free (ObkKmsClient *client)
{
  if (client == NULL)
    return;
  grpc_channel_destroy (client->channel);
  grpc_completion_queue_shutdown (client->queue);
  while (grpc_completion_queue_next (client->queue, gpr_inf_future (GPR_CLOCK_REALTIME), NULL).type
         != GRPC_QUEUE_SHUTDOWN)
    ;
  grpc_completion_queue_destroy (client->queue);
  g_free (client);
  obk_grpc_core_shutdown ();
}

/* Calling */

typedef struct
{
  const char *name; /* as in the protocol */
  ObkError error;   /* which of ours comes nearest */
} Status;

static const Status statuses[] = {
  [GRPC_STATUS_OK] = { "OK", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_CANCELLED] = { "CANCELLED", OBK_ERROR_CANCELED },
  [GRPC_STATUS_UNKNOWN] = { "UNKNOWN", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_INVALID_ARGUMENT] = { "INVALID_ARGUMENT", OBK_ERROR_REQUEST_LIMIT },
  [GRPC_STATUS_DEADLINE_EXCEEDED] = { "DEADLINE_EXCEEDED", OBK_ERROR_TIMEOUT },
  [GRPC_STATUS_NOT_FOUND] = { "NOT_FOUND", OBK_ERROR_KEY_ID_UNKNOWN },
  [GRPC_STATUS_ALREADY_EXISTS] = { "ALREADY_EXISTS", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_PERMISSION_DENIED] = { "PERMISSION_DENIED", OBK_ERROR_POLICY_DENIED },
  [GRPC_STATUS_RESOURCE_EXHAUSTED] = { "RESOURCE_EXHAUSTED", OBK_ERROR_CONCURRENCY_LIMIT },
  [GRPC_STATUS_FAILED_PRECONDITION] = { "FAILED_PRECONDITION", OBK_ERROR_STATUS_STALE },
  [GRPC_STATUS_ABORTED] = { "ABORTED", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_OUT_OF_RANGE] = { "OUT_OF_RANGE", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_UNIMPLEMENTED] = { "UNIMPLEMENTED", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_INTERNAL] = { "INTERNAL", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_UNAVAILABLE] = { "UNAVAILABLE", OBK_ERROR_UNAVAILABLE },
  [GRPC_STATUS_DATA_LOSS] = { "DATA_LOSS", OBK_ERROR_UNKNOWN },
  [GRPC_STATUS_UNAUTHENTICATED] = { "UNAUTHENTICATED", OBK_ERROR_AUTH_FAILED },
};

static void
set_status_error (const Answer *answer, GError **error)
{
  gboolean known = (guint)answer->status < G_N_ELEMENTS (statuses);
  const Status *status = &statuses[known ? answer->status : GRPC_STATUS_UNKNOWN];
  g_autofree char *details
      = g_strndup ((const char *)GRPC_SLICE_START_PTR (answer->details), GRPC_SLICE_LENGTH (answer->details));
  g_autofree char *printable = g_utf8_make_valid (details, -1);

  g_set_error (error, OBK_ERROR, (gint)status->error, "%s: %s", status->name, printable);
}

static gboolean
set_malformed (GError **error)
{
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "the answer is malformed");
  return FALSE;
}

static gboolean
perform (ObkKmsClient *client, grpc_call *call, grpc_byte_buffer *request, Answer *answer)
{
  const grpc_op operations[] = {
    { .op = GRPC_OP_SEND_INITIAL_METADATA },
    { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request },
    { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
    { .op = GRPC_OP_RECV_INITIAL_METADATA,
      .data.recv_initial_metadata.recv_initial_metadata = &answer->initial_metadata },
    { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &answer->message },
    { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
      .data.recv_status_on_client = { .trailing_metadata = &answer->trailing_metadata,
                                      .status = &answer->status,
                                      .status_details = &answer->details } },
  };

  if (grpc_call_start_batch (call, operations, G_N_ELEMENTS (operations), call, NULL) != GRPC_CALL_OK)
    return FALSE;
  /* The call ends at its deadline at the latest. */
  grpc_completion_queue_next (client->queue, gpr_inf_future (GPR_CLOCK_REALTIME), NULL);
  return TRUE;
}

/* Returns: (transfer full): the bytes of the answer */
static ObkSecret *
call_method (ObkKmsClient *client, const char *path, gint64 timeout_us, ObkSecret *request, GError **error)
{
  g_autoptr (grpc_byte_buffer) message = obk_grpc_make_message (request);
  gpr_timespec deadline = gpr_time_add (gpr_now (GPR_CLOCK_MONOTONIC), gpr_time_from_micros (timeout_us, GPR_TIMESPAN));
  g_autoptr (grpc_call) call = grpc_channel_create_call (client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
                                                         grpc_slice_from_static_string (path), NULL, deadline, NULL);
  g_auto (Answer) answer;

  answer_init (&answer);
  if (!perform (client, call, message, &answer))
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "the gRPC core refuses the call");
      return NULL;
    }
  if (answer.status == GRPC_STATUS_OK && answer.message != NULL)
    return obk_grpc_take_message (g_steal_pointer (&answer.message));
  if (answer.status == GRPC_STATUS_OK)
    set_malformed (error);
  else
    set_status_error (&answer, error);
  return NULL;
}

static const guint8 *
bytes_of (const ObkSecret *message)
{
  return (const guint8 *)obk_secret_data (message);
}

gboolean
obk_kms_client_status (ObkKmsClient *client, gint64 timeout_us, ObkKmsStatus *status, GError **error)
{
  g_autoptr (ObkSecret) request = obk_secret_new (0);
  g_autoptr (ObkSecret) answer = NULL;
  V2__StatusResponse *response = NULL;

  g_return_val_if_fail (client != NULL && status != NULL, FALSE);

  answer = call_method (client, OBK_PATH_STATUS, timeout_us, request, error);
  if (answer == NULL)
    return FALSE;
  response = v2__status_response__unpack (NULL, obk_secret_length (answer), bytes_of (answer));
  if (response == NULL)
    return set_malformed (error);
  status->version = g_utf8_make_valid (response->version, -1);
  status->healthz = g_utf8_make_valid (response->healthz, -1);
  status->key_id = g_utf8_make_valid (response->key_id, -1);
  v2__status_response__free_unpacked (response, NULL);
  return TRUE;
}

static void
take_encrypted (const V2__EncryptResponse *response, ObkKmsEncrypted *encrypted)
{
  encrypted->ciphertext = g_bytes_new (response->ciphertext.data, response->ciphertext.len);
  encrypted->key_id = g_utf8_make_valid (response->key_id, -1);
  encrypted->annotations = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  for (gsize i = 0; i < response->n_annotations; i++)
    {
      const V2__EncryptResponse__AnnotationsEntry *entry = response->annotations[i];

      g_hash_table_replace (encrypted->annotations, g_strdup (entry->key),
                            g_bytes_new (entry->value.data, entry->value.len));
    }
}

gboolean
obk_kms_client_encrypt (ObkKmsClient *client, gint64 timeout_us, ObkSecret *plaintext, const char *uid,
                        ObkKmsEncrypted *encrypted, GError **error)
{
  V2__EncryptRequest request = V2__ENCRYPT_REQUEST__INIT;
  g_autoptr (ObkSecret) packed = NULL;
  g_autoptr (ObkSecret) answer = NULL;
  V2__EncryptResponse *response = NULL;

  g_return_val_if_fail (client != NULL && plaintext != NULL && uid != NULL && encrypted != NULL, FALSE);

  request.plaintext.data = (guint8 *)obk_secret_writable (plaintext);
  request.plaintext.len = obk_secret_length (plaintext);
  request.uid = (char *)uid;
  packed = obk_secret_new (v2__encrypt_request__get_packed_size (&request));
  obk_secret_set_length (packed, v2__encrypt_request__pack (&request, (guint8 *)obk_secret_writable (packed)));
  answer = call_method (client, OBK_PATH_ENCRYPT, timeout_us, packed, error);
  if (answer == NULL)
    return FALSE;
  response = v2__encrypt_response__unpack (NULL, obk_secret_length (answer), bytes_of (answer));
  if (response == NULL)
    return set_malformed (error);
  take_encrypted (response, encrypted);
  v2__encrypt_response__free_unpacked (response, NULL);
  return TRUE;
}

static ObkSecret *
pack_decrypt (const ObkKmsEncrypted *encrypted, const char *uid)
{
  guint n = g_hash_table_size (encrypted->annotations);
  g_autofree V2__DecryptRequest__AnnotationsEntry *entries = g_new (V2__DecryptRequest__AnnotationsEntry, n);
  g_autofree V2__DecryptRequest__AnnotationsEntry **pointers = g_new (V2__DecryptRequest__AnnotationsEntry *, n);
  V2__DecryptRequest request = V2__DECRYPT_REQUEST__INIT;
  GHashTableIter iter;
  gpointer key = NULL;
  gpointer value = NULL;
  ObkSecret *packed = NULL;

  g_hash_table_iter_init (&iter, encrypted->annotations);
  for (guint i = 0; g_hash_table_iter_next (&iter, &key, &value); i++)
    {
      entries[i] = (V2__DecryptRequest__AnnotationsEntry)V2__DECRYPT_REQUEST__ANNOTATIONS_ENTRY__INIT;
      entries[i].key = key;
      entries[i].value.data = (guint8 *)g_bytes_get_data (value, &entries[i].value.len);
      pointers[i] = &entries[i];
    }
  request.ciphertext.data = (guint8 *)g_bytes_get_data (encrypted->ciphertext, &request.ciphertext.len);
  request.uid = (char *)uid;
  request.key_id = encrypted->key_id;
  request.annotations = pointers;
  request.n_annotations = n;
  packed = obk_secret_new (v2__decrypt_request__get_packed_size (&request));
  obk_secret_set_length (packed, v2__decrypt_request__pack (&request, (guint8 *)obk_secret_writable (packed)));
  return packed;
}

ObkSecret *
obk_kms_client_decrypt (ObkKmsClient *client, gint64 timeout_us, const ObkKmsEncrypted *encrypted, const char *uid,
                        GError **error)
{
  g_autoptr (ObkSecret) packed = NULL;
  g_autoptr (ObkSecret) answer = NULL;
  V2__DecryptResponse *response = NULL;
  ObkSecret *plaintext = NULL;

  g_return_val_if_fail (client != NULL && encrypted != NULL && uid != NULL, NULL);

  packed = pack_decrypt (encrypted, uid);
  answer = call_method (client, OBK_PATH_DECRYPT, timeout_us, packed, error);
  if (answer == NULL)
    return NULL;
  response = v2__decrypt_response__unpack (NULL, obk_secret_length (answer), bytes_of (answer));
  if (response == NULL)
    {
      set_malformed (error);
      return NULL;
    }
  plaintext = obk_secret_new_copy (response->plaintext.data, response->plaintext.len);
  v2__decrypt_response__free_unpacked (response, NULL);
  return plaintext;
}

void
obk_kms_status_clear (ObkKmsStatus *status)
{
  g_clear_pointer (&status->version, g_free);
  g_clear_pointer (&status->healthz, g_free);
  g_clear_pointer (&status->key_id, g_free);
}

void
obk_kms_encrypted_clear (ObkKmsEncrypted *encrypted)
{
  g_clear_pointer (&encrypted->ciphertext, g_bytes_unref);
  g_clear_pointer (&encrypted->key_id, g_free);
  g_clear_pointer (&encrypted->annotations, g_hash_table_unref);
}
