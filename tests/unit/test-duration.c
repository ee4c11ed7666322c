/* SPDX-License-Identifier: Apache-2.0 */
/* Expected values were computed with Go's time.ParseDuration and Duration.String. */
#include "base/duration.h"

#include "base/error.h"

#include <string.h>

static void
test_accepts (void)
{
  static const struct
  {
    const char *text;
    gint64 us;
  } cases[] = {
    { "0s", 0 },
    { "-0s", 0 },
    { "90s", 90000000 },
    { "1h30m", G_GINT64_CONSTANT (5400000000) },
    { "500ms", 500000 },
    { "1.5s", 1500000 },
    { ".5s", 500000 },
    { "5.s", 5000000 },
    { "+5s", 5000000 },
    { "1h1h", G_GINT64_CONSTANT (7200000000) },
    { "1m1h", G_GINT64_CONSTANT (3660000000) },
    { "00001s", 1000000 },
    { "1s1s1s1s", 4000000 },
    { "1us", 1 },
    { "1\u00b5s", 1 },
    { "1\u03bcs", 1 },
    { "1ns", 1 }, /* a part of a microsecond counts as one */
    { "0.1us", 1 },
    { "1001ns", 2 },
    { "0.000000001h", 4 },
    { "1.0000000000000000000000000001s", 1000000 },
    { "0.9999999999999999999999h", G_GINT64_CONSTANT (3600000000) },
    { "0.333333333333333333h", G_GINT64_CONSTANT (1200000000) },
    { "9223372036854775807ns", G_GINT64_CONSTANT (9223372036854776) },
    { "2562047h47m16.854775807s", G_GINT64_CONSTANT (9223372036854776) },
    { "9223372036854775.807us", G_GINT64_CONSTANT (9223372036854776) },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 us = -1;
      gboolean ok = obk_duration_parse (cases[i].text, &us, &error);

      g_test_message ("\"%s\"", cases[i].text);
      g_assert_no_error (error);
      g_assert_true (ok);
      g_assert_cmpint (us, ==, cases[i].us);
    }
}

static void
test_refuses (void)
{
  static const struct
  {
    const char *text;
    const char *problem;
  } cases[] = {
    { "", "not a duration" },
    { "s", "not a duration" },
    { "+", "not a duration" },
    { "-", "not a duration" },
    { ".", "not a duration" },
    { ".s", "not a duration" },
    { "--5s", "not a duration" },
    { " 5s", "not a duration" },
    { "3h-2m", "unknown unit" },
    { "\xd9\xa1s", "not a duration" }, /* an Arabic one */
    { "0", "a unit is missing" },
    { "+0", "a unit is missing" },
    { "5", "a unit is missing" },
    { "1.s2", "a unit is missing" },
    { "1.1.1s", "a unit is missing" },
    { "5s ", "unknown unit" },
    { "5m\n", "unknown unit" },
    { "5x", "unknown unit" },
    { "1d", "unknown unit" },
    { "1S", "unknown unit" },
    { "1hour", "unknown unit" },
    { "1e3s", "unknown unit" },
    { "0x5s", "unknown unit" },
    { "-5s", "negative" },
    { "-1ns", "negative" },
    { "2562048h", "too long" },
    { "2562047h47m16.854775808s", "too long" },
    { "9223372036854775808ns", "too long" },
    { "99999999999999999999s", "too long" },
    { "18446744073709551616ns", "too long" },
    { "9223372036854775807ns9223372036854775807ns2ns", "too long" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 us = -1;

      g_test_message ("\"%s\"", cases[i].text);
      g_assert_false (obk_duration_parse (cases[i].text, &us, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
      g_assert_true (g_str_has_prefix (error->message, cases[i].problem));
      g_assert_cmpint (us, ==, -1);
    }
}

static void
test_formats (void)
{
  static const struct
  {
    gint64 us;
    const char *text;
  } cases[] = {
    { 0, "0s" },
    { 1, "1\u00b5s" },
    { 999, "999\u00b5s" },
    { 1000, "1ms" },
    { 1001, "1.001ms" },
    { 1500, "1.5ms" },
    { 999999, "999.999ms" },
    { 1000000, "1s" },
    { 1010000, "1.01s" },
    { 59999999, "59.999999s" },
    { 60000000, "1m0s" },
    { G_GINT64_CONSTANT (3600000000), "1h0m0s" },
    { G_GINT64_CONSTANT (5400000000), "1h30m0s" },
    { G_GINT64_CONSTANT (3661500000), "1h1m1.5s" },
    { G_GINT64_CONSTANT (86400000000), "24h0m0s" },
    { G_GINT64_CONSTANT (9223372036854775), "2562047h47m16.854775s" },
    { -1500000, "-1.5s" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = obk_duration_format (cases[i].us);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/duration/parse/accepts-what-go-does", test_accepts);
  g_test_add_func ("/duration/parse/refuses", test_refuses);
  g_test_add_func ("/duration/format/writes-as-go-does", test_formats);
  return g_test_run ();
}
