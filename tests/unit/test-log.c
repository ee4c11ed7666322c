/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/error.h"
#include "base/names.h"

#include <string.h>

static ObkLogRecord seen;
static guint n_seen;

static void
remember (const ObkLogRecord *record, gpointer user_data)
{
  g_assert_cmpstr (user_data, ==, "data");
  seen = *record;
  n_seen++;
}

static void
emit (ObkLogLevel level)
{
  ObkLogRecord record;

  obk_log_begin (&record, level, OBK_EVENT_WARNING);
  obk_log_emit (&record);
}

static void
test_levels (void)
{
  obk_log_set_sink (remember, (gpointer) "data");
  obk_log_set_level (OBK_LOG_WARN);
  n_seen = 0;
  g_assert_false (obk_log_enabled (OBK_LOG_INFO));
  g_assert_true (obk_log_enabled (OBK_LOG_WARN));
  emit (OBK_LOG_DEBUG);
  emit (OBK_LOG_INFO);
  g_assert_cmpuint (n_seen, ==, 0);
  emit (OBK_LOG_WARN);
  emit (OBK_LOG_ERROR);
  g_assert_cmpuint (n_seen, ==, 2);
  obk_log_set_level (OBK_LOG_DEBUG);
  emit (OBK_LOG_DEBUG);
  g_assert_cmpuint (n_seen, ==, 3);
}

static void
test_fields (void)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_SEALED, "the cause");
  ObkLogRecord record;

  obk_log_set_sink (remember, (gpointer) "data");
  obk_log_set_level (OBK_LOG_DEBUG);
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_KMS_REQUEST);
  obk_log_string (&record, OBK_FIELD_OPERATION, "encrypt");
  obk_log_string (&record, OBK_FIELD_REASON, NULL);
  obk_log_int (&record, OBK_FIELD_PID, G_MININT64);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, 1.5);
  obk_log_error (&record, NULL);
  obk_log_error (&record, error);
  obk_log_emit (&record);

  g_assert_cmpstr (seen.event, ==, "kms.request");
  g_assert_cmpuint (seen.n_fields, ==, 5);
  g_assert_cmpstr (seen.fields[0].name, ==, "operation");
  g_assert_cmpuint (seen.fields[0].type, ==, OBK_LOG_FIELD_STRING);
  g_assert_cmpstr (seen.fields[0].value.string, ==, "encrypt");
  g_assert_cmpuint (seen.fields[1].type, ==, OBK_LOG_FIELD_INT);
  g_assert_cmpint (seen.fields[1].value.integer, ==, G_MININT64);
  g_assert_cmpuint (seen.fields[2].type, ==, OBK_LOG_FIELD_DOUBLE);
  g_assert_cmpfloat_with_epsilon (seen.fields[2].value.number, 1.5, 1e-9);
  g_assert_cmpstr (seen.fields[3].name, ==, "error_class");
  g_assert_cmpstr (seen.fields[3].value.string, ==, "openbao_sealed");
  g_assert_cmpstr (seen.fields[4].name, ==, "cause");
  g_assert_cmpstr (seen.fields[4].value.string, ==, "the cause");
}

static void
test_too_many (void)
{
  ObkLogRecord record;

  obk_log_set_sink (remember, (gpointer) "data");
  obk_log_begin (&record, OBK_LOG_ERROR, OBK_EVENT_WARNING);
  for (gint64 i = 0; i < OBK_LOG_MAX_FIELDS + 5; i++)
    {
      obk_log_int (&record, OBK_FIELD_PID, i);
      if (i >= OBK_LOG_MAX_FIELDS)
        obk_log_string (&record, OBK_FIELD_REASON, "x");
    }
  obk_log_emit (&record);
  g_assert_cmpuint (seen.n_fields, ==, OBK_LOG_MAX_FIELDS);
  g_assert_cmpint (seen.fields[OBK_LOG_MAX_FIELDS - 1].value.integer, ==, OBK_LOG_MAX_FIELDS - 1);
}

static void
test_plain_child (void)
{
  ObkLogRecord record;

  obk_log_set_sink (NULL, NULL);
  obk_log_set_level (OBK_LOG_INFO);
  emit (OBK_LOG_DEBUG);
  obk_log_begin (&record, OBK_LOG_ERROR, OBK_EVENT_AUTH_LOGIN);
  obk_log_string (&record, OBK_FIELD_CAUSE, "two\nlines \x1b[31m \"quoted\"");
  obk_log_int (&record, OBK_FIELD_PID, 7);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, 0.25);
  obk_log_emit (&record);
}

static void
test_plain (void)
{
  g_test_trap_subprocess ("/log/plain/subprocess", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr (
      "error auth.login cause=\"two\\nlines \\033[31m \\\"quoted\\\"\" pid=7 duration_ms=0.25\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/levels", test_levels);
  g_test_add_func ("/log/fields", test_fields);
  g_test_add_func ("/log/fields-past-the-limit-are-dropped", test_too_many);
  g_test_add_func ("/log/plain", test_plain);
  g_test_add_func ("/log/plain/subprocess", test_plain_child);
  return g_test_run ();
}
