/* SPDX-License-Identifier: Apache-2.0 */
#include "config/suggestion.h"

static const char *const known[] = { "serve", "probe", "config", "config schema", "version", NULL };

static void
test_near (void)
{
  g_assert_cmpstr (obk_suggestion ("serve", known), ==, "serve");
  g_assert_cmpstr (obk_suggestion ("Serv", known), ==, "serve");
  g_assert_cmpstr (obk_suggestion ("esrve", known), ==, "serve"); /* a swap is one change */
  g_assert_cmpstr (obk_suggestion ("config shema", known), ==, "config schema");
  g_assert_cmpstr (obk_suggestion ("vresoin", known), ==, "version");
  g_assert_cmpstr (obk_suggestion ("porbe", known), ==, "probe");
}

static void
test_far (void)
{
  g_autofree char *far = g_strnfill (10000, 's');

  g_assert_null (obk_suggestion ("", known));
  g_assert_null (obk_suggestion ("x", known));
  g_assert_null (obk_suggestion ("status", known));
  g_assert_null (obk_suggestion (far, known));
  g_assert_null (obk_suggestion ("serve", (const char *const[]){ NULL }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/suggestion/near", test_near);
  g_test_add_func ("/suggestion/far", test_far);
  return g_test_run ();
}
