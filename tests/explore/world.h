/* SPDX-License-Identifier: Apache-2.0 */
/* What may happen next to OpenBao and the nodes, and what comes of it. */
#pragma once

#include "node.h"

G_BEGIN_DECLS

typedef enum
{
  EVENT_TICK,
  EVENT_ROTATE,
  EVENT_RAISE_DECRYPTION, /* the minimum, to detail */
  EVENT_RAISE_ENCRYPTION,
  EVENT_LOWER,   /* both minimums */
  EVENT_RESTORE, /* OpenBao, to when detail was its latest version */
  EVENT_RESTORE_BACK,
  EVENT_STEP /* of a node */
} EventKind;

typedef struct
{
  guint8 kind;
  guint8 node;
  guint8 step;   /* StepKind */
  guint8 detail; /* a version; what a node reads: 0 the truth, else how many ticks ago; or 1 + which node's state */
} Event;

#define MAX_EVENTS 128

/* Tells kinds of events apart, those of nodes by their step. */
static inline guint
event_number (Event event)
{
  return event.kind + (event.kind == EVENT_STEP ? event.step : 0u);
}

/* Everything is new and healthy under version 1. */
void world_init (const Scenario *scenario, World *world);

/* Returns: how many events may be tried */
guint world_events (const Scenario *scenario, const World *world, Event events[MAX_EVENTS]);

/**
 * world_apply:
 * @after: what comes of it, its nodes where they were
 * @fault: what it did that it may not do
 *
 * Returns: whether the event is possible and changes anything
 */
gboolean world_apply (const Scenario *scenario, const World *world, Event event, World *after, Fault *fault);

/* Brings nodes that differ in nothing but their number into one order. @places: (nullable): where each came from */
void world_sort (const Scenario *scenario, World *world, guint8 places[MAX_NODES]);

/* What one node does; it may be impossible. */
Fault world_step (const Scenario *scenario, World *world, guint node, StepKind kind, guint detail);
void world_tick (const Scenario *scenario, World *world);

G_END_DECLS
