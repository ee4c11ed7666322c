/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log-format.h"

#include "base/json.h"
#include "base/names.h"

#include <string.h>

#define NOON G_GINT64_CONSTANT (1700000000123456) /* 2023-11-14T22:13:20.123456Z */

static void
fill (ObkLogRecord *record)
{
  obk_log_begin (record, OBK_LOG_WARN, OBK_EVENT_KMS_REQUEST);
  obk_log_string (record, OBK_FIELD_OPERATION, "decrypt");
  obk_log_double (record, OBK_FIELD_DURATION_MS, 1.5);
  obk_log_int (record, OBK_FIELD_KEY_VERSION, 3);
  obk_log_string (record, OBK_FIELD_CAUSE, "a \"b\"\n<c>");
}

static void
test_json (void)
{
  ObkLogRecord record;
  g_autofree char *line = NULL;
  gsize length = 0;

  fill (&record);
  line = obk_log_format_json (&record, NOON, &length);
  g_assert_cmpstr (line, ==,
                   "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"message\":\"kms.request\","
                   "\"operation\":\"decrypt\",\"duration_ms\":1.5,\"transit_key_version\":3,"
                   "\"cause\":\"a \\\"b\\\"\\n\\u003cc\\u003e\"}\n");
  g_assert_cmpuint (length, ==, strlen (line));
}

static void
test_text (void)
{
  ObkLogRecord record;
  g_autofree char *line = NULL;
  gsize length = 0;

  fill (&record);
  line = obk_log_format_text (&record, NOON, &length);
  g_assert_cmpstr (line, ==,
                   "2023-11-14T22:13:20.123Z warn  kms.request operation=decrypt duration_ms=1.5 "
                   "transit_key_version=3 cause=\"a \\\"b\\\"\\n<c>\"\n");
  g_assert_cmpuint (length, ==, strlen (line));
}

static void
test_journal (void)
{
  static const char *const expected[] = {
    "MESSAGE=kms.request operation=decrypt duration_ms=1.5 transit_key_version=3 cause=\"a "
    "\\\"b\\\"\\n<c>\"",
    "PRIORITY=4",
    "SYSLOG_IDENTIFIER=bao-kms-provider",
    "EVENT=kms.request",
    "MESSAGE_ID=" OBK_MESSAGE_ID_KMS_REQUEST,
    "OPERATION=decrypt",
    "DURATION_MS=1.5",
    "TRANSIT_KEY_VERSION=3",
    "CAUSE=a \"b\"\n<c>",
  };
  ObkLogRecord record;
  g_autoptr (GPtrArray) fields = NULL;

  fill (&record);
  fields = obk_log_format_journal (&record);
  g_assert_cmpuint (fields->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < fields->len; i++)
    g_assert_cmpstr (g_ptr_array_index (fields, i), ==, expected[i]);
}

static void
test_levels (void)
{
  static const struct
  {
    ObkLogLevel level;
    const char *name;
    const char *priority;
  } levels[] = {
    { OBK_LOG_DEBUG, "\"level\":\"debug\"", "PRIORITY=7" },
    { OBK_LOG_INFO, "\"level\":\"info\"", "PRIORITY=6" },
    { OBK_LOG_WARN, "\"level\":\"warn\"", "PRIORITY=4" },
    { OBK_LOG_ERROR, "\"level\":\"error\"", "PRIORITY=3" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      ObkLogRecord record;
      g_autofree char *line = NULL;
      g_autoptr (GPtrArray) fields = NULL;
      gsize length = 0;

      obk_log_begin (&record, levels[i].level, OBK_EVENT_WARNING);
      line = obk_log_format_json (&record, 0, &length);
      g_assert_nonnull (strstr (line, levels[i].name));
      g_assert_true (g_str_has_prefix (line, "{\"ts\":\"1970-01-01T00:00:00.000Z\""));
      fields = obk_log_format_journal (&record);
      g_assert_cmpstr (g_ptr_array_index (fields, 1), ==, levels[i].priority);
    }
}

/* Bytes of a peer: not UTF-8, control and bidi characters, far too many. */
static void
test_foreign_bytes (void)
{
  g_autofree char *many = g_strnfill (5000, 'x');
  ObkLogRecord record;
  g_autoptr (json_t) parsed = NULL;
  g_autofree char *line = NULL;
  g_autofree char *text = NULL;
  const char *value = NULL;
  gsize length = 0;

  memcpy (many + OBK_LOG_MAX_STRING - 1, "\u00e4", 2); /* stands across the place of the cut */
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_CAUSE, "\xff\x1b[31m\u202e\x7f");
  obk_log_string (&record, OBK_FIELD_DETAIL, many);

  line = obk_log_format_json (&record, NOON, &length);
  g_assert_cmpuint (length, <, 1500);
  parsed = obk_json_parse (line, length, NULL);
  g_assert_nonnull (parsed);
  g_assert_true (obk_json_get_string (parsed, "cause", &value, NULL));
  g_assert_cmpstr (value, ==, "\uFFFD\x1b[31m\u202e\x7f");
  g_assert_true (obk_json_get_string (parsed, "detail", &value, NULL));
  g_assert_cmpuint (strlen (value), ==, OBK_LOG_MAX_STRING - 1 + strlen ("…"));
  g_assert_true (g_str_has_suffix (value, "x…"));

  text = obk_log_format_text (&record, NOON, &length);
  g_assert_nonnull (strstr (text, "cause=\"\uFFFD\\u001b[31m\\u202e\\u007f\" "));
  g_assert_true (strchr (text, '\n') == text + length - 1);
}

static void
test_words (void)
{
  static const char *const quoted[] = { "", "a b", "a=b", "a\"", "a\\b", "\u00e4" };
  g_autofree char *plain = NULL;
  ObkLogRecord record;
  gsize length = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (quoted); i++)
    {
      g_autofree char *line = NULL;

      obk_log_begin (&record, OBK_LOG_INFO, "e");
      obk_log_string (&record, OBK_FIELD_REASON, quoted[i]);
      line = obk_log_format_text (&record, NOON, &length);
      g_assert_true (g_str_has_suffix (line, "\"\n"));
      g_assert_nonnull (strstr (line, " e reason=\""));
    }
  obk_log_begin (&record, OBK_LOG_INFO, "e");
  obk_log_string (&record, OBK_FIELD_REASON, "[::1]:8081,x-y_z");
  plain = obk_log_format_text (&record, NOON, &length);
  g_assert_true (g_str_has_suffix (plain, " e reason=[::1]:8081,x-y_z\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-format/json", test_json);
  g_test_add_func ("/log-format/text", test_text);
  g_test_add_func ("/log-format/journal", test_journal);
  g_test_add_func ("/log-format/levels", test_levels);
  g_test_add_func ("/log-format/foreign-bytes", test_foreign_bytes);
  g_test_add_func ("/log-format/words", test_words);
  return g_test_run ();
}
