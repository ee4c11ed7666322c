/* SPDX-License-Identifier: Apache-2.0 */
/* What may happen next to OpenBao and the nodes, and what comes of it. */
#include "world.h"

#include "image.h"

#include <string.h>

void
world_init (const Scenario *scenario, World *world)
{
  *world = (World){ .truth = { .latest = 1 }, .troubles = scenario->troubles & 15u };
  world->lagged[0] = world->lagged[1] = world->truth;
  world->ages = ages_with (0, SLOT (1, 0), scenario->oldest);
  for (guint i = 0; i < scenario->nodes; i++)
    {
      Node *node = &world->nodes[i];

      node->disk = image_with_kind (0, SLOT (1, 0), 1 + OBK_SNAPSHOT_ACTIVE);
      node->odd = i == 0 && scenario->mutant == MUTANT_OTHER_SETTINGS;
      (void)world_step (scenario, world, i, STEP_START, 0);
      (void)world_step (scenario, world, i, STEP_PROBE, 0);
      (void)world_step (scenario, world, i, STEP_DEEP_PROBE, 0);
      node->probed = 0;
      g_assert_true (node_healthy (scenario, node));
    }
}

/* What is written, and what the guide's reader may do */

/* Whatever an API server may write under, it has. */
static void
write_data (const Scenario *scenario, World *world)
{
  for (guint i = 0; i < scenario->nodes; i++)
    for (Slot slot = 0; slot < N_SLOTS; slot++)
      if (node_cache (&world->nodes[i], slot) > 0)
        world->data |= (guint8)(1u << slot);
}

/* What is left of the data when all of it is written anew. */
static guint8
data_rewritten (const Scenario *scenario, const World *world)
{
  World written = *world;

  written.data = 0;
  write_data (scenario, &written);
  return written.data;
}

static gboolean
has_below (guint8 data, guint version)
{
  return (data & ((1u << SLOT (version, 0)) - 1)) != 0;
}

static gboolean
retains_below (Image image, guint version)
{
  for (Slot slot = 0; slot < SLOT (version, 0); slot++)
    if (image_retains (image, slot))
      return TRUE;
  return FALSE;
}

/* Nobody holds, has lost or needs anything below. */
static gboolean
may_raise_decryption (const Scenario *scenario, const World *world, guint version)
{
  if (has_below (world->data, version))
    return FALSE;
  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];

      if (node->disk == 0 || retains_below (node->disk, version) || retains_below (node->held, version))
        return FALSE;
    }
  return TRUE;
}

/* All that run serve under it or a later one. */
static gboolean
may_raise_encryption (const Scenario *scenario, const World *world, guint version)
{
  for (guint i = 0; i < scenario->nodes; i++)
    {
      const Node *node = &world->nodes[i];

      if (!node->running)
        continue;
      if (node->serving < version || SLOT_VERSION (image_active (node->held)) < version)
        return FALSE;
    }
  return TRUE;
}

/* Whether it serves below that, or may any moment: it hears from OpenBao, and something else keeps it from health. */
static gboolean
is_below (const Scenario *scenario, const Node *node, guint version)
{
  if (!node->running || node->serving >= version)
    return FALSE;
  if (node_healthy (scenario, node))
    return TRUE;
  return node_fresh (scenario, node) && scenario->mutant != MUTANT_RETIRE_PAST_THE_UNHEALTHY;
}

/* No node serves below it any more, nor did within the wait: then all data is written anew, and it is retired. */
static gboolean
may_retire (const Scenario *scenario, const World *world, guint version)
{
  guint8 data = data_rewritten (scenario, world);

  for (guint i = 0; i < scenario->nodes; i++)
    if (is_below (scenario, &world->nodes[i], version))
      return FALSE;
  return data != 0 && (!has_below (data, version) || scenario->mutant == MUTANT_RETIRE_WITHOUT_WAIT);
}

/* Events of OpenBao */

static gboolean
slot_exists (const World *world, Slot slot)
{
  guint version = SLOT_VERSION (slot);

  if (SLOT_AGAIN (slot))
    return view_has (world->truth, slot);
  return version <= MAX (world->truth.latest, world->lost);
}

void
world_tick (const Scenario *scenario, World *world)
{
  for (Slot slot = 0; slot < N_SLOTS; slot++)
    {
      guint age = age_of (world->ages, slot);

      if (slot_exists (world, slot) && age < scenario->oldest)
        world->ages = ages_with (world->ages, slot, age + 1);
    }
  for (guint i = 0; i < scenario->nodes; i++)
    node_age (scenario, &world->nodes[i], world->api_off);
  if ((scenario->may & IS_PACED) != 0)
    world->lagged[1] = world->lagged[0];
  world->lagged[0] = world->truth;
  if ((scenario->expect & EXPECT_CAUGHT) != 0 && world->lost != 0 && world->restored < scenario->staleness)
    world->restored++;
}

/* A creation time tells what was lost from what has its number now: they are not of one moment. */
static gboolean
rotate (const Scenario *scenario, World *world)
{
  guint version = world->truth.latest + 1;
  gboolean again = version <= world->lost;

  if (version > scenario->versions || (again && age_of (world->ages, SLOT (version, 0)) == 0))
    return FALSE;
  world->truth.latest = version & 7u;
  if (again)
    world->truth.again |= (guint16)(1u << (version - 1)) & 15u;
  world->ages = ages_with (world->ages, SLOT (version, again), 0);
  return TRUE;
}

/* What was written under a lost version is lost with it. */
static void
drop_lost_data (World *world)
{
  for (Slot slot = 0; slot < N_SLOTS; slot++)
    if (!view_has (world->truth, slot))
      world->data &= (guint8) ~(1u << slot);
}

/* API servers are started again when each node is recovered. */
static void
end_restore (const Scenario *scenario, World *world)
{
  for (guint i = 0; i < scenario->nodes; i++)
    if (world->nodes[i].must_recover)
      return;
  world->api_off = 0;
}

static void
restore_by_the_guide (const Scenario *scenario, World *world)
{
  for (guint i = 0; i < scenario->nodes; i++)
    {
      if (scenario->mutant != MUTANT_RESTORE_UNDER_WRITERS)
        world->nodes[i].cache = 0;
      world->nodes[i].must_recover = scenario->mutant != MUTANT_RESTORE_WITHOUT_RECOVERY;
    }
  world->api_off = scenario->mutant != MUTANT_RESTORE_UNDER_WRITERS;
  drop_lost_data (world);
  end_restore (scenario, world);
}

static gboolean
restore (const Scenario *scenario, World *world, guint latest)
{
  if (world->lost != 0)
    return FALSE;
  world->lost = world->truth.latest & 7u;
  world->truth.latest = latest & 7u;
  world->truth.min_decryption = MIN (world->truth.min_decryption, latest) & 7u;
  world->truth.min_encryption = MIN (world->truth.min_encryption, latest) & 7u;
  world->lagged[0] = world->lagged[1] = world->truth;
  if ((scenario->may & MAY_RESTORE) != 0)
    restore_by_the_guide (scenario, world);
  return TRUE;
}

/* From a newer backup, while nothing has come of the older one. */
static gboolean
restore_back (World *world)
{
  if (world->lost == 0 || world->truth.again != 0)
    return FALSE;
  world->truth.latest = world->lost;
  world->lagged[0] = world->lagged[1] = world->truth;
  world->lost = 0;
  world->restored = 0;
  return TRUE;
}

/* Events of a node */

static View
view_read (const World *world, guint ago)
{
  return ago == 0 ? world->truth : world->lagged[ago - 1];
}

Fault
world_step (const Scenario *scenario, World *world, guint node, StepKind kind, guint detail)
{
  Step step = { .node = world->nodes[node], .ages = world->ages, .view = world->truth, .kind = (guint8)kind };
  Fault fault = FAULT_NONE;

  step.api_off = world->api_off;
  if (kind == STEP_RECOVER && detail > 0)
    step.peer = world->nodes[detail - 1].disk;
  else if (kind == STEP_RETIRE || kind == STEP_BRING_BACK)
    step.detail = (guint8)detail;
  else if (kind != STEP_RECOVER)
    step.view = view_read (world, detail);
  fault = node_step (scenario, &step, &world->nodes[node]);
  write_data (scenario, world);
  return fault;
}

/* Stopping a node to recover it belongs to a restore. */
static gboolean
is_trouble (const World *world, Event event)
{
  switch ((StepKind)event.step)
    {
    case STEP_FILL_DISK:
    case STEP_REFUSE:
    case STEP_LOSE_STATE:
      return TRUE;
    case STEP_STOP:
      return !world->nodes[event.node].must_recover;
    default:
      return FALSE;
    }
}

/* Whether anything in OpenBao would start discovery on that node. */
static gboolean
has_unknown (const Scenario *scenario, const World *world, const Node *node)
{
  for (guint version = 1; version <= world->truth.latest; version++)
    if (node_would_discover (scenario, node, view_slot (world->truth, version)))
      return TRUE;
  return FALSE;
}

static gboolean
is_possible (const Scenario *scenario, const World *world, Event event)
{
  const Node *node = &world->nodes[event.node];

  switch ((StepKind)event.step)
    {
    case STEP_PROBE:
      return node->running && !node->probed;
    case STEP_DEEP_PROBE:
    case STEP_STOP:
    case STEP_FILL_DISK:
    case STEP_EMPTY_DISK:
    case STEP_REFUSE:
    case STEP_ALLOW:
      return node->running;
    case STEP_DISCOVER:
      return node->running && has_unknown (scenario, world, node);
    case STEP_START:
      return !node->running && node->disk != 0;
    case STEP_LOSE_STATE:
      return !node->running && node->disk != 0;
    case STEP_RECOVER:
      return !node->running && !node->disk_full && (node->disk == 0 || node->must_recover)
             && (event.detail == 0 || world->nodes[event.detail - 1].disk != 0);
    case STEP_RETIRE:
      return !node->running && !node->disk_full && node->disk != 0 && may_retire (scenario, world, event.detail);
    case STEP_BRING_BACK:
      return !node->running && !node->disk_full && node->disk != 0 && event.detail >= view_first (world->truth);
    }
  return FALSE;
}

static gboolean
apply_step (const Scenario *scenario, World *world, Event event, Fault *fault)
{
  const Node before = world->nodes[event.node];

  if (!is_possible (scenario, world, event))
    return FALSE;
  if (event.step == STEP_RETIRE)
    world->data = data_rewritten (scenario, world);
  *fault = world_step (scenario, world, event.node, (StepKind)event.step, event.detail);
  if (*fault == FAULT_NONE && memcmp (&before, &world->nodes[event.node], sizeof before) == 0)
    return FALSE;
  if (event.step == STEP_RECOVER)
    end_restore (scenario, world);
  if (!is_trouble (world, event) || world->troubles == UNLIMITED)
    return TRUE;
  if (world->troubles == 0)
    return FALSE;
  world->troubles--;
  return TRUE;
}

static gboolean
raise_decryption (const Scenario *scenario, World *world, guint version)
{
  if (version <= world->truth.min_decryption || version > world->truth.latest)
    return FALSE;
  if ((scenario->may & MAY_RAISE_WRONGLY) == 0 && !may_raise_decryption (scenario, world, version))
    return FALSE;
  world->truth.min_decryption = version & 7u;
  return TRUE;
}

static gboolean
raise_encryption (const Scenario *scenario, World *world, guint version)
{
  if (version <= world->truth.min_encryption || version > world->truth.latest)
    return FALSE;
  if ((scenario->may & MAY_RAISE_WRONGLY) == 0 && !may_raise_encryption (scenario, world, version))
    return FALSE;
  world->truth.min_encryption = version & 7u;
  return TRUE;
}

static gboolean
lower (World *world)
{
  if (world->truth.min_decryption == 0 && world->truth.min_encryption == 0)
    return FALSE;
  world->truth.min_decryption = 0;
  world->truth.min_encryption = 0;
  return TRUE;
}

gboolean
world_apply (const Scenario *scenario, const World *world, Event event, World *after, Fault *fault)
{
  *after = *world;
  *fault = FAULT_NONE;
  switch ((EventKind)event.kind)
    {
    case EVENT_TICK:
      world_tick (scenario, after);
      break;
    case EVENT_ROTATE:
      if (!rotate (scenario, after))
        return FALSE;
      break;
    case EVENT_RAISE_DECRYPTION:
      if (!raise_decryption (scenario, after, event.detail))
        return FALSE;
      break;
    case EVENT_RAISE_ENCRYPTION:
      if (!raise_encryption (scenario, after, event.detail))
        return FALSE;
      break;
    case EVENT_LOWER:
      if (!lower (after))
        return FALSE;
      break;
    case EVENT_RESTORE:
      if (event.detail >= world->truth.latest || !restore (scenario, after, event.detail))
        return FALSE;
      break;
    case EVENT_RESTORE_BACK:
      if (!restore_back (after))
        return FALSE;
      break;
    case EVENT_STEP:
      if (!apply_step (scenario, after, event, fault))
        return FALSE;
      break;
    }
  write_data (scenario, after);
  return *fault != FAULT_NONE || memcmp (after, world, sizeof *world) != 0;
}

/* The list of events */

typedef struct
{
  Event *events;
  guint n;
} List;

static void
add (List *list, EventKind kind, guint node, guint step, guint detail)
{
  g_assert_cmpuint (list->n, <, MAX_EVENTS);
  list->events[list->n++]
      = (Event){ .kind = (guint8)kind, .node = (guint8)node, .step = (guint8)step, .detail = (guint8)detail };
}

static gboolean
differs (View a, View b)
{
  return memcmp (&a, &b, sizeof a) != 0;
}

static void
add_reads (const Scenario *scenario, const World *world, List *list, guint node, StepKind kind)
{
  add (list, EVENT_STEP, node, kind, 0);
  if ((scenario->may & MAY_STICK) != 0 && world->nodes[node].highest_read > world->lagged[1].latest)
    add (list, EVENT_STEP, node, kind, 2);
  if ((scenario->may & MAY_LAG) == 0)
    return;
  if (differs (world->lagged[0], world->truth))
    add (list, EVENT_STEP, node, kind, 1);
  if ((scenario->may & IS_PACED) != 0 && differs (world->lagged[1], world->lagged[0]))
    add (list, EVENT_STEP, node, kind, 2);
}

static void
add_commands (const Scenario *scenario, const World *world, List *list, guint node)
{
  const guint may = scenario->may;

  if ((may & MAY_LOSE_STATE) != 0)
    add (list, EVENT_STEP, node, STEP_LOSE_STATE, 0);
  if ((may & (MAY_LOSE_STATE | MAY_RESTORE)) != 0)
    for (guint i = 0; i <= scenario->nodes; i++)
      if (i != node + 1)
        add (list, EVENT_STEP, node, STEP_RECOVER, i);
  for (guint version = 2; version <= world->truth.latest; version++)
    if ((may & MAY_RETIRE) != 0)
      add (list, EVENT_STEP, node, STEP_RETIRE, version);
  for (guint version = 1; version < world->truth.latest; version++)
    if ((may & MAY_BRING_BACK) != 0)
      add (list, EVENT_STEP, node, STEP_BRING_BACK, version);
}

static void
add_node_events (const Scenario *scenario, const World *world, List *list, guint node)
{
  const guint may = scenario->may;

  if (!world->nodes[node].running)
    {
      add (list, EVENT_STEP, node, STEP_START, 0);
      add_commands (scenario, world, list, node);
      return;
    }
  add_reads (scenario, world, list, node, STEP_PROBE);
  add_reads (scenario, world, list, node, STEP_DISCOVER);
  add (list, EVENT_STEP, node, STEP_DEEP_PROBE, 0);
  if ((may & MAY_FILL_DISK) != 0)
    add (list, EVENT_STEP, node, world->nodes[node].disk_full ? STEP_EMPTY_DISK : STEP_FILL_DISK, 0);
  if ((may & MAY_REFUSE) != 0)
    add (list, EVENT_STEP, node, world->nodes[node].refused ? STEP_ALLOW : STEP_REFUSE, 0);
  if ((may & (MAY_STOP | MAY_RESTORE)) != 0)
    add (list, EVENT_STEP, node, STEP_STOP, 0);
}

guint
world_events (const Scenario *scenario, const World *world, Event events[MAX_EVENTS])
{
  const guint may = scenario->may;
  List list = { .events = events };

  add (&list, EVENT_TICK, 0, 0, 0);
  add (&list, EVENT_ROTATE, 0, 0, 0);
  for (guint i = 0; i < scenario->nodes; i++)
    add_node_events (scenario, world, &list, i);
  for (guint version = 2; version <= world->truth.latest; version++)
    {
      if ((may & (MAY_RAISE_DECRYPTION | MAY_RAISE_WRONGLY)) != 0)
        add (&list, EVENT_RAISE_DECRYPTION, 0, 0, version);
      if ((may & (MAY_RAISE_ENCRYPTION | MAY_RAISE_WRONGLY)) != 0)
        add (&list, EVENT_RAISE_ENCRYPTION, 0, 0, version);
    }
  if ((may & MAY_RAISE_WRONGLY) != 0)
    add (&list, EVENT_LOWER, 0, 0, 0);
  for (guint version = 1; version < world->truth.latest; version++)
    if ((may & (MAY_RESTORE | MAY_RESTORE_WRONGLY)) != 0)
      add (&list, EVENT_RESTORE, 0, 0, version);
  if ((may & MAY_RESTORE_WRONGLY) != 0)
    add (&list, EVENT_RESTORE_BACK, 0, 0, 0);
  return list.n;
}

/* Symmetry */

void
world_sort (const Scenario *scenario, World *world, guint8 places[MAX_NODES])
{
  guint8 from[MAX_NODES] = { 0, 1, 2 };

  for (guint i = 1; i < scenario->nodes; i++)
    for (guint k = i; k > 0 && memcmp (&world->nodes[k - 1], &world->nodes[k], sizeof (Node)) > 0; k--)
      {
        const Node node = world->nodes[k];
        const guint8 place = from[k];

        world->nodes[k] = world->nodes[k - 1];
        world->nodes[k - 1] = node;
        from[k] = from[k - 1];
        from[k - 1] = place;
      }
  if (places != NULL)
    memcpy (places, from, sizeof from);
}
