/* SPDX-License-Identifier: Apache-2.0 */
/* Expected texts were written by Go's encoding/json. */
#include "base/canonical-json.h"

#include "base/json.h"

#include <string.h>

static char *
encode (const char *value)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);

  obk_canonical_json_string (json, NULL, value);
  return obk_canonical_json_steal (json, NULL);
}

static void
test_escapes (void)
{
  static const struct
  {
    const char *value;
    const char *text;
  } cases[] = {
    { "", "\"\"" },
    { "plain", "\"plain\"" },
    { "\"\\/", "\"\\\"\\\\/\"" },
    { "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
    { "\x01\x07\x0b\x0e\x1f", "\"\\u0001\\u0007\\u000b\\u000e\\u001f\"" },
    { "<a href='&'>", "\"\\u003ca href='\\u0026'\\u003e\"" },
    { "\x7f", "\"\x7f\"" },
    { "\u2027\u2028\u2029\u202a", "\"\u2027\\u2028\\u2029\u202a\"" },
    { "\u00e2\xc2\x80\u00a8", "\"\u00e2\xc2\x80\u00a8\"" }, /* the bytes E2, 80, A8 as characters of their own */
    { "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa8", "\"\\u2028\\u2029\\u2028\"" },
    { "\uffff\ufeff", "\"\uffff\ufeff\"" },
    { "\U0001f600\U0010ffff", "\"\U0001f600\U0010ffff\"" },
    { "x<y\n\u2028z", "\"x\\u003cy\\n\\u2028z\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = encode (cases[i].value);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

/* Every character alone: what is written reads back, and only what Go escapes is escaped. */
static void
test_all_characters (void)
{
  for (gunichar c = 1; c <= 0x10ffff; c++)
    {
      char value[8] = "";
      g_autofree char *text = NULL;
      json_t *back = NULL;
      gboolean escaped = c < 0x20 || (c < 0x80 && strchr ("\"\\<>&", (int)c) != NULL) || c == 0x2028 || c == 0x2029;

      if (c >= 0xd800 && c < 0xe000)
        continue;
      if (c > 0x10000 && c % 7 != 0) /* the far planes are all alike */
        continue;
      g_unichar_to_utf8 (c, value);
      text = encode (value);
      g_assert_cmpuint (escaped, ==, text[1] == '\\');
      back = json_loads (text, JSON_DECODE_ANY, NULL);
      g_assert_cmpstr (json_string_value (back), ==, value);
      json_decref (back);
    }
}

/* {"A":[],"B":{},"C":[1,"x",[2,3],{"y":true,"z":false},null],"D":"","E":{},"F":[{},{"q":1}]} */
static char *
write_nested (guint indent)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (indent);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_begin_array (json, "A");
  obk_canonical_json_end_array (json);
  obk_canonical_json_begin_object (json, "B");
  obk_canonical_json_end_object (json);
  obk_canonical_json_begin_array (json, "C");
  obk_canonical_json_int (json, NULL, 1);
  obk_canonical_json_string (json, NULL, "x");
  obk_canonical_json_begin_array (json, NULL);
  obk_canonical_json_int (json, NULL, 2);
  obk_canonical_json_int (json, NULL, 3);
  obk_canonical_json_end_array (json);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "y", TRUE);
  obk_canonical_json_boolean (json, "z", FALSE);
  obk_canonical_json_end_object (json);
  obk_canonical_json_null (json, NULL);
  obk_canonical_json_end_array (json);
  obk_canonical_json_string (json, "D", "");
  obk_canonical_json_begin_object (json, "E");
  obk_canonical_json_end_object (json);
  obk_canonical_json_begin_array (json, "F");
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_end_object (json);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_int (json, "q", 1);
  obk_canonical_json_end_object (json);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  return obk_canonical_json_steal (json, NULL);
}

static void
test_layout (void)
{
  g_autofree char *compact = write_nested (0);
  g_autofree char *indented = write_nested (2);

  g_assert_cmpstr (compact, ==,
                   "{\"A\":[],\"B\":{},\"C\":[1,\"x\",[2,3],{\"y\":true,\"z\":false},null],\"D\":\"\",\"E\":{},"
                   "\"F\":[{},{\"q\":1}]}");
  g_assert_cmpstr (
      indented, ==,
      "{\n  \"A\": [],\n  \"B\": {},\n  \"C\": [\n    1,\n    \"x\",\n    [\n      2,\n      3\n    ],\n"
      "    {\n      \"y\": true,\n      \"z\": false\n    },\n    null\n  ],\n  \"D\": \"\",\n  \"E\": {},\n"
      "  \"F\": [\n    {},\n    {\n      \"q\": 1\n    }\n  ]\n}");
}

static void
test_numbers (void)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  g_autofree char *text = NULL;
  gsize length = 0;

  obk_canonical_json_begin_array (json, NULL);
  obk_canonical_json_int (json, NULL, G_MININT64);
  obk_canonical_json_int (json, NULL, G_MAXINT64);
  obk_canonical_json_double (json, NULL, 0.1);
  obk_canonical_json_double (json, NULL, 1e300);
  obk_canonical_json_double (json, NULL, G_MAXDOUBLE * 10);
  obk_canonical_json_end_array (json);
  text = obk_canonical_json_steal (json, &length);
  g_assert_cmpstr (text, ==, "[-9223372036854775808,9223372036854775807,0.1,1e+300,null]");
  g_assert_cmpuint (length, ==, strlen (text));
}

static void
test_reuse (void)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_int (json, "<name>", 1);
  obk_canonical_json_end_object (json);
  first = obk_canonical_json_steal (json, NULL);
  obk_canonical_json_null (json, NULL);
  second = obk_canonical_json_steal (json, NULL);
  g_assert_cmpstr (first, ==, "{\"\\u003cname\\u003e\":1}");
  g_assert_cmpstr (second, ==, "null");
}

static void
test_misuse (void)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*g_utf8_validate*");
  obk_canonical_json_string (json, "a", "\xff");
  g_test_assert_expected_messages ();
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*name != NULL*");
  obk_canonical_json_string (json, NULL, "no name in an object");
  g_test_assert_expected_messages ();
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*closing*");
  obk_canonical_json_end_array (json);
  g_test_assert_expected_messages ();
  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*depth == 0*");
  g_assert_null (obk_canonical_json_steal (json, NULL));
  g_test_assert_expected_messages ();
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  g_assert_cmpstr (text, ==, "{}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/canonical-json/escapes-as-go-does", test_escapes);
  g_test_add_func ("/canonical-json/all-characters-read-back", test_all_characters);
  g_test_add_func ("/canonical-json/layout-is-that-of-marshal-indent", test_layout);
  g_test_add_func ("/canonical-json/numbers", test_numbers);
  g_test_add_func ("/canonical-json/writer-is-empty-after-steal", test_reuse);
  g_test_add_func ("/canonical-json/misuse-is-criticized", test_misuse);
  return g_test_run ();
}
