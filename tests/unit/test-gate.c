/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/gate.h"

#define SLOTS 3

static void
enter_as (ObkGate *gate, ObkGatePlace *place, ObkPlaceState expected)
{
  g_assert_cmpint (obk_gate_enter (gate, place), ==, expected);
  g_assert_cmpint (place->state, ==, expected);
}

static void
test_slots_first (void)
{
  ObkGate gate = { .slots = SLOTS };
  ObkGatePlace places[SLOTS + 1] = { 0 };

  for (guint i = 0; i < SLOTS; i++)
    enter_as (&gate, &places[i], OBK_PLACE_RUNNING);
  enter_as (&gate, &places[SLOTS], OBK_PLACE_WAITING);
  g_assert_null (obk_gate_next (&gate));
  g_assert_cmpint (places[SLOTS].state, ==, OBK_PLACE_WAITING);

  obk_gate_leave (&gate, &places[1]);
  g_assert_true (obk_gate_next (&gate) == &places[SLOTS]);
  g_assert_cmpint (places[SLOTS].state, ==, OBK_PLACE_RUNNING);
  g_assert_cmpuint (gate.running, ==, SLOTS);
  g_assert_null (obk_gate_next (&gate));
}

/* Who comes while a slot is free and others wait does not get ahead of them. */
static void
test_no_overtaking (void)
{
  ObkGate gate = { .slots = 1 };
  ObkGatePlace first = { 0 }, second = { 0 }, late = { 0 };

  enter_as (&gate, &first, OBK_PLACE_RUNNING);
  enter_as (&gate, &second, OBK_PLACE_WAITING);
  obk_gate_leave (&gate, &first);
  enter_as (&gate, &late, OBK_PLACE_WAITING);
  g_assert_true (obk_gate_next (&gate) == &second);
  g_assert_null (obk_gate_next (&gate));
  obk_gate_leave (&gate, &second);
  g_assert_true (obk_gate_next (&gate) == &late);
}

static void
test_in_order (void)
{
  ObkGate gate = { .slots = 1 };
  ObkGatePlace running = { 0 };
  ObkGatePlace waiting[4] = { 0 };

  enter_as (&gate, &running, OBK_PLACE_RUNNING);
  for (guint i = 0; i < G_N_ELEMENTS (waiting); i++)
    enter_as (&gate, &waiting[i], OBK_PLACE_WAITING);
  obk_gate_leave (&gate, &waiting[1]); /* gives up in the middle */
  g_assert_cmpint (waiting[1].state, ==, OBK_PLACE_NONE);
  g_assert_cmpuint (gate.running, ==, 1);
  obk_gate_leave (&gate, &running);
  for (guint i = 0; i < G_N_ELEMENTS (waiting); i++)
    {
      if (i == 1)
        continue;
      g_assert_true (obk_gate_next (&gate) == &waiting[i]);
      obk_gate_leave (&gate, &waiting[i]);
    }
  g_assert_null (obk_gate_next (&gate));
  g_assert_cmpuint (gate.running, ==, 0);
}

/* Several slots at once go to as many. */
static void
test_several_slots (void)
{
  ObkGate gate = { .slots = 2 };
  ObkGatePlace running[2] = { 0 };
  ObkGatePlace waiting[3] = { 0 };

  for (guint i = 0; i < 2; i++)
    enter_as (&gate, &running[i], OBK_PLACE_RUNNING);
  for (guint i = 0; i < 3; i++)
    enter_as (&gate, &waiting[i], OBK_PLACE_WAITING);
  for (guint i = 0; i < 2; i++)
    obk_gate_leave (&gate, &running[i]);
  g_assert_true (obk_gate_next (&gate) == &waiting[0]);
  g_assert_true (obk_gate_next (&gate) == &waiting[1]);
  g_assert_null (obk_gate_next (&gate));
}

static void
test_queue_is_bounded (void)
{
  ObkGate gate = { .slots = 1 };
  ObkGatePlace running = { 0 }, refused = { 0 };
  g_autofree ObkGatePlace *waiting = g_new0 (ObkGatePlace, OBK_GATE_MAX_WAITING);

  g_assert_cmpuint (OBK_GATE_MAX_WAITING, ==, 1024);
  enter_as (&gate, &running, OBK_PLACE_RUNNING);
  for (guint i = 0; i < OBK_GATE_MAX_WAITING; i++)
    enter_as (&gate, &waiting[i], OBK_PLACE_WAITING);
  enter_as (&gate, &refused, OBK_PLACE_NONE);
  obk_gate_leave (&gate, &refused); /* has nothing to give up */
  g_assert_cmpuint (gate.running, ==, 1);
  g_assert_cmpuint (gate.waiting.length, ==, OBK_GATE_MAX_WAITING);

  obk_gate_leave (&gate, &waiting[OBK_GATE_MAX_WAITING - 1]);
  enter_as (&gate, &refused, OBK_PLACE_WAITING); /* comes again */
  obk_gate_leave (&gate, &running);
  g_assert_true (obk_gate_next (&gate) == &waiting[0]);
  g_assert_true (g_queue_peek_tail (&gate.waiting) == &refused);
}

static void
test_place_is_used_again (void)
{
  ObkGate gate = { .slots = 1 };
  ObkGatePlace place = { 0 }, other = { 0 };

  for (guint i = 0; i < 3; i++)
    {
      enter_as (&gate, &place, OBK_PLACE_RUNNING);
      enter_as (&gate, &other, OBK_PLACE_WAITING);
      obk_gate_leave (&gate, &other);
      obk_gate_leave (&gate, &place);
      obk_gate_leave (&gate, &place); /* twice does no harm */
      g_assert_cmpuint (gate.running, ==, 0);
      g_assert_cmpuint (gate.waiting.length, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gate/slots-first", test_slots_first);
  g_test_add_func ("/gate/no-overtaking", test_no_overtaking);
  g_test_add_func ("/gate/in-order", test_in_order);
  g_test_add_func ("/gate/several-slots", test_several_slots);
  g_test_add_func ("/gate/queue-is-bounded", test_queue_is_bounded);
  g_test_add_func ("/gate/place-is-used-again", test_place_is_used_again);
  return g_test_run ();
}
