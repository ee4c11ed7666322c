/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/state.h"

#include "base/error.h"

#include <string.h>

#define CREATED 1700000000
#define NOW 1800000000

static const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

static void
test_first (void)
{
  g_autoptr (ObkState) state = obk_state_first (&scope, CREATED, NOW);
  g_autofree char *key_id = obk_key_id_derive (&scope, 1, CREATED);
  const ObkSnapshot *active = obk_state_active (state);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (state->generation, ==, 0);
  g_assert_cmpuint (state->snapshots->len, ==, 1);
  g_assert_cmpuint (active->version, ==, 1);
  g_assert_cmpstr (active->key_id, ==, key_id);
  g_assert_cmpint (active->observed_at_unix, ==, NOW);
  g_assert_cmpint (active->promoted_at_unix, ==, NOW);
  g_assert_cmpint (active->stable_count, ==, 0);
  g_assert_cmpint (active->stable_at_unix, ==, 0);
  g_assert_true (obk_state_validate (state, &error));
}

/* A machine whose clock starts at the epoch. */
static void
test_first_at_epoch (void)
{
  g_autoptr (ObkState) state = obk_state_first (&scope, CREATED, 0);

  g_assert_cmpint (obk_state_active (state)->promoted_at_unix, >, 0);
  g_assert_true (obk_state_validate (state, NULL));
}

static void
test_order (void)
{
  static const struct
  {
    ObkSnapshotState kind;
    guint32 version;
    gint64 created;
  } wanted[] = {
    { OBK_SNAPSHOT_ACTIVE, 7, CREATED },       { OBK_SNAPSHOT_PENDING, 9, CREATED },
    { OBK_SNAPSHOT_RETIRED, 8, CREATED },      { OBK_SNAPSHOT_RETIRED, 3, CREATED },
    { OBK_SNAPSHOT_REJECTED, 8, CREATED + 2 }, { OBK_SNAPSHOT_REJECTED, 8, CREATED + 1 },
    { OBK_SNAPSHOT_REMOVED, 2, CREATED },      { OBK_SNAPSHOT_REMOVED, 1, CREATED },
  };
  const guint n = G_N_ELEMENTS (wanted);

  for (guint turn = 0; turn < n; turn++)
    {
      g_autoptr (ObkState) state = obk_state_new (&scope);

      for (guint i = 0; i < n; i++)
        {
          guint at = (i * 3 + turn) % n;

          obk_state_add (state, wanted[at].version, wanted[at].created, wanted[at].kind);
        }
      obk_state_sort (state);
      for (guint i = 0; i < n; i++)
        {
          const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);

          g_assert_cmpint (snapshot->state, ==, wanted[i].kind);
          g_assert_cmpuint (snapshot->version, ==, wanted[i].version);
          g_assert_cmpint (snapshot->created_at_unix, ==, wanted[i].created);
        }
      g_assert_cmpuint (obk_state_active (state)->version, ==, 7);
      g_assert_cmpint (obk_state_find_version (state, 8)->state, ==, OBK_SNAPSHOT_RETIRED);
      g_assert_cmpuint (obk_state_find_version (state, 1)->version, ==, 1);
      g_assert_null (obk_state_find_version (state, 4));
    }
}

static void
test_copy (void)
{
  g_autoptr (ObkState) state = obk_state_first (&scope, CREATED, NOW);
  g_autoptr (ObkState) copy = NULL;

  state->generation = 7;
  state->previous_hash = g_strdup ("before");
  state->current_hash = g_strdup ("now");
  copy = obk_state_copy (state);
  g_assert_cmpuint (copy->generation, ==, 7);
  g_assert_cmpstr (copy->previous_hash, ==, "before");
  g_assert_cmpstr (copy->current_hash, ==, "now");
  g_assert_true (obk_state_same_content (state, copy));
  obk_state_add (copy, 2, CREATED, OBK_SNAPSHOT_PENDING);
  g_assert_cmpuint (state->snapshots->len, ==, 1);
  g_assert_false (obk_state_same_content (state, copy));
}

/* Each member counts. */
static void
test_same_content (void)
{
  for (guint i = 0; i < 7; i++)
    {
      g_autoptr (ObkState) a = obk_state_first (&scope, CREATED, NOW);
      g_autoptr (ObkState) b = obk_state_first (&scope, CREATED, NOW);
      ObkSnapshot *snapshot = &g_array_index (b->snapshots, ObkSnapshot, 0);

      g_assert_true (obk_state_same_content (a, b));
      if (i == 0)
        snapshot->observed_at_unix--;
      else if (i == 1)
        snapshot->stable_count++;
      else if (i == 2)
        snapshot->stable_at_unix = NOW;
      else if (i == 3)
        snapshot->promoted_at_unix++;
      else if (i == 4)
        snapshot->state = OBK_SNAPSHOT_RETIRED;
      else if (i == 5)
        snapshot->created_at_unix++;
      else
        {
          g_free (b->scope->mount_id);
          b->scope->mount_id = g_strdup ("other");
        }
      g_assert_false (obk_state_same_content (a, b));
    }
}

static void
test_retained (void)
{
  const gboolean wanted[] = { TRUE, TRUE, TRUE, FALSE, FALSE };
  const char *const names[] = { "active", "pending", "retired", "rejected", "removed" };

  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      const ObkSnapshot snapshot = { .state = (ObkSnapshotState)i };
      ObkSnapshotState parsed = OBK_SNAPSHOT_ACTIVE;

      g_assert_cmpint (obk_snapshot_is_retained (&snapshot), ==, wanted[i]);
      g_assert_cmpstr (obk_snapshot_state_name (snapshot.state), ==, names[i]);
      g_assert_true (obk_snapshot_state_parse (names[i], &parsed));
      g_assert_cmpint (parsed, ==, snapshot.state);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/registry/state/first", test_first);
  g_test_add_func ("/registry/state/first-at-epoch", test_first_at_epoch);
  g_test_add_func ("/registry/state/order", test_order);
  g_test_add_func ("/registry/state/copy", test_copy);
  g_test_add_func ("/registry/state/same-content", test_same_content);
  g_test_add_func ("/registry/state/retained", test_retained);
  return g_test_run ();
}
