/* SPDX-License-Identifier: Apache-2.0 */
/* How the state follows what OpenBao shows of the key: candidates, promotion, lag, loss, discovery. Pure. */
#include "registry/rotation.h"

#define LAGGING_READS_OF_A_LOSS 3

/* What the parts of one probe or discovery work on. */
typedef struct
{
  const ObkKeyMetadata *metadata;
  gint64 now_unix;
  gint64 boot_us;
  ObkState *next;         /* the copy that is changed */
  GHashTable *by_version; /* version to 1 + index in next->snapshots; rejected ones are not in it */
  guint32 active;         /* its version */
} Work;

static void
work_init (Work *work, const ObkState *state, const ObkKeyMetadata *metadata, ObkNow now)
{
  work->metadata = metadata;
  work->now_unix = MAX (now.unix_s, 1); /* 0 would leave the time out */
  work->boot_us = now.boot_us;
  work->next = obk_state_copy (state);
  work->by_version = g_hash_table_new (NULL, NULL);
  work->active = obk_state_active (state)->version;
  for (guint i = 0; i < work->next->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (work->next, i);

      if (snapshot->state != OBK_SNAPSHOT_REJECTED)
        g_hash_table_insert (work->by_version, GUINT_TO_POINTER (snapshot->version), GUINT_TO_POINTER (i + 1));
    }
}

static void
work_clear (Work *work)
{
  g_clear_pointer (&work->next, obk_state_free);
  g_clear_pointer (&work->by_version, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

/* Returns: (nullable): that version's snapshot unless it is rejected; valid until one is added */
static ObkSnapshot *
find (const Work *work, guint32 version)
{
  gpointer place = g_hash_table_lookup (work->by_version, GUINT_TO_POINTER (version));

  return place != NULL ? obk_state_at (work->next, GPOINTER_TO_UINT (place) - 1) : NULL;
}

static ObkSnapshot *
add_retired (Work *work, guint32 version, gint64 created_at_unix)
{
  ObkSnapshot *snapshot = obk_state_add (work->next, version, created_at_unix, OBK_SNAPSHOT_RETIRED);

  snapshot->observed_at_unix = work->now_unix;
  g_hash_table_insert (work->by_version, GUINT_TO_POINTER (version), GUINT_TO_POINTER (work->next->snapshots->len));
  return snapshot;
}

/* Returns: (transfer full) (nullable): the changed state in the document's order, %NULL when it is as it was */
static ObkState *
work_finish (Work *work, const ObkState *before)
{
  obk_state_sort (work->next);
  return obk_state_same_content (work->next, before) ? NULL : g_steal_pointer (&work->next);
}

static gint64
latest_time (const ObkSnapshot *snapshot)
{
  return MAX (snapshot->observed_at_unix, MAX (snapshot->stable_at_unix, snapshot->promoted_at_unix));
}

/* No longer a candidate nor the active one: when it was observed and promoted stays. */
static void
retire (ObkSnapshot *snapshot)
{
  snapshot->state = OBK_SNAPSHOT_RETIRED;
  snapshot->stable_count = 0;
  snapshot->stable_at_unix = 0;
}

/* A candidate from now on, without a count. */
static void
become_pending (const Work *work, ObkSnapshot *snapshot)
{
  snapshot->state = OBK_SNAPSHOT_PENDING;
  snapshot->observed_at_unix = MAX (work->now_unix, latest_time (snapshot));
  snapshot->stable_count = 0;
  snapshot->stable_at_unix = 0;
  snapshot->promoted_at_unix = 0;
}

static void
retire_candidates_below (const Work *work, guint32 version)
{
  for (guint i = 0; i < work->next->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = obk_state_at (work->next, i);

      if (snapshot->state == OBK_SNAPSHOT_PENDING && snapshot->version < version)
        retire (snapshot);
    }
}

/* A rejected version that OpenBao shows again, the very same one, decrypts again. */
static void
revive_rejected (Work *work)
{
  guint32 first = obk_profile_first_available (work->metadata);

  for (guint i = 0; i < work->next->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = obk_state_at (work->next, i);

      if (snapshot->state != OBK_SNAPSHOT_REJECTED || snapshot->version < first
          || snapshot->version > work->metadata->latest_version
          || obk_key_metadata_created_at (work->metadata, snapshot->version) != snapshot->created_at_unix
          || find (work, snapshot->version) != NULL)
        continue;
      retire (snapshot);
      if (snapshot->observed_at_unix == 0)
        snapshot->observed_at_unix = work->now_unix;
      g_hash_table_insert (work->by_version, GUINT_TO_POINTER (snapshot->version), GUINT_TO_POINTER (i + 1));
    }
}

/*
 * Lag and loss
 */

static guint32
highest_seen (const ObkState *state, const ObkRotationMemory *memory)
{
  guint32 highest = memory->highest_read;

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      if (snapshot->state != OBK_SNAPSHOT_REJECTED)
        highest = MAX (highest, snapshot->version);
    }
  return highest;
}

/* Remembers a read that does not lag. A latest version without creation time is no proof that there is such a one. */
static void
note_read (ObkRotationMemory *memory, const ObkKeyMetadata *metadata)
{
  memory->lagging_reads = 0;
  memory->lagging_since_us = 0;
  if (obk_key_metadata_created_at (metadata, metadata->latest_version) > 0)
    memory->highest_read = MAX (memory->highest_read, metadata->latest_version);
}

/* Remembers one that does; less to lag behind means that a loss was accepted, and ends its row.
 * Returns: whether it is a loss by now */
static gboolean
note_lagging_read (ObkRotationMemory *memory, guint32 highest, gint64 boot_us, gint64 max_staleness_us)
{
  if (memory->lagging_reads == 0 || highest < memory->lagging_behind)
    {
      memory->lagging_reads = 0;
      memory->lagging_since_us = boot_us;
      memory->lagging_behind = highest;
    }
  if (memory->lagging_reads < G_MAXUINT)
    memory->lagging_reads++;
  return memory->lagging_reads >= LAGGING_READS_OF_A_LOSS && boot_us - memory->lagging_since_us >= max_staleness_us;
}

static void
add_loss (GPtrArray *findings, guint32 latest, guint32 active, guint32 highest)
{
  if (latest < active)
    obk_profile_add_finding (
        findings, OBK_FINDING_VERSION_ROLLBACK, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
        "OpenBao's latest version is %u, but version %u is in use here: restore OpenBao from a newer backup, "
        "or recover this node's state (recover-state --replace)",
        latest, active);
  else
    obk_profile_add_finding (
        findings, OBK_FINDING_VERSION_LOST, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
        "OpenBao's latest version is %u, but version %u has been seen and other nodes may use it: restore "
        "OpenBao from a newer backup, or recover this node's state (recover-state --replace; where that says "
        "that the state can go on, start the provider again)",
        latest, highest);
}

static void
reject_lost (Work *work)
{
  for (guint i = 0; i < work->next->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = obk_state_at (work->next, i);

      if (snapshot->version <= work->metadata->latest_version || snapshot->state == OBK_SNAPSHOT_REJECTED)
        continue;
      snapshot->state = OBK_SNAPSHOT_REJECTED;
      g_hash_table_remove (work->by_version, GUINT_TO_POINTER (snapshot->version));
    }
}

/*
 * Rotation
 */

static gboolean
set_back (gint64 *time_unix, gint64 now_unix)
{
  if (*time_unix <= now_unix)
    return FALSE;
  *time_unix = now_unix;
  return TRUE;
}

/* Returns: whether a time lay in the future */
static gboolean
set_back_future_times (const Work *work)
{
  gboolean any = FALSE;

  for (guint i = 0; i < work->next->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = obk_state_at (work->next, i);

      any |= set_back (&snapshot->observed_at_unix, work->now_unix);
      any |= set_back (&snapshot->stable_at_unix, work->now_unix);
      any |= set_back (&snapshot->promoted_at_unix, work->now_unix);
    }
  return any;
}

/* Every version between the active one and the latest decrypts. Returns: 0, or the first without a creation time */
static guint32
retire_jumped (Work *work)
{
  for (guint32 version = work->active + 1; version < work->metadata->latest_version; version++)
    {
      gint64 created_at_unix = obk_key_metadata_created_at (work->metadata, version);

      if (find (work, version) != NULL)
        continue;
      if (created_at_unix <= 0)
        return version;
      add_retired (work, version, created_at_unix);
    }
  return 0;
}

static void
count_probe (const Work *work, ObkSnapshot *candidate, const ObkRotationPolicy *policy, ObkRotationMemory *memory)
{
  if (candidate->observed_at_unix == 0)
    candidate->observed_at_unix = work->now_unix;
  candidate->stable_count++;
  if (candidate->stable_at_unix != 0 || candidate->stable_count < policy->stable_observation_count)
    return;
  candidate->stable_at_unix = work->now_unix;
  memory->stable_version = candidate->version;
  memory->stable_since_us = work->boot_us;
}

static void
promote (Work *work, ObkSnapshot *candidate)
{
  ObkSnapshot *former = find (work, work->active);

  if (former != NULL) /* always, in a valid state */
    retire (former);
  candidate->state = OBK_SNAPSHOT_ACTIVE;
  candidate->promoted_at_unix = work->now_unix;
  work->active = candidate->version;
}

gint64
obk_rotation_catch_up_age_us (const ObkRotationPolicy *policy)
{
  g_return_val_if_fail (policy != NULL, 0);

  return policy->activation_delay_us + policy->stable_observation_count * policy->probe_interval_us
         + policy->max_staleness_us;
}

/* By OpenBao's own clock, since its creation times are; without one every version counts as old. */
static gboolean
is_old (const ObkKeyMetadata *metadata, gint64 created_at_unix, const ObkRotationPolicy *policy)
{
  return metadata->server_date_unix == 0
         || metadata->server_date_unix - created_at_unix > obk_rotation_catch_up_age_us (policy) / G_USEC_PER_SEC;
}

/* Returns: (nullable): the newest old version above the active one, which peers may have been using for long */
static ObkSnapshot *
find_to_catch_up (Work *work, const ObkRotationPolicy *policy)
{
  for (guint32 version = work->metadata->latest_version; version > work->active; version--)
    {
      gint64 created_at_unix = obk_key_metadata_created_at (work->metadata, version);
      ObkSnapshot *snapshot = find (work, version);

      if ((snapshot != NULL && snapshot->state == OBK_SNAPSHOT_REMOVED)
          || !is_old (work->metadata, created_at_unix, policy))
        continue;
      return snapshot != NULL ? snapshot : add_retired (work, version, created_at_unix);
    }
  return NULL;
}

static void
catch_up (Work *work, const ObkRotationPolicy *policy, ObkRotationMemory *memory, ObkProbeResult *result)
{
  ObkSnapshot *snapshot = find_to_catch_up (work, policy);

  if (snapshot == NULL)
    return;
  if (snapshot->state == OBK_SNAPSHOT_PENDING) /* the probe that promotes adds to the count as well */
    count_probe (work, snapshot, policy, memory);
  promote (work, snapshot);
  retire_candidates_below (work, work->active);
  result->promoted = snapshot->version;
  result->caught_up = TRUE;
}

static gboolean
is_due (const Work *work, const ObkSnapshot *candidate, const ObkRotationPolicy *policy,
        const ObkRotationMemory *memory)
{
  if (candidate->stable_at_unix == 0)
    return FALSE;
  return work->metadata->min_encryption_version > work->active /* nothing is gained by waiting */
         || work->boot_us - memory->stable_since_us >= policy->activation_delay_us;
}

/* The latest version above the active one is the candidate: observed, counted, stable, promoted. */
static void
follow_latest (Work *work, const ObkRotationPolicy *policy, ObkRotationMemory *memory, ObkProbeResult *result)
{
  guint32 latest = work->metadata->latest_version;
  ObkSnapshot *candidate = find (work, latest);

  if (latest <= work->active || (candidate != NULL && candidate->state == OBK_SNAPSHOT_REMOVED))
    return;
  if (candidate == NULL)
    candidate = add_retired (work, latest, obk_key_metadata_created_at (work->metadata, latest));
  if (candidate->state != OBK_SNAPSHOT_PENDING)
    {
      become_pending (work, candidate);
      result->observed = latest;
    }
  retire_candidates_below (work, latest);
  count_probe (work, candidate, policy, memory);
  if (is_due (work, candidate, policy, memory))
    {
      promote (work, candidate);
      result->promoted = latest;
    }
}

/* Returns: since when a stable candidate is stable, on the boot clock. After a restart only the system clock tells. */
static gint64
stable_since_us (const ObkSnapshot *candidate, ObkNow now, gint64 activation_delay_us, const ObkRotationMemory *memory)
{
  gint64 most = activation_delay_us / G_USEC_PER_SEC + 1; /* longer is as good as that */

  if (memory->stable_version == candidate->version)
    return memory->stable_since_us;
  return now.boot_us - CLAMP (now.unix_s - candidate->stable_at_unix, 0, most) * G_USEC_PER_SEC;
}

/* So that a jump of the system clock between now and the promotion moves nothing. */
static void
remember_stability (const ObkState *state, ObkNow now, gint64 activation_delay_us, ObkRotationMemory *memory)
{
  const ObkSnapshot *candidate = obk_state_pending (state);

  if (candidate == NULL || candidate->stable_at_unix == 0)
    return;
  memory->stable_since_us = stable_since_us (candidate, now, activation_delay_us, memory);
  memory->stable_version = candidate->version;
}

/* A read that may be believed. Returns: whether it is good; else there is a finding */
static gboolean
follow (Work *work, const ObkRotationPolicy *policy, gboolean catching_up, ObkRotationMemory *memory,
        ObkProbeResult *result)
{
  guint32 without_time = 0;

  revive_rejected (work);
  without_time = retire_jumped (work);
  if (without_time != 0)
    {
      obk_profile_add_finding (
          result->findings, OBK_FINDING_PROFILE_INVALID, OBK_IMPACT_API_SERVER_AVAILABILITY,
          "OpenBao gives no creation time for version %u, which other nodes may have used: see to OpenBao",
          without_time);
      return FALSE;
    }
  result->clock_regressed = set_back_future_times (work); /* what is written from here on is not earlier than any */
  if (catching_up)
    catch_up (work, policy, memory, result);
  follow_latest (work, policy, memory, result);
  return TRUE;
}

void
obk_probe_result_clear (ObkProbeResult *result)
{
  g_clear_pointer (&result->findings, g_ptr_array_unref);
  g_clear_pointer (&result->state, obk_state_free);
  *result = (ObkProbeResult){ 0 };
}

void
obk_rotation_probe (const ObkState *state, const ObkKeyMetadata *metadata, ObkNow now, const ObkRotationPolicy *policy,
                    gboolean catching_up, ObkRotationMemory *memory, ObkProbeResult *result)
{
  g_auto (Work) work = { 0 };
  guint32 highest = 0;
  gboolean lags = FALSE;

  g_return_if_fail (state != NULL && obk_state_active (state) != NULL && metadata != NULL);
  g_return_if_fail (policy != NULL && memory != NULL && result != NULL);

  *result = (ObkProbeResult){ .kind = OBK_PROBE_REFUSED };
  remember_stability (state, now, policy->activation_delay_us, memory);
  highest = highest_seen (state, memory);
  lags = metadata->latest_version < highest;
  if (!lags)
    note_read (memory, metadata);
  else if (!note_lagging_read (memory, highest, now.boot_us, policy->max_staleness_us))
    {
      result->kind = OBK_PROBE_LAGGING;
      result->findings = g_ptr_array_new ();
      return;
    }

  work_init (&work, state, metadata, now);
  result->findings = obk_profile_findings (metadata, state);
  if (lags && (metadata->latest_version < work.active || policy->reject_version_rollback))
    add_loss (result->findings, metadata->latest_version, work.active, highest);
  if (result->findings->len > 0)
    return;
  if (lags)
    reject_lost (&work);
  if (!follow (&work, policy, catching_up, memory, result))
    return;
  if (lags) /* the count of lagging reads stays: should this not be saved, the next probe accepts the loss at once */
    {
      result->rejected = highest;
      memory->highest_read = metadata->latest_version;
    }
  result->kind = OBK_PROBE_GOOD;
  result->state = work_finish (&work, state);
}

/*
 * Discovery
 */

/* Each version by itself: what OpenBao still has, with a creation time. */
static void
add_unknown (Work *work)
{
  guint32 first = obk_profile_first_available (work->metadata);
  guint32 latest = work->metadata->latest_version;

  for (guint i = 0; i < work->metadata->versions->len; i++)
    {
      const ObkKeyVersion *entry = &g_array_index (work->metadata->versions, ObkKeyVersion, i);

      if (entry->version >= first && entry->version <= latest && entry->created_at_unix > 0
          && find (work, entry->version) == NULL)
        add_retired (work, entry->version, entry->created_at_unix);
    }
}

ObkState *
obk_rotation_discover (const ObkState *state, const ObkKeyMetadata *metadata, ObkNow now, ObkRotationMemory *memory)
{
  g_auto (Work) work = { 0 };
  const ObkSnapshot *pending = NULL;
  ObkSnapshot *newest = NULL;
  guint32 latest = 0;
  gboolean was_known = FALSE;

  g_return_val_if_fail (state != NULL && obk_state_active (state) != NULL, NULL);
  g_return_val_if_fail (metadata != NULL && memory != NULL, NULL);

  latest = metadata->latest_version;
  if (latest >= highest_seen (state, memory))
    note_read (memory, metadata);

  work_init (&work, state, metadata, now);
  was_known = find (&work, latest) != NULL;
  revive_rejected (&work);
  add_unknown (&work);
  pending = obk_state_pending (work.next);
  newest = find (&work, latest);
  if (newest != NULL && !was_known && latest > work.active && (pending == NULL || pending->version < latest))
    {
      become_pending (&work, newest);
      retire_candidates_below (&work, latest);
    }
  return work_finish (&work, state);
}

/*
 * Questions
 */

gboolean
obk_rotation_may_encrypt (const ObkKeyMetadata *metadata, guint32 version)
{
  g_return_val_if_fail (metadata != NULL, FALSE);

  return version >= obk_profile_first_available (metadata) && version >= metadata->min_encryption_version
         && version <= metadata->latest_version;
}

gint64
obk_rotation_due_us (const ObkState *state, ObkNow now, const ObkRotationPolicy *policy,
                     const ObkRotationMemory *memory)
{
  const ObkSnapshot *candidate = NULL;
  gint64 probes = 0;

  g_return_val_if_fail (state != NULL && policy != NULL && memory != NULL, OBK_NO_DEADLINE);

  candidate = obk_state_pending (state);
  if (candidate == NULL)
    return OBK_NO_DEADLINE;
  if (candidate->stable_at_unix != 0)
    return stable_since_us (candidate, now, policy->activation_delay_us, memory) + policy->activation_delay_us;
  probes
      = MAX (policy->stable_observation_count - candidate->stable_count, 1); /* the first of them may be any moment */
  return now.boot_us + (probes - 1) * policy->probe_interval_us + policy->activation_delay_us;
}
