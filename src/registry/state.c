/* SPDX-License-Identifier: Apache-2.0 */
/* The key's history as values: snapshots and the state that holds them. */
#include "registry/state.h"

#include "base/error.h"

#include <string.h>

static const char *const state_names[] = {
  [OBK_SNAPSHOT_ACTIVE] = "active",     [OBK_SNAPSHOT_PENDING] = "pending", [OBK_SNAPSHOT_RETIRED] = "retired",
  [OBK_SNAPSHOT_REJECTED] = "rejected", [OBK_SNAPSHOT_REMOVED] = "removed",
};

const char *
obk_snapshot_state_name (ObkSnapshotState state)
{
  g_return_val_if_fail (state < G_N_ELEMENTS (state_names), NULL);

  return state_names[state];
}

gboolean
obk_snapshot_state_parse (const char *name, ObkSnapshotState *state)
{
  for (guint i = 0; i < G_N_ELEMENTS (state_names); i++)
    if (g_str_equal (name, state_names[i]))
      {
        *state = (ObkSnapshotState)i;
        return TRUE;
      }
  return FALSE;
}

gboolean
obk_snapshot_is_retained (const ObkSnapshot *snapshot)
{
  return snapshot->state == OBK_SNAPSHOT_ACTIVE || snapshot->state == OBK_SNAPSHOT_PENDING
         || snapshot->state == OBK_SNAPSHOT_RETIRED;
}

ObkState *
obk_state_new (const ObkScope *scope)
{
  ObkState *state = NULL;

  g_return_val_if_fail (scope != NULL, NULL);

  state = g_new0 (ObkState, 1);
  state->scope = obk_scope_copy (scope);
  state->snapshots = g_array_new (FALSE, FALSE, sizeof (ObkSnapshot));
  return state;
}

ObkState *
obk_state_copy (const ObkState *state)
{
  ObkState *copy = NULL;

  g_return_val_if_fail (state != NULL, NULL);

  copy = g_new0 (ObkState, 1);
  copy->scope = obk_scope_copy (state->scope);
  copy->generation = state->generation;
  copy->previous_hash = g_strdup (state->previous_hash);
  copy->current_hash = g_strdup (state->current_hash);
  copy->snapshots = g_array_copy (state->snapshots);
  return copy;
}

void
obk_state_free (ObkState *state)
{
  if (state == NULL)
    return;
  obk_scope_free (state->scope);
  g_free (state->previous_hash);
  g_free (state->current_hash);
  g_array_unref (state->snapshots);
  g_free (state);
}

ObkSnapshot *
obk_state_add (ObkState *state, guint32 version, gint64 created_at_unix, ObkSnapshotState kind)
{
  ObkSnapshot snapshot = { .version = version, .created_at_unix = created_at_unix, .state = kind };
  g_autofree char *key_id = NULL;

  g_return_val_if_fail (state != NULL && version > 0 && created_at_unix > 0, NULL);

  key_id = obk_key_id_derive (state->scope, version, created_at_unix);
  g_strlcpy (snapshot.key_id, key_id, sizeof snapshot.key_id);
  g_array_append_val (state->snapshots, snapshot);
  return &g_array_index (state->snapshots, ObkSnapshot, state->snapshots->len - 1);
}

/* The creation time decides between a rejected version and another one of the same number. */
static gint
compare_snapshots (gconstpointer a, gconstpointer b)
{
  const ObkSnapshot *x = a;
  const ObkSnapshot *y = b;

  if (x->state != y->state)
    return x->state < y->state ? -1 : 1;
  if (x->version != y->version)
    return x->version > y->version ? -1 : 1;
  return (x->created_at_unix < y->created_at_unix) - (x->created_at_unix > y->created_at_unix);
}

void
obk_state_sort (ObkState *state)
{
  g_return_if_fail (state != NULL);

  g_array_sort (state->snapshots, compare_snapshots);
}

static const ObkSnapshot *
find_first (const ObkState *state, ObkSnapshotState kind)
{
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      if (snapshot->state == kind)
        return snapshot;
    }
  return NULL;
}

ObkSnapshot *
obk_state_at (const ObkState *state, guint i)
{
  g_return_val_if_fail (i < state->snapshots->len, NULL);

  return &g_array_index (state->snapshots, ObkSnapshot, i);
}

const ObkSnapshot *
obk_state_active (const ObkState *state)
{
  g_return_val_if_fail (state != NULL, NULL);

  return find_first (state, OBK_SNAPSHOT_ACTIVE);
}

const ObkSnapshot *
obk_state_pending (const ObkState *state)
{
  g_return_val_if_fail (state != NULL, NULL);

  return find_first (state, OBK_SNAPSHOT_PENDING);
}

const ObkSnapshot *
obk_state_find_version (const ObkState *state, guint32 version)
{
  const ObkSnapshot *found = NULL;

  g_return_val_if_fail (state != NULL, NULL);

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      if (snapshot->version != version)
        continue;
      if (snapshot->state != OBK_SNAPSHOT_REJECTED)
        return snapshot;
      if (found == NULL)
        found = snapshot;
    }
  return found;
}

GArray *
obk_state_retained_versions (const ObkState *state)
{
  GArray *versions = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < state->snapshots->len; i++)
    if (obk_snapshot_is_retained (obk_state_at (state, i)))
      g_array_append_val (versions, obk_state_at (state, i)->version);
  return versions;
}

static gboolean
same_snapshot (const ObkSnapshot *a, const ObkSnapshot *b)
{
  return a->version == b->version && a->created_at_unix == b->created_at_unix && a->state == b->state
         && a->observed_at_unix == b->observed_at_unix && a->stable_count == b->stable_count
         && a->stable_at_unix == b->stable_at_unix && a->promoted_at_unix == b->promoted_at_unix
         && strcmp (a->key_id, b->key_id) == 0;
}

gboolean
obk_state_same_content (const ObkState *a, const ObkState *b)
{
  g_return_val_if_fail (a != NULL && b != NULL, FALSE);

  if (a->snapshots->len != b->snapshots->len || !obk_scope_equal (a->scope, b->scope))
    return FALSE;
  for (guint i = 0; i < a->snapshots->len; i++)
    if (!same_snapshot (obk_state_at (a, i), obk_state_at (b, i)))
      return FALSE;
  return TRUE;
}

static gboolean
validate_times (const ObkSnapshot *snapshot, GError **error)
{
  if (snapshot->observed_at_unix < 0 || snapshot->stable_count < 0 || snapshot->stable_at_unix < 0
      || snapshot->promoted_at_unix < 0)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u has a negative time or count", snapshot->version);
  if (snapshot->observed_at_unix == 0
      && (snapshot->stable_count != 0 || snapshot->stable_at_unix != 0 || snapshot->promoted_at_unix != 0))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u was counted, stable or promoted but never observed",
                       snapshot->version);
  if (snapshot->stable_at_unix != 0 && snapshot->stable_at_unix < snapshot->observed_at_unix)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u was stable before it was observed",
                       snapshot->version);
  if (snapshot->promoted_at_unix != 0 && snapshot->promoted_at_unix < snapshot->observed_at_unix)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u was promoted before it was observed",
                       snapshot->version);
  return TRUE;
}

static gboolean
validate_key_id (const ObkState *state, const ObkSnapshot *snapshot, GHashTable *seen, GError **error)
{
  g_autofree char *derived = NULL;

  if (snapshot->version == 0 || snapshot->created_at_unix <= 0)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "version %u created at %" G_GINT64_FORMAT " cannot be: both must be positive", snapshot->version,
                       snapshot->created_at_unix);
  if (!g_hash_table_add (seen, (gpointer)snapshot->key_id))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "the kubernetesKeyId of version %u stands twice",
                       snapshot->version);
  derived = obk_key_id_derive (state->scope, snapshot->version, snapshot->created_at_unix);
  if (!g_str_equal (derived, snapshot->key_id))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the kubernetesKeyId of version %u is not derived from its snapshot", snapshot->version);
  return TRUE;
}

gboolean
obk_state_validate (const ObkState *state, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  guint active = 0;

  g_return_val_if_fail (state != NULL, FALSE);

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      if (!validate_key_id (state, snapshot, seen, error) || !validate_times (snapshot, error))
        return FALSE;
      if (snapshot->state == OBK_SNAPSHOT_ACTIVE)
        active++;
    }
  if (active != 1)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "%u snapshots are active; there must be exactly one", active);
  return TRUE;
}

ObkState *
obk_state_first (const ObkScope *scope, gint64 created_at_unix, gint64 now_unix)
{
  ObkState *state = NULL;
  ObkSnapshot *snapshot = NULL;

  g_return_val_if_fail (scope != NULL && created_at_unix > 0, NULL);

  state = obk_state_new (scope);
  snapshot = obk_state_add (state, 1, created_at_unix, OBK_SNAPSHOT_ACTIVE);
  snapshot->observed_at_unix = MAX (now_unix, 1); /* 0 would leave the time out */
  snapshot->promoted_at_unix = snapshot->observed_at_unix;
  return state;
}
