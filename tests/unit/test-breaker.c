/* SPDX-License-Identifier: Apache-2.0 */
#include "health/breaker.h"

#define SECONDS(n) ((gint64)(n)*G_USEC_PER_SEC)

static const ObkBreakerPace pace = { .interval_us = SECONDS (300), .retry_us = SECONDS (5) };

static void
test_interval_when_well (void)
{
  ObkBreaker breaker = { 0 };

  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_PASSED, TRUE, 0.5), ==, SECONDS (300));
  g_assert_false (obk_breaker_is_open (&breaker));
}

static void
test_opens_after_three_failures (void)
{
  ObkBreaker breaker = { 0 };

  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.5), ==, SECONDS (5));
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.5), ==, SECONDS (5));
  g_assert_false (obk_breaker_is_open (&breaker));
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.5), ==, SECONDS (30));
  g_assert_true (obk_breaker_is_open (&breaker));
  /* half open: one try, and open again */
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.5), ==, SECONDS (30));
}

static void
test_jitter_is_a_quarter (void)
{
  ObkBreaker breaker = { .failures = 3 };

  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.0), ==, SECONDS (30) * 3 / 4);
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.999999), <=, SECONDS (30) * 5 / 4);
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, FALSE, 0.999999), >, SECONDS (37));
}

static void
test_stays_closed_while_healthy (void)
{
  ObkBreaker breaker = { 0 };

  for (int i = 0; i < 10; i++)
    g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_FAILED, TRUE, 0.5), ==, SECONDS (300));
  g_assert_false (obk_breaker_is_open (&breaker));
}

/* Our own want of descriptors neither opens it nor closes it, and is looked after soon. */
static void
test_what_was_not_tried_counts_for_nothing (void)
{
  ObkBreaker breaker = { 0 };

  for (int i = 0; i < 10; i++)
    g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_NOT_TRIED, FALSE, 0.5), ==, SECONDS (5));
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_NOT_TRIED, TRUE, 0.5), ==, SECONDS (5));
  g_assert_false (obk_breaker_is_open (&breaker));
  breaker.failures = 3;
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_NOT_TRIED, FALSE, 0.5), ==, SECONDS (5));
  g_assert_true (obk_breaker_is_open (&breaker));
}

static void
test_a_pass_closes (void)
{
  ObkBreaker breaker = { .failures = 7 };

  /* passed, but something else keeps Status unhealthy: soon again, never later than the interval */
  g_assert_cmpint (obk_breaker_next (&breaker, &pace, OBK_BREAKER_PASSED, FALSE, 0.5), ==, SECONDS (5));
  g_assert_false (obk_breaker_is_open (&breaker));
  g_assert_cmpint (
      obk_breaker_next (&breaker, &(ObkBreakerPace){ SECONDS (2), SECONDS (5) }, OBK_BREAKER_PASSED, FALSE, 0.5), ==,
      SECONDS (2));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/breaker/interval-when-well", test_interval_when_well);
  g_test_add_func ("/breaker/opens-after-three-failures", test_opens_after_three_failures);
  g_test_add_func ("/breaker/jitter-is-a-quarter", test_jitter_is_a_quarter);
  g_test_add_func ("/breaker/stays-closed-while-healthy", test_stays_closed_while_healthy);
  g_test_add_func ("/breaker/what-was-not-tried-counts-for-nothing", test_what_was_not_tried_counts_for_nothing);
  g_test_add_func ("/breaker/a-pass-closes", test_a_pass_closes);
  return g_test_run ();
}
