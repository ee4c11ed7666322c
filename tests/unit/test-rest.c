/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/rest.h"

#include <string.h>

static void
expect_left (const ObkRest *rest, const char *expected)
{
  gsize size = 0;
  const char *left = obk_rest_left (rest, &size);

  g_assert_cmpmem (left, size, expected, strlen (expected));
}

static void
test_taken_in_parts (void)
{
  g_auto (ObkRest) rest = { 0 };

  g_assert_true (obk_rest_is_empty (&rest));
  obk_rest_keep (&rest, "0123456789", 10);
  g_assert_false (obk_rest_is_empty (&rest));
  expect_left (&rest, "0123456789");
  g_assert_false (obk_rest_take (&rest, 0));
  g_assert_false (obk_rest_take (&rest, 9));
  expect_left (&rest, "9");
  g_assert_true (obk_rest_take (&rest, 1));
  g_assert_true (obk_rest_is_empty (&rest));
}

/* What was taken of the last ones does not count for the next. */
static void
test_used_again (void)
{
  g_auto (ObkRest) rest = { 0 };

  obk_rest_keep (&rest, "abc", 3);
  g_assert_false (obk_rest_take (&rest, 2));
  obk_rest_clear (&rest);
  g_assert_true (obk_rest_is_empty (&rest));
  obk_rest_keep (&rest, "defg", 4);
  expect_left (&rest, "defg");
  g_assert_true (obk_rest_take (&rest, 4));
  obk_rest_keep (&rest, "h", 1);
  expect_left (&rest, "h");
}

static void
test_keeps_a_copy (void)
{
  g_auto (ObkRest) rest = { 0 };
  char scratch[] = "bytes";

  obk_rest_keep (&rest, scratch, 5);
  obk_wipe (scratch, sizeof scratch);
  expect_left (&rest, "bytes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rest/taken-in-parts", test_taken_in_parts);
  g_test_add_func ("/rest/used-again", test_used_again);
  g_test_add_func ("/rest/keeps-a-copy", test_keeps_a_copy);
  return g_test_run ();
}
