/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/expiry.h"

#define HOURS(n) ((gint64)(n)*3600 * G_USEC_PER_SEC)
#define AHEAD_S 1000

static void
test_silent_while_there_is_time (void)
{
  gint64 said_us = 0;

  g_assert_false (obk_expiry_is_due (&said_us, AHEAD_S, AHEAD_S, HOURS (1)));
  g_assert_true (obk_expiry_is_due (&said_us, AHEAD_S - 1, AHEAD_S, HOURS (1)));
}

static void
test_once_a_day (void)
{
  gint64 said_us = 0;

  g_assert_true (obk_expiry_is_due (&said_us, 500, AHEAD_S, HOURS (1)));
  g_assert_false (obk_expiry_is_due (&said_us, 499, AHEAD_S, HOURS (1) + 1));
  g_assert_false (obk_expiry_is_due (&said_us, 400, AHEAD_S, HOURS (24)));
  g_assert_true (obk_expiry_is_due (&said_us, -1, AHEAD_S, HOURS (25)));
  g_assert_false (obk_expiry_is_due (&said_us, -2, AHEAD_S, HOURS (48)));
}

static void
test_at_once_after_a_renewal (void)
{
  gint64 said_us = 0;

  g_assert_true (obk_expiry_is_due (&said_us, 500, AHEAD_S, HOURS (1)));
  g_assert_false (obk_expiry_is_due (&said_us, 5000, AHEAD_S, HOURS (2)));
  g_assert_true (obk_expiry_is_due (&said_us, 999, AHEAD_S, HOURS (3)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/expiry/silent-while-there-is-time", test_silent_while_there_is_time);
  g_test_add_func ("/expiry/once-a-day", test_once_a_day);
  g_test_add_func ("/expiry/at-once-after-a-renewal", test_at_once_after_a_renewal);
  return g_test_run ();
}
