/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of every world that is reached. */
#include "check.h"

#include "image.h"
#include "set.h"

#include <string.h>

#define QUIET_ROUNDS 16 /* more than a delay, a count, a staleness and three lagging reads take */

static WorldSet *quiet_worlds; /* from which all becomes quiet */

const char *
fault_text (Fault fault)
{
  static const char *const texts[] = {
    [FAULT_NONE] = "nothing",
    [FAULT_INVALID] = "a state would not load: not exactly one active version, or impossible times",
    [FAULT_ACTIVE_WENT_BACK] = "the active version goes back",
    [FAULT_STATUS_WENT_BACK] = "Status names an older version than before",
    [FAULT_UNPROVED] = "Status names a version that no deep probe of this run has passed for",
    [FAULT_NOT_RETAINED] = "Status names a version that does not decrypt on its own node",
    [FAULT_CANNOT_ENCRYPT] = "Status is healthy with a version that the last good probe says may not encrypt",
    [FAULT_UNREADABLE] = "what may have been written does not decrypt on a running node, and discovery does not help",
    [FAULT_ALARM] = "a definite finding, though everybody went by the guide",
    [FAULT_GAP] = "a probe takes Status's health away, though nothing is wrong",
    [FAULT_UNKNOWN] = "a node that has just probed does not know what a peer may have written",
    [FAULT_NOT_CAUGHT] = "Status stays healthy under a version that OpenBao has lost",
    [FAULT_BLOCKED] = "a minimum above the active version costs more than the counted probes",
    [FAULT_NOT_QUIET] = "left alone, the nodes do not all become healthy under the latest version",
    [FAULT_NO_WAY_OUT] = "nothing that the findings tell to do makes all nodes healthy again",
  };

  return texts[fault];
}

/* Data */

/* Whether OpenBao decrypts it, and no number stands for two keys: else no node can be blamed. */
static gboolean
is_there (const Scenario *scenario, const World *world, Slot slot)
{
  if ((scenario->may & (MAY_RAISE_WRONGLY | MAY_RESTORE_WRONGLY)) == 0)
    return TRUE;
  return view_has (world->truth, slot) && SLOT_VERSION (slot) >= view_first (world->truth)
         && ((scenario->may & MAY_RESTORE_WRONGLY) == 0 || world->truth.again == 0);
}

/* At once, or after one discovery that does not lag; saving it may fail. */
static gboolean
is_readable (const Scenario *scenario, const World *world, guint i, Slot slot)
{
  const Node *node = &world->nodes[i];
  World discovered;

  if (!view_has (world->truth, slot) || SLOT_VERSION (slot) < view_first (world->truth))
    return FALSE;
  if (image_retains (node->held, slot))
    return TRUE;
  if (!node_would_discover (scenario, node, slot))
    return FALSE;
  discovered = *world;
  discovered.nodes[i].disk_full = 1;
  (void)world_step (scenario, &discovered, i, STEP_DISCOVER, 0);
  return image_retains (discovered.nodes[i].held, slot);
}

static Fault
check_data (const Scenario *scenario, const World *world)
{
  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];

      if (!node->running || world->api_off)
        continue;
      for (Slot slot = 0; slot < N_SLOTS; slot++)
        {
          if ((world->data >> slot & 1u) == 0 || !is_there (scenario, world, slot))
            continue;
          if ((scenario->expect & EXPECT_DATA) != 0 && !is_readable (scenario, world, i, slot))
            return FAULT_UNREADABLE;
          if ((scenario->expect & EXPECT_KNOWN) != 0 && node->good == 1 && !image_retains (node->held, slot))
            return FAULT_UNKNOWN;
        }
    }
  return FAULT_NONE;
}

/* Mistakes */

/* Nobody stays healthy under what is lost for longer than a probe is believed. */
static Fault
check_caught (const Scenario *scenario, const World *world)
{
  if (world->lost == 0 || world->restored < scenario->staleness)
    return FAULT_NONE;
  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];
      Slot slot = 0;

      if (node_healthy (scenario, node) && image_find (node->held, node->serving, &slot)
          && !view_has (world->truth, slot))
        return FAULT_NOT_CAUGHT;
    }
  return FAULT_NONE;
}

/* Probes of one moment, as many as the count, and the deep probe make it healthy. */
static Fault
check_unblocked (const Scenario *scenario, const World *world)
{
  World probed = *world;

  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];

      if (!node->running || world->truth.min_encryption <= SLOT_VERSION (image_active (node->held)))
        continue;
      probed.nodes[i].disk_full = 0;
      probed.nodes[i].refused = 0;
      for (guint n = 0; n < scenario->count; n++)
        (void)world_step (scenario, &probed, i, STEP_PROBE, 0);
      (void)world_step (scenario, &probed, i, STEP_DEEP_PROBE, 0);
      if (!node_healthy (scenario, &probed.nodes[i]) && !probed.nodes[i].finding)
        return FAULT_BLOCKED;
    }
  return FAULT_NONE;
}

/* Quiet, and the way there */

static void
set_right (const Scenario *scenario, World *world, guint i)
{
  Node *node = &world->nodes[i];

  node->disk_full = 0;
  node->refused = 0;
  if (node->must_recover && node->running)
    (void)world_step (scenario, world, i, STEP_STOP, 0);
  if (node->must_recover || node->disk == 0)
    (void)world_step (scenario, world, i, STEP_RECOVER, 0);
  if (!node->running)
    (void)world_step (scenario, world, i, STEP_START, 0);
  (void)world_step (scenario, world, i, STEP_PROBE, 0);
  (void)world_step (scenario, world, i, STEP_DEEP_PROBE, 0);
}

static gboolean
is_quiet (const Scenario *scenario, const World *world)
{
  const Slot latest = view_slot (world->truth, world->truth.latest);

  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];

      if (!node_healthy (scenario, node) || image_active (node->held) != latest || node->serving != world->truth.latest
          || node->held != node->disk)
        return FALSE;
    }
  return TRUE;
}

/* Nothing happens any more but what happens by itself, and what no node can go on without. */
static gboolean
becomes_quiet (const Scenario *scenario, World *world)
{
  guint64 passed[QUIET_ROUNDS];
  guint n = 0;
  gboolean quiet = FALSE;

  for (; n < QUIET_ROUNDS && !quiet; n++)
    {
      world_sort (scenario, world, NULL);
      passed[n] = world_hash (world);
      quiet = world_set_has (quiet_worlds, passed[n]);
      if (quiet)
        break;
      for (guint i = 0; i < scenario->nodes; i++)
        set_right (scenario, world, i);
      world->api_off = 0;
      quiet = is_quiet (scenario, world);
      world_tick (scenario, world);
    }
  for (guint i = 0; quiet && i < n; i++)
    world_set_add (quiet_worlds, passed[i]);
  return quiet;
}

/* What the findings tell to do: minimums are lowered, and who is still not healthy is recovered. */
static void
take_way_out (const Scenario *scenario, World *world)
{
  world->truth.min_decryption = 0;
  world->truth.min_encryption = 0;
  world->lagged[0] = world->lagged[1] = world->truth;
  for (guint i = 0; i < scenario->nodes; i++)
    {
      (void)world_step (scenario, world, i, STEP_PROBE, 0);
      (void)world_step (scenario, world, i, STEP_DEEP_PROBE, 0);
      if (!node_healthy (scenario, &world->nodes[i]))
        world->nodes[i].must_recover = 1;
    }
}

/* Whether a node works with what OpenBao does not have any more: it does not go on by itself. */
static gboolean
has_lost_active (const Scenario *scenario, const World *world)
{
  if ((scenario->may & MAY_RESTORE_WRONGLY) == 0 || world->lost == 0)
    return FALSE;
  for (guint i = 0; i < scenario->nodes; i++)
    if (!view_has (world->truth, image_active (world->nodes[i].disk)))
      return TRUE;
  return world->truth.again != 0;
}

static Fault
check_quiet (const Scenario *scenario, const World *world)
{
  World later = *world;

  if (quiet_worlds == NULL)
    quiet_worlds = world_set_new ();
  later.troubles = 0;
  if (becomes_quiet (scenario, &later))
    return FAULT_NONE;
  if ((scenario->expect & EXPECT_QUIET) != 0 && !has_lost_active (scenario, world))
    return FAULT_NOT_QUIET;
  take_way_out (scenario, &later);
  return becomes_quiet (scenario, &later) ? FAULT_NONE : FAULT_NO_WAY_OUT;
}

void
world_forget_quiet (void)
{
  g_clear_pointer (&quiet_worlds, world_set_free);
}

Fault
world_check (const Scenario *scenario, const World *world)
{
  Fault fault = check_data (scenario, world);

  if (fault == FAULT_NONE && (scenario->expect & EXPECT_CAUGHT) != 0)
    fault = check_caught (scenario, world);
  if (fault == FAULT_NONE && (scenario->expect & EXPECT_UNBLOCKED) != 0)
    fault = check_unblocked (scenario, world);
  if (fault == FAULT_NONE && (scenario->expect & (EXPECT_QUIET | EXPECT_WAY_OUT)) != 0)
    fault = check_quiet (scenario, world);
  return fault;
}
