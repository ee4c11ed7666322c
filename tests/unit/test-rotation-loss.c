/* SPDX-License-Identifier: Apache-2.0 */
/* Standby reads, rollback, loss, and what comes back. */
#include "registry/rotation.h"

#include "rotation-fixture.h"

/* Three reads in a row, the first of them long enough ago: the last one is left to the caller. */
static void
lag_for_long (Node *node)
{
  for (guint i = 0; i < 4; i++)
    {
      advance (node, 30);
      probe_lagging (node);
    }
  advance (node, 30);
}

/* "a stale read, not yet a rollback: it counts neither as success nor as failure" */
static void
test_lagging_read (Node *node, gconstpointer data)
{
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n1");
  show (node, 1);
  advance (node, 30);
  probe_lagging (node);
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n2");
}

/* It is judged before anything else that it shows: a standby may lag in all of it. */
static void
test_before_findings (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 1);
  node->metadata->deletion_allowed = TRUE;
  node->metadata->disable_upsert = FALSE;
  set_created (node, 1, CREATED + 77);
  probe_lagging (node);
}

/* A promotion that is due waits for a read that counts. */
static void
test_does_not_promote (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 3 o0 n3 s0; retired 2 o0");
  show (node, 2);
  node->catching_up = TRUE;
  node->metadata->min_encryption_version = 2;
  advance (node, 1000);
  probe_lagging (node);
}

/* "three probes in a row say so, the first of them at least statusMaxStaleness ago" */
static void
test_three_reads (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 1);
  probe_lagging (node);
  advance (node, 200);
  probe_lagging (node);
  probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
}

static void
test_long_enough (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 1);
  for (guint i = 0; i < 20; i++)
    {
      probe_lagging (node);
      advance (node, 5);
      node->now.unix_s += 3600; /* of no account */
    }
  advance (node, 19);
  probe_lagging (node);
  advance (node, 1);
  probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
}

/* The row begins anew after one that shows the highest version, whatever else is wrong with it. */
static void
test_row_is_broken (Node *node, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      restart (node);
      use (node, "active 2 o0 p0; retired 1 o0");
      show (node, 1);
      lag_for_long (node);
      show (node, 2);
      node->metadata->derived = i == 1;
      probe (node);
      g_assert_cmpint (node->result.kind, ==, i == 1 ? OBK_PROBE_REFUSED : OBK_PROBE_GOOD);
      show (node, 1);
      lag_for_long (node);
      probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
    }
}

/* Three in a row need not show the same. */
static void
test_different_standbys (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; pending 4 o0 n1; retired 3 o0; retired 1 o0");
  show (node, 3);
  lag_for_long (node);
  show (node, 1);
  probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
  show (node, 2);
  probe_refused (node, OBK_FINDING_VERSION_LOST);
}

/* A confirmed loss stands while reads show it, and goes with the first that does not. */
static void
test_stays_refused (Node *node, gconstpointer data)
{
  const ObkProfileFinding *finding = NULL;

  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 1);
  lag_for_long (node);
  for (guint i = 0; i < 5; i++)
    {
      probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
      advance (node, 30);
    }
  finding = node->result.findings->pdata[0];
  g_assert_nonnull (strstr (finding->text, "latest version is 1, but version 2 is in use here"));
  g_assert_cmpint (finding->impact, ==, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY);
  show (node, 2);
  probe_good (node);
  show (node, 1);
  probe_lagging (node);
}

/* The active version cannot be given up, whatever rejectVersionRollback says. */
static void
test_active_lost (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 2 o0 p0; pending 3 o0 n1; retired 1 o0");
  show (node, 1);
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_VERSION_ROLLBACK);
}

static void
test_pending_lost (Node *node, gconstpointer data)
{
  const ObkProfileFinding *finding = NULL;

  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  show (node, 1);
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_VERSION_LOST);
  finding = node->result.findings->pdata[0];
  g_assert_nonnull (strstr (finding->text, "latest version is 1, but version 2 has been seen"));
}

/* Other findings stand beside it, the worst first. */
static void
test_with_findings (Node *node, gconstpointer data)
{
  const ObkProfileFinding *loss = NULL;

  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 1);
  node->metadata->deletion_allowed = TRUE;
  set_created (node, 1, CREATED + 77);
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  g_assert_cmpuint (node->result.findings->len, ==, 3);
  loss = node->result.findings->pdata[1];
  g_assert_cmpint (loss->finding, ==, OBK_FINDING_VERSION_ROLLBACK);
}

/* "with rotation.rejectVersionRollback false this last one is marked rejected"; the probe goes on as a good one. */
static void
test_accepted (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  show (node, 1);
  lag_for_long (node);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; rejected 2 o0 n3 s0");
  g_assert_cmpuint (node->result.rejected, ==, 2);
  advance (node, 30);
  probe_good (node); /* the highest version seen is set anew */
  g_assert_cmpuint (node->result.rejected, ==, 0);
  assert_state (node->state, "active 1 o0 p0; rejected 2 o0 n3 s0");
  restart (node);
  probe_good (node);
}

/* "A retired version above the active one that is lost is treated as a lost pending one": so is a removed one. */
static void
test_retired_lost (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; retired 2 o0");
  show (node, 1);
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_VERSION_LOST);
  node->policy.reject_version_rollback = FALSE;
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; rejected 2 o0");

  restart (node);
  use (node, "active 1 o0 p0; removed 3 o0; removed 2 o0");
  show (node, 2);
  lag_for_long (node);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; rejected 3 o0; removed 2 o0");
  g_assert_cmpuint (node->result.rejected, ==, 3);
}

/* What is left above the active version follows the rules in the same probe. */
static void
test_accepted_and_followed (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 1 o0 p0; pending 5 o10 n2; retired 4 o10; retired 3 o10; retired 2 o10");
  show (node, 3);
  lag_for_long (node);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; pending 3 o150 n1; retired 2 o10; rejected 5 o10 n2; rejected 4 o10");
  g_assert_cmpuint (node->result.rejected, ==, 5);
  g_assert_cmpuint (node->result.observed, ==, 3);
}

/* An acceptance that could not be saved is proposed again with the next probe, not after another three. */
static void
test_accepted_unsaved (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 1 o0 p0; pending 2 o0 n1");
  show (node, 1);
  lag_for_long (node);
  for (guint i = 0; i < 3; i++)
    {
      probe (node);
      g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
      assert_state (node->result.state, "active 1 o0 p0; rejected 2 o0 n1");
      g_assert_cmpuint (node->result.rejected, ==, 2);
      advance (node, 30);
    }
}

/* One that was saved is over: what lags behind the rest must be shown three times again. */
static void
test_accepted_then_lagging (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 1 o0 p0; pending 3 o0 n1; retired 2 o0");
  show (node, 2);
  lag_for_long (node);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; pending 2 o150 n1; rejected 3 o0 n1");
  show (node, 1);
  lag_for_long (node);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; rejected 3 o0 n1; rejected 2 o150 n1");
}

/* Nothing is accepted from a key that is not in order. */
static void
test_accepted_later (Node *node, gconstpointer data)
{
  node->policy.reject_version_rollback = FALSE;
  use (node, "active 1 o0 p0; pending 2 o0 n1");
  show (node, 1);
  node->metadata->exportable = TRUE;
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  node->metadata->exportable = FALSE;
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; rejected 2 o0 n1");
}

/* "and this run's reads": what was seen and never saved has been seen all the same. */
static void
test_seen_but_unsaved (Node *node, gconstpointer data)
{
  show (node, 2);
  advance (node, 30);
  probe (node);
  show (node, 1);
  lag_for_long (node);
  probe_refused (node, OBK_FINDING_VERSION_LOST);
  node->policy.reject_version_rollback = FALSE;
  probe_good (node);
  g_assert_cmpuint (node->result.rejected, ==, 2);
  assert_state (node->state, "active 1 o0 p0");
  node->policy.reject_version_rollback = TRUE;
  advance (node, 30);
  probe_good (node);
}

/* A number without a version behind it has not been seen. */
static void
test_not_seen (Node *node, gconstpointer data)
{
  show (node, 1);
  node->metadata->latest_version = 1000000;
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  show (node, 1);
  probe_good (node);
}

/* "usable and with the same creation time, becomes pending if it is the latest above the active one, else retired" */
static void
test_shown_again (Node *node, gconstpointer data)
{
  use (node, "active 2 o10 p20; retired 1 o5 p5; rejected 4 o11 n7 s12; rejected 3 o11");
  show (node, 4);
  step (node, "active 2 o10 p20; pending 4 o30 n1; retired 3 o11; retired 1 o5 p5");
  g_assert_cmpuint (node->result.observed, ==, 4);
}

/* One that was in use before it was lost begins as any candidate does; one that has no times gets one. */
static void
test_shown_again_times (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 4 o5 n3 s6 p7; rejected 3; rejected 2 o5 n3 s6 p7");
  show (node, 4);
  step (node, "active 1 o0 p0; pending 4 o30 n1; retired 3 o30; retired 2 o5 p7");
}

static void
test_shown_again_below_active (Node *node, gconstpointer data)
{
  use (node, "active 3 o10 p20; rejected 2 o1 n3 s2 p3; rejected 1 o1");
  show (node, 3);
  node->metadata->min_decryption_version = 2; /* the first is not usable */
  step (node, "active 3 o10 p20; retired 2 o1 p3; rejected 1 o1");
}

/* Only what is shown comes back. */
static void
test_shown_in_part (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 3 o0; rejected 2 o0");
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n1; rejected 3 o0");
}

/* The number alone is not the version: another creation time is another key, beside the rejected one. */
static void
test_number_comes_again (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 3 o0; rejected 2 o0");
  show (node, 3);
  set_created (node, 2, CREATED + 2 + 50);
  set_created (node, 3, CREATED + 3 + 60);
  step (node, "active 1 o0 p0; pending 3@60 o30 n1; retired 2@50 o30; rejected 3 o0; rejected 2 o0");
  step (node, "active 1 o0 p0; pending 3@60 o30 n2; retired 2@50 o30; rejected 3 o0; rejected 2 o0");
}

/* Twice lost, then the first of them is back: only that one decrypts. */
static void
test_one_of_two (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 2@60 o0; rejected 2 o0");
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n1; rejected 2@60 o0");
}

/* A number that was removed on purpose stays so, whatever else it stood for before. */
static void
test_rejected_and_removed (Node *node, gconstpointer data)
{
  use (node, "active 3 o0 p0; rejected 2 o0; removed 2@5 o0");
  show (node, 3);
  probe_good (node);
  assert_state (node->state, "active 3 o0 p0; rejected 2 o0; removed 2@5 o0");
}

static void
test_jumped_rejected_without_time (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 2 o0");
  show (node, 3);
  set_created (node, 2, 0);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
}

/* A node that was away catches up with a version that it had given up. */
static void
test_catches_up_with_rejected (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  use (node, "active 1 o0 p0; rejected 2 o0 n2");
  show (node, 2);
  step (node, "active 2 o0 p30; retired 1 o0 p0");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/rotation-loss/lagging-read", test_lagging_read);
  add ("/registry/rotation-loss/before-findings", test_before_findings);
  add ("/registry/rotation-loss/does-not-promote", test_does_not_promote);
  add ("/registry/rotation-loss/three-reads", test_three_reads);
  add ("/registry/rotation-loss/long-enough", test_long_enough);
  add ("/registry/rotation-loss/row-is-broken", test_row_is_broken);
  add ("/registry/rotation-loss/different-standbys", test_different_standbys);
  add ("/registry/rotation-loss/stays-refused", test_stays_refused);
  add ("/registry/rotation-loss/active-lost", test_active_lost);
  add ("/registry/rotation-loss/pending-lost", test_pending_lost);
  add ("/registry/rotation-loss/with-findings", test_with_findings);
  add ("/registry/rotation-loss/accepted", test_accepted);
  add ("/registry/rotation-loss/retired-lost", test_retired_lost);
  add ("/registry/rotation-loss/accepted-and-followed", test_accepted_and_followed);
  add ("/registry/rotation-loss/accepted-unsaved", test_accepted_unsaved);
  add ("/registry/rotation-loss/accepted-then-lagging", test_accepted_then_lagging);
  add ("/registry/rotation-loss/accepted-later", test_accepted_later);
  add ("/registry/rotation-loss/seen-but-unsaved", test_seen_but_unsaved);
  add ("/registry/rotation-loss/not-seen", test_not_seen);
  add ("/registry/rotation-loss/shown-again", test_shown_again);
  add ("/registry/rotation-loss/shown-again-times", test_shown_again_times);
  add ("/registry/rotation-loss/shown-again-below-active", test_shown_again_below_active);
  add ("/registry/rotation-loss/shown-in-part", test_shown_in_part);
  add ("/registry/rotation-loss/number-comes-again", test_number_comes_again);
  add ("/registry/rotation-loss/one-of-two", test_one_of_two);
  add ("/registry/rotation-loss/rejected-and-removed", test_rejected_and_removed);
  add ("/registry/rotation-loss/jumped-rejected-without-time", test_jumped_rejected_without_time);
  add ("/registry/rotation-loss/catches-up-with-rejected", test_catches_up_with_rejected);
  return g_test_run ();
}
