/* SPDX-License-Identifier: Apache-2.0 */
/* Decrypts of what a peer has encrypted under a version that this node has not heard of. */
#include "kms/service.h"

#include "base/clock.h"
#include "base/names.h"
#include "health-fixture.h"

#include <string.h>

#define MAX_ENCRYPT 32
#define MAX_DECRYPT 64
#define MANY 300
#define PLAINTEXT "a seed of thirty-two bytes......"

typedef struct
{
  Health health;
  ObkService *service;
} Fixture;

/* What a peer wrote, and what becomes of decrypting it here. The annotations are copies that a test may spoil. */
typedef struct
{
  char *ciphertext;
  char *key_id;
  ObkAnnotation annotations[16];
  gsize n_annotations;
  ObkServiceCall *call;
  guint answers;
  GError *error;
  ObkSecret *plaintext;
} Request;

static ObkAnnotation *
annotation (Request *request, const char *key)
{
  for (gsize i = 0; i < request->n_annotations; i++)
    if (g_str_equal (request->annotations[i].key, key))
      return &request->annotations[i];
  g_assert_not_reached ();
}

static void
request_init (Request *request, const ObkScope *of, guint32 version, gint64 created_at_unix)
{
  g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (of, version, created_at_unix);
  const ObkAnnotation *annotations = obk_key_identity_annotations (identity, &request->n_annotations);

  g_assert_cmpuint (request->n_annotations, <=, G_N_ELEMENTS (request->annotations));
  for (gsize i = 0; i < request->n_annotations; i++)
    {
      request->annotations[i] = annotations[i];
      request->annotations[i].key = g_strdup (annotations[i].key);
      request->annotations[i].value = g_strndup (annotations[i].value, annotations[i].value_length);
    }
  request->key_id = g_strdup (obk_key_identity_key_id (identity));
  request->ciphertext = stand_in_encrypt (version, PLAINTEXT, strlen (PLAINTEXT));
}

static void
set_annotation (Request *request, const char *key, const char *value)
{
  ObkAnnotation *entry = annotation (request, key);

  g_free ((gpointer)entry->value);
  entry->value = g_strdup (value);
  entry->value_length = strlen (value);
}

static void
request_clear (Request *request)
{
  for (gsize i = 0; i < request->n_annotations; i++)
    {
      g_free ((gpointer)request->annotations[i].key);
      g_free ((gpointer)request->annotations[i].value);
    }
  g_clear_error (&request->error);
  g_clear_pointer (&request->plaintext, obk_secret_unref);
  g_free (request->key_id);
  g_free (request->ciphertext);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Request, request_clear)

static void
decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  Request *request = user_data;

  request->call = NULL;
  request->answers++;
  request->error = error != NULL ? g_error_copy (error) : NULL;
  request->plaintext = plaintext != NULL ? obk_secret_ref (plaintext) : NULL;
}

/* Returns: whether it waits for something */
static gboolean
decrypt_until (Fixture *f, Request *request, gint64 deadline_us)
{
  ObkServiceCall *call = obk_service_decrypt (f->service,
                                              &(ObkDecryptRequest){
                                                  .ciphertext = request->ciphertext,
                                                  .ciphertext_length = strlen (request->ciphertext),
                                                  .key_id = request->key_id,
                                                  .key_id_length = strlen (request->key_id),
                                                  .annotations = request->annotations,
                                                  .n_annotations = request->n_annotations,
                                                  .deadline_us = deadline_us,
                                              },
                                              decrypted, request);

  g_assert_cmpint (call == NULL, ==, request->answers == 1);
  request->call = call;
  return call != NULL;
}

static gboolean
decrypt (Fixture *f, Request *request)
{
  return decrypt_until (f, request, OBK_NO_DEADLINE);
}

static void
expect_plaintext (const Request *request)
{
  g_assert_cmpuint (request->answers, ==, 1);
  g_assert_no_error (request->error);
  g_assert_cmpmem (obk_secret_data (request->plaintext), obk_secret_length (request->plaintext), PLAINTEXT, 32);
}

static void
expect_error (const Request *request, ObkError code)
{
  g_assert_cmpuint (request->answers, ==, 1);
  g_assert_error (request->error, OBK_ERROR, (gint)code);
  g_assert_null (request->plaintext);
}

/* One that a peer wrote now fails at once with @code. */
static void
expect_refused (Fixture *f, guint32 version, gint64 created_at_unix, ObkError code)
{
  g_auto (Request) request = { 0 };

  request_init (&request, &scope, version, created_at_unix);
  g_assert_false (decrypt (f, &request));
  expect_error (&request, code);
}

/* Status is healthy under @version. */
static void
start_service (Fixture *f, guint32 version)
{
  health_open_well (&f->health, version);
  f->service = obk_service_new (&(ObkServiceOptions){
      .poller = f->health.poller,
      .board = f->health.board,
      .transit = f->health.transit,
      .prober = f->health.prober,
      .max_encrypt = MAX_ENCRYPT,
      .max_decrypt = MAX_DECRYPT,
  });
}

static void
set_up (Fixture *f, gconstpointer data)
{
  health_set_up (&f->health, NULL);
  start_service (f, 1);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_service_free (f->service);
  health_tear_down (&f->health, NULL);
}

static void
test_found (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) next = { 0 };
  guint reads = f->health.transit->reads;
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  request_init (&request, &scope, 2, created);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_plaintext (&request);
  g_assert_cmpuint (f->health.transit->reads, ==, reads + 1);
  health_expect_disk (&f->health, "active 1; pending 2 n0");
  health_expect (&f->health, "ok@1"); /* it decrypts, and no more than that */

  request_init (&next, &scope, 2, created);
  g_assert_true (decrypt (f, &next));
  health_settle (&f->health);
  expect_plaintext (&next);
  g_assert_cmpuint (f->health.transit->reads, ==, reads + 1);
}

/* Versions between decrypt as well: the peer may have been ahead by more than one. */
static void
test_found_among_several (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) next = { 0 };

  for (guint i = 0; i < 3; i++)
    stand_in_rotate (f->health.transit, obk_clock_unix () + i);
  request_init (&request, &scope, 3, obk_clock_unix () + 1);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_plaintext (&request);
  health_expect_disk (&f->health, "active 1; pending 4 n0; retired 3; retired 2");
  request_init (&next, &scope, 2, obk_clock_unix ());
  g_assert_true (decrypt (f, &next));
  health_settle (&f->health);
  expect_plaintext (&next);
}

static void
test_found_while_unhealthy (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  f->health.transit->key->deletion_allowed = TRUE;
  health_advance (&f->health, PROBE_INTERVAL * SECOND);
  health_expect (&f->health, "profile_invalid@1");
  request_init (&request, &scope, 2, created);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_plaintext (&request);
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  g_autofree Request *requests = g_new0 (Request, MANY);
  guint reads = f->health.transit->reads;
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  for (guint i = 0; i < MANY; i++)
    {
      request_init (&requests[i], &scope, 2, created);
      g_assert_true (decrypt (f, &requests[i]));
    }
  g_assert_cmpuint (f->health.transit->reads, ==, reads + 1);
  health_settle (&f->health);
  for (guint i = 0; i < MANY; i++)
    {
      expect_plaintext (&requests[i]);
      request_clear (&requests[i]);
    }
  g_assert_cmpuint (f->health.transit->reads, ==, reads + 1);
}

/* What was found is decrypted by as many at once as may be, the rest in turn. */
static void
test_slots (Fixture *f, gconstpointer data)
{
  g_autofree Request *requests = g_new0 (Request, MANY);
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  f->health.transit->held = STAND_IN_DECRYPT;
  for (guint i = 0; i < MANY; i++)
    {
      request_init (&requests[i], &scope, 2, created);
      g_assert_true (decrypt (f, &requests[i]));
    }
  health_settle (&f->health);
  g_assert_cmpuint (f->health.transit->calls->len, ==, MAX_DECRYPT);
  for (guint i = 0; i < MANY; i += 2)
    obk_service_cancel (g_steal_pointer (&requests[i].call));
  g_assert_cmpuint (f->health.transit->calls->len, ==, MAX_DECRYPT);
  stand_in_release (f->health.transit);
  health_settle (&f->health);
  for (guint i = 0; i < MANY; i++)
    {
      g_assert_cmpuint (requests[i].answers, ==, i % 2);
      request_clear (&requests[i]);
    }
}

/* Nothing that is not ours makes us ask OpenBao. */
static void
test_foreign (Fixture *f, gconstpointer data)
{
  static const char *const keys[] = { OBK_ANNOTATION_MOUNT_HASH, OBK_ANNOTATION_KEY_HASH, OBK_ANNOTATION_NAMESPACE_HASH,
                                      OBK_ANNOTATION_KEY_ID_HASH };
  guint started = f->health.transit->started;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_auto (Request) request = { 0 };
      g_autofree char *other = NULL;

      request_init (&request, &scope, 2, CREATED + 2);
      other = g_strndup (annotation (&request, keys[i])->value, annotation (&request, keys[i])->value_length);
      other[strlen (other) - 1] = other[strlen (other) - 1] == '0' ? '1' : '0';
      set_annotation (&request, keys[i], other);
      g_assert_false (decrypt (f, &request));
      expect_error (&request, OBK_ERROR_KEY_ID_UNKNOWN);
    }
  g_assert_cmpuint (f->health.transit->started, ==, started);
}

static void
test_malformed (Fixture *f, gconstpointer data)
{
  static const char *const spoilt[][2] = {
    { OBK_ANNOTATION_PROVIDER, "another" },       { OBK_ANNOTATION_AAD_VERSION, "v2" },
    { OBK_ANNOTATION_KEY_VERSION, "02" },         { OBK_ANNOTATION_KEY_VERSION, "0" },
    { OBK_ANNOTATION_KEY_VERSION, "4294967296" }, { OBK_ANNOTATION_MOUNT_HASH, "short" },
  };
  guint started = f->health.transit->started;

  for (guint i = 0; i < G_N_ELEMENTS (spoilt); i++)
    {
      g_auto (Request) request = { 0 };

      request_init (&request, &scope, 2, CREATED + 2);
      set_annotation (&request, spoilt[i][0], spoilt[i][1]);
      g_assert_false (decrypt (f, &request));
      expect_error (&request, OBK_ERROR_KEY_ID_UNKNOWN);
    }
  g_assert_cmpuint (f->health.transit->started, ==, started);
}

/* A key_id of a version that we have, which is not that version's: another lineage, or a creation time that changed */
static void
test_known_version (Fixture *f, gconstpointer data)
{
  guint started = f->health.transit->started;

  expect_refused (f, 1, CREATED + 7, OBK_ERROR_KEY_ID_UNKNOWN);
  g_assert_cmpuint (f->health.transit->started, ==, started);
}

static void
test_another_cluster (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  ObkScope other = scope;

  other.mount_id = (char *)"another-mount";
  request_init (&request, &other, 2, CREATED + 2);
  g_assert_false (decrypt (f, &request));
  expect_error (&request, OBK_ERROR_KEY_ID_UNKNOWN);
}

/* OpenBao was asked and has no such version with that creation time: then there is none, for an interval. */
static void
test_rate_after_an_answer (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) later = { 0 };
  guint reads = 0;
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  request_init (&request, &scope, 2, created - 5);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_error (&request, OBK_ERROR_KEY_ID_UNKNOWN);
  reads = f->health.transit->reads;

  stand_in_rotate (f->health.transit, created + 1);
  expect_refused (f, 3, created + 1, OBK_ERROR_KEY_ID_UNKNOWN);
  g_assert_cmpuint (f->health.transit->reads, ==, reads);
  health_advance (&f->health, PROBE_INTERVAL * SECOND - 1);
  expect_refused (f, 3, created + 1, OBK_ERROR_KEY_ID_UNKNOWN);
  health_advance (&f->health, 1);
  request_init (&later, &scope, 3, created + 1);
  g_assert_true (decrypt (f, &later));
  health_settle (&f->health);
  expect_plaintext (&later);
}

static void
test_rate_after_a_failure (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) later = { 0 };
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  stand_in_break (f->health.transit, STAND_IN_READS, OBK_ERROR_SEALED);
  request_init (&request, &scope, 2, created);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_error (&request, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  stand_in_break (f->health.transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (&f->health, 2 * SECOND - 1);
  expect_refused (f, 2, created, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  health_advance (&f->health, 1);
  request_init (&later, &scope, 2, created);
  g_assert_true (decrypt (f, &later));
  health_settle (&f->health);
  expect_plaintext (&later);
}

static void
test_lagging_standby (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) later = { 0 };
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  f->health.transit->lag = 1;
  request_init (&request, &scope, 2, created);
  g_assert_true (decrypt (f, &request));
  health_settle (&f->health);
  expect_error (&request, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  f->health.transit->lag = 0;
  health_advance (&f->health, 2 * SECOND);
  request_init (&later, &scope, 2, created);
  g_assert_true (decrypt (f, &later));
  health_settle (&f->health);
  expect_plaintext (&later);
}

static void
test_deadline (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  g_auto (Request) patient = { 0 };
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  f->health.transit->held = STAND_IN_READS;
  request_init (&request, &scope, 2, created);
  request_init (&patient, &scope, 2, created);
  g_assert_true (decrypt_until (f, &request, obk_clock_boot_us () + 3 * SECOND));
  g_assert_true (decrypt_until (f, &patient, obk_clock_boot_us () + 10 * SECOND));
  health_advance (&f->health, 3 * SECOND - 1);
  g_assert_cmpuint (request.answers, ==, 0);
  health_advance (&f->health, 1);
  expect_error (&request, OBK_ERROR_TIMEOUT);
  g_assert_cmpuint (patient.answers, ==, 0);
  g_assert_cmpuint (f->health.transit->cancelled, ==, 0); /* the read goes on */
  stand_in_release (f->health.transit);
  health_settle (&f->health);
  expect_plaintext (&patient);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };
  gint64 created = obk_clock_unix ();

  stand_in_rotate (f->health.transit, created);
  f->health.transit->held = STAND_IN_READS;
  request_init (&request, &scope, 2, created);
  g_assert_true (decrypt (f, &request));
  obk_service_cancel (g_steal_pointer (&request.call));
  stand_in_release (f->health.transit);
  health_settle (&f->health);
  g_assert_cmpuint (request.answers, ==, 0);
  g_assert_true (health_decrypts (&f->health, 2, created)); /* found all the same */
  g_assert_cmpuint (health_count_log (&f->health, "kms.request", "error_class=canceled"), ==, 1);
}

static void
test_free_while_it_waits (Fixture *f, gconstpointer data)
{
  g_auto (Request) request = { 0 };

  stand_in_rotate (f->health.transit, obk_clock_unix ());
  f->health.transit->held = STAND_IN_READS;
  request_init (&request, &scope, 2, obk_clock_unix ());
  g_assert_true (decrypt (f, &request));
  g_clear_pointer (&f->service, obk_service_free);
  stand_in_release (f->health.transit);
  health_settle (&f->health);
  g_assert_cmpuint (request.answers, ==, 0);
}

static void
expect_unusable (const char *ciphertext, const ObkKeyIdentity *identity, const GError *error, gpointer user_data)
{
  g_assert_null (ciphertext);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_VERSION_UNUSABLE);
  ++*(guint *)user_data;
}

/* An Encrypt that is refused for its version makes the prober look at once. */
static void
test_doubt (Fixture *f, gconstpointer data)
{
  guint reads = f->health.transit->reads;
  guint answers = 0;

  stand_in_rotate (f->health.transit, obk_clock_unix ());
  f->health.transit->key->min_encryption_version = 2;
  health_advance (&f->health, 3 * SECOND);
  g_assert_nonnull (obk_service_encrypt (
      f->service, &(ObkEncryptRequest){ .plaintext = "x", .plaintext_length = 1, .deadline_us = OBK_NO_DEADLINE },
      expect_unusable, &answers));
  health_settle (&f->health);
  g_assert_cmpuint (answers, ==, 1);
  g_assert_cmpuint (f->health.transit->reads, ==, reads + 1);
  health_expect (&f->health, "encryption_blocked@1");
}

/* A version that was taken out of use stays so, whatever OpenBao has of it. */
static void
test_removed (Fixture *f, gconstpointer data)
{
  guint started = 0;

  g_clear_pointer (&f->service, obk_service_free);
  health_close (&f->health);
  health_make_history (&f->health, 2);
  health_remove_below (&f->health, 2);
  start_service (f, 2);
  started = f->health.transit->started;
  expect_refused (f, 1, CREATED + 1, OBK_ERROR_KEY_ID_UNKNOWN);
  g_assert_cmpuint (f->health.transit->started, ==, started);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/service/discovery/found", test_found);
  TEST ("/service/discovery/found-among-several", test_found_among_several);
  TEST ("/service/discovery/found-while-unhealthy", test_found_while_unhealthy);
  TEST ("/service/discovery/shared", test_shared);
  TEST ("/service/discovery/slots", test_slots);
  TEST ("/service/discovery/foreign", test_foreign);
  TEST ("/service/discovery/malformed", test_malformed);
  TEST ("/service/discovery/known-version", test_known_version);
  TEST ("/service/discovery/another-cluster", test_another_cluster);
  TEST ("/service/discovery/rate/after-an-answer", test_rate_after_an_answer);
  TEST ("/service/discovery/rate/after-a-failure", test_rate_after_a_failure);
  TEST ("/service/discovery/lagging-standby", test_lagging_standby);
  TEST ("/service/discovery/deadline", test_deadline);
  TEST ("/service/discovery/cancel", test_cancel);
  TEST ("/service/discovery/free-while-it-waits", test_free_while_it_waits);
  TEST ("/service/discovery/removed", test_removed);
  TEST ("/service/doubt", test_doubt);
  return g_test_run ();
}
