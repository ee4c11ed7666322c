/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of health when OpenBao or the key is not as it should be. */
#include "health/prober.h"

#include "base/clock.h"
#include "health-fixture.h"

/* Findings */

static void
break_profile (Health *f, guint which)
{
  ObkKeyMetadata *key = f->transit->key;

  switch (which)
    {
    case 0:
      key->deletion_allowed = TRUE;
      break;
    case 1:
      key->disable_upsert = FALSE;
      break;
    case 2:
      key->min_decryption_version = 2;
      break;
    case 3:
      g_array_index (key->versions, ObkKeyVersion, 0).created_at_unix++;
      break;
    default:
      stand_in_break (f->transit, STAND_IN_READ_KEY, OBK_ERROR_KEY_MISSING);
      break;
    }
}

static void
test_findings (Health *f, gconstpointer data)
{
  static const char *const wanted[] = { "profile_invalid@2", "upsert_allowed@2", "minimum_above_retained@2",
                                        "creation_time_changed@2", "profile_invalid@2" };
  g_autoptr (ObkKeyMetadata) good = NULL;

  health_make_history (f, 2);
  health_open_well (f, 2);
  good = obk_key_metadata_copy (f->transit->key);
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      g_autofree char *changes = g_strconcat (wanted[i], " ok@2", NULL);

      break_profile (f, i);
      health_advance (f, PROBE_INTERVAL * SECOND);
      health_expect (f, wanted[i]);
      obk_key_metadata_free (f->transit->key);
      f->transit->key = obk_key_metadata_copy (good);
      stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
      health_advance (f, RETRY_INTERVAL * SECOND);
      health_expect_changes (f, changes);
      health_advance (f, PROBE_INTERVAL * SECOND);
    }
  g_assert_cmpuint (health_count_log (f, "warn status.probe", "impact=api_server_availability"), >, 0);
}

/* A loss of touch changes nothing about what was found. */
static void
test_finding_outlives_silence (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  f->transit->key->exportable = TRUE;
  health_advance (f, PROBE_INTERVAL * SECOND);
  stand_in_break (f->transit, STAND_IN_READS, OBK_ERROR_CONNECTION_FAILED);
  health_advance (f, 300 * SECOND);
  health_expect_changes (f, "profile_invalid@1");
}

static void
test_stale_at_the_right_moment (Health *f, gconstpointer data)
{
  static const struct
  {
    ObkError code;
    const char *changes;
  } cases[] = {
    { OBK_ERROR_CONNECTION_FAILED, "status_stale@1 ok@1" }, { OBK_ERROR_TIMEOUT, "status_stale@1 ok@1" },
    { OBK_ERROR_UNAVAILABLE, "status_stale@1 ok@1" },       { OBK_ERROR_SEALED, "status_stale@1 ok@1" },
    { OBK_ERROR_RATE_LIMITED, "status_stale@1 ok@1" },      { OBK_ERROR_POLICY_DENIED, "auth_failed@1 ok@1" },
    { OBK_ERROR_AUTH_FAILED, "auth_failed@1 ok@1" },        { OBK_ERROR_AUTH_EXPIRED, "auth_failed@1 ok@1" },
    { OBK_ERROR_OAUTH2_UNAVAILABLE, "auth_failed@1 ok@1" }, { OBK_ERROR_OAUTH2_REJECTED, "auth_failed@1 ok@1" },
  };

  health_open_well (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      stand_in_break (f->transit, STAND_IN_READS, cases[i].code);
      health_advance (f, STALENESS * SECOND - 1);
      health_expect (f, "ok@1");
      health_expect_changes (f, "");
      health_advance (f, 1);
      stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
      obk_prober_retry (f->prober);
      health_settle (f);
      health_expect_changes (f, cases[i].changes);
    }
}

/* With nothing that is due but the moment itself */
static void
test_stale_while_a_read_hangs (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  f->transit->silent = TRUE;
  health_advance (f, STALENESS * SECOND - 1);
  health_expect_changes (f, "");
  health_advance (f, 1);
  health_expect_changes (f, "status_stale@1");
  g_assert_cmpuint (health_count_log (f, "status.changed", "healthz=unhealthy reason=status_stale"), ==, 1);
}

static void
test_lagging_standby (Health *f, gconstpointer data)
{
  health_make_history (f, 2);
  health_open_well (f, 2);
  f->transit->lag = 1;
  health_advance (f, STALENESS * SECOND - 1);
  health_expect_changes (f, "");
  health_advance (f, 1);
  health_expect_changes (f, "standby_lagging@2");
  /* three in a row, the first of them at least so long ago */
  health_advance (f, PROBE_INTERVAL * SECOND - 1);
  health_expect_changes (f, "");
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "version_rollback@2");
  f->transit->lag = 0;
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "ok@2");
}

static void
test_lag_that_ends (Health *f, gconstpointer data)
{
  health_make_history (f, 2);
  health_open_well (f, 2);
  for (guint i = 0; i < 10; i++)
    {
      f->transit->lag = 1;
      health_advance (f, 2 * PROBE_INTERVAL * SECOND);
      f->transit->lag = 0;
      health_advance (f, PROBE_INTERVAL * SECOND);
    }
  health_expect_changes (f, "");
}

static void
test_lagging_at_the_start (Health *f, gconstpointer data)
{
  health_make_history (f, 2);
  f->transit->lag = 1;
  health_open (f);
  health_advance (f, 0);
  health_expect (f, "standby_lagging@2");
  f->transit->lag = 0;
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect (f, "ok@2");
}

static void
test_accepted_loss (Health *f, gconstpointer data)
{
  f->options.rotation.reject_version_rollback = FALSE;
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect_disk (f, "active 1; pending 2 n1");
  stand_in_lose_latest (f->transit);
  health_advance (f, (STALENESS + 2 * PROBE_INTERVAL) * SECOND);
  health_expect (f, "ok@1");
  health_expect_disk (f, "active 1; rejected 2");
  g_assert_cmpuint (health_count_log (f, "warn warning transit_key_version=2", NULL), ==, 1);
}

/* Encryption that is blocked */

static void
test_blocked (Health *f, gconstpointer data)
{
  guint deep_probes = 0;

  f->options.deep_probe_interval_us = (PROBE_INTERVAL + 1) * SECOND; /* would come in between */
  health_open_well (f, 1);
  deep_probes = health_count_log (f, "status.probe", "probe_kind=deep");
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->transit->key->min_encryption_version = 2;
  health_advance (f, PROBE_INTERVAL * SECOND);
  health_expect (f, "encryption_blocked@1");
  health_advance (f, 4 * SECOND - 1); /* two more probes, two seconds apart */
  health_expect_disk (f, "active 1; pending 2 n2");
  g_assert_cmpuint (health_count_log (f, "status.probe", "probe_kind=deep"), ==, deep_probes);
  health_advance (f, 1);
  health_expect_changes (f, "encryption_blocked@1 ok@2");
  health_expect_disk (f, "active 2; retired 1");
}

/* What is shown beside Status is what Status goes by: also while a probe's findings wait for the disk. */
static void
test_view_is_of_the_board (Health *f, gconstpointer data)
{
  ObkProberView view;

  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->transit->key->min_encryption_version = 2;
  health_hold_saves ();
  health_advance (f, PROBE_INTERVAL * SECOND);
  g_assert_cmpuint (health_saves_held (), ==, 1);
  health_expect (f, "ok@1");
  obk_prober_view (f->prober, obk_clock_now (), &view);
  g_assert_cmpstr (obk_verdict_reason (view.verdict), ==, "");
  g_assert_cmpuint (view.verdict->min_encryption, <, 2);
  health_release_saves (f);
  health_expect (f, "encryption_blocked@1");
  obk_prober_view (f->prober, obk_clock_now (), &view);
  g_assert_cmpstr (obk_verdict_reason (view.verdict), ==, "encryption_blocked");
}

static void
test_blocked_on_a_full_disk (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->transit->key->min_encryption_version = 2;
  health_spoil_disk (f);
  health_advance (f, (PROBE_INTERVAL + 60) * SECOND);
  health_expect (f, "encryption_blocked@1");
  health_mend_disk (f);
  health_advance (f, COUNT * 2 * SECOND);
  health_expect_changes (f, "encryption_blocked@1 ok@2");
}

static void
test_doubt (Health *f, gconstpointer data)
{
  guint reads = 0;
  guint encrypted = 0;

  health_open_well (f, 1);
  health_advance (f, 10 * SECOND);
  reads = f->transit->reads;
  encrypted = f->transit->encrypted;
  obk_prober_doubt (f->prober);
  health_settle (f);
  g_assert_cmpuint (f->transit->reads, ==, reads + 1);
  g_assert_cmpuint (f->transit->encrypted, ==, encrypted + 1);
  health_advance (f, 2 * SECOND - 1);
  obk_prober_doubt (f->prober); /* too soon */
  health_settle (f);
  g_assert_cmpuint (f->transit->reads, ==, reads + 1);
  health_advance (f, 1);
  obk_prober_doubt (f->prober);
  health_settle (f);
  g_assert_cmpuint (f->transit->reads, ==, reads + 2);
  g_assert_cmpuint (f->transit->encrypted, ==, encrypted + 2);
}

/* Status turns unhealthy by a deep probe: then the metadata is not left alone for a whole interval. */
static void
test_metadata_is_read_soon_after_health_is_lost (Health *f, gconstpointer data)
{
  f->options.rotation.probe_interval_us = 100 * SECOND;
  f->options.rotation.max_staleness_us = 300 * SECOND;
  f->options.deep_probe_interval_us = 150 * SECOND;
  health_open_well (f, 1);
  health_advance (f, 149 * SECOND);
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->transit->key->min_encryption_version = 2;
  health_advance (f, 1 * SECOND);
  health_expect_changes (f, "deep_probe_failed@1");
  health_advance (f, (RETRY_INTERVAL + 4) * SECOND);
  health_expect_changes (f, "encryption_blocked@1 deep_probe_pending@2 ok@2");
}

/* Retries */

static void
test_breaker (Health *f, gconstpointer data)
{
  stand_in_break (f->transit, STAND_IN_ALL, OBK_ERROR_CONNECTION_FAILED);
  health_open (f);
  health_advance (f, 2 * RETRY_INTERVAL * SECOND);
  g_assert_cmpuint (f->transit->reads, ==, 3);
  health_advance (f, 22 * SECOND);
  g_assert_cmpuint (f->transit->reads, ==, 3);
  health_advance (f, 16 * SECOND);
  g_assert_cmpuint (f->transit->reads, ==, 4);
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_advance (f, 40 * SECOND);
  health_expect (f, "ok@1");
}

static void
test_login_ends_the_wait (Health *f, gconstpointer data)
{
  stand_in_break (f->transit, STAND_IN_ALL, OBK_ERROR_AUTH_FAILED);
  health_open (f);
  health_advance (f, 12 * SECOND);
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_expect (f, "auth_failed@0");
  obk_prober_retry (f->prober);
  health_settle (f);
  health_expect (f, "ok@1");
}

static void
test_login_ends_the_wait_of_deep_probes (Health *f, gconstpointer data)
{
  stand_in_break (f->transit, STAND_IN_ENCRYPT, OBK_ERROR_AUTH_FAILED);
  health_open (f);
  health_advance (f, 12 * SECOND);
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  health_expect (f, "deep_probe_pending@1");
  obk_prober_retry (f->prober);
  health_settle (f);
  health_expect (f, "ok@1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  health_test ("/prober/findings/at-once", test_findings);
  health_test ("/prober/findings/outlive-silence", test_finding_outlives_silence);
  health_test ("/prober/stale/right-moment", test_stale_at_the_right_moment);
  health_test ("/prober/stale/while-a-read-hangs", test_stale_while_a_read_hangs);
  health_test ("/prober/lag/until-stale-then-rollback", test_lagging_standby);
  health_test ("/prober/lag/that-ends", test_lag_that_ends);
  health_test ("/prober/lag/at-the-start", test_lagging_at_the_start);
  health_test ("/prober/lag/accepted-loss", test_accepted_loss);
  health_test ("/prober/blocked/promotes-at-once", test_blocked);
  health_test ("/prober/blocked/full-disk", test_blocked_on_a_full_disk);
  health_test ("/prober/view/of-the-board", test_view_is_of_the_board);
  health_test ("/prober/doubt", test_doubt);
  health_test ("/prober/retry/soon-after-health-is-lost", test_metadata_is_read_soon_after_health_is_lost);
  health_test ("/prober/retry/breaker", test_breaker);
  health_test ("/prober/retry/login", test_login_ends_the_wait);
  health_test ("/prober/retry/login-and-deep-probe", test_login_ends_the_wait_of_deep_probes);
  return g_test_run ();
}
