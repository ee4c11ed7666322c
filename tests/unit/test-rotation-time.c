/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/rotation.h"

#include "rotation-fixture.h"

/* A count that was not saved was not counted: the old state gives the same answer again. */
static void
test_failing_saves (Node *node, gconstpointer data)
{
  show (node, 2);
  for (guint i = 1; i <= 5; i++)
    {
      g_autofree char *wanted = g_strdup_printf ("active 1 o0 p0; pending 2 o%u n1", 30 * i);

      advance (node, 30);
      probe (node);
      assert_state (node->result.state, wanted);
    }
  save (node);
  step (node, "active 1 o0 p0; pending 2 o150 n2");
  for (guint i = 0; i < 10; i++) /* stable from the proposal on that is saved */
    {
      g_autofree char *wanted = g_strdup_printf ("active 1 o0 p0; pending 2 o150 n3 s%u", 210 + 30 * i);

      advance (node, 30);
      probe (node);
      assert_state (node->result.state, wanted);
    }
  save (node); /* at 480 */
  step (node, "active 1 o0 p0; pending 2 o150 n4 s480");
  step (node, "active 1 o0 p0; pending 2 o150 n5 s480");
  step (node, "active 1 o0 p0; pending 2 o150 n6 s480");
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *wanted = g_strdup_printf ("active 2 o150 n7 s480 p%u; retired 1 o0 p0", 600 + 30 * i);

      advance (node, 30);
      probe (node);
      assert_state (node->result.state, wanted);
      g_assert_cmpuint (node->result.promoted, ==, 2);
    }
}

/* After a restart the system clock tells how long a candidate has been stable. */
static void
test_restart (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  show (node, 2);
  restart (node);
  node->now.boot_us = 5 * G_USEC_PER_SEC; /* the machine, too */
  advance (node, 119);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; pending 2 o0 n4 s0");
  restart (node);
  advance (node, 1);
  probe_good (node);
  assert_state (node->state, "active 2 o0 n5 s0 p120; retired 1 o0 p0");
}

/* What lies in the future has not begun to wait before now; what lies far back has waited long enough. */
static void
test_restart_with_another_clock (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o5000 n3 s5000");
  show (node, 2);
  step (node, "active 1 o0 p0; pending 2 o30 n4 s30");
  g_assert_true (node->result.clock_regressed);
  advance (node, 119);
  probe_good (node);
  assert_state (node->state, "active 1 o0 p0; pending 2 o30 n5 s30");
  g_assert_false (node->result.clock_regressed);
  advance (node, 1);
  probe_good (node);
  assert_state (node->state, "active 2 o30 n6 s30 p150; retired 1 o0 p0");

  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  restart (node);
  node->now.unix_s = G_MAXINT64;
  probe_good (node);
  g_assert_cmpuint (node->result.promoted, ==, 2);
}

/* "A time that is found in the future is set back to now, the count kept" */
static void
test_future_times (Node *node, gconstpointer data)
{
  use (node, "active 2 o50 n3 s60 p70; pending 3 o80 n2; retired 1 o10 p20; rejected 4 o500; removed 5 o31");
  show (node, 5);
  step (node, "active 2 o30 n3 s30 p30; pending 3 o30 n2; retired 4 o30; retired 1 o10 p20; removed 5 o30");
  g_assert_true (node->result.clock_regressed);
  probe (node);
  g_assert_false (node->result.clock_regressed);
}

/* A refused or a lagging read writes nothing, not even that. */
static void
test_future_times_refused (Node *node, gconstpointer data)
{
  use (node, "active 2 o50 p70; retired 1 o10 p20");
  show (node, 1);
  probe_lagging (node);
  show (node, 2);
  node->metadata->derived = TRUE;
  probe_refused (node, OBK_FINDING_PROFILE_INVALID);
}

static void
test_clock_before_1970 (Node *node, gconstpointer data)
{
  node->now.unix_s = -5;
  show (node, 2);
  probe_good (node);
  g_assert_true (node->result.clock_regressed);
  g_assert_cmpint (obk_state_active (node->state)->promoted_at_unix, ==, 1);
}

/* At every step of a rotation the clock jumps by an hour: the promotion comes with the same probe as without. */
static void
test_clock_jumps (Node *node, gconstpointer data)
{
  static const gint64 jumps[] = { -3600, 3600 };

  for (guint i = 0; i < G_N_ELEMENTS (jumps); i++)
    for (guint at = 1; at <= 8; at++)
      {
        restart (node);
        use (node, "active 1 o0 p0");
        show (node, 2);
        for (guint n = 1; n <= 7; n++)
          {
            advance (node, 30);
            if (n == at)
              node->now.unix_s += jumps[i];
            probe_good (node);
            g_assert_cmpint (obk_state_active (node->state)->version, ==, n < 7 ? 1 : 2);
            g_assert_cmpint (obk_state_find_version (node->state, 2)->stable_count, ==, n);
          }
      }
}

/* The clock jumps after the start and before the first probe of the new run that counts. */
static void
test_clock_jumps_after_lag (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  restart (node);
  show (node, 1);
  advance (node, 30);
  probe_lagging (node);
  node->now.unix_s += 3600;
  show (node, 2);
  advance (node, 30);
  probe_good (node);
  g_assert_cmpuint (node->result.promoted, ==, 0);
  advance (node, 60);
  probe_good (node);
  g_assert_cmpuint (node->result.promoted, ==, 2);
}

static void
test_due (Node *node, gconstpointer data)
{
  gint64 due = 0;

  g_assert_cmpint (obk_rotation_due_us (node->state, node->now, &node->policy, &node->memory), ==, OBK_NO_DEADLINE);
  show (node, 2);
  probe_good (node);
  due = obk_rotation_due_us (node->state, node->now, &node->policy, &node->memory);
  g_assert_cmpint (due - node->now.boot_us, ==, (30 + 120) * G_USEC_PER_SEC);
  advance (node, 30);
  probe_good (node);
  advance (node, 30);
  probe_good (node);
  due = obk_rotation_due_us (node->state, node->now, &node->policy, &node->memory);
  g_assert_cmpint (due - node->now.boot_us, ==, 120 * G_USEC_PER_SEC);
  node->now.unix_s += 3600;
  advance (node, 100);
  g_assert_cmpint (obk_rotation_due_us (node->state, node->now, &node->policy, &node->memory), ==, due);
  restart (node); /* a command: the system clock alone */
  node->now.unix_s -= 3600;
  g_assert_cmpint (obk_rotation_due_us (node->state, node->now, &node->policy, &node->memory), ==, due);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/rotation-time/failing-saves", test_failing_saves);
  add ("/registry/rotation-time/restart", test_restart);
  add ("/registry/rotation-time/restart-with-another-clock", test_restart_with_another_clock);
  add ("/registry/rotation-time/future-times", test_future_times);
  add ("/registry/rotation-time/future-times-refused", test_future_times_refused);
  add ("/registry/rotation-time/clock-before-1970", test_clock_before_1970);
  add ("/registry/rotation-time/clock-jumps", test_clock_jumps);
  add ("/registry/rotation-time/clock-jumps-after-lag", test_clock_jumps_after_lag);
  add ("/registry/rotation-time/due", test_due);
  return g_test_run ();
}
