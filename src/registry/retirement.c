/* SPDX-License-Identifier: Apache-2.0 */
/* What operators change in the state: removing retired versions, bringing them back, starting anew. Pure. */
#include "registry/retirement.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"

#define PLAN_HASH_PREFIX "krp1."
#define PLAN_DOMAIN "openbao-kubernetes-kms/recovery-plan/v1"

/*
 * Retiring and restoring
 */

/* A node that was away may come back to what it knew; it is sure not to write below a version of that age. */
static gboolean
is_old_enough (const ObkSnapshot *snapshot, gint64 now_unix, const ObkRotationPolicy *policy, GError **error)
{
  gint64 wanted = obk_rotation_catch_up_age_us (policy) + OBK_RETIREMENT_WAIT_US;
  gint64 age = now_unix - snapshot->created_at_unix;
  gint64 wanted_s = wanted / G_USEC_PER_SEC + (wanted % G_USEC_PER_SEC != 0);

  return age >= wanted_s
         || obk_refuse (
             error, OBK_ERROR_STATE_REFUSED,
             "version %u was created too short a time ago: nodes may still serve under an older one; try again "
             "in %" G_GINT64_FORMAT " s",
             snapshot->version, wanted_s - age);
}

ObkState *
obk_retirement_retire (const ObkState *state, guint32 before_version, gint64 now_unix, const ObkRotationPolicy *policy,
                       GError **error)
{
  g_autoptr (ObkState) next = NULL;
  const ObkSnapshot *active = NULL;
  const ObkSnapshot *first_kept = NULL;

  g_return_val_if_fail (state != NULL && policy != NULL, NULL);
  active = obk_state_active (state);
  g_return_val_if_fail (active != NULL, NULL);

  first_kept = obk_state_find_version (state, before_version);
  if (first_kept == NULL || first_kept->state == OBK_SNAPSHOT_REJECTED)
    {
      obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u is not known", before_version);
      return NULL;
    }
  if (before_version > active->version)
    {
      obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                  "version %u is above the active version %u, under which is still written", before_version,
                  active->version);
      return NULL;
    }
  if (!is_old_enough (first_kept, now_unix, policy, error))
    return NULL;
  next = obk_state_copy (state);
  for (guint i = 0; i < next->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = obk_state_at (next, i);

      if (snapshot->state == OBK_SNAPSHOT_RETIRED && snapshot->version < before_version)
        snapshot->state = OBK_SNAPSHOT_REMOVED;
    }
  obk_state_sort (next);
  return g_steal_pointer (&next);
}

static ObkSnapshot *
find_removed (const ObkState *state, guint32 version)
{
  for (guint i = 0; i < state->snapshots->len; i++)
    if (obk_state_at (state, i)->version == version && obk_state_at (state, i)->state == OBK_SNAPSHOT_REMOVED)
      return obk_state_at (state, i);
  return NULL;
}

ObkState *
obk_retirement_restore (const ObkState *state, const GArray *versions, GError **error)
{
  g_autoptr (ObkState) next = NULL;

  g_return_val_if_fail (state != NULL && versions != NULL, NULL);

  next = obk_state_copy (state);
  for (guint i = 0; i < versions->len; i++)
    {
      guint32 version = g_array_index (versions, guint32, i);
      ObkSnapshot *snapshot = find_removed (next, version);

      if (snapshot != NULL)
        snapshot->state = OBK_SNAPSHOT_RETIRED;
      else if (find_removed (state, version) == NULL) /* named twice is not wrong */
        {
          obk_refuse (error, OBK_ERROR_STATE_REFUSED, "version %u is not a removed one", version);
          return NULL;
        }
    }
  obk_state_sort (next);
  return g_steal_pointer (&next);
}

/*
 * Recovery
 */

/* The state that is being built, and where in it things are: 1 + index in its snapshots. */
typedef struct
{
  const ObkRecovery *recovery;
  guint32 first; /* available */
  guint32 latest;
  gint64 now_unix;
  ObkState *state;
  GHashTable *by_key_id;
  GHashTable *by_version; /* not of rejected ones */
} Plan;

static void
plan_init (Plan *plan, const ObkRecovery *recovery)
{
  plan->recovery = recovery;
  plan->first = obk_profile_first_available (recovery->metadata);
  plan->latest = recovery->metadata->latest_version;
  plan->now_unix = MAX (recovery->now_unix, 1); /* 0 would leave the time out */
  plan->state = obk_state_new (recovery->scope);
  plan->by_key_id = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  plan->by_version = g_hash_table_new (NULL, NULL);
}

static void
plan_clear (Plan *plan)
{
  g_clear_pointer (&plan->state, obk_state_free);
  g_clear_pointer (&plan->by_key_id, g_hash_table_unref);
  g_clear_pointer (&plan->by_version, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

static void
plan_note_last (Plan *plan)
{
  guint place = plan->state->snapshots->len;
  const ObkSnapshot *snapshot = obk_state_at (plan->state, place - 1);

  g_hash_table_insert (plan->by_key_id, g_strdup (snapshot->key_id), GUINT_TO_POINTER (place));
  if (snapshot->state != OBK_SNAPSHOT_REJECTED)
    g_hash_table_insert (plan->by_version, GUINT_TO_POINTER (snapshot->version), GUINT_TO_POINTER (place));
}

/* One of this moment. */
static void
plan_add (Plan *plan, guint32 version, gint64 created_at_unix, ObkSnapshotState kind)
{
  ObkSnapshot *snapshot = obk_state_add (plan->state, version, created_at_unix, kind);

  snapshot->observed_at_unix = plan->now_unix;
  if (kind == OBK_SNAPSHOT_ACTIVE)
    snapshot->promoted_at_unix = plan->now_unix;
  plan_note_last (plan);
}

/* One that stays recorded as it was. */
static void
plan_record (Plan *plan, const ObkSnapshot *old, ObkSnapshotState kind)
{
  ObkSnapshot snapshot = *old;

  snapshot.state = kind;
  g_array_append_val (plan->state->snapshots, snapshot);
  plan_note_last (plan);
}

/* The very same version, of whatever state. Returns: whether the plan has it */
static gboolean
plan_take_over_removed (Plan *plan, const ObkSnapshot *other)
{
  gpointer place = g_hash_table_lookup (plan->by_key_id, other->key_id);
  ObkSnapshot *snapshot = place != NULL ? obk_state_at (plan->state, GPOINTER_TO_UINT (place) - 1) : NULL;

  if (snapshot != NULL && snapshot->state == OBK_SNAPSHOT_RETIRED && other->state == OBK_SNAPSHOT_REMOVED)
    snapshot->state = OBK_SNAPSHOT_REMOVED;
  return snapshot != NULL;
}

static gboolean
add_available (Plan *plan, GError **error)
{
  for (guint32 version = plan->latest; version >= plan->first; version--)
    {
      gint64 created_at_unix = obk_key_metadata_created_at (plan->recovery->metadata, version);

      if (created_at_unix <= 0)
        return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                           "OpenBao gives no creation time for version %u, which is available: see to OpenBao",
                           version);
      plan_add (plan, version, created_at_unix, version == plan->latest ? OBK_SNAPSHOT_ACTIVE : OBK_SNAPSHOT_RETIRED);
    }
  return TRUE;
}

/* Returns: whether OpenBao says another creation time for that number */
static gboolean
has_changed (const ObkKeyMetadata *metadata, const ObkSnapshot *snapshot)
{
  gint64 created_at_unix = obk_key_metadata_created_at (metadata, snapshot->version);

  return created_at_unix > 0 && created_at_unix != snapshot->created_at_unix;
}

/* What is no finding, or one that OpenBao can take back, is no reason to give a history up. */
static gboolean
check_cannot_go_on (const Plan *plan, GError **error)
{
  const ObkState *old = plan->recovery->replaced;
  const ObkSnapshot *active = obk_state_active (old);

  if (!obk_scope_equal (old->scope, plan->recovery->scope))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the state to replace is of another identity scope than the configuration's");
  if (active == NULL || active->version < plan->first)
    return TRUE;
  for (guint i = 0; i < old->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (old, i);

      if (snapshot->state != OBK_SNAPSHOT_REJECTED && snapshot->version > plan->latest)
        return TRUE;
      if (obk_snapshot_is_retained (snapshot) && has_changed (plan->recovery->metadata, snapshot))
        return TRUE;
    }
  return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                     "the state can go on as it is: its active version and all later ones are there, none has "
                     "another creation time, and no minimum is above the active one");
}

/*
 * What the plan does not have is lost, another key by now, or below a minimum. A lost one is rejected even when it was
 * removed: as a removed one it would make every read of OpenBao look like a lagging one.
 */
static void
keep_history (Plan *plan)
{
  const ObkState *old = plan->recovery->replaced;

  for (guint i = 0; i < old->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (old, i);
      gboolean gone = snapshot->state == OBK_SNAPSHOT_REJECTED || snapshot->version > plan->latest
                      || has_changed (plan->recovery->metadata, snapshot);

      if (!plan_take_over_removed (plan, snapshot))
        plan_record (plan, snapshot, gone ? OBK_SNAPSHOT_REJECTED : OBK_SNAPSHOT_REMOVED);
    }
  plan->state->generation = old->generation;
  plan->state->previous_hash = g_strdup (old->previous_hash);
  plan->state->current_hash = g_strdup (old->current_hash);
}

static gboolean
check_peer (const Plan *plan, GError **error)
{
  const ObkState *peer = plan->recovery->peer;
  const ObkSnapshot *active = obk_state_active (peer);

  if (!obk_scope_equal (peer->scope, plan->recovery->scope))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the peer's state is of another identity scope than the configuration's");
  if (active == NULL)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "the peer's state has no active version");
  if (active->version > plan->latest)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the peer's active version is %u, but OpenBao's latest is %u: a standby that lags, or another "
                       "OpenBao; try again, and see that both nodes use the same one",
                       active->version, plan->latest);
  for (guint i = 0; i < peer->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (peer, i);

      if (snapshot->state != OBK_SNAPSHOT_REJECTED && has_changed (plan->recovery->metadata, snapshot))
        return obk_refuse (
            error, OBK_ERROR_STATE_REFUSED,
            "the peer knows version %u with another creation time than OpenBao's: it is not the same key",
            snapshot->version);
    }
  return TRUE;
}

static void
take_over_peers_removed (Plan *plan)
{
  const ObkState *peer = plan->recovery->peer;

  for (guint i = 0; i < peer->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (peer, i);

      if (snapshot->state != OBK_SNAPSHOT_REMOVED || snapshot->version > plan->latest)
        continue;
      if (!plan_take_over_removed (plan, snapshot)
          && !g_hash_table_contains (plan->by_version, GUINT_TO_POINTER (snapshot->version)))
        plan_add (plan, snapshot->version, snapshot->created_at_unix, OBK_SNAPSHOT_REMOVED);
    }
}

ObkState *
obk_retirement_recover (const ObkRecovery *recovery, GError **error)
{
  g_autofree char *finding = NULL;
  g_auto (Plan) plan = { 0 };

  g_return_val_if_fail (recovery != NULL && recovery->scope != NULL && recovery->metadata != NULL, NULL);

  if (obk_profile_check (recovery->metadata, NULL, &finding) != OBK_FINDING_NONE)
    {
      obk_refuse (error, OBK_ERROR_STATE_REFUSED, "%s", finding);
      return NULL;
    }
  plan_init (&plan, recovery);
  if ((recovery->replaced != NULL && !recovery->unloadable && !check_cannot_go_on (&plan, error))
      || (recovery->peer != NULL && !check_peer (&plan, error)) || !add_available (&plan, error))
    return NULL;
  if (recovery->replaced != NULL)
    keep_history (&plan);
  if (recovery->peer != NULL)
    take_over_peers_removed (&plan);
  obk_state_sort (plan.state);
  if (!obk_state_validate (plan.state, error))
    return NULL;
  return g_steal_pointer (&plan.state);
}

static void
write_scope (ObkCanonicalJson *json, const ObkScope *scope)
{
  obk_canonical_json_string (json, "providerName", scope->provider_name);
  obk_canonical_json_string (json, "clusterId", scope->cluster_id);
  obk_canonical_json_string (json, "openbaoInstanceId", scope->instance_id);
  if (obk_scope_has_namespace (scope))
    obk_canonical_json_string (json, "openbaoNamespace", scope->namespace);
  obk_canonical_json_string (json, "transitMountId", scope->mount_id);
  obk_canonical_json_string (json, "transitKeyLineageId", scope->key_lineage_id);
}

char *
obk_retirement_plan_hash (const ObkState *state)
{
  g_autoptr (ObkCanonicalJson) json = NULL;
  g_autofree char *text = NULL;
  g_autofree char *hash = NULL;
  gsize length = 0;

  g_return_val_if_fail (state != NULL, NULL);

  json = obk_canonical_json_new (0);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "domain", PLAN_DOMAIN);
  write_scope (json, state->scope);
  obk_canonical_json_begin_array (json, "snapshots");
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_int (json, "transitVersion", snapshot->version);
      obk_canonical_json_int (json, "transitVersionCreatedAtUnix", snapshot->created_at_unix);
      obk_canonical_json_string (json, "state", obk_snapshot_state_name (snapshot->state));
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, &length);
  hash = obk_hash (text, (gssize)length);
  return g_strconcat (PLAN_HASH_PREFIX, hash, NULL);
}
