/* SPDX-License-Identifier: Apache-2.0 */
/* One node: what it does with what it is told. Each decision is the shipped code's. */
#include "node.h"

#include "base/names.h"
#include "image.h"
#include "registry/retirement.h"
#include "status.h"

#include <string.h>

#define KNOWN_STEPS (1u << 20)
#define LAGGING_READS_OF_A_LOSS 3 /* the shipped rule's; more are as good as that */

/* The node at work: the shipped code's values beside the packed one. */
typedef struct
{
  const Scenario *scenario;
  const Step *step;
  const ObkRotationPolicy *policy;
  Node *node;
  ObkVerdict verdict;
  ObkRotationMemory memory;
  ObkState *held;
  ObkProbeKind kind; /* of the probe made */
  Fault fault;
} Work;

typedef struct
{
  Step step;
  Node after;
  guint8 fault;
  guint8 known;
} KnownStep;

static KnownStep *known_steps;

/* Status */

static void
note_fault (Work *work, Fault fault)
{
  if (work->fault == FAULT_NONE)
    work->fault = fault;
}

/* What Status names while it is healthy, its API server writes under. */
static void
publish (Work *work)
{
  Node *node = work->node;
  guint serving = 0;
  Slot slot = 0;
  gboolean healthy = FALSE;

  if (work->scenario->mutant == MUTANT_NO_PROOF)
    obk_verdict_deep_passed (&work->verdict, work->verdict.active);
  healthy = status_settle (work->scenario, &work->verdict);
  serving = work->verdict.serving;
  status_pack (work->scenario, &work->verdict, node);
  if (!healthy)
    return;
  if (!image_find (node->held, serving, &slot) || !image_retains (node->held, slot))
    note_fault (work, FAULT_NOT_RETAINED);
  if (serving < node->named)
    note_fault (work, FAULT_STATUS_WENT_BACK);
  if ((node->tested >> (serving - 1) & 1u) == 0)
    note_fault (work, FAULT_UNPROVED);
  node->named = serving & 7u;
  if (!work->step->api_off)
    status_fill_cache (work->scenario, node, slot);
}

/* The memory of a run */

static void
unpack_memory (Work *work)
{
  const Node *node = work->node;

  work->memory = (ObkRotationMemory){ .highest_read = node->highest_read };
  if (work->scenario->mutant == MUTANT_READS_ARE_FORGOTTEN)
    work->memory.highest_read = 0;
  if (node->lagging_reads == 0)
    return;
  work->memory.lagging_reads = node->lagging_reads;
  work->memory.lagging_behind = node->lagging_behind;
  work->memory.lagging_since_us = status_ago_us (work->scenario, node->lagging_age);
}

static void
pack_memory (Work *work)
{
  const Scenario *scenario = work->scenario;
  Node *node = work->node;
  guint age = 0;

  node->highest_read = work->memory.highest_read & 7u;
  node->lagging_reads = MIN (work->memory.lagging_reads, LAGGING_READS_OF_A_LOSS) & 3u;
  if (node->lagging_reads > 0)
    age = (guint)((model_now.boot_us - work->memory.lagging_since_us) / G_USEC_PER_SEC / scenario->tick_s);
  node->lagging_age = MIN (age, scenario->staleness) & 3u;
  node->lagging_behind = node->lagging_reads > 0 ? work->memory.lagging_behind & 7u : 0;
  if (scenario->mutant == MUTANT_LAG_IS_NEVER_LOSS)
    node->lagging_reads = 0;
}

/* Steps of a running node */

/* @state: (transfer full) */
static Image
pack_state (Work *work, ObkState *state)
{
  Image image = image_pack (state, work->step->ages, work->scenario);

  obk_state_free (state);
  if (image == 0)
    note_fault (work, FAULT_INVALID);
  return image;
}

/* In force from now on. */
static void
use_image (Work *work, Image image, gboolean saved)
{
  Node *node = work->node;

  if (image == 0)
    return;
  if (SLOT_VERSION (image_active (image)) < SLOT_VERSION (image_active (node->held)))
    note_fault (work, FAULT_ACTIVE_WENT_BACK);
  node->held = image;
  if (saved)
    node->disk = image;
}

static void
use_state (Work *work, gboolean at_once)
{
  g_autoptr (ObkState) state = image_unpack (work->node->held, work->step->ages, work->scenario);

  if (work->scenario->mutant == MUTANT_OLD_SERVES_WHILE_CATCHING_UP)
    at_once = FALSE;
  if (work->scenario->mutant == MUTANT_NOBODY_SERVES_MEANWHILE)
    at_once = TRUE;
  obk_verdict_use_state (&work->verdict, state, at_once);
}

/* A mutant's: what the rules keep for decryption is taken out of the state. */
static Image
drop (const Work *work, Image before, Image image)
{
  const Mutant mutant = work->scenario->mutant;

  for (Slot slot = 0; slot < N_SLOTS; slot++)
    {
      guint was = image_kind (before, slot);
      guint is = image_kind (image, slot);

      if (mutant == MUTANT_REJECTED_STAYS && was == 1 + OBK_SNAPSHOT_REJECTED && is != 1 + OBK_SNAPSHOT_ACTIVE)
        image = image_with_kind (image, slot, was);
      if (is != 1 + OBK_SNAPSHOT_RETIRED)
        continue;
      if (mutant == MUTANT_FORMER_IS_DROPPED && was == 1 + OBK_SNAPSHOT_ACTIVE)
        image = image_with_kind (image, slot, 1 + OBK_SNAPSHOT_REMOVED);
      if (mutant == MUTANT_SUPERSEDED_IS_DROPPED && was == 1 + OBK_SNAPSHOT_PENDING)
        image = image_with_kind (image, slot, 1 + OBK_SNAPSHOT_REMOVED);
      if (mutant == MUTANT_JUMPED_IS_DROPPED && was == 0 && work->step->kind == STEP_PROBE)
        image = image_with_kind (image, slot, 0);
    }
  return image;
}

/* As health/prober.c: saved, and in force once it is. */
static void
save (Work *work, Image image, gboolean caught_up)
{
  const Mutant mutant = work->scenario->mutant;
  gboolean saved = !work->node->disk_full;

  work->verdict.save_trouble
      = !saved && caught_up && mutant != MUTANT_UNSAVED_CATCHING_UP ? OBK_REASON_STATE_SAVE_FAILED : "";
  if (!saved && mutant != MUTANT_UNSAVED_PROMOTION)
    return;
  use_image (work, image, saved);
  use_state (work, caught_up);
}

static void
judge_good (Work *work, const ObkKeyMetadata *metadata, ObkProbeResult *result)
{
  Node *node = work->node;
  Image before = node->held;
  Image image = before;

  obk_verdict_metadata_good (&work->verdict, metadata, model_now.boot_us);
  if (work->scenario->mutant == MUTANT_MINIMUM_IS_OVERLOOKED)
    work->verdict.min_encryption = 0;
  if (result->state != NULL)
    image = drop (work, before, pack_state (work, g_steal_pointer (&result->state)));
  if (image == before && node->held == node->disk)
    work->verdict.save_trouble = "";
  else
    save (work, image, result->caught_up);
}

static void
judge (Work *work, const ObkKeyMetadata *metadata)
{
  const Mutant mutant = work->scenario->mutant;
  g_autoptr (ObkKeyMetadata) shown = obk_key_metadata_copy (metadata);
  g_auto (ObkProbeResult) result = { 0 };
  gboolean catching_up = FALSE;

  (void)status_settle (work->scenario, &work->verdict);
  catching_up = !work->verdict.settled && mutant != MUTANT_NO_CATCHING_UP;
  if (mutant == MUTANT_BLOCKED_WAITS)
    shown->min_encryption_version = 0;
  if (mutant == MUTANT_CATCH_UP_AT_ANY_AGE)
    shown->server_date_unix = 0;
  if (mutant == MUTANT_NO_DATE_IS_YOUNG)
    shown->server_date_unix = obk_key_metadata_created_at (shown, shown->latest_version);
  if (mutant == MUTANT_LAG_IS_LOSS)
    work->memory = (ObkRotationMemory){ .highest_read = work->memory.highest_read,
                                        .lagging_reads = LAGGING_READS_OF_A_LOSS,
                                        .lagging_since_us = 1 };
  obk_rotation_probe (work->held, shown, model_now, work->policy, catching_up, &work->memory, &result);
  work->kind = result.kind;
  if (result.kind == OBK_PROBE_GOOD)
    judge_good (work, metadata, &result);
  else if (result.kind == OBK_PROBE_REFUSED)
    obk_verdict_metadata_refused (&work->verdict, OBK_REASON_VERSION_LOST);
  else if (mutant == MUTANT_LAG_IS_GOOD)
    obk_verdict_metadata_good (&work->verdict, metadata, model_now.boot_us);
  else
    obk_verdict_metadata_failed (&work->verdict, OBK_REASON_STANDBY_LAGGING);
}

static void
probe (Work *work)
{
  const Scenario *scenario = work->scenario;
  g_autoptr (ObkKeyMetadata) metadata = view_unpack (work->step->view, work->step->ages, scenario);
  gboolean was_healthy = node_healthy (scenario, work->node);
  gboolean healthy = FALSE;

  unpack_memory (work);
  judge (work, metadata);
  pack_memory (work);
  publish (work);
  if ((scenario->may & IS_PACED) != 0)
    work->node->probed = 1;
  healthy = node_healthy (scenario, work->node);
  if (work->kind == OBK_PROBE_GOOD && healthy && !obk_rotation_may_encrypt (metadata, work->node->serving))
    note_fault (work, FAULT_CANNOT_ENCRYPT);
  if ((scenario->expect & EXPECT_NO_ALARM) != 0 && work->node->finding && !work->step->api_off)
    note_fault (work, FAULT_ALARM);
  if ((scenario->expect & EXPECT_NO_GAP) != 0 && was_healthy && !healthy)
    note_fault (work, FAULT_GAP);
}

/* Of one that OpenBao does not have, it says no more than that a standby may lag. */
static void
deep_probe (Work *work)
{
  g_autoptr (ObkKeyMetadata) metadata = view_unpack (work->step->view, work->step->ages, work->scenario);
  Slot active = image_active (work->node->held);
  guint version = SLOT_VERSION (active);
  guint32 proved = work->verdict.proved;

  if (work->verdict.good_us == 0 || obk_verdict_is_blocked (&work->verdict) || version > metadata->latest_version)
    return;
  if (obk_rotation_may_encrypt (metadata, version) && !work->node->refused)
    {
      obk_verdict_deep_passed (&work->verdict, version);
      work->node->tested |= (1u << (version - 1)) & 15u;
    }
  else
    {
      obk_verdict_deep_failed (&work->verdict, version, OBK_REASON_DEEP_PROBE_FAILED);
      if (work->scenario->mutant == MUTANT_FAILURE_KEEPS_PROOF)
        work->verdict.proved = proved;
      work->node->tested &= ~(1u << (version - 1)) & 15u;
    }
  publish (work);
}

/* A mutant's: what is found is promoted at once, in force unsaved. */
static ObkState *
discover_and_promote (Work *work, ObkKeyMetadata *metadata)
{
  g_auto (ObkProbeResult) result = { 0 };

  metadata->server_date_unix = 0;
  obk_rotation_probe (work->held, metadata, model_now, work->policy, TRUE, &work->memory, &result);
  return result.kind == OBK_PROBE_GOOD ? g_steal_pointer (&result.state) : NULL;
}

/* A mutant's: what was removed counts as unknown. */
static void
forget_removed (ObkState *state)
{
  for (guint i = state->snapshots->len; i > 0; i--)
    if (g_array_index (state->snapshots, ObkSnapshot, i - 1).state == OBK_SNAPSHOT_REMOVED)
      g_array_remove_index (state->snapshots, i - 1);
}

static void
discover (Work *work)
{
  const Mutant mutant = work->scenario->mutant;
  g_autoptr (ObkKeyMetadata) metadata = view_unpack (work->step->view, work->step->ages, work->scenario);
  gboolean saved = !work->node->disk_full;
  ObkState *found = NULL;

  unpack_memory (work);
  if (mutant == MUTANT_REMOVED_IS_FOUND)
    forget_removed (work->held);
  if (mutant == MUTANT_FIND_IS_PROMOTED)
    found = discover_and_promote (work, metadata);
  else
    found = obk_rotation_discover (work->held, metadata, model_now, &work->memory);
  pack_memory (work);
  if (found != NULL && !saved && mutant == MUTANT_FIND_WAITS_FOR_SAVE)
    obk_state_free (found);
  else if (found != NULL)
    {
      use_image (work, drop (work, work->node->held, pack_state (work, found)), saved);
      if (mutant == MUTANT_FIND_IS_PROMOTED)
        use_state (work, FALSE);
    }
  else if (saved)
    work->node->disk = work->node->held;
  publish (work);
}

/* Start, stop, commands */

static void
stop (Work *work)
{
  const Node before = *work->node;

  *work->node = (Node){ .disk = before.disk,
                        .cache = before.cache,
                        .named = before.named,
                        .must_recover = before.must_recover,
                        .odd = before.odd,
                        .disk_full = before.disk_full,
                        .refused = before.refused };
}

static void
start (Work *work)
{
  Node *node = work->node;

  node->running = 1;
  node->held = node->disk;
  work->verdict = (ObkVerdict)OBK_VERDICT_INIT;
  use_state (work, TRUE);
  publish (work);
}

static void
recover (Work *work)
{
  Node *node = work->node;
  g_autoptr (ObkKeyMetadata) metadata = view_unpack (work->step->view, work->step->ages, work->scenario);
  g_autoptr (ObkState) replaced = NULL;
  g_autoptr (ObkState) peer = NULL;
  ObkState *plan = NULL;

  if (node->disk != 0)
    replaced = image_unpack (node->disk, work->step->ages, work->scenario);
  if (work->step->peer != 0)
    peer = image_unpack (work->step->peer, work->step->ages, work->scenario);
  plan = obk_retirement_recover (&(ObkRecovery){ .scope = model_scope (),
                                                 .metadata = metadata,
                                                 .replaced = replaced,
                                                 .peer = peer,
                                                 .now_unix = model_now.unix_s },
                                 NULL);
  if (plan == NULL)
    {
      if (peer == NULL && replaced != NULL) /* it can go on as it is */
        node->must_recover = 0;
      return;
    }
  node->must_recover = 0;
  node->disk = pack_state (work, plan);
  node->named = 0;
}

static void
retire (Work *work)
{
  Node *node = work->node;
  g_autoptr (ObkState) state = image_unpack (node->disk, work->step->ages, work->scenario);
  gint64 now_unix = model_now.unix_s;
  ObkState *next = NULL;

  if (work->scenario->mutant == MUTANT_RETIRE_YOUNG)
    now_unix += G_MAXINT16;
  next = obk_retirement_retire (state, work->step->detail, now_unix, work->policy, NULL);
  if (next != NULL)
    node->disk = pack_state (work, next);
}

static void
bring_back (Work *work)
{
  Node *node = work->node;
  const guint32 version = work->step->detail;
  g_autoptr (ObkState) state = image_unpack (node->disk, work->step->ages, work->scenario);
  g_autoptr (GArray) versions = g_array_new (FALSE, FALSE, sizeof version);
  ObkState *next = NULL;

  g_array_append_val (versions, version);
  next = obk_retirement_restore (state, versions, NULL);
  if (next != NULL)
    node->disk = pack_state (work, next);
}

static void
fill_disk (Work *work)
{
  work->node->disk_full = 1;
}

static void
empty_disk (Work *work)
{
  work->node->disk_full = 0;
}

static void
refuse (Work *work)
{
  work->node->refused = 1;
}

static void
allow (Work *work)
{
  work->node->refused = 0;
}

static void
lose_state (Work *work)
{
  work->node->disk = 0;
  work->node->named = 0;
}

static Fault
make_step (const Scenario *scenario, const Step *step, Node *after)
{
  static void (*const makers[]) (Work *) = {
    [STEP_PROBE] = probe,           [STEP_DEEP_PROBE] = deep_probe,
    [STEP_DISCOVER] = discover,     [STEP_FILL_DISK] = fill_disk,
    [STEP_EMPTY_DISK] = empty_disk, [STEP_REFUSE] = refuse,
    [STEP_ALLOW] = allow,           [STEP_STOP] = stop,
    [STEP_START] = start,           [STEP_LOSE_STATE] = lose_state,
    [STEP_RECOVER] = recover,       [STEP_RETIRE] = retire,
    [STEP_BRING_BACK] = bring_back,
  };
  Work work = { .scenario = scenario, .step = step, .node = after };

  *after = step->node;
  work.policy = after->odd ? &scenario->odd_policy : &scenario->policy;
  work.verdict = status_unpack (scenario, after);
  if (after->held != 0)
    work.held = image_unpack (after->held, step->ages, scenario);
  makers[step->kind](&work);
  g_clear_pointer (&work.held, obk_state_free);
  return work.fault;
}

static guint
hash_step (const Step *step)
{
  guint64 words[sizeof *step / 8];
  guint64 hash = 0;

  memcpy (words, step, sizeof words);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      hash = (hash ^ words[i]) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
      hash ^= hash >> 32;
    }
  return (guint)hash & (KNOWN_STEPS - 1);
}

Fault
node_step (const Scenario *scenario, const Step *step, Node *after)
{
  KnownStep *known = NULL;

  if (known_steps == NULL)
    known_steps = g_new0 (KnownStep, KNOWN_STEPS);
  known = &known_steps[hash_step (step)];
  if (!known->known || memcmp (&known->step, step, sizeof *step) != 0)
    {
      known->step = *step;
      known->fault = make_step (scenario, step, &known->after);
      known->known = TRUE;
    }
  *after = known->after;
  return (Fault)known->fault;
}

void
node_forget_steps (void)
{
  g_clear_pointer (&known_steps, g_free);
}
