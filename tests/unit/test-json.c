/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/error.h"

#include <string.h>

static json_t *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  json_t *value = obk_json_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  return value;
}

static void
test_accepts (void)
{
  static const char *const texts[] = {
    "{}",
    "[]",
    " \t\r\n{ } \n",
    "null",
    "\"\"",
    "-0",
    "1e5",
    "9223372036854775807",
    "-9223372036854775808",
    "\"\\ud83d\\ude00\"",
    "\"\\/\\u007f\x7f\"",
    "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (json_t) value = parse (texts[i]);

      g_assert_nonnull (value);
    }
}

static void
test_refuses (void)
{
#define CASE(text, end)                                                                                                \
  {                                                                                                                    \
    text, sizeof text - 1, end                                                                                         \
  }
  static const struct
  {
    const char *text;
    gsize length;
    const char *end;
  } cases[] = {
    CASE ("", "line 1, column 0: it ends too early"),
    CASE ("{\n\"a\":hunter2}", "line 2, column 10: syntax error"),
    CASE ("{\"hunter2\":1,\"hunter2\":2}", "a member appears twice"),
    CASE ("{\"a\":1} hunter2", "something follows the value"),
    CASE ("{\"a\":1}{}", "something follows the value"),
    CASE ("{\"a\":1}\0", "it holds a zero byte"),
    CASE ("[1\0]", "it holds a zero byte"),
    CASE ("[\"a\0\"]", "it holds a zero byte"),
    CASE ("{\"a\":\"hunter2", "it ends too early"),
    CASE ("[1,]", "syntax error"),
    CASE ("{\"a\":1,}", "syntax error"),
    CASE ("// hunter2\n{}", "syntax error"),
    CASE ("/* hunter2 */{}", "syntax error"),
    CASE ("{'hunter2':1}", "syntax error"),
    CASE ("{hunter2:1}", "syntax error"),
    CASE ("[0x10]", "syntax error"),
    CASE ("[01]", "syntax error"),
    CASE ("[+1]", "syntax error"),
    CASE ("[.5]", "syntax error"),
    CASE ("[5.]", "syntax error"),
    CASE ("[NaN]", "syntax error"),
    CASE ("[Infinity]", "syntax error"),
    CASE ("[1e999]", "a number is out of range"),
    CASE ("[9223372036854775808]", "a number is out of range"),
    CASE ("[-9223372036854775809]", "a number is out of range"),
    CASE ("\xef\xbb\xbf{}", "syntax error"),
    CASE ("[\"\xff\"]", "not UTF-8"),
    CASE ("[\"\xc0\xaf\"]", "not UTF-8"),
    CASE ("[\"\xed\xa0\x80\"]", "not UTF-8"),
    CASE ("[\"\\ud800\"]", "syntax error"),
    CASE ("[\"hunter2\\u0000\"]", "a string holds U+0000"),
    CASE ("{\"hunter2\\u0000\":1}", "a string holds U+0000"),
    CASE ("[\"a\nb\"]", "syntax error"),
    CASE ("[\"\\x41\"]", "syntax error"),
    CASE ("{}\xa0", "not UTF-8"),
  };
#undef CASE

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%u", i);
      g_assert_null (obk_json_parse (cases[i].text, cases[i].length, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
      g_test_message ("%s", error->message);
      g_assert_true (g_str_has_suffix (error->message, cases[i].end));
      g_assert_null (strstr (error->message, "hunter2"));
    }
}

static void
test_deep (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < 100000; i++)
    g_string_append_c (text, '[');
  g_assert_null (obk_json_parse (text->str, text->len, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
  g_assert_true (g_str_has_suffix (error->message, "nested too deep"));
}

/* Only as much as it is told, though the text goes on. */
static void
test_length (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) value = obk_json_parse ("[1]]]]", 3, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (json_array_size (value), ==, 1);
}

static void
test_members (void)
{
  g_autoptr (json_t) object
      = parse ("{\"s\":\"x\",\"i\":-7,\"r\":1.0,\"t\":true,\"f\":false,\"o\":{},\"a\":[],\"n\":null}");
  g_autoptr (GError) error = NULL;
  const char *string = NULL;
  const json_t *member = NULL;
  gint64 integer = 0;
  gboolean yes = FALSE, no = TRUE;

  g_assert_true (obk_json_get_string (object, "s", &string, &error));
  g_assert_cmpstr (string, ==, "x");
  g_assert_true (obk_json_get_int (object, "i", &integer, &error));
  g_assert_cmpint (integer, ==, -7);
  g_assert_true (obk_json_get_boolean (object, "t", &yes, &error));
  g_assert_true (yes);
  g_assert_true (obk_json_get_boolean (object, "f", &no, &error));
  g_assert_false (no);
  g_assert_true (obk_json_get_object (object, "o", &member, &error));
  g_assert_true (json_is_object (member));
  g_assert_true (obk_json_get_array (object, "a", &member, &error));
  g_assert_true (json_is_array (member));
  g_assert_no_error (error);
}

static void
test_wrong_members (void)
{
  g_autoptr (json_t) object = parse ("{\"s\":\"x\",\"i\":-7,\"r\":1.0,\"n\":null}");
  g_autoptr (json_t) array = parse ("[1]");
  const char *string = "untouched";
  const json_t *member = NULL;
  gint64 integer = 42;
  gboolean boolean = 42;

#define FAILS(call, text)                                                                                              \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autoptr (GError) error = NULL;                                                                                   \
    g_assert_false (call);                                                                                             \
    g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);                                                                 \
    g_assert_cmpstr (error->message, ==, text);                                                                        \
  }                                                                                                                    \
  G_STMT_END
  FAILS (obk_json_get_string (object, "q", &string, &error), "\"q\" is missing");
  FAILS (obk_json_get_string (array, "q", &string, &error), "\"q\" is missing");
  FAILS (obk_json_get_string (object, "i", &string, &error), "\"i\" is not a string");
  FAILS (obk_json_get_string (object, "n", &string, &error), "\"n\" is not a string");
  FAILS (obk_json_get_int (object, "r", &integer, &error), "\"r\" is not an integer");
  FAILS (obk_json_get_int (object, "s", &integer, &error), "\"s\" is not an integer");
  FAILS (obk_json_get_boolean (object, "i", &boolean, &error), "\"i\" is not a boolean");
  FAILS (obk_json_get_boolean (object, "q", &boolean, &error), "\"q\" is missing");
  FAILS (obk_json_get_object (object, "s", &member, &error), "\"s\" is not an object");
  FAILS (obk_json_get_array (object, "s", &member, &error), "\"s\" is not an array");
#undef FAILS
  g_assert_cmpstr (string, ==, "untouched");
  g_assert_null (member);
  g_assert_cmpint (integer, ==, 42);
  g_assert_cmpint (boolean, ==, 42);
}

static void
test_only (void)
{
  static const char *const names[] = { "a", "b", NULL };
  g_autoptr (json_t) known = parse ("{\"b\":1}");
  g_autoptr (json_t) unknown = parse ("{\"a\":1,\"A\":1}");
  g_autoptr (json_t) odd = parse (
      "{\"\\n\\u001b\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
      "0123456789012345678901234567890123456789012345678901234567890123456789\":1}");
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) odd_error = NULL;

  g_assert_true (obk_json_only (known, names, NULL));
  g_assert_false (obk_json_only (unknown, names, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
  g_assert_cmpstr (error->message, ==, "unknown member \"A\"");
  g_assert_false (obk_json_only (odd, names, &odd_error));
  g_assert_true (g_str_has_prefix (odd_error->message, "unknown member \"\\n\\033"));
  g_assert_cmpuint (strlen (odd_error->message), <, 200);
  g_assert_true (g_utf8_validate (odd_error->message, -1, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/parse/accepts-rfc-8259", test_accepts);
  g_test_add_func ("/json/parse/refuses-without-quoting", test_refuses);
  g_test_add_func ("/json/parse/refuses-deep-nesting", test_deep);
  g_test_add_func ("/json/parse/stops-at-length", test_length);
  g_test_add_func ("/json/members/gets", test_members);
  g_test_add_func ("/json/members/refuses-missing-and-mistyped", test_wrong_members);
  g_test_add_func ("/json/members/names-the-unknown", test_only);
  return g_test_run ();
}
