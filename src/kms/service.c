/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed at the KMS boundary: the checks of Encrypt and Decrypt, in order, and their calls to Transit. */
#include "kms/service.h"

#include "base/clock.h"
#include "base/error.h"
#include "identity/key-id.h"
#include "kms/gate.h"
#include "kms/message.h"
#include "kms/request-log.h"
#include "openbao/transit-ciphertext.h"

#include <string.h>

/* spec kms-v2.md, "Limits" */
#define MAX_CIPHERTEXT 1023
#define MAX_KEY_ID 1023

struct _ObkService
{
  ObkServiceOptions options;
  ObkGate gates[OBK_N_METHODS]; /* that of Status is not used */
  GQueue calls;                 /* of ObkServiceCall, all that have no answer yet */
  GHashTable *last_use;         /* of LastUse: of those that a board has had, and so not many */
  ObkCorrelation *correlation;  /* (nullable) */
};

/* When a Decrypt last needed a key version. */
typedef struct
{
  guint32 version;
  gint64 unix_s;
} LastUse;

struct _ObkServiceCall
{
  ObkService *service;
  ObkMethod method;
  GList link; /* in the service's calls */
  ObkGatePlace place;
  ObkTimer timer; /* the deadline, while it waits for something of ours; then it is Transit's */
  gint64 arrived_us;
  gint64 start_us;
  gint64 deadline_us;
  ObkCorrelation *correlation;    /* (nullable): with @uid_hash, when its records are to tell it */
  char *uid_hash;                 /* (nullable) */
  ObkBoard *board;                /* one board from start to end: it holds the identity */
  const ObkKeyIdentity *identity; /* (nullable): until it is known */
  char *key_id;                   /* (nullable): the well-formed one of a request whose identity is not known */
  gconstpointer plaintext;        /* the request's, borrowed */
  gsize plaintext_length;
  ObkDecryptRequest decrypt;   /* likewise */
  char *ciphertext;            /* a copy with a zero at its end */
  ObkDiscoveryWait *discovery; /* (nullable): while it is looked for a version that a peer may have promoted */
  ObkCall *transit_call;
  ObkEncryptDone encrypted;
  ObkDecryptDone decrypted;
  gpointer user_data;
};

static gboolean
refuse (ObkError code, const char *text, GError **error)
{
  g_set_error_literal (error, OBK_ERROR, (gint)code, text);
  return FALSE;
}

/* Checks of a request, each of them local */

static gboolean
check_encrypt (ObkServiceCall *call, const ObkEncryptRequest *request, GError **error)
{
  if (request->plaintext_length == 0)
    return refuse (OBK_ERROR_PLAINTEXT_EMPTY, "plaintext is empty", error);
  if (!obk_board_healthy (call->board, call->start_us))
    return refuse (OBK_ERROR_STATUS_STALE, obk_board_reason (call->board, call->start_us), error);
  call->identity = obk_board_active (call->board);
  return TRUE;
}

static gboolean
check_limits (const ObkDecryptRequest *request, GError **error)
{
  if (request->ciphertext_length == 0)
    return refuse (OBK_ERROR_CIPHERTEXT_EMPTY, "ciphertext is empty", error);
  if (request->ciphertext_length > MAX_CIPHERTEXT)
    return refuse (OBK_ERROR_REQUEST_LIMIT, "ciphertext is too long", error);
  if (request->key_id_length > MAX_KEY_ID)
    return refuse (OBK_ERROR_REQUEST_LIMIT, "key_id is too long", error);
  return obk_annotations_check_limits (request->annotations, request->n_annotations, error);
}

/* Which version, if any, the request's key_id names */
static gboolean
find_identity (ObkServiceCall *call, const ObkDecryptRequest *request, GError **error)
{
  if (!obk_key_id_is_well_formed (request->key_id, request->key_id_length))
    return refuse (OBK_ERROR_KEY_ID_MALFORMED, "key_id has not the form of one", error);
  g_free (call->key_id);
  call->key_id = g_strndup (request->key_id, request->key_id_length);
  if (!obk_board_loaded (call->board))
    return refuse (OBK_ERROR_STATUS_STALE, "no registry is loaded yet", error);
  call->identity = obk_board_find (call->board, request->key_id, request->key_id_length);
  if (call->identity == NULL)
    return refuse (OBK_ERROR_KEY_ID_UNKNOWN, "no version that may decrypt has this key_id", error);
  return TRUE;
}

static gboolean
check_ciphertext (ObkServiceCall *call, const ObkDecryptRequest *request, GError **error)
{
  guint32 version = obk_key_identity_version (call->identity);

  if (!obk_transit_ciphertext_is_of_version (request->ciphertext, request->ciphertext_length, version))
    return refuse (OBK_ERROR_AAD_MISMATCH, "the ciphertext is not of this key version", error);
  if (!obk_transit_ciphertext_is_whole (request->ciphertext, request->ciphertext_length, version))
    return refuse (OBK_ERROR_TRANSIT_REFUSED, "the ciphertext is not text, and so not one of Transit's", error);
  return TRUE;
}

static gboolean
check_decrypt (ObkServiceCall *call, GError **error)
{
  const ObkDecryptRequest *request = &call->decrypt;
  const ObkScope *scope = obk_board_scope (call->board);

  return check_limits (request, error) && find_identity (call, request, error)
         && obk_annotations_check_form (request->annotations, request->n_annotations, scope, error)
         && obk_key_identity_check (call->identity, request->annotations, request->n_annotations, error)
         && check_ciphertext (call, request, error);
}

/* Checks of an answer */

static gboolean
check_encrypted (const ObkServiceCall *call, const char *ciphertext, GError **error)
{
  gsize length = strlen (ciphertext);
  gsize n = 0;
  const ObkAnnotation *annotations = obk_key_identity_annotations (call->identity, &n);

  if (length == 0 || length > MAX_CIPHERTEXT)
    return refuse (OBK_ERROR_RESPONSE_LIMIT, "the ciphertext is empty or too long", error);
  if (!obk_transit_ciphertext_is_whole (ciphertext, length, obk_key_identity_version (call->identity)))
    return refuse (OBK_ERROR_UNAVAILABLE, "the ciphertext is not of the version that was asked for", error);
  if (!obk_annotations_check_limits (annotations, n, NULL))
    return refuse (OBK_ERROR_RESPONSE_LIMIT, "the annotations are beyond the limits", error);
  return TRUE;
}

static gboolean
check_decrypted (const ObkSecret *plaintext, GError **error)
{
  if (obk_decrypt_answer_size (obk_secret_length (plaintext)) > OBK_MAX_MESSAGE)
    return refuse (OBK_ERROR_RESPONSE_LIMIT, "the plaintext is too long for one message", error);
  return TRUE;
}

/* The way of a call */

static void run (ObkServiceCall *call);

static void
call_free (ObkServiceCall *call)
{
  obk_board_unref (call->board);
  obk_correlation_unref (call->correlation);
  g_free (call->uid_hash);
  g_free (call->key_id);
  g_free (call->ciphertext);
  g_free (call);
}

static void
log_outcome (const ObkServiceCall *call, const GError *error)
{
  obk_request_log (&(ObkRequestOutcome){
      .method = call->method,
      .start_us = call->arrived_us,
      .error = error,
      .identity = call->identity,
      .key_id = call->key_id,
      .correlation = call->correlation,
      .uid_hash = call->uid_hash,
  });
}

static void
run_waiting (ObkGate *gate)
{
  ObkGatePlace *next = NULL;

  while ((next = obk_gate_next (gate)) != NULL)
    run (OBK_CONTAINER_OF (next, ObkServiceCall, place));
}

/* Its slot goes to the next. */
static void
detach (ObkServiceCall *call)
{
  ObkService *service = call->service;
  ObkGate *gate = &service->gates[call->method];

  obk_poller_cancel_timer (service->options.poller, &call->timer);
  g_queue_unlink (&service->calls, &call->link);
  obk_gate_leave (gate, &call->place);
  run_waiting (gate);
}

static void
finish (ObkServiceCall *call, const char *ciphertext, ObkSecret *plaintext, const GError *error)
{
  log_outcome (call, error);
  if (call->method == OBK_METHOD_ENCRYPT)
    call->encrypted (ciphertext, call->identity, error, call->user_data);
  else
    call->decrypted (plaintext, error, call->user_data);
  detach (call);
  call_free (call);
}

static void
transit_encrypted (const char *ciphertext, const GError *error, gpointer user_data)
{
  ObkServiceCall *call = user_data;
  g_autoptr (GError) own_error = NULL;

  call->transit_call = NULL;
  if (error == NULL && !check_encrypted (call, ciphertext, &own_error))
    error = own_error;
  if (obk_error_code (error) == OBK_ERROR_VERSION_UNUSABLE && call->service->options.prober != NULL)
    obk_prober_doubt (call->service->options.prober);
  finish (call, error == NULL ? ciphertext : NULL, NULL, error);
}

static void
transit_decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  ObkServiceCall *call = user_data;
  g_autoptr (GError) own_error = NULL;

  call->transit_call = NULL;
  if (error == NULL && !check_decrypted (plaintext, &own_error))
    error = own_error;
  finish (call, NULL, error == NULL ? plaintext : NULL, error);
}

static void
note_use (ObkService *service, guint32 version)
{
  LastUse *use = g_hash_table_lookup (service->last_use, &version);

  if (use == NULL)
    {
      use = g_new0 (LastUse, 1);
      use->version = version;
      g_hash_table_insert (service->last_use, &use->version, use);
    }
  use->unix_s = obk_clock_unix ();
}

static void
run (ObkServiceCall *call)
{
  ObkTransit *transit = call->service->options.transit;
  const char *associated_data = obk_key_identity_associated_data_base64 (call->identity);

  obk_poller_cancel_timer (call->service->options.poller, &call->timer);
  if (call->method == OBK_METHOD_ENCRYPT)
    call->transit_call
        = obk_transit_encrypt (transit, obk_key_identity_version (call->identity), call->plaintext,
                               call->plaintext_length, associated_data, call->deadline_us, transit_encrypted, call);
  else
    {
      note_use (call->service, obk_key_identity_version (call->identity));
      call->transit_call = obk_transit_decrypt (transit, call->ciphertext, associated_data, call->deadline_us,
                                                transit_decrypted, call);
    }
  if (call->uid_hash != NULL)
    obk_call_set_correlation (call->transit_call, call->correlation, call->uid_hash);
}

static void
waited_too_long (ObkTimer *timer)
{
  ObkServiceCall *call = OBK_CONTAINER_OF (timer, ObkServiceCall, timer);
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "no turn within the deadline");

  g_clear_pointer (&call->discovery, obk_discovery_wait_cancel);
  finish (call, NULL, NULL, error);
}

/* Lets a call that passed its checks run or wait. */
static gboolean
enter (ObkServiceCall *call, GError **error)
{
  ObkService *service = call->service;

  if (call->deadline_us <= obk_clock_boot_us ())
    return refuse (OBK_ERROR_TIMEOUT, "the deadline had passed when the call came", error);
  switch (obk_gate_enter (&service->gates[call->method], &call->place))
    {
    case OBK_PLACE_RUNNING:
      run (call);
      return TRUE;
    case OBK_PLACE_WAITING:
      obk_poller_set_timer (service->options.poller, &call->timer, call->deadline_us);
      return TRUE;
    default:
      return refuse (OBK_ERROR_CONCURRENCY_LIMIT, "too many calls are waiting", error);
    }
}

/* @arrived_us: 0: just now */
static ObkServiceCall *
call_new (ObkService *service, ObkMethod method, gint64 arrived_us, gint64 deadline_us, gpointer user_data)
{
  ObkServiceCall *call = g_new0 (ObkServiceCall, 1);

  call->service = service;
  call->method = method;
  call->link.data = call;
  call->timer.expired = waited_too_long;
  call->start_us = obk_clock_boot_us ();
  call->arrived_us = arrived_us != 0 ? arrived_us : call->start_us;
  call->deadline_us = deadline_us;
  call->board = obk_board_slot_get (service->options.board);
  call->user_data = user_data;
  g_queue_push_tail_link (&service->calls, &call->link);
  return call;
}

/* A hash a request would cost something: only while it is wanted. */
static void
correlate (ObkServiceCall *call, const char *uid, gsize length)
{
  ObkCorrelation *correlation = call->service->correlation;

  call->uid_hash = obk_correlation_hash (correlation, uid, length);
  if (call->uid_hash != NULL)
    call->correlation = obk_correlation_ref (correlation);
}

ObkServiceCall *
obk_service_encrypt (ObkService *service, const ObkEncryptRequest *request, ObkEncryptDone done, gpointer user_data)
{
  ObkServiceCall *call = NULL;
  g_autoptr (GError) error = NULL;

  g_return_val_if_fail (service != NULL && request != NULL && done != NULL, NULL);

  call = call_new (service, OBK_METHOD_ENCRYPT, request->arrived_us, request->deadline_us, user_data);
  call->encrypted = done;
  call->plaintext = request->plaintext;
  call->plaintext_length = request->plaintext_length;
  correlate (call, request->uid, request->uid_length);
  if (check_encrypt (call, request, &error) && enter (call, &error))
    return call;
  finish (call, NULL, NULL, error);
  return NULL;
}

static gboolean
admit_decrypt (ObkServiceCall *call, GError **error)
{
  if (!check_decrypt (call, error))
    return FALSE;
  call->ciphertext = g_strndup (call->decrypt.ciphertext, call->decrypt.ciphertext_length);
  return enter (call, error);
}

static guint32
annotated_version (const ObkServiceCall *call)
{
  return obk_annotations_key_version (call->decrypt.annotations, call->decrypt.n_annotations);
}

/* Whether a peer of ours may have made such a key_id, under a version that we have not heard of. */
static gboolean
may_be_a_peers (const ObkServiceCall *call)
{
  const ObkDecryptRequest *request = &call->decrypt;
  const ObkScope *scope = obk_board_scope (call->board);

  return call->service->options.prober != NULL
         && obk_annotations_check_form (request->annotations, request->n_annotations, scope, NULL)
         && obk_annotations_are_of_scope (request->annotations, request->n_annotations, scope, call->key_id)
         && !obk_prober_knows_version (call->service->options.prober, annotated_version (call));
}

static void
discovered (const GError *error, gpointer user_data)
{
  ObkServiceCall *call = user_data;
  g_autoptr (GError) own_error = NULL;

  call->discovery = NULL;
  obk_poller_cancel_timer (call->service->options.poller, &call->timer);
  obk_board_unref (call->board);
  call->board = obk_board_slot_get (call->service->options.board);
  if (error == NULL && admit_decrypt (call, &own_error))
    return;
  finish (call, NULL, NULL, error != NULL ? error : own_error);
}

/* Returns: whether the call waits for what OpenBao says; else @error stands, or tells why it cannot */
static gboolean
discover (ObkServiceCall *call, GError **error)
{
  ObkDiscovery *discovery = NULL;

  if (!g_error_matches (*error, OBK_ERROR, OBK_ERROR_KEY_ID_UNKNOWN) || !may_be_a_peers (call))
    return FALSE;
  g_clear_error (error);
  discovery = obk_prober_discovery (call->service->options.prober);
  call->discovery = obk_discovery_ask (discovery, annotated_version (call), discovered, call, error);
  if (call->discovery == NULL)
    return FALSE;
  obk_poller_set_timer (call->service->options.poller, &call->timer, call->deadline_us);
  return TRUE;
}

ObkServiceCall *
obk_service_decrypt (ObkService *service, const ObkDecryptRequest *request, ObkDecryptDone done, gpointer user_data)
{
  ObkServiceCall *call = NULL;
  g_autoptr (GError) error = NULL;

  g_return_val_if_fail (service != NULL && request != NULL && done != NULL, NULL);

  call = call_new (service, OBK_METHOD_DECRYPT, request->arrived_us, request->deadline_us, user_data);
  call->decrypted = done;
  call->decrypt = *request;
  correlate (call, request->uid, request->uid_length);
  if (admit_decrypt (call, &error) || discover (call, &error))
    return call;
  finish (call, NULL, NULL, error);
  return NULL;
}

static void
abandon (ObkServiceCall *call)
{
  g_clear_pointer (&call->discovery, obk_discovery_wait_cancel);
  g_clear_pointer (&call->transit_call, obk_call_cancel);
}

void
obk_service_cancel (ObkServiceCall *call)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (call != NULL);

  if (obk_clock_boot_us () >= call->deadline_us)
    error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "the client gave up at its deadline");
  else
    error = g_error_new_literal (OBK_ERROR, OBK_ERROR_CANCELED, "the client gave up");
  log_outcome (call, error);
  abandon (call);
  detach (call);
  call_free (call);
}

gint64
obk_service_last_use (const ObkService *service, guint32 version)
{
  const LastUse *use = g_hash_table_lookup (service->last_use, &version);

  return use != NULL ? use->unix_s : 0;
}

ObkService *
obk_service_new (const ObkServiceOptions *options)
{
  ObkService *service = NULL;

  g_return_val_if_fail (options != NULL, NULL);
  g_return_val_if_fail (options->poller != NULL && options->board != NULL && options->transit != NULL, NULL);
  g_return_val_if_fail (options->max_encrypt > 0 && options->max_decrypt > 0, NULL);

  service = g_new0 (ObkService, 1);
  service->options = *options;
  service->last_use = g_hash_table_new_full (g_int_hash, g_int_equal, NULL, g_free);
  obk_service_set_limits (service, options->max_encrypt, options->max_decrypt);
  return service;
}

void
obk_service_set_limits (ObkService *service, guint max_encrypt, guint max_decrypt)
{
  g_return_if_fail (service != NULL && max_encrypt > 0 && max_decrypt > 0);

  service->gates[OBK_METHOD_ENCRYPT].slots = max_encrypt;
  service->gates[OBK_METHOD_DECRYPT].slots = max_decrypt;
  run_waiting (&service->gates[OBK_METHOD_ENCRYPT]);
  run_waiting (&service->gates[OBK_METHOD_DECRYPT]);
}

void
obk_service_set_correlation (ObkService *service, ObkCorrelation *correlation)
{
  g_return_if_fail (service != NULL);

  obk_correlation_unref (service->correlation);
  service->correlation = correlation != NULL ? obk_correlation_ref (correlation) : NULL;
}

/* Unlike a cancelled call's, a slot goes to nobody here. */
void
obk_service_free (ObkService *service)
{
  GList *link = NULL;

  if (service == NULL)
    return;
  while ((link = g_queue_pop_head_link (&service->calls)) != NULL)
    {
      ObkServiceCall *call = link->data;

      obk_poller_cancel_timer (service->options.poller, &call->timer);
      abandon (call);
      call_free (call);
    }
  g_hash_table_unref (service->last_use);
  obk_correlation_unref (service->correlation);
  g_free (service);
}
