/* SPDX-License-Identifier: Apache-2.0 */
/* From the first start over rotations to catching up, while OpenBao and the disk do as they should. */
#include "health/prober.h"

#include "base/clock.h"
#include "health-fixture.h"

#include <string.h>

/* The start */

static void
test_first_start (Health *f, gconstpointer data)
{
  health_open (f);
  health_expect (f, "state_unavailable@0");
  health_advance (f, 0);
  health_expect_changes (f, "state_unavailable@0 deep_probe_pending@1 ok@1");
  g_assert_cmpuint (f->changed, ==, 3);
  health_expect_disk (f, "active 1");
  g_assert_false (obk_prober_is_degraded (f->prober));
  g_assert_true (obk_prober_knows_version (f->prober, 1));
  g_assert_false (obk_prober_knows_version (f->prober, 2));
  g_assert_null (f->refused);
}

/* What the ciphertexts of probes are bound to */
static void
test_associated_data (Health *f, gconstpointer data)
{
  g_autofree guchar *bytes = NULL;
  gsize length = 0;

  health_open_well (f, 1);
  bytes = g_base64_decode (f->transit->last_associated_data, &length);
  g_assert_cmpmem (bytes, length, "openbao-kubernetes-kms/status-probe/v1", 38);
}

static void
test_no_first_state_for_a_rotated_key (Health *f, gconstpointer data)
{
  guint started = 0;

  stand_in_rotate (f->transit, CREATED + 2);
  health_open (f);
  health_advance (f, 0);
  g_assert_error (f->refused, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_assert_nonnull (strstr (f->refused->message, "backup"));
  g_assert_nonnull (strstr (f->refused->message, "recover-state"));
  started = f->transit->started;
  health_advance (f, 3600 * SECOND);
  g_assert_cmpuint (f->transit->started, ==, started);
  health_expect (f, "state_unavailable@0");
  health_expect_disk (f, "");
}

static void
test_no_first_state_for_an_unsafe_key (Health *f, gconstpointer data)
{
  f->transit->key->exportable = TRUE;
  health_open (f);
  health_advance (f, 0);
  health_expect (f, "profile_invalid@0");
  health_expect_disk (f, "");
  f->transit->key->exportable = FALSE;
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@1");
  health_expect_disk (f, "active 1");
}

static void
test_start_with_a_state (Health *f, gconstpointer data)
{
  health_make_history (f, 3);
  health_open (f);
  health_expect (f, "deep_probe_pending@3"); /* but what is known decrypts */
  g_assert_true (health_decrypts (f, 1, CREATED + 1));
  g_assert_true (health_decrypts (f, 3, CREATED + 3));
  health_advance (f, 0);
  health_expect_changes (f, "deep_probe_pending@3 ok@3");
  health_expect_disk (f, "active 3; retired 2; retired 1");
}

static void
test_why_the_first_probe_fails (Health *f, gconstpointer data)
{
  static const struct
  {
    StandInKinds kinds;
    ObkError code;
    const char *status;
  } cases[] = {
    { STAND_IN_READ_KEY, OBK_ERROR_CONNECTION_FAILED, "metadata_read_failed@0" },
    { STAND_IN_READ_UPSERT, OBK_ERROR_CONNECTION_FAILED, "upsert_check_failed@0" },
    { STAND_IN_READS, OBK_ERROR_AUTH_FAILED, "auth_failed@0" },
    { STAND_IN_READS, OBK_ERROR_AUTH_EXPIRED, "auth_failed@0" },
    { STAND_IN_READS, OBK_ERROR_POLICY_DENIED, "auth_failed@0" },
    { STAND_IN_READS, OBK_ERROR_CREDENTIAL_INVALID, "auth_failed@0" },
    { STAND_IN_READ_KEY, OBK_ERROR_KEY_MISSING, "profile_invalid@0" },
    { STAND_IN_READ_UPSERT, OBK_ERROR_KEY_MISSING, "profile_invalid@0" },
  };

  health_open (f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      stand_in_break (f->transit, cases[i].kinds, cases[i].code);
      obk_prober_retry (f->prober);
      health_settle (f);
      health_expect (f, cases[i].status);
    }
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  obk_prober_retry (f->prober);
  health_settle (f);
  health_expect (f, "ok@1");
}

/* Rotation */

static void
test_rotation (Health *f, gconstpointer data)
{
  gint64 created = 0;

  health_open_well (f, 1);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  health_advance (f, PROBE_INTERVAL * SECOND - 1);
  g_assert_false (health_decrypts (f, 2, created));
  health_advance (f, 1);
  health_expect_disk (f, "active 1; pending 2 n1");
  g_assert_true (health_decrypts (f, 2, created));
  g_assert_cmpuint (health_count_log (f, "info key.observed", "transit_key_version=2"), ==, 1);
  health_advance (f, 2 * PROBE_INTERVAL * SECOND);
  health_expect_disk (f, "active 1; pending 2 n3");
  health_advance (f, DELAY * SECOND - 1);
  health_expect_disk (f, "active 1; pending 2 n4");
  health_expect_changes (f, "");
  health_advance (f, 1);
  health_expect_disk (f, "active 2; retired 1");
  health_expect_changes (f, "ok@2");
  g_assert_true (health_decrypts (f, 1, CREATED + 1));
  g_assert_cmpuint (health_count_log (f, "info key.promoted", "transit_key_version=2"), ==, 1);
  health_advance (f, 1000 * SECOND);
  health_expect_changes (f, "");
}

/* Up to the probe that promotes version 2, which has not yet run. */
static void
wait_for_promotion (Health *f)
{
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, (COUNT * PROBE_INTERVAL + DELAY) * SECOND - 1);
  health_expect_disk (f, "active 1; pending 2 n4");
}

static void
test_promoted_is_not_used_before_it_is_saved (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  wait_for_promotion (f);
  health_hold_saves ();
  health_advance (f, 1);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  health_expect (f, "ok@1");
  g_assert_cmpuint (health_count_log (f, "key.promoted", NULL), ==, 0);
  obk_prober_doubt (f->prober); /* other probes change nothing */
  health_advance (f, 20 * SECOND);
  health_expect (f, "ok@1");
  health_expect_changes (f, "");
  health_release_saves (f);
  health_expect_changes (f, "ok@2");
}

static void
test_promoted_is_not_used_before_it_is_proved (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  wait_for_promotion (f);
  f->transit->held = STAND_IN_ENCRYPT;
  health_advance (f, 1);
  health_expect_disk (f, "active 2; retired 1");
  health_expect (f, "ok@1");
  health_advance (f, 60 * SECOND);
  health_expect_changes (f, "");
  stand_in_release (f->transit);
  health_settle (f);
  health_expect_changes (f, "ok@2");
}

/* While the way to OpenBao fails, the former version goes on; the proof is tried again soon. */
static void
test_proof_is_tried_again (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  wait_for_promotion (f);
  stand_in_break (f->transit, STAND_IN_DECRYPT, OBK_ERROR_UNAVAILABLE);
  health_advance (f, 1);
  health_expect_disk (f, "active 2; retired 1");
  health_advance (f, 3 * RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "");
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "ok@2");
}

static void
test_proof_that_fails_definitely (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  wait_for_promotion (f);
  stand_in_break (f->transit, STAND_IN_ENCRYPT, OBK_ERROR_POLICY_DENIED);
  health_advance (f, 1);
  health_expect_changes (f, "deep_probe_failed@1");
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "ok@2");
}

/* The pause of deep probes that failed for the former version is not for the new one. */
static void
test_proof_does_not_wait_for_the_breaker (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  stand_in_break (f->transit, STAND_IN_ENCRYPT, OBK_ERROR_VERSION_UNUSABLE);
  obk_prober_doubt (f->prober);
  health_advance (f, 12 * SECOND); /* three failures */
  health_expect (f, "deep_probe_failed@1");
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  f->transit->key->min_encryption_version = 2;
  health_advance (f, 3 * SECOND); /* the next metadata probe, whose count is the fourth */
  health_expect_disk (f, "active 2; retired 1");
  health_expect (f, "ok@2");
}

/* Two rotations within one: only the last becomes active, and the one between decrypts. */
static void
test_rotation_overtaken (Health *f, gconstpointer data)
{
  gint64 created = 0;

  health_open_well (f, 1);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  health_advance (f, 2 * PROBE_INTERVAL * SECOND);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect_disk (f, "active 1; pending 3 n1; retired 2");
  g_assert_true (health_decrypts (f, 2, created));
  health_advance (f, (2 * PROBE_INTERVAL + DELAY) * SECOND);
  health_expect_changes (f, "ok@3");
}

static void
test_count_survives_a_restart (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, 2 * PROBE_INTERVAL * SECOND);
  health_close (f);
  health_expect_disk (f, "active 1; pending 2 n2");
  health_open_well (f, 1); /* too young to catch up with */
  health_expect_disk (f, "active 1; pending 2 n3");
  health_advance (f, DELAY * SECOND);
  health_expect_changes (f, "ok@2");
}

/* Catching up */

static void
test_catching_up (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  stand_in_rotate (f->transit, CREATED + 3);
  health_open (f);
  health_advance (f, 0);
  health_expect_changes (f, "deep_probe_pending@1 deep_probe_pending@3 ok@3");
  health_expect_disk (f, "active 3; retired 2; retired 1");
}

static void
test_catching_up_without_a_date (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->transit->no_date = TRUE;
  health_open (f);
  health_advance (f, 0);
  health_expect_changes (f, "deep_probe_pending@1 deep_probe_pending@2 ok@2");
}

static void
test_no_catching_up_with_a_young_version (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix () - CATCH_UP_AGE);
  health_open (f);
  health_advance (f, 0);
  health_expect_changes (f, "deep_probe_pending@1 ok@1");
  health_expect_disk (f, "active 1; pending 2 n1");
}

/* Between the probe and the end of its save there is no moment of health under the old version. */
static void
test_catching_up_on_a_slow_disk (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  health_hold_saves ();
  health_open (f);
  health_advance (f, 0);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  obk_prober_doubt (f->prober); /* makes a deep probe of version 1, which passes */
  health_settle (f);
  g_assert_cmpuint (f->transit->encrypted, >, 0);
  health_advance (f, 100 * SECOND);
  health_release_saves (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect_changes (f, "deep_probe_pending@1 state_unavailable@1 deep_probe_pending@2 ok@2");
}

/* A version that becomes old before the first healthy moment is caught up with as well. */
static void
test_catching_up_late (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_break (f->transit, STAND_IN_ENCRYPT, OBK_ERROR_UNAVAILABLE);
  stand_in_rotate (f->transit, obk_clock_unix () - CATCH_UP_AGE);
  health_open (f);
  health_advance (f, 0);
  health_expect_disk (f, "active 1; pending 2 n1");
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_disk (f, "active 2; retired 1");
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (f, 40 * SECOND);
  health_expect (f, "ok@2");
  g_assert_null (strstr (f->changes->str, "ok@1"));
}

static void
test_catching_up_after_staleness (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_break (f->transit, STAND_IN_READS, OBK_ERROR_CONNECTION_FAILED);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, (CATCH_UP_AGE + 1) * SECOND);
  health_expect_changes (f, "status_stale@1");
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (f, 40 * SECOND);
  health_expect_changes (f, "deep_probe_pending@2 ok@2");
}

/* A read is under way, and its answer comes after a sleep before anybody has noticed that Status is stale. */
static void
sleep_over_a_read (Health *f)
{
  f->transit->held = STAND_IN_READS;
  health_advance (f, PROBE_INTERVAL * SECOND);
  stand_in_sleep ((CATCH_UP_AGE + 1) * SECOND);
  stand_in_release (f->transit);
  while (f->transit->calls->len > 0)
    g_main_context_iteration (NULL, TRUE);
  stand_in_advance (f->poller, 0);
  health_settle (f);
}

/* A machine that slept */
static void
test_catching_up_after_sleep (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  sleep_over_a_read (f);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@2");
  g_assert_null (strstr (f->changes->str, "ok@1"));
  health_expect_disk (f, "active 2; retired 1");
}

/* The answer had come before the key was rotated: it says nothing of the time that was slept. */
static void
test_catching_up_after_an_old_answer (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  sleep_over_a_read (f);
  health_expect (f, "status_stale@1");
  stand_in_rotate (f->transit, obk_clock_unix () - CATCH_UP_AGE - 1);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@2");
  g_assert_null (strstr (f->changes->str, "ok@1"));
  health_expect_disk (f, "active 2; retired 1");
}

/* Without a time of staleness an old version is a candidate like any other. */
static void
test_no_catching_up_while_healthy (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect_disk (f, "active 1; pending 2 n1");
  health_expect_changes (f, "");
}

/* The end, at any moment */

static void
test_close_while_it_reads (Health *f, gconstpointer data)
{
  f->transit->silent = TRUE;
  health_open (f);
  health_advance (f, 0);
  health_close (f);
  g_assert_cmpuint (f->transit->cancelled, ==, 2);
  g_assert_cmpuint (f->transit->calls->len, ==, 0);
}

static void
test_close_while_it_saves (Health *f, gconstpointer data)
{
  health_hold_saves ();
  health_open (f);
  health_advance (f, 0);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  health_close (f);
  health_expect_disk (f, "active 1");
  health_open_well (f, 1); /* the lock is free */
}

static void
test_close_while_it_proves (Health *f, gconstpointer data)
{
  f->transit->held = STAND_IN_DECRYPT;
  health_open (f);
  health_advance (f, 0);
  g_assert_cmpuint (f->transit->calls->len, ==, 1);
  health_close (f);
  g_assert_cmpuint (f->transit->cancelled, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  health_test ("/prober/start/first", test_first_start);
  health_test ("/prober/start/associated-data", test_associated_data);
  health_test ("/prober/start/refuses-rotated-key", test_no_first_state_for_a_rotated_key);
  health_test ("/prober/start/refuses-unsafe-key", test_no_first_state_for_an_unsafe_key);
  health_test ("/prober/start/with-a-state", test_start_with_a_state);
  health_test ("/prober/start/reasons", test_why_the_first_probe_fails);
  health_test ("/prober/rotation/promotes", test_rotation);
  health_test ("/prober/rotation/saved-first", test_promoted_is_not_used_before_it_is_saved);
  health_test ("/prober/rotation/proved-first", test_promoted_is_not_used_before_it_is_proved);
  health_test ("/prober/rotation/proof-is-tried-again", test_proof_is_tried_again);
  health_test ("/prober/rotation/proof-fails", test_proof_that_fails_definitely);
  health_test ("/prober/rotation/proof-and-breaker", test_proof_does_not_wait_for_the_breaker);
  health_test ("/prober/rotation/overtaken", test_rotation_overtaken);
  health_test ("/prober/rotation/count-survives-restart", test_count_survives_a_restart);
  health_test ("/prober/catching-up/after-start", test_catching_up);
  health_test ("/prober/catching-up/without-date", test_catching_up_without_a_date);
  health_test ("/prober/catching-up/not-with-young-version", test_no_catching_up_with_a_young_version);
  health_test ("/prober/catching-up/slow-disk", test_catching_up_on_a_slow_disk);
  health_test ("/prober/catching-up/late", test_catching_up_late);
  health_test ("/prober/catching-up/after-staleness", test_catching_up_after_staleness);
  health_test ("/prober/catching-up/after-sleep", test_catching_up_after_sleep);
  health_test ("/prober/catching-up/after-an-old-answer", test_catching_up_after_an_old_answer);
  health_test ("/prober/catching-up/not-while-healthy", test_no_catching_up_while_healthy);
  health_test ("/prober/close/while-it-reads", test_close_while_it_reads);
  health_test ("/prober/close/while-it-saves", test_close_while_it_saves);
  health_test ("/prober/close/while-it-proves", test_close_while_it_proves);
  return g_test_run ();
}
