/* SPDX-License-Identifier: Apache-2.0 */
#include "service-fixture.h"

#include "base/log.h"
#include "base/names.h"

#include <string.h>

#define CREATED 1700000000 /* and as many seconds as the version */

static ObkScope scope = {
  (char *)"provider", (char *)"cluster", (char *)"instance", NULL, (char *)"mount", (char *)"lineage",
};

/* The service */

static void
keep_record (const ObkLogRecord *record, gpointer user_data)
{
  Service *s = user_data;
  const char *class = "ok";

  if (strcmp (record->event, OBK_EVENT_KMS_REQUEST) != 0)
    return;
  for (guint i = 0; i < record->n_fields; i++)
    if (strcmp (record->fields[i].name, OBK_FIELD_ERROR_CLASS) == 0)
      class = record->fields[i].value.string;
  g_ptr_array_add (s->log, g_strdup (class));
}

guint
service_count_log (Service *s, const char *class)
{
  guint n = 0;

  for (guint i = 0; i < s->log->len; i++)
    n += strcmp (s->log->pdata[i], class) == 0;
  return n;
}

void
service_set_board (Service *s, guint32 active, const char *reason, gint64 fresh_until_us)
{
  static const ObkSnapshotState kinds[] = {
    [REMOVED] = OBK_SNAPSHOT_REMOVED, [RETIRED] = OBK_SNAPSHOT_RETIRED,   [ACTIVE] = OBK_SNAPSHOT_ACTIVE,
    [PENDING] = OBK_SNAPSHOT_PENDING, [REJECTED] = OBK_SNAPSHOT_REJECTED,
  };
  g_autoptr (ObkState) state = obk_state_new (&scope);
  g_autoptr (ObkKeyring) keyring = NULL;
  g_autoptr (ObkBoard) board = NULL;

  for (guint32 version = 1; version <= N_VERSIONS; version++)
    obk_state_add (state, version, CREATED + version, kinds[version]);
  obk_state_sort (state);
  keyring = obk_keyring_new (state, active, NULL);
  board = obk_board_new (&scope, &(ObkBoardFacts){ keyring, reason, "", fresh_until_us });
  obk_board_slot_set (s->board, board);
}

void
service_set_up (Service *s, gconstpointer data)
{
  s->log = g_ptr_array_new_with_free_func (g_free);
  obk_log_set_level (OBK_LOG_DEBUG);
  obk_log_set_sink (keep_record, s);
  s->poller = stand_in_poller_new ();
  s->transit = stand_in_new ();
  s->transit->silent = TRUE;
  s->board = obk_board_slot_new (&scope);
  for (guint32 version = 1; version <= N_VERSIONS; version++)
    s->identities[version] = obk_key_identity_new (&scope, version, CREATED + version);
  service_set_board (s, ACTIVE, "", G_MAXINT64);
  s->service = obk_service_new (&(ObkServiceOptions){
      .poller = s->poller,
      .board = s->board,
      .transit = s->transit,
      .max_encrypt = MAX_ENCRYPT,
      .max_decrypt = MAX_DECRYPT,
  });
}

void
service_tear_down (Service *s, gconstpointer data)
{
  obk_service_free (s->service);
  g_assert_cmpuint (s->transit->calls->len, ==, 0);
  obk_transit_free (s->transit);
  stand_in_poller_free (s->poller);
  obk_board_slot_free (s->board);
  for (guint32 version = 1; version <= N_VERSIONS; version++)
    obk_key_identity_unref (s->identities[version]);
  obk_log_set_sink (NULL, NULL);
  g_ptr_array_unref (s->log);
}

/* Calls */

void
call_clear (Call *call)
{
  g_clear_error (&call->error);
  g_free (call->ciphertext);
  g_free (call->key_id);
  g_clear_pointer (&call->plaintext, obk_secret_unref);
  *call = (Call){ 0 };
}

static void
answered (Call *call, const GError *error)
{
  call->call = NULL;
  call->answers++;
  call->order = ++call->s->answers;
  call->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
encrypted (const char *ciphertext, const ObkKeyIdentity *identity, const GError *error, gpointer user_data)
{
  Call *call = user_data;

  answered (call, error);
  call->ciphertext = g_strdup (ciphertext);
  call->key_id = error == NULL ? g_strdup (obk_key_identity_key_id (identity)) : NULL;
}

static void
decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  Call *call = user_data;

  answered (call, error);
  call->plaintext = plaintext != NULL ? obk_secret_ref (plaintext) : NULL;
}

/* Returns: whether there is no answer yet */
static gboolean
started (Call *call, ObkServiceCall *service_call)
{
  g_assert_cmpint (service_call == NULL, ==, call->answers == 1);
  call->call = service_call;
  return service_call != NULL;
}

gboolean
call_encrypt_text (Service *s, Call *call, gconstpointer plaintext, gsize length, gint64 deadline_us)
{
  const ObkEncryptRequest request = { .plaintext = plaintext, .plaintext_length = length, .deadline_us = deadline_us };

  *call = (Call){ .s = s };
  return started (call, obk_service_encrypt (s->service, &request, encrypted, call));
}

gboolean
call_encrypt (Service *s, Call *call, gint64 deadline_us)
{
  return call_encrypt_text (s, call, PLAINTEXT, strlen (PLAINTEXT), deadline_us);
}

gboolean
call_decrypt (Service *s, Call *call, const ObkDecryptRequest *request)
{
  *call = (Call){ .s = s };
  return started (call, obk_service_decrypt (s->service, request, decrypted, call));
}

void
call_cancel (Call *call)
{
  g_assert_nonnull (call->call);
  obk_service_cancel (g_steal_pointer (&call->call));
}

void
call_expect_error (const Call *call, ObkError code)
{
  g_assert_cmpuint (call->answers, ==, 1);
  g_assert_error (call->error, OBK_ERROR, (gint)code);
  g_assert_null (call->ciphertext);
  g_assert_null (call->plaintext);
}

void
call_expect_encrypted (const Call *call, guint32 version)
{
  g_autofree char *expected = stand_in_encrypt (version, PLAINTEXT, strlen (PLAINTEXT));

  g_assert_cmpuint (call->answers, ==, 1);
  g_assert_no_error (call->error);
  g_assert_cmpstr (call->ciphertext, ==, expected);
  g_assert_cmpstr (call->key_id, ==, obk_key_identity_key_id (call->s->identities[version]));
}

void
call_expect_decrypted (const Call *call)
{
  g_assert_cmpuint (call->answers, ==, 1);
  g_assert_no_error (call->error);
  g_assert_cmpmem (obk_secret_data (call->plaintext), obk_secret_length (call->plaintext), PLAINTEXT,
                   strlen (PLAINTEXT));
}

/* What was encrypted */

void
sealed_set_ciphertext (Sealed *sealed, const char *ciphertext)
{
  g_free (sealed->ciphertext);
  sealed->ciphertext = g_strdup (ciphertext);
  sealed->request.ciphertext = sealed->ciphertext;
  sealed->request.ciphertext_length = strlen (ciphertext);
}

void
sealed_init (Sealed *sealed, Service *s, guint32 version)
{
  const ObkKeyIdentity *identity = s->identities[version];
  g_autofree char *ciphertext = stand_in_encrypt (version, PLAINTEXT, strlen (PLAINTEXT));
  gsize n = 0;
  const ObkAnnotation *annotations = obk_key_identity_annotations (identity, &n);

  *sealed = (Sealed){ 0 };
  g_assert_cmpuint (n, <, G_N_ELEMENTS (sealed->annotations));
  memcpy (sealed->annotations, annotations, n * sizeof *annotations);
  sealed->request = (ObkDecryptRequest){
    .key_id = obk_key_identity_key_id (identity),
    .key_id_length = strlen (obk_key_identity_key_id (identity)),
    .annotations = sealed->annotations,
    .n_annotations = n,
    .deadline_us = OBK_NO_DEADLINE,
  };
  sealed_set_ciphertext (sealed, ciphertext);
}

void
sealed_clear (Sealed *sealed)
{
  g_clear_pointer (&sealed->ciphertext, g_free);
}

ObkAnnotation *
sealed_annotation (Sealed *sealed, const char *key)
{
  for (gsize i = 0; i < sealed->request.n_annotations; i++)
    if (strcmp (sealed->annotations[i].key, key) == 0)
      return &sealed->annotations[i];
  g_assert_not_reached ();
}
