/* SPDX-License-Identifier: Apache-2.0 */
/* Between the model's packed values and those of the shipped code. */
#include "image.h"

#include "registry/retirement.h"

#define NOW_UNIX 1700000000
#define NOW_BOOT_US (1000000 * (gint64)G_USEC_PER_SEC)

#define KIND_BITS 3
#define KIND_MASK 7u
#define COUNT_SHIFT (KIND_BITS * N_SLOTS)
#define COUNT_MASK 3u
#define STABLE_SHIFT (COUNT_SHIFT + 2)
#define STABLE_MASK 7u
#define AGE_BITS 4
#define AGE_MASK 15u

const ObkNow model_now = { .unix_s = NOW_UNIX, .boot_us = NOW_BOOT_US };

static const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

const ObkScope *
model_scope (void)
{
  return &scope;
}

/* How long a time is in whole ticks, rounded up. */
static guint
ticks (gint64 time_us, const Scenario *scenario)
{
  gint64 tick_us = scenario->tick_s * (gint64)G_USEC_PER_SEC;

  return (guint)((time_us + tick_us - 1) / tick_us);
}

void
scenario_prepare (Scenario *scenario)
{
  ObkRotationPolicy *policy = &scenario->policy;

  *policy = (ObkRotationPolicy){
    .activation_delay_us = scenario->delay_s * (gint64)G_USEC_PER_SEC,
    .stable_observation_count = scenario->count,
    .reject_version_rollback = !scenario->accept_loss,
    .probe_interval_us = scenario->probe_s * (gint64)G_USEC_PER_SEC,
    .max_staleness_us = scenario->staleness_s * (gint64)G_USEC_PER_SEC,
  };
  if (scenario->mutant == MUTANT_NO_DELAY)
    policy->activation_delay_us = 0;
  if (scenario->mutant == MUTANT_NO_COUNT)
    policy->stable_observation_count = 1;
  scenario->delay = ticks (policy->activation_delay_us, scenario);
  scenario->staleness = ticks (policy->max_staleness_us, scenario);
  scenario->wait = ticks (OBK_RETIREMENT_WAIT_US, scenario);
  scenario->odd_policy = *policy;
  scenario->odd_policy.activation_delay_us += 2 * OBK_RETIREMENT_WAIT_US;
  if (scenario->mutant == MUTANT_OTHER_SETTINGS)
    scenario->delay = ticks (scenario->odd_policy.activation_delay_us, scenario);
  scenario->oldest = ticks (obk_rotation_catch_up_age_us (policy) + OBK_RETIREMENT_WAIT_US, scenario);
  if (scenario->mutant == MUTANT_OTHER_SETTINGS)
    scenario->oldest += 2 * scenario->wait;
  g_assert_cmpuint (scenario->oldest, <, AGE_MASK);
  g_assert_cmpuint (scenario->staleness, <=, 3); /* what two bits hold */
  g_assert_cmpuint (scenario->wait, <=, 3);
  g_assert_cmpuint (scenario->delay, <, STABLE_MASK);
  g_assert_cmpuint (scenario->count, <=, COUNT_MASK);
}

guint
age_of (guint32 ages, Slot slot)
{
  return ages >> (AGE_BITS * slot) & AGE_MASK;
}

guint32
ages_with (guint32 ages, Slot slot, guint age)
{
  return (ages & ~(AGE_MASK << (AGE_BITS * slot))) | age << (AGE_BITS * slot);
}

guint
image_kind (Image image, Slot slot)
{
  return image >> (KIND_BITS * slot) & KIND_MASK;
}

Image
image_with_kind (Image image, Slot slot, guint kind)
{
  return (image & ~(KIND_MASK << (KIND_BITS * slot))) | kind << (KIND_BITS * slot);
}

gboolean
image_retains (Image image, Slot slot)
{
  guint kind = image_kind (image, slot);

  return kind == 1 + OBK_SNAPSHOT_ACTIVE || kind == 1 + OBK_SNAPSHOT_PENDING || kind == 1 + OBK_SNAPSHOT_RETIRED;
}

gboolean
image_find (Image image, guint version, Slot *slot)
{
  for (guint again = 0; again < 2; again++)
    {
      guint kind = image_kind (image, SLOT (version, again));

      *slot = SLOT (version, again);
      if (kind != 0 && kind != 1 + OBK_SNAPSHOT_REJECTED)
        return TRUE;
    }
  return FALSE;
}

Slot
image_active (Image image)
{
  Slot slot = 0;

  while (slot < N_SLOTS && image_kind (image, slot) != 1 + OBK_SNAPSHOT_ACTIVE)
    slot++;
  g_assert_cmpuint (slot, <, N_SLOTS);
  return slot;
}

Image
image_age (Image image, const Scenario *scenario)
{
  guint stable = image >> STABLE_SHIFT & STABLE_MASK;

  return stable == 0 || stable > scenario->delay ? image : image + (1u << STABLE_SHIFT);
}

gboolean
view_has (View view, Slot slot)
{
  return SLOT_VERSION (slot) <= view.latest && view_slot (view, SLOT_VERSION (slot)) == slot;
}

Slot
view_slot (View view, guint version)
{
  return SLOT (version, view.again >> (version - 1) & 1u);
}

guint
view_first (View view)
{
  return MAX (1u, view.min_decryption);
}

/* Two of one number that are both as old as is told apart differ by a second. */
static gint64
created_at (guint32 ages, Slot slot, const Scenario *scenario)
{
  guint age = age_of (ages, slot);

  return NOW_UNIX - (gint64)age * scenario->tick_s - (age == scenario->oldest && SLOT_AGAIN (slot) == 0);
}

ObkState *
image_unpack (Image image, guint32 ages, const Scenario *scenario)
{
  ObkState *state = obk_state_new (&scope);
  guint stable = image >> STABLE_SHIFT & STABLE_MASK;

  for (Slot slot = 0; slot < N_SLOTS; slot++)
    {
      guint kind = image_kind (image, slot);
      ObkSnapshot *snapshot = NULL;

      if (kind == 0)
        continue;
      snapshot
          = obk_state_add (state, SLOT_VERSION (slot), created_at (ages, slot, scenario), (ObkSnapshotState)(kind - 1));
      snapshot->observed_at_unix = 1;
      if (snapshot->state == OBK_SNAPSHOT_ACTIVE)
        snapshot->promoted_at_unix = 1;
      if (snapshot->state != OBK_SNAPSHOT_PENDING)
        continue;
      snapshot->stable_count = image >> COUNT_SHIFT & COUNT_MASK;
      if (stable != 0)
        snapshot->stable_at_unix = NOW_UNIX - (gint64)(stable - 1) * scenario->tick_s;
    }
  obk_state_sort (state);
  return state;
}

static Image
pack_candidate (const ObkSnapshot *snapshot, const Scenario *scenario)
{
  guint count = (guint)MIN (snapshot->stable_count, COUNT_MASK);
  guint stable = 0;

  if (snapshot->stable_at_unix != 0)
    stable = 1 + (guint)((NOW_UNIX - snapshot->stable_at_unix) / scenario->tick_s);
  return MIN (count, scenario->count) << COUNT_SHIFT | MIN (stable, 1 + scenario->delay) << STABLE_SHIFT;
}

Image
image_pack (const ObkState *state, guint32 ages, const Scenario *scenario)
{
  Image image = 0;

  if (!obk_state_validate (state, NULL))
    return 0;
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      Slot slot = SLOT (snapshot->version, 0);

      if (created_at (ages, slot, scenario) != snapshot->created_at_unix)
        slot = SLOT (snapshot->version, 1);
      g_assert_cmpint (created_at (ages, slot, scenario), ==, snapshot->created_at_unix);
      image = image_with_kind (image, slot, 1 + snapshot->state);
      if (snapshot->state == OBK_SNAPSHOT_PENDING)
        image |= pack_candidate (snapshot, scenario);
    }
  return image;
}

ObkKeyMetadata *
view_unpack (View view, guint32 ages, const Scenario *scenario)
{
  ObkKeyMetadata *metadata = obk_key_metadata_new ();

  metadata->type = g_strdup ("aes256-gcm96");
  metadata->supports_encryption = TRUE;
  metadata->supports_decryption = TRUE;
  metadata->disable_upsert = TRUE;
  metadata->latest_version = view.latest;
  metadata->min_decryption_version = view_first (view);
  metadata->min_encryption_version = view.min_encryption;
  metadata->server_date_unix = (scenario->may & IS_WITHOUT_DATE) ? 0 : NOW_UNIX;
  for (guint version = view_first (view); version <= view.latest; version++)
    {
      const ObkKeyVersion entry
          = { .version = version, .created_at_unix = created_at (ages, view_slot (view, version), scenario) };

      g_array_append_val (metadata->versions, entry);
    }
  return metadata;
}
