/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of one method that run at once, and those that wait for their turn. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_GATE_MAX_WAITING 1024 /* spec kms-v2.md, "Limits" */

/* A plain value: zero, but for its slots. */
typedef struct
{
  guint slots;
  guint running;
  GQueue waiting; /* of ObkGatePlace, first come first */
} ObkGate;

typedef enum
{
  OBK_PLACE_NONE,
  OBK_PLACE_WAITING,
  OBK_PLACE_RUNNING
} ObkPlaceState;

/* Embed it in the call. */
typedef struct
{
  ObkPlaceState state;
  GList link;
} ObkGatePlace;

/* Returns: running or waiting; none when too many wait already */
ObkPlaceState obk_gate_enter (ObkGate *gate, ObkGatePlace *place);

/* Gives up the slot or the place in the queue, if it has one. */
void obk_gate_leave (ObkGate *gate, ObkGatePlace *place);

/* Returns: (nullable): the first that waits, running now, when there is a slot for it */
ObkGatePlace *obk_gate_next (ObkGate *gate);

G_END_DECLS
