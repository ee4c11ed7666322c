/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and worlds in words. */
#include "describe.h"

#include "image.h"

#include <string.h>

static const char *const step_words[] = {
  [STEP_PROBE] = "probes",
  [STEP_DEEP_PROBE] = "deep-probes",
  [STEP_DISCOVER] = "discovers",
  [STEP_FILL_DISK] = "cannot save from now on",
  [STEP_EMPTY_DISK] = "can save again",
  [STEP_REFUSE] = "has its deep probes refused",
  [STEP_ALLOW] = "has its deep probes allowed",
  [STEP_STOP] = "stops",
  [STEP_START] = "starts",
  [STEP_LOSE_STATE] = "loses its state",
  [STEP_RECOVER] = "is recovered",
  [STEP_RETIRE] = "retires below",
  [STEP_BRING_BACK] = "restores version",
};

static void
append_image (GString *text, Image image)
{
  for (Slot slot = 0; slot < N_SLOTS; slot++)
    {
      guint kind = image_kind (image, slot);

      if (kind != 0)
        g_string_append_printf (text, " %u%s%c", SLOT_VERSION (slot), SLOT_AGAIN (slot) ? "'" : "",
                                g_ascii_toupper (obk_snapshot_state_name ((ObkSnapshotState)(kind - 1))[0]));
    }
}

static void
append_node (GString *text, const Scenario *scenario, const Node *node, char name)
{
  g_string_append_printf (text, "  %c:", name);
  if (!node->running)
    {
      append_image (text, node->disk);
      g_string_append (text, " stopped");
      return;
    }
  append_image (text, node->held);
  if (node->held != node->disk)
    g_string_append (text, " unsaved");
  if (node_healthy (scenario, node))
    g_string_append_printf (text, " names %u", node->serving);
  else
    g_string_append (text, " unhealthy");
}

static void
append_step (GString *text, Event event, const char *names)
{
  g_string_append_printf (text, "%c %s", names[event.node], step_words[event.step]);
  if (event.step == STEP_RETIRE || event.step == STEP_BRING_BACK)
    g_string_append_printf (text, " %u", event.detail);
  else if (event.step == STEP_RECOVER && event.detail > 0)
    g_string_append_printf (text, " (compared to %c)", names[event.detail - 1]);
  else if (event.step != STEP_RECOVER && event.detail > 0)
    g_string_append (text, " (a standby that lags)");
}

static void
append_event (GString *text, Event event, const char *names)
{
  switch ((EventKind)event.kind)
    {
    case EVENT_TICK:
      g_string_append (text, "time passes");
      break;
    case EVENT_ROTATE:
      g_string_append (text, "OpenBao rotates");
      break;
    case EVENT_RAISE_DECRYPTION:
      g_string_append_printf (text, "min_decryption_version %u", event.detail);
      break;
    case EVENT_RAISE_ENCRYPTION:
      g_string_append_printf (text, "min_encryption_version %u", event.detail);
      break;
    case EVENT_LOWER:
      g_string_append (text, "the minimums are lowered");
      break;
    case EVENT_RESTORE:
      g_string_append_printf (text, "OpenBao is restored to version %u", event.detail);
      break;
    case EVENT_RESTORE_BACK:
      g_string_append (text, "OpenBao is restored to the newest backup");
      break;
    case EVENT_STEP:
      append_step (text, event, names);
      break;
    }
}

/* The nodes change places on the way, as symmetry wants it; their names go with them. */
static void
sort_named (const Scenario *scenario, World *world, char *names)
{
  char before[MAX_NODES];
  guint8 places[MAX_NODES];

  memcpy (before, names, sizeof before);
  world_sort (scenario, world, places);
  for (guint i = 0; i < scenario->nodes; i++)
    names[i] = before[places[i]];
}

/* By name, so that each keeps its column. */
static void
append_nodes (GString *text, const Scenario *scenario, const World *world, const char *names)
{
  for (guint n = 0; n < scenario->nodes; n++)
    for (guint i = 0; i < scenario->nodes; i++)
      if (names[i] == 'a' + (char)n)
        append_node (text, scenario, &world->nodes[i], names[i]);
}

char *
describe_trace (const Scenario *scenario, const Event *events, guint n)
{
  GString *text = g_string_new (NULL);
  char names[MAX_NODES] = { 'a', 'b', 'c' };
  World world;

  world_init (scenario, &world);
  sort_named (scenario, &world, names);
  for (guint i = 0; i < n; i++)
    {
      World after;
      Fault fault = FAULT_NONE;
      gsize start = text->len;

      (void)world_apply (scenario, &world, events[i], &after, &fault);
      append_event (text, events[i], names);
      while (text->len - start < 40)
        g_string_append_c (text, ' ');
      append_nodes (text, scenario, &after, names);
      g_string_append_c (text, '\n');
      sort_named (scenario, &after, names);
      world = after;
    }
  return g_string_free (text, FALSE);
}
