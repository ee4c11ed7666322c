/* SPDX-License-Identifier: Apache-2.0 */
#include "health/key-proof.h"

#include "health-fixture.h"

typedef struct
{
  gboolean done;
  GError *error;
} Outcome;

static void
proved (const GError *error, gpointer user_data)
{
  Outcome *outcome = user_data;

  g_assert_false (outcome->done);
  outcome->done = TRUE;
  outcome->error = error != NULL ? g_error_copy (error) : NULL;
}

/* Asks by another way, whose key is @other's. @code: OBK_ERROR_LAST when it is to be the same key */
static void
expect (Health *f, ObkTransit *other, ObkError code)
{
  Outcome outcome = { 0 };

  g_assert_nonnull (obk_prober_prove (f->prober, other, proved, &outcome));
  g_assert_false (outcome.done);
  health_settle (f);
  g_assert_true (outcome.done);
  if (code == OBK_ERROR_LAST)
    g_assert_no_error (outcome.error);
  else
    g_assert_error (outcome.error, OBK_ERROR, (gint)code);
  g_clear_error (&outcome.error);
}

static ObkTransit *
other_with (gint64 created_at_unix, guint versions)
{
  ObkTransit *other = stand_in_new ();

  stand_in_make_key (other, created_at_unix);
  for (guint i = 1; i < versions; i++)
    stand_in_rotate (other, created_at_unix + i);
  return other;
}

static void
test_the_same_key (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 1, 1);

  health_open_well (f, 1);
  expect (f, other, OBK_ERROR_LAST);
  g_assert_cmpuint (other->decrypted, ==, 1); /* the canary */
  g_assert_cmpuint (other->encrypted, ==, 0);
}

static void
test_another_time_of_creation (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 2, 1);

  health_open_well (f, 1);
  expect (f, other, OBK_ERROR_STATE_REFUSED);
  g_assert_cmpuint (other->decrypted, ==, 0);
}

/* Two keys that were made within one second */
static void
test_another_key_of_that_second (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 1, 1);

  health_open_well (f, 1);
  stand_in_replace_material (other, 1);
  expect (f, other, OBK_ERROR_STATE_REFUSED);
}

/* A key with fewer versions, or a standby that lags: who knows */
static void
test_fewer_versions (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 1, 1);

  health_make_history (f, 2);
  health_remove_below (f, 2);
  health_open_well (f, 2);
  expect (f, other, OBK_ERROR_STANDBY_LAGGING);
}

static void
test_openbao_cannot_tell (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 1, 1);

  health_open_well (f, 1);
  stand_in_break (other, STAND_IN_READS, OBK_ERROR_UNAVAILABLE);
  expect (f, other, OBK_ERROR_UNAVAILABLE);
  stand_in_break (other, STAND_IN_DECRYPT, OBK_ERROR_TIMEOUT);
  expect (f, other, OBK_ERROR_TIMEOUT);
  stand_in_break (other, 0, OBK_ERROR_UNKNOWN);
  expect (f, other, OBK_ERROR_LAST);
}

/* Nothing has been written yet. */
static void
test_before_there_is_a_history (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 5, 1);

  stand_in_break (f->transit, STAND_IN_ALL, OBK_ERROR_UNAVAILABLE);
  health_open (f);
  expect (f, other, OBK_ERROR_LAST);
}

static void
test_cancelled (Health *f, gconstpointer data)
{
  g_autoptr (ObkTransit) other = other_with (CREATED + 1, 1);
  Outcome outcome = { 0 };

  health_open_well (f, 1);
  other->silent = TRUE;
  obk_key_proof_cancel (obk_prober_prove (f->prober, other, proved, &outcome));
  g_assert_cmpuint (other->cancelled, ==, 2);
  health_settle (f);
  g_assert_false (outcome.done);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  health_test ("/key-proof/the-same-key", test_the_same_key);
  health_test ("/key-proof/another-time-of-creation", test_another_time_of_creation);
  health_test ("/key-proof/another-key-of-that-second", test_another_key_of_that_second);
  health_test ("/key-proof/fewer-versions", test_fewer_versions);
  health_test ("/key-proof/openbao-cannot-tell", test_openbao_cannot_tell);
  health_test ("/key-proof/before-there-is-a-history", test_before_there_is_a_history);
  health_test ("/key-proof/cancelled", test_cancelled);
  return g_test_run ();
}
