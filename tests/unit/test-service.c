/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of Encrypt and Decrypt, in their order and at their edges, and those of OpenBao's answers. */
#include "kms/service.h"

#include "base/clock.h"
#include "base/names.h"
#include "kms/message.h"
#include "service-fixture.h"

#include <string.h>

#define MAX_CIPHERTEXT 1023
#define MAX_KEY_ID 1023
#define MAX_ANNOTATIONS 32767

/* Encrypt */

static void
expect_encrypt_refused (Service *s, const char *plaintext, ObkError code)
{
  g_auto (Call) call = { 0 };
  guint started = s->transit->started;

  g_assert_false (call_encrypt_text (s, &call, plaintext, strlen (plaintext), OBK_NO_DEADLINE));
  call_expect_error (&call, code);
  g_assert_cmpuint (s->transit->started, ==, started);
}

static void
test_encrypt (Service *s, gconstpointer data)
{
  g_auto (Call) call = { 0 };
  gint64 deadline_us = obk_clock_boot_us () + 7 * SECOND;
  const ObkCall *transit_call = NULL;

  g_assert_true (call_encrypt (s, &call, deadline_us));
  g_assert_cmpuint (s->transit->calls->len, ==, 1);
  transit_call = s->transit->calls->pdata[0];
  g_assert_cmpuint (transit_call->key_version, ==, ACTIVE);
  g_assert_cmpint (transit_call->deadline_us, ==, deadline_us);
  g_assert_cmpstr (transit_call->associated_data, ==, obk_key_identity_associated_data_base64 (s->identities[ACTIVE]));
  g_assert_cmpint (stand_in_next (s->poller), ==, -1); /* the deadline is Transit's to keep */
  stand_in_answer (s->transit);
  call_expect_encrypted (&call, ACTIVE);
  g_assert_cmpuint (s->log->len, ==, 1);
  g_assert_cmpuint (service_count_log (s, "ok"), ==, 1);
}

static void
test_encrypt_order (Service *s, gconstpointer data)
{
  g_autoptr (ObkBoardSlot) empty
      = obk_board_slot_new (&(ObkScope){ (char *)"p", (char *)"c", (char *)"i", NULL, (char *)"m", (char *)"l" });
  g_autoptr (ObkBoard) nothing = obk_board_slot_get (empty);

  service_set_board (s, ACTIVE, "profile_invalid", G_MAXINT64);
  expect_encrypt_refused (s, "", OBK_ERROR_PLAINTEXT_EMPTY);
  expect_encrypt_refused (s, "x", OBK_ERROR_STATUS_STALE);
  obk_board_slot_set (s->board, nothing);
  expect_encrypt_refused (s, "", OBK_ERROR_PLAINTEXT_EMPTY);
  expect_encrypt_refused (s, "x", OBK_ERROR_STATUS_STALE);
  g_assert_cmpuint (service_count_log (s, "unknown"), ==, 2);
  g_assert_cmpuint (service_count_log (s, "status_stale"), ==, 2);
}

static void
test_encrypt_until_stale (Service *s, gconstpointer data)
{
  g_auto (Call) call = { 0 };

  service_set_board (s, ACTIVE, "", obk_clock_boot_us () + SECOND);
  stand_in_advance (s->poller, SECOND - 1);
  g_assert_true (call_encrypt (s, &call, OBK_NO_DEADLINE));
  stand_in_advance (s->poller, 1);
  expect_encrypt_refused (s, "x", OBK_ERROR_STATUS_STALE);
  stand_in_answer (s->transit);
  call_expect_encrypted (&call, ACTIVE); /* it was healthy when that call began */
}

/* One snapshot from start to end, whatever the board says meanwhile. */
static void
test_encrypt_one_snapshot (Service *s, gconstpointer data)
{
  Call running[MAX_ENCRYPT];
  g_auto (Call) waiting = { 0 };
  g_auto (Call) next = { 0 };

  for (guint i = 0; i < MAX_ENCRYPT; i++)
    g_assert_true (call_encrypt (s, &running[i], OBK_NO_DEADLINE));
  g_assert_true (call_encrypt (s, &waiting, OBK_NO_DEADLINE));
  service_set_board (s, PENDING, "", G_MAXINT64);
  g_assert_true (call_encrypt (s, &next, OBK_NO_DEADLINE));
  service_set_board (s, PENDING, "profile_invalid", G_MAXINT64);
  for (guint i = 0; i < MAX_ENCRYPT + 2; i++)
    stand_in_answer (s->transit);
  for (guint i = 0; i < MAX_ENCRYPT; i++)
    {
      call_expect_encrypted (&running[i], ACTIVE);
      call_clear (&running[i]);
    }
  call_expect_encrypted (&waiting, ACTIVE);
  call_expect_encrypted (&next, PENDING);
}

static void
test_encrypt_deadline (Service *s, gconstpointer data)
{
  g_auto (Call) late = { 0 };
  g_auto (Call) just = { 0 };

  g_assert_false (call_encrypt (s, &late, obk_clock_boot_us ()));
  call_expect_error (&late, OBK_ERROR_TIMEOUT);
  g_assert_cmpuint (s->transit->started, ==, 0);
  g_assert_true (call_encrypt (s, &just, obk_clock_boot_us () + 1));
  stand_in_answer (s->transit);
  call_expect_encrypted (&just, ACTIVE);
}

static void
expect_answer_refused (Service *s, const char *ciphertext, ObkError code)
{
  g_auto (Call) call = { 0 };

  g_assert_true (call_encrypt (s, &call, OBK_NO_DEADLINE));
  stand_in_answer_encrypt (s->transit, ciphertext);
  call_expect_error (&call, code);
}

static void
test_encrypt_answers (Service *s, gconstpointer data)
{
  g_autofree char *filling = g_strnfill (MAX_CIPHERTEXT, 'x');
  g_autofree char *longest = g_strconcat ("vault:v3:", filling, NULL);
  g_auto (Call) call = { 0 };

  expect_answer_refused (s, "", OBK_ERROR_RESPONSE_LIMIT);
  expect_answer_refused (s, "vault:v2:x", OBK_ERROR_UNAVAILABLE);
  expect_answer_refused (s, "vault:v33:x", OBK_ERROR_UNAVAILABLE);
  expect_answer_refused (s, "vault:v3", OBK_ERROR_UNAVAILABLE);
  expect_answer_refused (s, "vault:v3:", OBK_ERROR_UNAVAILABLE);
  expect_answer_refused (s, "vault:v3:\xc3\xa4", OBK_ERROR_UNAVAILABLE); /* what no Decrypt would take again */
  longest[MAX_CIPHERTEXT + 1] = '\0';
  expect_answer_refused (s, longest, OBK_ERROR_RESPONSE_LIMIT);
  longest[MAX_CIPHERTEXT] = '\0';
  g_assert_true (call_encrypt (s, &call, OBK_NO_DEADLINE));
  stand_in_answer_encrypt (s->transit, longest);
  g_assert_no_error (call.error);
  g_assert_cmpstr (call.ciphertext, ==, longest);
}

static void
test_encrypt_fails (Service *s, gconstpointer data)
{
  static const ObkError codes[] = { OBK_ERROR_SEALED, OBK_ERROR_VERSION_UNUSABLE, OBK_ERROR_TIMEOUT };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, (gint)codes[i], "stand-in");
      g_auto (Call) call = { 0 };

      g_assert_true (call_encrypt (s, &call, OBK_NO_DEADLINE));
      stand_in_fail (s->transit, error);
      call_expect_error (&call, codes[i]);
    }
}

/* Decrypt */

static void
expect_refused (Service *s, const Sealed *sealed, ObkError code, const char *text)
{
  g_auto (Call) call = { 0 };
  guint started = s->transit->started;

  g_assert_false (call_decrypt (s, &call, &sealed->request));
  call_expect_error (&call, code);
  if (strstr (call.error->message, text) == NULL)
    g_error ("\"%s\" does not say \"%s\"", call.error->message, text);
  g_assert_cmpuint (s->transit->started, ==, started);
}

static void
expect_opened (Service *s, const Sealed *sealed)
{
  g_auto (Call) call = { 0 };

  g_assert_true (call_decrypt (s, &call, &sealed->request));
  stand_in_answer (s->transit);
  call_expect_decrypted (&call);
}

static void
test_decrypt (Service *s, gconstpointer data)
{
  static const guint32 versions[] = { RETIRED, ACTIVE, PENDING };

  for (guint i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_auto (Sealed) sealed = { 0 };
      g_auto (Call) call = { 0 };
      const ObkCall *transit_call = NULL;

      sealed_init (&sealed, s, versions[i]);
      sealed.request.deadline_us = obk_clock_boot_us () + 7 * SECOND;
      g_assert_true (call_decrypt (s, &call, &sealed.request));
      transit_call = s->transit->calls->pdata[0];
      g_assert_cmpstr (transit_call->ciphertext, ==, sealed.ciphertext);
      g_assert_cmpint (transit_call->deadline_us, ==, sealed.request.deadline_us);
      g_assert_cmpstr (transit_call->associated_data, ==,
                       obk_key_identity_associated_data_base64 (s->identities[versions[i]]));
      stand_in_answer (s->transit);
      call_expect_decrypted (&call);
    }
}

/* All is wrong at first, and mended from the first check to the last. */
static void
test_decrypt_order (Service *s, gconstpointer data)
{
  g_auto (Sealed) sealed = { 0 }, other = { 0 };
  g_autofree char *long_text = g_strnfill (MAX_KEY_ID + 1, 'A');
  const ObkAnnotation no_name = { "example", "x", 1 };
  ObkDecryptRequest *request = &sealed.request;

  sealed_init (&other, s, RETIRED);
  sealed_init (&sealed, s, ACTIVE);
  request->deadline_us = obk_clock_boot_us ();
  request->key_id = long_text;
  request->key_id_length = MAX_KEY_ID + 1;
  request->annotations = &no_name;
  request->n_annotations = 1;
  sealed_set_ciphertext (&sealed, "");
  expect_refused (s, &sealed, OBK_ERROR_CIPHERTEXT_EMPTY, "ciphertext is empty");
  sealed_set_ciphertext (&sealed, long_text);
  expect_refused (s, &sealed, OBK_ERROR_REQUEST_LIMIT, "ciphertext is too long");
  sealed_set_ciphertext (&sealed, "vault:v2:\x01");
  expect_refused (s, &sealed, OBK_ERROR_REQUEST_LIMIT, "key_id is too long");
  request->key_id_length = MAX_KEY_ID;
  expect_refused (s, &sealed, OBK_ERROR_REQUEST_LIMIT, "not a fully qualified domain name");
  request->n_annotations = 0;
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "key_id has not the form of one");
  request->key_id = obk_key_identity_key_id (s->identities[REMOVED]);
  request->key_id_length = strlen (request->key_id);
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_UNKNOWN, "no version that may decrypt");
  request->key_id = obk_key_identity_key_id (s->identities[ACTIVE]);
  expect_refused (s, &sealed, OBK_ERROR_ANNOTATION_INVALID, "is missing");
  request->annotations = other.annotations;
  request->n_annotations = other.request.n_annotations;
  expect_refused (s, &sealed, OBK_ERROR_AAD_MISMATCH, "is not this key's");
  request->annotations = sealed.annotations;
  expect_refused (s, &sealed, OBK_ERROR_AAD_MISMATCH, "the ciphertext is not of this key version");
  sealed_set_ciphertext (&sealed, "vault:v3:\x01");
  expect_refused (s, &sealed, OBK_ERROR_TRANSIT_REFUSED, "the ciphertext is not text");
  sealed_set_ciphertext (&sealed, "vault:v3:YSBzZWVkIG9mIHRoaXJ0eS10d28gYnl0ZXMuLi4uLi4=");
  expect_refused (s, &sealed, OBK_ERROR_TIMEOUT, "the deadline had passed");
  request->deadline_us++;
  expect_opened (s, &sealed);
}

static void
test_decrypt_ciphertexts (Service *s, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (MAX_CIPHERTEXT + 1, 'x');
  g_auto (Sealed) sealed = { 0 };
  g_auto (Call) call = { 0 };

  memcpy (longest, "vault:v3:", strlen ("vault:v3:"));
  sealed_init (&sealed, s, ACTIVE);
  sealed_set_ciphertext (&sealed, longest);
  expect_refused (s, &sealed, OBK_ERROR_REQUEST_LIMIT, "ciphertext is too long");
  sealed.request.ciphertext_length = MAX_CIPHERTEXT;
  g_assert_true (call_decrypt (s, &call, &sealed.request));
  g_assert_cmpuint (strlen (((ObkCall *)s->transit->calls->pdata[0])->ciphertext), ==, MAX_CIPHERTEXT);
  call_cancel (&call);
  sealed_set_ciphertext (&sealed, "vault:v3:");
  expect_refused (s, &sealed, OBK_ERROR_TRANSIT_REFUSED, "");
  sealed_set_ciphertext (&sealed, "vault:v3:abc");
  sealed.ciphertext[strlen ("vault:v3:")] = '\0'; /* inside, and not the end */
  expect_refused (s, &sealed, OBK_ERROR_TRANSIT_REFUSED, "");
  sealed_set_ciphertext (&sealed, "vault:v3");
  expect_refused (s, &sealed, OBK_ERROR_AAD_MISMATCH, "");
  sealed_set_ciphertext (&sealed, "x");
  expect_refused (s, &sealed, OBK_ERROR_AAD_MISMATCH, "");
}

static void
test_decrypt_key_ids (Service *s, gconstpointer data)
{
  g_auto (Sealed) sealed = { 0 };
  g_autofree char *longer = NULL;

  sealed_init (&sealed, s, ACTIVE);
  longer = g_strconcat (sealed.request.key_id, "x", NULL);
  sealed.request.key_id_length--;
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "");
  sealed.request.key_id_length += 2; /* a zero byte belongs to it */
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "");
  sealed.request.key_id = longer;
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "");
  sealed.request.key_id_length = 0;
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "");
  sealed.request.key_id_length = strlen (longer) - 1; /* what lies behind does not count */
  expect_opened (s, &sealed);
}

/* By themselves these would all pass. */
static void
test_decrypt_versions_out_of_use (Service *s, gconstpointer data)
{
  static const guint32 versions[] = { REMOVED, REJECTED };

  for (guint i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_auto (Sealed) sealed = { 0 };

      sealed_init (&sealed, s, versions[i]);
      expect_refused (s, &sealed, OBK_ERROR_KEY_ID_UNKNOWN, "");
    }
}

/* Fills up with one more annotation to so many bytes, keys and values. */
static void
fill_annotations (Sealed *sealed, char *filling, gsize total)
{
  ObkAnnotation *more = &sealed->annotations[sealed->request.n_annotations++];

  *more = (ObkAnnotation){ "filling.example.org", filling, 0 };
  for (gsize i = 0; i < sealed->request.n_annotations; i++)
    total -= strlen (sealed->annotations[i].key) + sealed->annotations[i].value_length;
  more->value_length = total;
}

static void
test_decrypt_annotations (Service *s, gconstpointer data)
{
  g_autofree char *filling = g_strnfill (MAX_ANNOTATIONS, 'x');
  g_auto (Sealed) full = { 0 }, overfull = { 0 }, foreign = { 0 }, spaced = { 0 };

  sealed_init (&full, s, ACTIVE);
  fill_annotations (&full, filling, MAX_ANNOTATIONS);
  expect_opened (s, &full);
  sealed_init (&overfull, s, ACTIVE);
  fill_annotations (&overfull, filling, MAX_ANNOTATIONS + 1);
  expect_refused (s, &overfull, OBK_ERROR_REQUEST_LIMIT, "annotations are too large");

  sealed_init (&foreign, s, ACTIVE);
  *sealed_annotation (&foreign, OBK_ANNOTATION_PLUGIN_VERSION)
      = (ObkAnnotation){ OBK_ANNOTATION_PLUGIN_VERSION, "v9.9.9", 6 };
  expect_opened (s, &foreign);
  foreign.annotations[foreign.request.n_annotations++]
      = (ObkAnnotation){ OBK_ANNOTATION_NAMESPACE_HASH, sealed_annotation (&foreign, OBK_ANNOTATION_KEY_HASH)->value,
                         sealed_annotation (&foreign, OBK_ANNOTATION_KEY_HASH)->value_length };
  expect_refused (s, &foreign, OBK_ERROR_AAD_MISMATCH, "without a namespace");

  sealed_init (&spaced, s, ACTIVE);
  sealed_annotation (&spaced, OBK_ANNOTATION_KEY_VERSION)->value = "3 ";
  sealed_annotation (&spaced, OBK_ANNOTATION_KEY_VERSION)->value_length = 2;
  expect_refused (s, &spaced, OBK_ERROR_ANNOTATION_INVALID, "is malformed");
}

/* Any one of another version's, though the rest is right. */
static void
test_decrypt_mixed_annotations (Service *s, gconstpointer data)
{
  static const char *const keys[] = { OBK_ANNOTATION_KEY_ID_HASH, OBK_ANNOTATION_KEY_VERSION };
  g_auto (Sealed) other = { 0 };

  sealed_init (&other, s, RETIRED);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_auto (Sealed) sealed = { 0 };

      sealed_init (&sealed, s, ACTIVE);
      *sealed_annotation (&sealed, keys[i]) = *sealed_annotation (&other, keys[i]);
      expect_refused (s, &sealed, OBK_ERROR_AAD_MISMATCH, keys[i]);
    }
}

static void
test_decrypt_before_a_registry (Service *s, gconstpointer data)
{
  g_autoptr (ObkBoard) loaded = obk_board_slot_get (s->board);
  g_autoptr (ObkBoardSlot) empty = obk_board_slot_new (obk_board_scope (loaded));
  g_autoptr (ObkBoard) nothing = obk_board_slot_get (empty);
  g_auto (Sealed) sealed = { 0 };

  obk_board_slot_set (s->board, nothing);
  sealed_init (&sealed, s, ACTIVE);
  expect_refused (s, &sealed, OBK_ERROR_STATUS_STALE, "no registry is loaded yet");
  sealed.request.key_id_length--;
  expect_refused (s, &sealed, OBK_ERROR_KEY_ID_MALFORMED, "");
}

static void
test_decrypt_while_unhealthy (Service *s, gconstpointer data)
{
  g_auto (Sealed) sealed = { 0 };

  sealed_init (&sealed, s, RETIRED);
  service_set_board (s, ACTIVE, "profile_invalid", 0);
  expect_opened (s, &sealed);
}

static void
test_decrypt_answers (Service *s, gconstpointer data)
{
  static const gsize most = OBK_MAX_MESSAGE - 4;
  g_autofree char *bytes = g_strnfill (most + 1, 'x');
  g_autoptr (ObkSecret) fits = obk_secret_new_copy (bytes, most);
  g_autoptr (ObkSecret) too_long = obk_secret_new_copy (bytes, most + 1);
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, "stand-in");
  g_auto (Sealed) sealed = { 0 };
  Call calls[3];

  sealed_init (&sealed, s, ACTIVE);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    g_assert_true (call_decrypt (s, &calls[i], &sealed.request));
  stand_in_answer_decrypt (s->transit, fits);
  stand_in_answer_decrypt (s->transit, too_long);
  stand_in_fail (s->transit, error);
  g_assert_no_error (calls[0].error);
  g_assert_true (calls[0].plaintext == fits);
  call_expect_error (&calls[1], OBK_ERROR_RESPONSE_LIMIT);
  call_expect_error (&calls[2], OBK_ERROR_TRANSIT_AUTHENTICATION_TAG);
  g_assert_cmpuint (service_count_log (s, "protocol_limit"), ==, 1);
  g_assert_cmpuint (service_count_log (s, "aad_mismatch"), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    call_clear (&calls[i]);
}

#define TEST(path, function) g_test_add (path, Service, NULL, service_set_up, function, service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/service/encrypt", test_encrypt);
  TEST ("/service/encrypt/order", test_encrypt_order);
  TEST ("/service/encrypt/until-stale", test_encrypt_until_stale);
  TEST ("/service/encrypt/one-snapshot", test_encrypt_one_snapshot);
  TEST ("/service/encrypt/deadline", test_encrypt_deadline);
  TEST ("/service/encrypt/answers", test_encrypt_answers);
  TEST ("/service/encrypt/fails", test_encrypt_fails);
  TEST ("/service/decrypt", test_decrypt);
  TEST ("/service/decrypt/order", test_decrypt_order);
  TEST ("/service/decrypt/ciphertexts", test_decrypt_ciphertexts);
  TEST ("/service/decrypt/key-ids", test_decrypt_key_ids);
  TEST ("/service/decrypt/versions-out-of-use", test_decrypt_versions_out_of_use);
  TEST ("/service/decrypt/annotations", test_decrypt_annotations);
  TEST ("/service/decrypt/mixed-annotations", test_decrypt_mixed_annotations);
  TEST ("/service/decrypt/before-a-registry", test_decrypt_before_a_registry);
  TEST ("/service/decrypt/while-unhealthy", test_decrypt_while_unhealthy);
  TEST ("/service/decrypt/answers", test_decrypt_answers);
  return g_test_run ();
}
