/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log-sink.h"

#include "base/json.h"
#include "base/names.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define RECORDS 500

/* Standard error goes to a file during each test. */
typedef struct
{
  int saved;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  int fd = g_file_open_tmp ("obk-sink-XXXXXX", &fixture->path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fcntl (fd, F_SETFL, O_APPEND), ==, 0);
  fixture->saved = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  g_assert_cmpint (dup2 (fd, STDERR_FILENO), ==, STDERR_FILENO);
  close (fd);
  obk_log_sink_install (OBK_SINK_JSON, OBK_LOG_INFO);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  obk_log_sink_flush ();
  g_assert_cmpint (dup2 (fixture->saved, STDERR_FILENO), ==, STDERR_FILENO);
  close (fixture->saved);
  unlink (fixture->path);
  g_free (fixture->path);
}

/* Returns: (transfer full): the lines so far, with "" at the end */
static GStrv
lines_of (const Fixture *fixture)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  return g_strsplit (text, "\n", -1);
}

static guint
count_lines (const Fixture *fixture)
{
  g_auto (GStrv) lines = lines_of (fixture);
  guint n = g_strv_length (lines);

  return n > 0 ? n - 1 : 0; /* an empty text has no part at all */
}

static json_t *
parse_line (const Fixture *fixture, guint number)
{
  g_auto (GStrv) lines = lines_of (fixture);
  json_t *object = NULL;

  g_assert_cmpuint (number, <, g_strv_length (lines));
  object = obk_json_parse (lines[number], strlen (lines[number]), NULL);
  g_assert_nonnull (object);
  return object;
}

static void
assert_string (const json_t *object, const char *name, const char *expected)
{
  const char *value = NULL;

  g_assert_true (obk_json_get_string (object, name, &value, NULL));
  g_assert_cmpstr (value, ==, expected);
}

static void
emit (ObkLogLevel level, const char *class)
{
  ObkLogRecord record;

  obk_log_begin (&record, level, OBK_EVENT_AUTH_LOGIN);
  obk_log_string (&record, OBK_FIELD_STATUS, OBK_STATUS_ERROR);
  obk_log_string (&record, OBK_FIELD_ERROR_CLASS, class);
  obk_log_emit (&record);
}

static void
test_record (Fixture *fixture, gconstpointer data)
{
  gint64 before_us = g_get_real_time ();
  g_autoptr (json_t) object = NULL;
  g_autoptr (GDateTime) ts = NULL;
  const char *value = NULL;

  emit (OBK_LOG_DEBUG, "timeout");
  g_assert_cmpuint (count_lines (fixture), ==, 0);
  emit (OBK_LOG_WARN, "timeout");
  g_assert_cmpuint (count_lines (fixture), ==, 1);
  object = parse_line (fixture, 0);
  assert_string (object, "level", "warn");
  assert_string (object, "message", "auth.login");
  assert_string (object, "status", "error");
  assert_string (object, "error_class", "timeout");
  g_assert_true (obk_json_get_string (object, "ts", &value, NULL));
  ts = g_date_time_new_from_iso8601 (value, NULL);
  g_assert_nonnull (ts);
  g_assert_cmpint (ABS (g_date_time_to_unix (ts) - before_us / G_USEC_PER_SEC), <=, 5);
}

static void
test_text (Fixture *fixture, gconstpointer data)
{
  g_auto (GStrv) lines = NULL;

  obk_log_sink_install (OBK_SINK_TEXT, OBK_LOG_WARN);
  emit (OBK_LOG_INFO, "timeout");
  emit (OBK_LOG_WARN, "timeout");
  lines = lines_of (fixture);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
  g_assert_true (g_str_has_suffix (lines[0], "Z warn  auth.login status=error error_class=timeout"));
}

static void
assert_summary (const Fixture *fixture, guint line, gint64 suppressed)
{
  g_autoptr (json_t) object = parse_line (fixture, line);
  gint64 number = 0;

  assert_string (object, "message", "auth.login");
  assert_string (object, "error_class", "auth_failed");
  g_assert_true (obk_json_get_int (object, "suppressed", &number, NULL));
  g_assert_cmpint (number, ==, suppressed);
}

static void
test_flush (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 12; i++)
    emit (OBK_LOG_WARN, "auth_failed");
  g_assert_cmpuint (count_lines (fixture), ==, 5);
  obk_log_sink_flush ();
  g_assert_cmpuint (count_lines (fixture), ==, 6);
  assert_summary (fixture, 5, 7);
  obk_log_sink_flush ();
  g_assert_cmpuint (count_lines (fixture), ==, 6);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* The storm ends, nothing else is logged: the main loop tells the count when the window of ten seconds is over. */
static void
test_end_of_storm (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  for (guint i = 0; i < 8; i++)
    emit (OBK_LOG_WARN, "auth_failed");
  g_timeout_add (9000, quit, loop);
  g_main_loop_run (loop);
  g_assert_cmpuint (count_lines (fixture), ==, 5);
  g_timeout_add (2000, quit, loop);
  g_main_loop_run (loop);
  g_assert_cmpuint (count_lines (fixture), ==, 6);
  assert_summary (fixture, 5, 3);
}

static gpointer
chatter (gpointer data)
{
  for (guint i = 0; i < RECORDS; i++)
    emit (OBK_LOG_INFO, "no failure, so all of them pass");
  return NULL;
}

static void
test_threads (Fixture *fixture, gconstpointer data)
{
  GThread *threads[THREADS];

  for (gsize i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("chatter", chatter, NULL);
  for (gsize i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (count_lines (fixture), ==, THREADS * RECORDS);
  for (guint i = 0; i < THREADS * RECORDS; i += 97)
    {
      g_autoptr (json_t) object = parse_line (fixture, i);

      assert_string (object, "message", "auth.login");
    }
}

static void
test_glib (Fixture *fixture, gconstpointer data)
{
  g_autoptr (json_t) warning = NULL;
  g_autoptr (json_t) message = NULL;

  /* Newer releases of GLib put the test framework's own in its place. */
  g_log_set_default_handler (g_log_default_handler, NULL);
  g_log ("Some-Library", G_LOG_LEVEL_WARNING, "what \"it\" says");
  g_log ("Some-Library", G_LOG_LEVEL_MESSAGE, "and more");
  g_log ("Some-Library", G_LOG_LEVEL_INFO, "which nobody asked for");
  g_log ("Some-Library", G_LOG_LEVEL_DEBUG, "nor for this");
  g_assert_cmpuint (count_lines (fixture), ==, 2);
  warning = parse_line (fixture, 0);
  assert_string (warning, "level", "warn");
  assert_string (warning, "message", "library.message");
  assert_string (warning, "component", "Some-Library");
  assert_string (warning, "detail", "what \"it\" says");
  message = parse_line (fixture, 1);
  assert_string (message, "level", "info");
}

/* Records that a reader was too slow for are counted, and told of when it is back. */
static void
test_lost_records (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = g_malloc0 (1024 * 1024);
  gint64 suppressed = 0;
  guint written = 0;
  int ends[2];
  g_auto (GStrv) lines = NULL;
  g_autoptr (json_t) notice = NULL;

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  g_assert_cmpint (dup2 (ends[1], STDERR_FILENO), ==, STDERR_FILENO);
  close (ends[1]);
  for (guint i = 0; i < 3000; i++)
    emit (OBK_LOG_INFO, "x");
  g_assert_cmpint (fcntl (ends[0], F_SETFL, O_NONBLOCK), ==, 0);
  for (ssize_t n = 0; (n = read (ends[0], text + written, 1024 * 1024 - 1 - written)) > 0;)
    written += (guint)n;
  emit (OBK_LOG_INFO, "x");
  g_assert_cmpint (read (ends[0], text + written, 1024 * 1024 - 1 - written), >, 0);
  lines = g_strsplit (text, "\n", -1);
  notice = obk_json_parse (lines[g_strv_length (lines) - 2], strlen (lines[g_strv_length (lines) - 2]), NULL);
  g_assert_nonnull (notice);
  assert_string (notice, "message", "warning");
  g_assert_true (obk_json_get_int (notice, "suppressed", &suppressed, NULL));
  g_assert_cmpint (suppressed, ==, 3001 - (gint64)(g_strv_length (lines) - 2));
  close (ends[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* a warning is what one test gives */
  g_test_add ("/log-sink/record", Fixture, NULL, set_up, test_record, tear_down);
  g_test_add ("/log-sink/text", Fixture, NULL, set_up, test_text, tear_down);
  g_test_add ("/log-sink/flush", Fixture, NULL, set_up, test_flush, tear_down);
  g_test_add ("/log-sink/end-of-storm", Fixture, NULL, set_up, test_end_of_storm, tear_down);
  g_test_add ("/log-sink/threads", Fixture, NULL, set_up, test_threads, tear_down);
  g_test_add ("/log-sink/glib", Fixture, NULL, set_up, test_glib, tear_down);
  g_test_add ("/log-sink/lost-records", Fixture, NULL, set_up, test_lost_records, tear_down);
  return g_test_run ();
}
