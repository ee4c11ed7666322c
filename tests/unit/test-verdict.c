/* SPDX-License-Identifier: Apache-2.0 */
#include "health/verdict.h"

#include "base/names.h"

#define STALENESS 100
#define NOW 1000

static ObkScope scope = {
  (char *)"provider", (char *)"cluster", (char *)"instance", NULL, (char *)"mount", (char *)"lineage",
};

/* Versions 1 to @latest, @active among them; those above it pending or retired, those below retired. */
static ObkState *
make_state (guint32 active, guint32 latest)
{
  ObkState *state = obk_state_new (&scope);

  for (guint32 version = latest; version > 0; version--)
    obk_state_add (state, version, 1700000000 + version,
                   version == active   ? OBK_SNAPSHOT_ACTIVE
                   : version == latest ? OBK_SNAPSHOT_PENDING
                                       : OBK_SNAPSHOT_RETIRED);
  obk_state_sort (state);
  return state;
}

static void
use (ObkVerdict *verdict, guint32 active, gboolean at_once)
{
  g_autoptr (ObkState) state = make_state (active, active);

  obk_verdict_use_state (verdict, state, at_once);
}

static void
pass_metadata (ObkVerdict *verdict, guint32 min_encryption, gint64 now_us)
{
  g_autoptr (ObkKeyMetadata) metadata = obk_key_metadata_new ();

  metadata->min_encryption_version = min_encryption;
  obk_verdict_metadata_good (verdict, metadata, now_us);
}

static void
expect (const ObkVerdict *verdict, const char *reason, guint32 serving)
{
  g_assert_cmpstr (obk_verdict_reason (verdict), ==, reason);
  g_assert_cmpuint (verdict->serving, ==, serving);
}

/* Healthy under version 1 */
static ObkVerdict
make_healthy (void)
{
  ObkVerdict verdict = OBK_VERDICT_INIT;

  use (&verdict, 1, FALSE);
  pass_metadata (&verdict, 0, NOW);
  obk_verdict_deep_passed (&verdict, 1);
  g_assert_true (obk_verdict_settle (&verdict, NOW, STALENESS));
  expect (&verdict, "", 1);
  return verdict;
}

static void
test_way_to_health (void)
{
  ObkVerdict verdict = OBK_VERDICT_INIT;

  expect (&verdict, "state_unavailable", 0);
  g_assert_false (obk_verdict_wants_proof (&verdict));
  obk_verdict_metadata_failed (&verdict, OBK_REASON_AUTH_FAILED);
  expect (&verdict, "auth_failed", 0);
  pass_metadata (&verdict, 0, NOW);
  expect (&verdict, "state_unavailable", 0);
  use (&verdict, 1, FALSE);
  expect (&verdict, "deep_probe_pending", 1);
  g_assert_true (obk_verdict_wants_proof (&verdict));
  g_assert_false (obk_verdict_settle (&verdict, NOW, STALENESS));
  g_assert_false (verdict.settled);
  obk_verdict_deep_passed (&verdict, 1);
  expect (&verdict, "", 1);
  g_assert_false (obk_verdict_wants_proof (&verdict));
  g_assert_true (obk_verdict_settle (&verdict, NOW, STALENESS));
  g_assert_true (verdict.settled);
}

static void
test_never_healthy_without_a_metadata_probe (void)
{
  ObkVerdict verdict = OBK_VERDICT_INIT;

  use (&verdict, 1, TRUE);
  obk_verdict_deep_passed (&verdict, 1);
  expect (&verdict, "", 1);
  g_assert_cmpint (obk_verdict_fresh_until_us (&verdict, STALENESS), ==, 0);
  g_assert_false (obk_verdict_settle (&verdict, NOW, STALENESS));
}

static void
test_trouble_leaves_status_until_it_is_stale (void)
{
  ObkVerdict verdict = make_healthy ();

  obk_verdict_metadata_failed (&verdict, OBK_REASON_METADATA_READ_FAILED);
  expect (&verdict, "", 1);
  g_assert_cmpint (obk_verdict_fresh_until_us (&verdict, STALENESS), ==, NOW + STALENESS);
  g_assert_true (obk_verdict_settle (&verdict, NOW + STALENESS - 1, STALENESS));
  g_assert_true (verdict.settled);
  g_assert_false (obk_verdict_settle (&verdict, NOW + STALENESS, STALENESS));
  g_assert_false (verdict.settled); /* so that it catches up */
  pass_metadata (&verdict, 0, NOW + STALENESS + 1);
  g_assert_true (obk_verdict_settle (&verdict, NOW + STALENESS + 1, STALENESS));
}

static void
test_stale_reason (void)
{
  ObkVerdict verdict = make_healthy ();

  g_assert_cmpstr (obk_verdict_stale_reason (&verdict), ==, "");
  obk_verdict_metadata_failed (&verdict, OBK_REASON_METADATA_READ_FAILED);
  g_assert_cmpstr (obk_verdict_stale_reason (&verdict), ==, "");
  obk_verdict_metadata_failed (&verdict, OBK_REASON_STANDBY_LAGGING);
  g_assert_cmpstr (obk_verdict_stale_reason (&verdict), ==, "standby_lagging");
  obk_verdict_metadata_failed (&verdict, OBK_REASON_AUTH_FAILED);
  g_assert_cmpstr (obk_verdict_stale_reason (&verdict), ==, "auth_failed");
  pass_metadata (&verdict, 0, NOW);
  g_assert_cmpstr (obk_verdict_stale_reason (&verdict), ==, "");
}

static void
test_finding_stands_until_a_good_probe (void)
{
  ObkVerdict verdict = make_healthy ();

  obk_verdict_metadata_refused (&verdict, OBK_REASON_PROFILE_INVALID);
  expect (&verdict, "profile_invalid", 1);
  obk_verdict_metadata_failed (&verdict, OBK_REASON_METADATA_READ_FAILED);
  expect (&verdict, "profile_invalid", 1);
  obk_verdict_metadata_refused (&verdict, OBK_REASON_VERSION_LOST);
  expect (&verdict, "version_lost", 1);
  pass_metadata (&verdict, 0, NOW + 1);
  expect (&verdict, "", 1);
}

static void
test_former_version_serves_until_proof (void)
{
  ObkVerdict verdict = make_healthy ();

  use (&verdict, 2, FALSE);
  expect (&verdict, "", 1);
  g_assert_true (obk_verdict_wants_proof (&verdict));
  use (&verdict, 3, FALSE); /* that the one between was never proved changes nothing */
  expect (&verdict, "", 1);
  obk_verdict_deep_passed (&verdict, 2);
  expect (&verdict, "", 1);
  obk_verdict_deep_failed (&verdict, 2, OBK_REASON_DEEP_PROBE_FAILED);
  expect (&verdict, "", 1);
  obk_verdict_deep_passed (&verdict, 3);
  expect (&verdict, "", 3);
}

static void
test_former_version_may_not_encrypt (void)
{
  ObkVerdict verdict = make_healthy ();

  pass_metadata (&verdict, 2, NOW);
  expect (&verdict, "encryption_blocked", 1);
  g_assert_true (obk_verdict_is_blocked (&verdict));
  use (&verdict, 2, FALSE);
  expect (&verdict, "encryption_blocked", 1);
  g_assert_false (obk_verdict_is_blocked (&verdict)); /* the deep probe may run */
  obk_verdict_deep_passed (&verdict, 2);
  expect (&verdict, "", 2);
}

static void
test_caught_up_version_serves_at_once (void)
{
  ObkVerdict verdict = make_healthy ();

  use (&verdict, 2, TRUE);
  expect (&verdict, "deep_probe_pending", 2);
  obk_verdict_deep_passed (&verdict, 1); /* of a round that began before */
  expect (&verdict, "deep_probe_pending", 2);
  obk_verdict_deep_passed (&verdict, 2);
  expect (&verdict, "", 2);
}

static void
test_unproved_version_does_not_go_on_serving (void)
{
  ObkVerdict verdict = OBK_VERDICT_INIT;

  use (&verdict, 1, TRUE);
  pass_metadata (&verdict, 0, NOW);
  use (&verdict, 2, FALSE);
  expect (&verdict, "deep_probe_pending", 2);
}

static void
test_failed_version_does_not_serve_again (void)
{
  ObkVerdict verdict = make_healthy ();

  obk_verdict_deep_failed (&verdict, 1, OBK_REASON_DEEP_PROBE_FAILED);
  use (&verdict, 2, FALSE);
  expect (&verdict, "deep_probe_pending", 2);

  verdict = make_healthy ();
  use (&verdict, 2, FALSE);
  obk_verdict_deep_failed (&verdict, 2, OBK_REASON_DEEP_PROBE_FAILED);
  use (&verdict, 3, FALSE);
  expect (&verdict, "deep_probe_pending", 3);
  obk_verdict_deep_passed (&verdict, 3);
  expect (&verdict, "", 3);
}

static void
test_removed_version_does_not_go_on_serving (void)
{
  g_autoptr (ObkState) state = obk_state_new (&scope);
  ObkVerdict verdict = make_healthy ();

  obk_state_add (state, 2, 1700000002, OBK_SNAPSHOT_ACTIVE);
  obk_state_add (state, 1, 1700000001, OBK_SNAPSHOT_REMOVED);
  obk_verdict_use_state (&verdict, state, FALSE);
  expect (&verdict, "deep_probe_pending", 2);
}

/* Cut off between a promotion and its proof: peers may have retired the former version when it is back. */
static void
test_former_version_does_not_serve_after_staleness (void)
{
  ObkVerdict verdict = make_healthy ();

  use (&verdict, 2, FALSE);
  g_assert_true (obk_verdict_settle (&verdict, NOW + 1, STALENESS));
  expect (&verdict, "", 1);
  g_assert_false (obk_verdict_settle (&verdict, NOW + STALENESS, STALENESS));
  pass_metadata (&verdict, 0, NOW + STALENESS + 1);
  g_assert_false (obk_verdict_settle (&verdict, NOW + STALENESS + 1, STALENESS));
  expect (&verdict, "deep_probe_pending", 2);
  obk_verdict_deep_passed (&verdict, 2);
  g_assert_true (obk_verdict_settle (&verdict, NOW + STALENESS + 2, STALENESS));
}

static void
test_deep_findings (void)
{
  ObkVerdict verdict = make_healthy ();

  obk_verdict_deep_failed (&verdict, 1, OBK_REASON_DEEP_PROBE_INVALID);
  expect (&verdict, "deep_probe_invalid", 1);
  obk_verdict_deep_passed (&verdict, 1);
  verdict.canary = OBK_REASON_CANARY_FAILED;
  expect (&verdict, "canary_failed", 1);
  obk_verdict_deep_failed (&verdict, 1, OBK_REASON_DEEP_PROBE_FAILED);
  expect (&verdict, "deep_probe_failed", 1);
  use (&verdict, 2, FALSE); /* of another version there is no finding yet, of the canaries there is */
  expect (&verdict, "deep_probe_pending", 2);
  obk_verdict_deep_passed (&verdict, 2);
  expect (&verdict, "canary_failed", 2);
}

static void
test_unsaved (void)
{
  ObkVerdict verdict = make_healthy ();

  verdict.save_trouble = OBK_REASON_STATE_SAVE_FAILED;
  expect (&verdict, "state_save_failed", 1);
  obk_verdict_deep_passed (&verdict, 1);
  pass_metadata (&verdict, 0, NOW);
  expect (&verdict, "state_save_failed", 1);
  obk_verdict_metadata_refused (&verdict, OBK_REASON_UPSERT_ALLOWED);
  expect (&verdict, "upsert_allowed", 1);
}

static void
test_pending_version_changes_nothing (void)
{
  g_autoptr (ObkState) state = make_state (1, 2);
  ObkVerdict verdict = make_healthy ();

  obk_verdict_use_state (&verdict, state, FALSE);
  expect (&verdict, "", 1);
  g_assert_false (obk_verdict_wants_proof (&verdict));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/verdict/way-to-health", test_way_to_health);
  g_test_add_func ("/verdict/needs-a-metadata-probe", test_never_healthy_without_a_metadata_probe);
  g_test_add_func ("/verdict/trouble-until-stale", test_trouble_leaves_status_until_it_is_stale);
  g_test_add_func ("/verdict/stale-reason", test_stale_reason);
  g_test_add_func ("/verdict/finding-stands", test_finding_stands_until_a_good_probe);
  g_test_add_func ("/verdict/promotion/former-serves-until-proof", test_former_version_serves_until_proof);
  g_test_add_func ("/verdict/promotion/former-may-not-encrypt", test_former_version_may_not_encrypt);
  g_test_add_func ("/verdict/promotion/catching-up-serves-at-once", test_caught_up_version_serves_at_once);
  g_test_add_func ("/verdict/promotion/unproved-does-not-serve-on", test_unproved_version_does_not_go_on_serving);
  g_test_add_func ("/verdict/promotion/failed-does-not-serve-again", test_failed_version_does_not_serve_again);
  g_test_add_func ("/verdict/promotion/removed-does-not-serve-on", test_removed_version_does_not_go_on_serving);
  g_test_add_func ("/verdict/promotion/former-does-not-serve-after-staleness",
                   test_former_version_does_not_serve_after_staleness);
  g_test_add_func ("/verdict/deep-findings", test_deep_findings);
  g_test_add_func ("/verdict/unsaved", test_unsaved);
  g_test_add_func ("/verdict/pending-changes-nothing", test_pending_version_changes_nothing);
  return g_test_run ();
}
