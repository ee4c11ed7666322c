/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/rotation.h"

#include "rotation-fixture.h"

static void
test_nothing_changes (Node *node, gconstpointer data)
{
  advance (node, 30);
  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
  g_assert_null (node->result.state);
  assert_state (node->state, "active 1 o0 p0");
}

/* "that version becomes pending … once activationDelay has passed since then, the next successful probe promotes" */
static void
test_promotes (Node *node, gconstpointer data)
{
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n1");
  g_assert_cmpuint (node->result.observed, ==, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n2");
  g_assert_cmpuint (node->result.observed, ==, 0);
  step (node, "active 1 o0 p0; pending 2 o30 n3 s90");
  step (node, "active 1 o0 p0; pending 2 o30 n4 s90");
  step (node, "active 1 o0 p0; pending 2 o30 n5 s90");
  step (node, "active 1 o0 p0; pending 2 o30 n6 s90");
  g_assert_cmpuint (node->result.promoted, ==, 0);
  step (node, "active 2 o30 n7 s90 p210; retired 1 o0 p0");
  g_assert_cmpuint (node->result.promoted, ==, 2);
  g_assert_false (node->result.caught_up);
  advance (node, 30);
  probe (node);
  g_assert_null (node->result.state);
  show (node, 3);
  step (node, "active 2 o30 n7 s90 p210; pending 3 o270 n1; retired 1 o0 p0");
}

/* A version that was active keeps observed and promoted, and loses count and stable. */
static void
test_former_active (Node *node, gconstpointer data)
{
  use (node, "active 2 o10 n4 s20 p30; pending 3 o40 n3 s50; retired 1 o0 p0");
  show (node, 3);
  advance (node, 170);
  probe_good (node);
  assert_state (node->state, "active 3 o40 n4 s50 p170; retired 2 o10 p30; retired 1 o0 p0");
}

static void
test_delay_to_the_second (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n2");
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o0 n3 s30");
  advance (node, 119);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; pending 2 o0 n4 s30");
  advance (node, 1);
  probe_good (node);
  assert_state (node->state, "active 2 o0 n5 s30 p150; retired 1 o0 p0");
}

/* "A failed probe adds nothing and takes nothing away." */
static void
test_failed_probe (Node *node, gconstpointer data)
{
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n1");
  node->metadata->deletion_allowed = TRUE;
  advance (node, 30);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  node->metadata->deletion_allowed = FALSE;
  step (node, "active 1 o0 p0; pending 2 o30 n2");
}

/* Each definite finding leaves all as it is. */
static void
test_findings (Node *node, gconstpointer data)
{
  show (node, 2);
  node->metadata->disable_upsert = FALSE;
  probe_refused (node, OBK_FINDING_UPSERT_ALLOWED);
  show (node, 2);
  set_created (node, 1, CREATED + 5);
  probe_refused (node, OBK_FINDING_CREATION_TIME_CHANGED);
  show (node, 2);
  node->metadata->min_decryption_version = 2;
  probe_refused (node, OBK_FINDING_MINIMUM_ABOVE_RETAINED);
  show (node, 2);
  set_created (node, 2, 0);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  node->metadata->disable_upsert = FALSE;
  probe_refused (node, OBK_FINDING_UPSERT_ALLOWED);
  g_assert_cmpuint (node->result.findings->len, ==, 2);
}

/* "the older candidate becomes retired (decrypts), the newer one starts at count 1" */
static void
test_newer_supersedes (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n3 s5");
  show (node, 3);
  step (node, "active 1 o0 p0; pending 3 o30 n1; retired 2 o0");
  g_assert_cmpuint (node->result.observed, ==, 3);
  step (node, "active 1 o0 p0; pending 3 o30 n2; retired 2 o0");
}

/* "versions jumped over become retired with their own creation times" */
static void
test_jumped_over (Node *node, gconstpointer data)
{
  show (node, 4);
  set_created (node, 3, CREATED + 2 + 60);
  step (node, "active 1 o0 p0; pending 4 o30 n1; retired 3@59 o30; retired 2 o30");
  show (node, 6);
  set_created (node, 3, CREATED + 2 + 60);
  step (node, "active 1 o0 p0; pending 6 o60 n1; retired 5 o60; retired 4 o30; retired 3@59 o30; retired 2 o30");
}

/* "or the probe fails if one is missing" */
static void
test_jumped_over_without_time (Node *node, gconstpointer data)
{
  const ObkProfileFinding *finding = NULL;

  show (node, 4);
  set_created (node, 3, 0);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  finding = node->result.findings->pdata[0];
  g_assert_nonnull (strstr (finding->text, "no creation time for version 3"));
  g_array_remove_index (node->metadata->versions, 1);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
  finding = node->result.findings->pdata[0];
  g_assert_nonnull (strstr (finding->text, "no creation time for version 2"));
  node->metadata->latest_version = G_MAXUINT32; /* ends at the first that is missing */
  add_version (node->metadata, G_MAXUINT32, CREATED);
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
}

/* "whatever state it had": a retired version becomes the latest when the one above it is lost. */
static void
test_retired_becomes_pending (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; retired 3 o5; retired 2 o5");
  show (node, 3);
  step (node, "active 1 o0 p0; pending 3 o30 n1; retired 2 o5");
}

/* "unless removed": never pending, never promoted, never observed anew. */
static void
test_removed (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; removed 3 o0; removed 2 o0");
  show (node, 3);
  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
  g_assert_null (node->result.state);
  node->catching_up = TRUE;
  node->metadata->min_encryption_version = 3;
  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
  g_assert_null (node->result.state);
  node->catching_up = FALSE;
  show (node, 4);
  step (node, "active 1 o0 p0; pending 4 o30 n1; removed 3 o0; removed 2 o0");
}

/* "promoted as soon as its count is reached, without the delay" */
static void
test_minimum_encryption (Node *node, gconstpointer data)
{
  show (node, 2);
  node->metadata->min_encryption_version = 2;
  step (node, "active 1 o0 p0; pending 2 o30 n1");
  step (node, "active 1 o0 p0; pending 2 o30 n2");
  step (node, "active 2 o30 n3 s90 p90; retired 1 o0 p0");
  g_assert_false (node->result.caught_up);
}

static void
test_minimum_encryption_late (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; pending 3 o0 n5 s0; retired 1");
  show (node, 3);
  node->metadata->min_encryption_version = 2; /* not above the active one */
  step (node, "active 2 o0 p0; pending 3 o0 n6 s0; retired 1");
  node->metadata->min_encryption_version = 3;
  step (node, "active 3 o0 n7 s0 p60; retired 2 o0 p0; retired 1");
}

/* The vector "rotated": a count of one, and no delay. */
static void
test_at_once (Node *node, gconstpointer data)
{
  node->policy.stable_observation_count = 1;
  show (node, 2);
  node->metadata->min_encryption_version = 2;
  step (node, "active 2 o30 n1 s30 p30; retired 1 o0 p0");
  g_assert_cmpuint (node->result.observed, ==, 2);
  g_assert_cmpuint (node->result.promoted, ==, 2);
}

/* "a discovered one starts at count 0"; the next good probe makes it 1. */
static void
test_discovered (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o20");
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o20 n1");
}

/* What another program wrote without times can be counted. */
static void
test_without_times (Node *node, gconstpointer data)
{
  use (node, "active 1; pending 2");
  show (node, 2);
  step (node, "active 1; pending 2 o30 n1");
  step (node, "active 1; pending 2 o30 n2");
  step (node, "active 1; pending 2 o30 n3 s90");
  advance (node, 120);
  probe_good (node);
  assert_state (node->state, "active 2 o30 n4 s90 p210; retired 1");
}

/* activationDelay + count x probeInterval + statusMaxStaleness */
#define CATCH_UP_AGE (120 + 3 * 30 + 120)

/* OpenBao's clock, so that version @version is @age seconds old */
static void
set_age (Node *node, guint32 version, gint64 age)
{
  node->metadata->server_date_unix = obk_key_metadata_created_at (node->metadata, version) + age;
}

/* "promotes the newest of those at once" */
static void
test_catching_up (Node *node, gconstpointer data)
{
  g_assert_cmpint (obk_rotation_catch_up_age_us (&node->policy), ==, CATCH_UP_AGE * (gint64)G_USEC_PER_SEC);
  node->catching_up = TRUE;
  show (node, 3);
  set_age (node, 3, CATCH_UP_AGE + 1);
  step (node, "active 3 o30 p30; retired 2 o30; retired 1 o0 p0");
  g_assert_cmpuint (node->result.promoted, ==, 3);
  g_assert_cmpuint (node->result.observed, ==, 0);
  g_assert_true (node->result.caught_up);
}

/* "older than": not when exactly so old; then the ordinary rules hold */
static void
test_catching_up_young (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  show (node, 2);
  set_age (node, 2, CATCH_UP_AGE);
  step (node, "active 1 o0 p0; pending 2 o30 n1");
  g_assert_false (node->result.caught_up);
  step (node, "active 1 o0 p0; pending 2 o30 n2");
}

/* The younger ones above it follow the ordinary rules in the same probe. */
static void
test_catching_up_below_young (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  show (node, 5);
  set_created (node, 4, CREATED + 1000);
  set_created (node, 5, CREATED + 1001);
  set_age (node, 3, CATCH_UP_AGE + 1);
  step (node, "active 3 o30 p30; pending 5@996 o30 n1; retired 4@996 o30; retired 2 o30; retired 1 o0 p0");
  g_assert_cmpuint (node->result.promoted, ==, 3);
  g_assert_cmpuint (node->result.observed, ==, 5);
  g_assert_true (node->result.caught_up);
}

/* Even when the ordinary rules promote the younger one right then, the version before may not serve. */
static void
test_catching_up_and_promoting (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  use (node, "active 1 o0 p0; pending 3@1000 o0 n3 s0; retired 2 o0");
  show (node, 3);
  set_created (node, 3, CREATED + 3 + 1000);
  set_age (node, 2, CATCH_UP_AGE + 1);
  advance (node, 120);
  probe_good (node);
  assert_state (node->state, "active 3@1000 o0 n4 s0 p120; retired 2 o0 p120; retired 1 o0 p0");
  g_assert_cmpuint (node->result.promoted, ==, 3);
  g_assert_true (node->result.caught_up);
}

/* "without one they count as old" */
static void
test_catching_up_without_date (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  show (node, 2);
  set_created (node, 2, START);
  step (node, "active 2@99999998 o30 p30; retired 1 o0 p0");
}

/* "count and stable if it had them", and the probe that promotes adds to the count as well */
static void
test_catching_up_pending (Node *node, gconstpointer data)
{
  static const char *const cases[][2] = {
    { "pending 2 o0 n1", "active 2 o0 n2 p30" },
    { "pending 2 o0 n2", "active 2 o0 n3 s30 p30" },
    { "pending 2 o0 n7 s10", "active 2 o0 n8 s10 p30" },
    { "retired 2 o0", "active 2 o0 p30" },
  };

  node->catching_up = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *before = g_strconcat ("active 1 o0 p0; ", cases[i][0], NULL);
      g_autofree char *after = g_strconcat (cases[i][1], "; retired 1 o0 p0", NULL);

      node->now.unix_s = START;
      use (node, before);
      show (node, 2);
      step (node, after);
    }
}

/* "the older candidate becomes retired", when it is jumped over by catching up, too */
static void
test_catching_up_past_pending (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  show (node, 3);
  step (node, "active 3 o30 p30; retired 2 o0; retired 1 o0 p0");
}

/* A node that is settled waits its turn, however old the version. */
static void
test_not_catching_up (Node *node, gconstpointer data)
{
  show (node, 2);
  set_age (node, 2, 100 * CATCH_UP_AGE);
  step (node, "active 1 o0 p0; pending 2 o30 n1");
}

static void
test_catching_up_past_removed (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  use (node, "active 1 o0 p0; removed 3 o0");
  show (node, 3);
  step (node, "active 2 o30 p30; retired 1 o0 p0; removed 3 o0");
}

/* Nothing is promoted into a profile that is not in order. */
static void
test_catching_up_refused (Node *node, gconstpointer data)
{
  node->catching_up = TRUE;
  show (node, 2);
  node->metadata->exportable = TRUE;
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
}

static void
test_may_encrypt (Node *node, gconstpointer data)
{
  show (node, 6);
  g_assert_true (obk_rotation_may_encrypt (node->metadata, 1));
  g_assert_true (obk_rotation_may_encrypt (node->metadata, 6));
  g_assert_false (obk_rotation_may_encrypt (node->metadata, 7));
  g_assert_false (obk_rotation_may_encrypt (node->metadata, 0));
  node->metadata->min_encryption_version = 4;
  g_assert_false (obk_rotation_may_encrypt (node->metadata, 3));
  g_assert_true (obk_rotation_may_encrypt (node->metadata, 4));
  node->metadata->min_decryption_version = 5;
  g_assert_false (obk_rotation_may_encrypt (node->metadata, 4));
  node->metadata->min_available_version = 6;
  g_assert_false (obk_rotation_may_encrypt (node->metadata, 5));
}

/* Two nodes give each version the same key_id, whatever way they came to it. */
static void
test_same_key_ids (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) caught_up = NULL;

  show (node, 3);
  node->catching_up = TRUE;
  probe (node);
  caught_up = g_steal_pointer (&node->result.state);
  node->catching_up = FALSE;
  restart (node);
  for (guint32 latest = 2; latest <= 3; latest++)
    {
      show (node, latest);
      advance (node, 30);
      probe_good (node);
    }
  assert_state (caught_up, "active 3 o0 p0; retired 2 o0; retired 1 o0 p0");
  assert_state (node->state, "active 1 o0 p0; pending 3 o60 n1; retired 2 o30");
  for (guint32 version = 1; version <= 3; version++)
    g_assert_cmpstr (obk_state_find_version (caught_up, version)->key_id, ==,
                     obk_state_find_version (node->state, version)->key_id);
}

/* A thousand versions cost far less than ten milliseconds a probe. */
static void
test_speed (Node *node, gconstpointer data)
{
  gint64 best = G_MAXINT64;

  show (node, 1001);
  node->catching_up = TRUE;
  probe_good (node);
  node->catching_up = FALSE;
  show (node, 1002);
  for (guint i = 0; i < 20; i++) /* the best of a few: others use the machine too */
    {
      gint64 start = g_get_monotonic_time ();

      obk_probe_result_clear (&node->result);
      obk_rotation_probe (node->state, node->metadata, node->now, &node->policy, FALSE, &node->memory, &node->result);
      best = MIN (best, g_get_monotonic_time () - start);
      g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
      advance (node, 30);
      save (node);
    }
  g_test_message ("a probe of 1,002 versions takes %" G_GINT64_FORMAT " us", best);
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpint (best, <, 10000);
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/rotation/nothing-changes", test_nothing_changes);
  add ("/registry/rotation/promotes", test_promotes);
  add ("/registry/rotation/former-active", test_former_active);
  add ("/registry/rotation/delay-to-the-second", test_delay_to_the_second);
  add ("/registry/rotation/failed-probe", test_failed_probe);
  add ("/registry/rotation/findings", test_findings);
  add ("/registry/rotation/newer-supersedes", test_newer_supersedes);
  add ("/registry/rotation/jumped-over", test_jumped_over);
  add ("/registry/rotation/jumped-over-without-time", test_jumped_over_without_time);
  add ("/registry/rotation/retired-becomes-pending", test_retired_becomes_pending);
  add ("/registry/rotation/removed-never-again", test_removed);
  add ("/registry/rotation/minimum-encryption", test_minimum_encryption);
  add ("/registry/rotation/minimum-encryption-late", test_minimum_encryption_late);
  add ("/registry/rotation/at-once", test_at_once);
  add ("/registry/rotation/discovered", test_discovered);
  add ("/registry/rotation/without-times", test_without_times);
  add ("/registry/rotation/catching-up/old", test_catching_up);
  add ("/registry/rotation/catching-up/young", test_catching_up_young);
  add ("/registry/rotation/catching-up/below-young", test_catching_up_below_young);
  add ("/registry/rotation/catching-up/and-promoting", test_catching_up_and_promoting);
  add ("/registry/rotation/catching-up/without-date", test_catching_up_without_date);
  add ("/registry/rotation/catching-up/pending", test_catching_up_pending);
  add ("/registry/rotation/catching-up/past-pending", test_catching_up_past_pending);
  add ("/registry/rotation/catching-up/not", test_not_catching_up);
  add ("/registry/rotation/catching-up/past-removed", test_catching_up_past_removed);
  add ("/registry/rotation/catching-up/refused", test_catching_up_refused);
  add ("/registry/rotation/may-encrypt", test_may_encrypt);
  add ("/registry/rotation/same-key-ids", test_same_key_ids);
  add ("/registry/rotation/speed", test_speed);
  return g_test_run ();
}
