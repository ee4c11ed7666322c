/* SPDX-License-Identifier: Apache-2.0 */
/* What is saved and what is not: a full disk, a lost lock, and what discovery finds meanwhile. */
#include "health/prober.h"

#include "base/clock.h"
#include "health-fixture.h"

#include <string.h>

/* The disk */

static void
test_promotion_on_a_full_disk (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_spoil_disk (f);
  health_advance (f, 600 * SECOND);
  health_expect_disk (f, "active 1");
  health_expect_changes (f, "");
  g_assert_true (obk_prober_is_degraded (f->prober));
  g_assert_cmpuint (health_count_log (f, "warn registry.saved", "state_save_failed"), >=, 10);
  health_mend_disk (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_false (obk_prober_is_degraded (f->prober));
  health_expect_disk (f, "active 1; pending 2 n1");
  health_advance (f, (2 * PROBE_INTERVAL + DELAY) * SECOND);
  health_expect_disk (f, "active 2; retired 1");
  health_expect_changes (f, "ok@2");
}

/* Only the last step fails. */
static void
test_last_step_on_a_full_disk (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, 140 * SECOND);
  health_spoil_disk (f);
  health_advance (f, 300 * SECOND);
  health_expect_disk (f, "active 1; pending 2 n4");
  health_expect_changes (f, "");
  health_mend_disk (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect_changes (f, "ok@2");
}

static void
test_first_state_on_a_full_disk (Health *f, gconstpointer data)
{
  health_spoil_disk (f);
  health_open (f);
  health_advance (f, 0);
  health_expect (f, "state_save_failed@0");
  g_assert_true (obk_prober_is_degraded (f->prober));
  health_advance (f, 60 * SECOND); /* which opens no breaker */
  health_mend_disk (f);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "state_unavailable@0 state_save_failed@0 deep_probe_pending@1 ok@1");
  health_expect_disk (f, "active 1");
}

static void
test_catching_up_on_a_full_disk (Health *f, gconstpointer data)
{
  health_make_history (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  health_open (f);
  health_spoil_disk (f);
  health_advance (f, 60 * SECOND);
  health_expect (f, "state_save_failed@1");
  health_mend_disk (f);
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@2");
  g_assert_null (strstr (f->changes->str, "ok@1"));
}

static void
ignore_answer (const GError *error, gpointer user_data)
{
  g_assert_no_error (error);
  ++*(guint *)user_data;
}

/* Asks for a version that only OpenBao knows. */
static void
discover (Health *f, guint32 wanted, guint *answers)
{
  g_autoptr (GError) error = NULL;
  ObkDiscoveryWait *wait = obk_discovery_ask (obk_prober_discovery (f->prober), wanted, ignore_answer, answers, &error);

  g_assert_no_error (error);
  g_assert_nonnull (wait);
}

/* What discovery saves is not the catching up: until that is saved the old version must not serve. */
static void
test_find_is_no_catching_up (Health *f, gconstpointer data)
{
  guint answers = 0;

  health_make_history (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  health_open (f);
  health_spoil_disk (f);
  health_advance (f, 2 * SECOND);
  health_expect (f, "state_save_failed@1");
  health_mend_disk (f);
  discover (f, 2, &answers);
  health_settle (f);
  g_assert_cmpuint (answers, ==, 1);
  health_expect_disk (f, "active 1; pending 2 n0");
  health_expect (f, "state_save_failed@1");
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@2");
  g_assert_null (strstr (f->changes->str, "ok@1"));
}

/* Nor does a find that cannot be saved make it forgotten. */
static void
test_unsaved_find_is_no_catching_up (Health *f, gconstpointer data)
{
  guint answers = 0;

  health_make_history (f, 1);
  stand_in_rotate (f->transit, CREATED + 2);
  health_open (f);
  health_spoil_disk (f);
  health_advance (f, 2 * SECOND);
  discover (f, 2, &answers);
  health_settle (f);
  g_assert_cmpuint (answers, ==, 1);
  g_assert_true (health_decrypts (f, 2, CREATED + 2));
  health_expect (f, "state_save_failed@1");
  health_mend_disk (f);
}

static void
test_lost_lock (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  health_lose_lock (f);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect (f, "state_save_failed@1");
  g_assert_true (health_decrypts (f, 1, CREATED + 1));
  health_advance (f, 300 * SECOND);
  health_expect_changes (f, "state_save_failed@1");
  health_expect_disk (f, "active 1");
}

/* Nothing is there to be saved, and yet the next probe sees it. */
static void
test_lost_lock_shows_by_itself (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  health_lose_lock (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect (f, "state_save_failed@1");
  g_assert_true (health_decrypts (f, 1, CREATED + 1));
  health_advance (f, 300 * SECOND);
  health_expect_changes (f, "state_save_failed@1");
}

static void
test_lost_lock_shows_with_a_find (Health *f, gconstpointer data)
{
  guint answers = 0;

  health_open_well (f, 1);
  health_lose_lock (f);
  stand_in_rotate (f->transit, obk_clock_unix ());
  discover (f, 2, &answers);
  health_settle (f);
  health_expect (f, "state_save_failed@1");
  health_advance (f, 100 * SECOND);
  health_expect (f, "state_save_failed@1");
}

/* A probe that has nothing new to save does not tell that all is well. */
static void
test_lost_lock_is_not_forgotten (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  health_lose_lock (f);
  stand_in_jump (-1000); /* times are set back, which is to be saved */
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect (f, "state_save_failed@1");
  stand_in_jump (1000);
  health_advance (f, 60 * SECOND);
  health_expect_changes (f, "state_save_failed@1");
}

static void
test_degraded_ends_though_nothing_is_left_to_save (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  health_spoil_disk (f);
  stand_in_jump (-1000);
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_true (obk_prober_is_degraded (f->prober));
  stand_in_jump (1000);
  health_mend_disk (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_false (obk_prober_is_degraded (f->prober));
  health_expect_changes (f, "");
}

static void
test_clock_that_jumps_back (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_jump (-1000);
  health_advance (f, 3 * PROBE_INTERVAL * SECOND);
  g_assert_cmpuint (health_count_log (f, "clock.regressed", NULL), ==, 1);
  health_expect_changes (f, "");
}

/* Discovery */

static void
test_find (Health *f, gconstpointer data)
{
  gint64 created = 0;
  guint answers = 0;

  health_open_well (f, 1);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  discover (f, 2, &answers);
  health_settle (f);
  g_assert_cmpuint (answers, ==, 1);
  g_assert_true (health_decrypts (f, 2, created));
  g_assert_true (obk_prober_knows_version (f->prober, 2));
  health_expect_disk (f, "active 1; pending 2 n0");
  g_assert_cmpuint (health_count_log (f, "info key.observed", "transit_key_version=2"), ==, 1);
  health_expect_changes (f, "");
  health_advance (f, PROBE_INTERVAL * SECOND); /* from here on as ever */
  health_expect_disk (f, "active 1; pending 2 n1");
}

static void
test_find_on_a_full_disk (Health *f, gconstpointer data)
{
  gint64 created = 0;
  guint answers = 0;

  health_open_well (f, 1);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  health_spoil_disk (f);
  discover (f, 2, &answers);
  health_settle (f);
  g_assert_true (health_decrypts (f, 2, created));
  g_assert_true (obk_prober_is_degraded (f->prober));
  health_expect_disk (f, "active 1");
  health_advance (f, 100 * SECOND);
  g_assert_true (health_decrypts (f, 2, created));
  health_expect_changes (f, "");
  health_mend_disk (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_false (obk_prober_is_degraded (f->prober));
  health_expect_disk (f, "active 1; pending 2 n1");
}

/* What is found while a probe's state is being saved must outlive that. */
static void
test_find_during_a_save (Health *f, gconstpointer data)
{
  gint64 created = 0;
  guint answers = 0;

  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_hold_saves ();
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  discover (f, 3, &answers);
  health_settle (f);
  g_assert_cmpuint (answers, ==, 1);
  g_assert_true (health_decrypts (f, 3, created));
  health_release_saves (f);
  g_assert_true (health_decrypts (f, 3, created));
  g_assert_false (obk_prober_is_degraded (f->prober));
  health_expect_disk (f, "active 1; pending 3 n0; retired 2");
}

static void
test_find_during_a_save_that_fails (Health *f, gconstpointer data)
{
  gint64 created = 0;
  guint answers = 0;

  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_hold_saves ();
  health_spoil_disk (f);
  health_advance (f, PROBE_INTERVAL * SECOND);
  created = obk_clock_unix ();
  stand_in_rotate (f->transit, created);
  discover (f, 3, &answers);
  health_settle (f);
  health_mend_disk (f);
  health_release_saves (f);
  g_assert_true (health_decrypts (f, 3, created));
  g_assert_false (obk_prober_is_degraded (f->prober));
  health_expect_disk (f, "active 1; pending 3 n0; retired 2");
}

/* A metadata probe that is due while a find is saved is made, judged after it, and followed by others. */
static void
test_probe_during_the_save_of_a_find (Health *f, gconstpointer data)
{
  guint answers = 0;

  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_hold_saves ();
  discover (f, 2, &answers);
  health_advance (f, (PROBE_INTERVAL + 1) * SECOND);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  health_release_saves (f);
  health_expect_disk (f, "active 1; pending 2 n1");
  health_advance (f, 200 * SECOND);
  health_expect_changes (f, "ok@2");
}

static void
test_find_before_a_state (Health *f, gconstpointer data)
{
  guint answers = 0;

  f->transit->held = STAND_IN_READS;
  health_open (f);
  health_advance (f, 0);
  discover (f, 1, &answers);
  stand_in_release (f->transit);
  health_settle (f);
  g_assert_cmpuint (answers, ==, 1);
  health_expect (f, "ok@1");
  health_expect_disk (f, "active 1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  health_test ("/prober/disk/promotion", test_promotion_on_a_full_disk);
  health_test ("/prober/disk/last-step", test_last_step_on_a_full_disk);
  health_test ("/prober/disk/first-state", test_first_state_on_a_full_disk);
  health_test ("/prober/disk/catching-up", test_catching_up_on_a_full_disk);
  health_test ("/prober/disk/find-is-no-catching-up", test_find_is_no_catching_up);
  health_test ("/prober/disk/unsaved-find-is-no-catching-up", test_unsaved_find_is_no_catching_up);
  health_test ("/prober/disk/lost-lock", test_lost_lock);
  health_test ("/prober/disk/lost-lock-by-itself", test_lost_lock_shows_by_itself);
  health_test ("/prober/disk/lost-lock-and-find", test_lost_lock_shows_with_a_find);
  health_test ("/prober/disk/lost-lock-is-not-forgotten", test_lost_lock_is_not_forgotten);
  health_test ("/prober/disk/degraded-ends", test_degraded_ends_though_nothing_is_left_to_save);
  health_test ("/prober/clock-jumps-back", test_clock_that_jumps_back);
  health_test ("/prober/find/saved", test_find);
  health_test ("/prober/find/full-disk", test_find_on_a_full_disk);
  health_test ("/prober/find/during-a-save", test_find_during_a_save);
  health_test ("/prober/find/during-a-save-that-fails", test_find_during_a_save_that_fails);
  health_test ("/prober/find/probe-during-its-save", test_probe_during_the_save_of_a_find);
  health_test ("/prober/find/before-a-state", test_find_before_a_state);
  return g_test_run ();
}
