/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of one method that run at once, and those that wait for their turn. */
#include "kms/gate.h"

ObkPlaceState
obk_gate_enter (ObkGate *gate, ObkGatePlace *place)
{
  g_return_val_if_fail (gate != NULL && place != NULL && place->state == OBK_PLACE_NONE, OBK_PLACE_NONE);

  if (gate->running < gate->slots && gate->waiting.length == 0)
    {
      gate->running++;
      place->state = OBK_PLACE_RUNNING;
    }
  else if (gate->waiting.length < OBK_GATE_MAX_WAITING)
    {
      place->link.data = place;
      g_queue_push_tail_link (&gate->waiting, &place->link);
      place->state = OBK_PLACE_WAITING;
    }
  return place->state;
}

void
obk_gate_leave (ObkGate *gate, ObkGatePlace *place)
{
  g_return_if_fail (gate != NULL && place != NULL);

  if (place->state == OBK_PLACE_RUNNING)
    gate->running--;
  else if (place->state == OBK_PLACE_WAITING)
    g_queue_unlink (&gate->waiting, &place->link);
  place->state = OBK_PLACE_NONE;
}

ObkGatePlace *
obk_gate_next (ObkGate *gate)
{
  GList *link = NULL;
  ObkGatePlace *place = NULL;

  g_return_val_if_fail (gate != NULL, NULL);

  if (gate->running >= gate->slots)
    return NULL;
  link = g_queue_pop_head_link (&gate->waiting);
  if (link == NULL)
    return NULL;
  place = link->data;
  gate->running++;
  place->state = OBK_PLACE_RUNNING;
  return place;
}
