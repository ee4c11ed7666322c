/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#define ALMOST_ONE 0.9999999999999999

static void
test_doubles (void)
{
  static const gint64 expected[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
  ObkBackoff backoff = OBK_BACKOFF_INIT (1000, 30000, 0.25);

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpint (obk_backoff_next (&backoff, 0.5), ==, expected[i]);
  obk_backoff_reset (&backoff);
  g_assert_cmpint (obk_backoff_next (&backoff, 0.5), ==, 1000);
}

static void
test_jitter (void)
{
  ObkBackoff backoff = OBK_BACKOFF_INIT (1000, 4000, 0.25);

  g_assert_cmpint (obk_backoff_next (&backoff, 0), ==, 750);
  g_assert_cmpint (obk_backoff_next (&backoff, ALMOST_ONE), ==, 2499);
  g_assert_cmpint (obk_backoff_next (&backoff, ALMOST_ONE), ==, 4999); /* at most its share over the maximum */
  g_assert_cmpint (obk_backoff_next (&backoff, 0), ==, 3000);
  g_assert_cmpint (obk_backoff_jittered (30000, 0, 0.1), ==, 30000);
  g_assert_cmpint (obk_backoff_jittered (30000, 1, 0), ==, 0);
}

static void
test_extremes (void)
{
  ObkBackoff huge = OBK_BACKOFF_INIT (G_MAXINT64 / 2, G_MAXINT64 / 2 + 10, 0);
  ObkBackoff inverted = OBK_BACKOFF_INIT (5000, 1000, 0);

  g_assert_cmpint (obk_backoff_next (&huge, 0.5), ==, G_MAXINT64 / 2);
  g_assert_cmpint (obk_backoff_next (&huge, 0.5), ==, G_MAXINT64 / 2 + 10);
  g_assert_cmpint (obk_backoff_next (&inverted, 0.5), ==, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/doubles-to-the-maximum", test_doubles);
  g_test_add_func ("/backoff/jitters", test_jitter);
  g_test_add_func ("/backoff/extremes", test_extremes);
  return g_test_run ();
}
