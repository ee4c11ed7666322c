/* SPDX-License-Identifier: Apache-2.0 */
/* Retiring, restoring and recovering, sentence by sentence. */
#include "registry/retirement.h"

#include "base/error.h"
#include "rotation-fixture.h"

/* activationDelay + count x probeInterval + statusMaxStaleness + four minutes */
#define AGE (120 + 3 * 30 + 120 + 240)

static void
retire (Node *node, guint32 before_version, const char *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) next
      = obk_retirement_retire (node->state, before_version, node->now.unix_s, &node->policy, &error);

  g_assert_no_error (error);
  assert_state (next, wanted);
}

static void
retire_refused (Node *node, guint32 before_version, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) next
      = obk_retirement_retire (node->state, before_version, node->now.unix_s, &node->policy, &error);

  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (next);
}

/* "turns retired snapshots below a version into removed (kept as records)" */
static void
test_retires (Node *node, gconstpointer data)
{
  use (node, "active 4 o30 n3 s40 p50; pending 5 o60 n1; retired 3 o20 p25; retired 2 o10; retired 1 o0 p0");
  retire (node, 3, "active 4 o30 n3 s40 p50; pending 5 o60 n1; retired 3 o20 p25; removed 2 o10; removed 1 o0 p0");
  retire (node, 4, "active 4 o30 n3 s40 p50; pending 5 o60 n1; removed 3 o20 p25; removed 2 o10; removed 1 o0 p0");
  retire (node, 1, "active 4 o30 n3 s40 p50; pending 5 o60 n1; retired 3 o20 p25; retired 2 o10; retired 1 o0 p0");
}

static void
test_retires_retired_only (Node *node, gconstpointer data)
{
  use (node, "active 4 o0 p0; retired 3 o0; rejected 1 o0; removed 2 o0");
  retire (node, 4, "active 4 o0 p0; rejected 1 o0; removed 3 o0; removed 2 o0");
  retire (node, 2, "active 4 o0 p0; retired 3 o0; rejected 1 o0; removed 2 o0");
}

static void
test_retire_refuses (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; pending 3 o0 n1; retired 1 o0; rejected 5 o0");
  retire_refused (node, 0, "version 0 is not known");
  retire_refused (node, 4, "version 4 is not known");
  retire_refused (node, 5, "version 5 is not known");
  retire_refused (node, 3, "version 3 is above the active version 2");
}

/* "refused while N, by its creation time, is younger than the catching-up age plus four minutes" */
static void
test_retire_too_young (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; retired 1 o0");
  node->now.unix_s = CREATED + 2 + AGE - 1;
  retire_refused (node, 2, "try again in 1 s");
  node->now.unix_s++;
  retire (node, 2, "active 2 o0 p0; removed 1 o0");
  node->policy.activation_delay_us++; /* whole seconds, upwards */
  retire_refused (node, 2, "try again in 1 s");
  node->now.unix_s = 1; /* a clock that is far off */
  retire_refused (node, 2, "too short a time ago");
}

static ObkState *
restore (Node *node, guint n, const guint32 *versions, GError **error)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (guint32));

  g_array_append_vals (array, versions, n);
  return obk_retirement_restore (node->state, array, error);
}

/* "brings removed ones back" */
static void
test_restores (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) two = NULL;
  g_autoptr (ObkState) none = NULL;

  use (node, "active 5 o0 p0; retired 4 o0; removed 3 o10 p20; removed 2 o0; removed 1 o0");
  two = restore (node, 3, (const guint32[]){ 1, 3, 1 }, NULL);
  assert_state (two, "active 5 o0 p0; retired 4 o0; retired 3 o10 p20; retired 1 o0; removed 2 o0");
  none = restore (node, 0, NULL, NULL);
  g_assert_true (obk_state_same_content (none, node->state));
}

static void
test_restore_refuses (Node *node, gconstpointer data)
{
  static const guint32 wrong[] = { 5, 4, 1, 7 };

  use (node, "active 5 o0 p0; retired 4 o0; rejected 1 o0; removed 2 o0");
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (restore (node, 2, (const guint32[]){ 2, wrong[i] }, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
      g_assert_nonnull (strstr (error->message, "is not a removed one"));
    }
}

static ObkState *
recover (Node *node, const ObkState *replaced, const ObkState *peer, GError **error)
{
  const ObkRecovery recovery = {
    .scope = &scope,
    .metadata = node->metadata,
    .replaced = replaced,
    .peer = peer,
    .now_unix = node->now.unix_s,
  };

  return obk_retirement_recover (&recovery, error);
}

static void
recovers (Node *node, const ObkState *replaced, const ObkState *peer, const char *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = recover (node, replaced, peer, &error);

  g_assert_no_error (error);
  assert_state (state, wanted);
  if (replaced == NULL)
    {
      g_assert_cmpuint (state->generation, ==, 0);
      g_assert_null (state->previous_hash);
    }
  else
    g_assert_cmpuint (state->generation, ==, replaced->generation);
}

static void
recover_refused (Node *node, const ObkState *replaced, const ObkState *peer, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = recover (node, replaced, peer, &error);

  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (state);
}

/* What use() describes, for a peer or what is replaced; @node's own state is left as it was. */
static ObkState *
make_state (const char *description)
{
  Node other = { 0 };

  use (&other, description);
  return other.state;
}

/* "active is the latest version, all available older ones retired": observed on all, promoted on the active one */
static void
test_recovers (Node *node, gconstpointer data)
{
  recovers (node, NULL, NULL, "active 1 o0 p0"); /* a key that was never rotated */
  show (node, 4);
  advance (node, 30);
  recovers (node, NULL, NULL, "active 4 o30 p30; retired 3 o30; retired 2 o30; retired 1 o30");
}

/* "from the greatest of 1, min_available_version and min_decryption_version up to the latest" */
static void
test_recovers_available (Node *node, gconstpointer data)
{
  show (node, 4);
  node->metadata->min_available_version = 2;
  recovers (node, NULL, NULL, "active 4 o0 p0; retired 3 o0; retired 2 o0");
  node->metadata->min_decryption_version = 3;
  recovers (node, NULL, NULL, "active 4 o0 p0; retired 3 o0");
  node->metadata->min_available_version = 4;
  recovers (node, NULL, NULL, "active 4 o0 p0");
}

static void
test_recover_refuses_profile (Node *node, gconstpointer data)
{
  show (node, 2);
  node->metadata->disable_upsert = FALSE;
  recover_refused (node, NULL, NULL, "disable_upsert");
  show (node, 2);
  node->metadata->exportable = TRUE;
  recover_refused (node, NULL, NULL, "is exportable");
  show (node, 3);
  set_created (node, 2, 0);
  recover_refused (node, NULL, NULL, "no creation time for version 2");
  node->metadata->min_decryption_version = 3;
  recovers (node, NULL, NULL, "active 3 o0 p0"); /* not needed */
}

/* "over a state that can no longer go on" alone */
static void
test_replace_refuses (Node *node, gconstpointer data)
{
  static const char *const sound[] = {
    "active 3 o0 p0; retired 2 o0; retired 1 o0",
    "active 1 o0 p0",
    "active 2 o0 p0; pending 3 o0; rejected 9 o0; retired 1 o0",
    "active 3 o0 p0; removed 2@50 o0; removed 1 o0",
    "active 3 o0 p0; retired 2 o0; rejected 1@50 o0",
  };
  ObkScope other = scope;
  g_autoptr (ObkState) foreign = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (sound); i++)
    {
      g_autoptr (ObkState) replaced = make_state (sound[i]);

      show (node, 3);
      recover_refused (node, replaced, NULL, "the state can go on as it is");
      node->metadata->min_encryption_version = 3; /* the candidate's own business */
      recover_refused (node, replaced, NULL, "the state can go on as it is");
    }
  {
    g_autoptr (ObkState) replaced = make_state (sound[0]);

    show (node, 3);
    node->metadata->min_decryption_version = 3; /* over a retired one: retire it, or lower the minimum */
    recover_refused (node, replaced, NULL, "the state can go on as it is");
  }
  other.cluster_id = (char *)"other";
  foreign = obk_state_first (&other, CREATED + 9, START);
  show (node, 1);
  recover_refused (node, foreign, NULL, "another identity scope");
}

/* One whose files may not be loaded cannot go on, whatever it says; its history stays. */
static void
test_replaces_unloadable (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced = make_state ("active 2 o0 p0; removed 1 o0; rejected 1@50 o0");
  g_autoptr (ObkState) next = NULL;

  show (node, 2);
  next = obk_retirement_recover (
      &(ObkRecovery){
          .scope = &scope,
          .metadata = node->metadata,
          .replaced = replaced,
          .unloadable = TRUE,
          .now_unix = node->now.unix_s,
      },
      NULL);
  assert_state (next, "active 2 o0 p0; rejected 1@50 o0; removed 1 o0");
}

/* "generation and checkpoint continue; lost versions … stay recorded as rejected" */
static void
test_replaces_lost (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced
      = make_state ("active 3 o10 n3 s20 p30; pending 5 o40 n2; retired 4 o35; retired 2 o5 p6; retired 1 o0 p0");
  g_autoptr (ObkState) next = NULL;

  replaced->generation = 7;
  replaced->previous_hash = g_strdup ("krs1.before");
  replaced->current_hash = g_strdup ("krs1.now");
  show (node, 2);
  advance (node, 60);
  recovers (node, replaced, NULL,
            "active 2 o60 p60; retired 1 o60; rejected 5 o40 n2; rejected 4 o35; rejected 3 o10 n3 s20 p30");
  next = recover (node, replaced, NULL, NULL);
  g_assert_cmpuint (next->generation, ==, 7);
  g_assert_cmpstr (next->previous_hash, ==, "krs1.before");
  g_assert_cmpstr (next->current_hash, ==, "krs1.now");
}

/* Each of the reasons alone. */
static void
test_replace_reasons (Node *node, gconstpointer data)
{
  static const struct
  {
    const char *replaced;
    guint32 latest;
    guint32 minimum;
    guint32 changed;
    const char *wanted;
  } cases[] = {
    { "active 2 o0 p0; retired 1 o0", 1, 0, 0, "active 1 o9 p9; rejected 2 o0 p0" },
    { "active 1 o0 p0; pending 2 o0", 1, 0, 0, "active 1 o9 p9; rejected 2 o0" },
    { "active 1 o0 p0; retired 2 o0", 1, 0, 0, "active 1 o9 p9; rejected 2 o0" },
    { "active 1 o0 p0; removed 2 o0", 1, 0, 0, "active 1 o9 p9; rejected 2 o0" },
    { "active 2 o0 p0; retired 1 o0", 2, 0, 1, "active 2 o9 p9; retired 1@50 o9; rejected 1 o0" },
    { "active 2 o0 p0; retired 1 o0", 2, 0, 2, "active 2@50 o9 p9; retired 1 o9; rejected 2 o0 p0" },
    { "active 2 o0 p0; pending 3 o0", 3, 0, 3, "active 3@50 o9 p9; retired 2 o9; retired 1 o9; rejected 3 o0" },
    { "active 2 o0 p0; retired 1 o0", 3, 3, 0, "active 3 o9 p9; removed 2 o0 p0; removed 1 o0" },
  };

  advance (node, 9);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkState) replaced = make_state (cases[i].replaced);

      show (node, cases[i].latest);
      node->metadata->min_decryption_version = cases[i].minimum;
      set_created (node, cases[i].changed, CREATED + cases[i].changed + 50);
      recovers (node, replaced, NULL, cases[i].wanted);
    }
}

/* "versions that are only below a minimum as removed": not those that are lost or changed, too */
static void
test_replaces_below_minimum (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced
      = make_state ("active 3 o10 p20; retired 2 o5 p6; retired 1 o0 p0; rejected 2@70 o1; removed 4 o0");

  show (node, 5);
  set_created (node, 1, CREATED + 1 + 50);
  node->metadata->min_available_version = 5;
  recovers (node, replaced, NULL,
            "active 5 o0 p0; rejected 2@70 o1; rejected 1 o0 p0; removed 4 o0; removed 3 o10 p20; removed 2 o5 p6");
}

/* "removed ones stay removed unless they are the latest" */
static void
test_replaces_removed (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced
      = make_state ("active 6 o0 p0; removed 5 o1 p1; removed 4 o1; removed 2 o1; removed 1 o1");

  show (node, 4);
  set_created (node, 1, CREATED + 1 + 50);
  advance (node, 9);
  recovers (node, replaced, NULL,
            "active 4 o9 p9; retired 3 o9; retired 1@50 o9; rejected 6 o0 p0; rejected 5 o1 p1; rejected 1 o1; "
            "removed 2 o9");
}

/* A rejected one that is there again, the very same, is as any other. */
static void
test_replaces_rejected (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced = make_state ("active 4 o0 p0; rejected 3 o1; rejected 2@50 o1; rejected 2 o1 n3");

  show (node, 3);
  advance (node, 9);
  recovers (node, replaced, NULL, "active 3 o9 p9; retired 2 o9; retired 1 o9; rejected 4 o0 p0; rejected 2@50 o1");
}

/* What was recovered is what the next probe goes on from: nothing lags, and a number that comes again is new. */
static void
test_goes_on (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced = make_state ("active 4 o0 p0; pending 5 o0 n1; removed 3 o0; retired 2 o0");

  show (node, 2);
  obk_state_free (node->state);
  node->state = recover (node, replaced, NULL, NULL);
  advance (node, 30);
  probe_good (node);
  show (node, 3);
  set_created (node, 3, CREATED + 3 + 99);
  step (node, "active 2 o0 p0; pending 3@99 o60 n1; retired 1 o0; rejected 5 o0 n1; rejected 4 o0 p0; rejected 3 o0");
}

/* "--compare FILE … takes its removed versions over" */
static void
test_takes_over_removed (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) peer
      = make_state ("active 4 o0 p0; pending 5 o0; retired 3 o0; rejected 3@50 o0; removed 2 o1; removed 1 o1 p2");

  show (node, 4);
  advance (node, 9);
  recovers (node, NULL, peer, "active 4 o9 p9; retired 3 o9; removed 2 o9; removed 1 o9");
  node->metadata->min_decryption_version = 2;
  g_array_remove_index (node->metadata->versions, 0); /* as OpenBao does */
  recovers (node, NULL, peer, "active 4 o9 p9; retired 3 o9; removed 2 o9; removed 1 o9");
}

/* Unless it is the latest. */
static void
test_takes_over_no_latest (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) peer = make_state ("active 1 o0 p0; removed 3 o0; removed 2 o0");

  show (node, 3);
  recovers (node, NULL, peer, "active 3 o0 p0; retired 1 o0; removed 2 o0");
  show (node, 2);
  recovers (node, NULL, peer, "active 2 o0 p0; retired 1 o0"); /* what OpenBao does not have is not recorded */
}

static void
test_takes_over_beside_history (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) replaced = make_state ("active 3 o0 p0; retired 2 o0; retired 1 o0");
  g_autoptr (ObkState) peer = make_state ("active 5 o0 p0; removed 4 o0; removed 2 o0; removed 1@7 o0");

  show (node, 5);
  node->metadata->min_decryption_version = 4;
  node->metadata->versions = g_array_remove_range (node->metadata->versions, 0, 3);
  advance (node, 9);
  recovers (node, replaced, peer, "active 5 o9 p9; removed 4 o9; removed 3 o0 p0; removed 2 o0; removed 1 o0");
}

static void
test_peer_contradicts (Node *node, gconstpointer data)
{
  static const char *const changed[] = {
    "active 2@5 o0 p0; retired 1 o0",
    "active 2 o0 p0; retired 1@5 o0",
    "active 2 o0 p0; removed 1@5 o0",
    "active 2 o0 p0; pending 3@5 o0",
  };
  ObkScope other = scope;
  g_autoptr (ObkState) ahead = make_state ("active 4 o0 p0");
  g_autoptr (ObkState) foreign = NULL;

  show (node, 3);
  recover_refused (node, NULL, ahead, "the peer's active version is 4, but OpenBao's latest is 3");
  for (guint i = 0; i < G_N_ELEMENTS (changed); i++)
    {
      g_autoptr (ObkState) peer = make_state (changed[i]);

      recover_refused (node, NULL, peer, "with another creation time");
    }
  other.mount_id = (char *)"other";
  foreign = obk_state_first (&other, CREATED + 1, START);
  recover_refused (node, NULL, foreign, "another identity scope");
}

/*
 * Of {"domain":…,"providerName":…,"snapshots":[{"transitVersion":2,…}]}, computed by another program.
 * The same plan gives the same hash however often it is made; anything else gives another one.
 */
static void
test_plan_hash (Node *node, gconstpointer data)
{
  static const char *const others[] = {
    "active 2 o0 p0; retired 1@5 o0",
    "active 2 o0 p0; removed 1 o0",
    "active 2 o0 p0",
    "active 1 o0 p0; retired 2 o0",
  };
  g_autoptr (ObkState) state = make_state ("active 2 o0 p0; retired 1 o0");
  g_autoptr (ObkState) later = make_state ("active 2 o70 p70; retired 1 o80 n3 s90");
  g_autofree char *hash = obk_retirement_plan_hash (state);
  g_autofree char *same = obk_retirement_plan_hash (later);
  ObkScope scopes[] = { scope, scope };

  g_assert_cmpstr (hash, ==, "krp1.J4WcWcopCib0X6tSqXcQG7dWl5yGMZe3n_YW9GxvOJU");
  g_assert_cmpstr (hash, ==, same);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr (ObkState) other = make_state (others[i]);
      g_autofree char *another = obk_retirement_plan_hash (other);

      g_assert_cmpstr (hash, !=, another);
    }
  scopes[0].namespace = (char *)"namespace";
  scopes[1].key_lineage_id = (char *)"other";
  for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
    {
      g_autoptr (ObkState) other = obk_state_new (&scopes[i]);
      g_autofree char *another = NULL;

      g_array_append_vals (other->snapshots, state->snapshots->data, state->snapshots->len);
      another = obk_retirement_plan_hash (other);
      g_assert_cmpstr (hash, !=, another);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/retire/retires", test_retires);
  add ("/registry/retire/retired-only", test_retires_retired_only);
  add ("/registry/retire/refuses", test_retire_refuses);
  add ("/registry/retire/too-young", test_retire_too_young);
  add ("/registry/restore/restores", test_restores);
  add ("/registry/restore/refuses", test_restore_refuses);
  add ("/registry/recover/recovers", test_recovers);
  add ("/registry/recover/available", test_recovers_available);
  add ("/registry/recover/refuses-profile", test_recover_refuses_profile);
  add ("/registry/recover/replace/refuses", test_replace_refuses);
  add ("/registry/recover/replace/unloadable", test_replaces_unloadable);
  add ("/registry/recover/replace/lost", test_replaces_lost);
  add ("/registry/recover/replace/reasons", test_replace_reasons);
  add ("/registry/recover/replace/below-minimum", test_replaces_below_minimum);
  add ("/registry/recover/replace/removed", test_replaces_removed);
  add ("/registry/recover/replace/rejected", test_replaces_rejected);
  add ("/registry/recover/replace/goes-on", test_goes_on);
  add ("/registry/recover/compare/takes-over-removed", test_takes_over_removed);
  add ("/registry/recover/compare/takes-over-no-latest", test_takes_over_no_latest);
  add ("/registry/recover/compare/beside-history", test_takes_over_beside_history);
  add ("/registry/recover/compare/contradicts", test_peer_contradicts);
  add ("/registry/recover/plan-hash", test_plan_hash);
  return g_test_run ();
}
