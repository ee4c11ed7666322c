/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log-stream.h"

#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both kinds of standard error whose reader may stop: a container's pipe, journald's stream. */
typedef enum
{
  PIPE,
  SOCKET
} Kind;

typedef struct
{
  ObkLogStream stream;
  int reader;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer kind)
{
  int ends[2];

  if (GPOINTER_TO_INT (kind) == PIPE)
    g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  else
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  fixture->reader = ends[0];
  fixture->stream = (ObkLogStream){ .fd = ends[1] };
}

static void
tear_down (Fixture *fixture, gconstpointer kind)
{
  if (fixture->reader >= 0)
    close (fixture->reader);
  close (fixture->stream.fd);
  g_assert_null (fixture->stream.rest);
}

/* Appends what waits to be read. */
static void
drain_to (Fixture *fixture, GString *all)
{
  char buffer[65536];

  g_assert_cmpint (fcntl (fixture->reader, F_SETFL, O_NONBLOCK), ==, 0);
  for (;;)
    {
      ssize_t n = read (fixture->reader, buffer, sizeof buffer);

      if (n <= 0)
        return;
      g_string_append_len (all, buffer, n);
    }
}

/* Returns: (transfer full): what waits to be read */
static GString *
drain (Fixture *fixture)
{
  GString *all = g_string_new (NULL);

  drain_to (fixture, all);
  return all;
}

/* Numbered lines of a length that does not divide the reader's buffer, so that one is cut. */
static char *
make_line (guint number)
{
  g_autofree char *filling = g_strnfill (1000 + number % 7, 'x');

  return g_strdup_printf ("%06u %s\n", number, filling);
}

static gboolean
write_line (Fixture *fixture, guint number)
{
  g_autofree char *line = make_line (number);

  return obk_log_stream_write (&fixture->stream, line, strlen (line));
}

static void
assert_whole_lines (const GString *all, guint n)
{
  g_auto (GStrv) lines = g_strsplit (all->str, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, n + 1);
  g_assert_cmpstr (lines[n], ==, "");
  for (guint i = 0; i < n; i++)
    {
      guint number = (guint)g_ascii_strtoull (lines[i], NULL, 10);
      g_autofree char *expected = make_line (number);
      g_autofree char *found = g_strconcat (lines[i], "\n", NULL);

      g_assert_cmpstr (found, ==, expected);
    }
}

static void
test_plain (Fixture *fixture, gconstpointer kind)
{
  g_autoptr (GString) all = NULL;

  g_assert_true (write_line (fixture, 1));
  g_assert_true (write_line (fixture, 2));
  all = drain (fixture);
  assert_whole_lines (all, 2);
}

static void
test_stuck_reader (Fixture *fixture, gconstpointer kind)
{
  g_autoptr (GString) all = g_string_new (NULL);
  gint64 start_us = obk_clock_boot_us ();
  guint taken = 0;

  for (guint i = 0; i < 5000; i++)
    taken += write_line (fixture, i);
  /* One wait of 20 ms and no more; a machine with much to do needs time of its own for the rest. */
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, 2 * G_USEC_PER_SEC);
  g_assert_cmpuint (taken, >, 10);
  g_assert_cmpuint (taken, <, 1000);
  g_assert_cmpuint (fixture->stream.dropped, ==, 5000 - taken);

  /* The reader is back: a line that was cut is finished before the next one. */
  drain_to (fixture, all);
  g_assert_true (write_line (fixture, 7777));
  drain_to (fixture, all);
  assert_whole_lines (all, taken + 1);
}

static void
test_finish (Fixture *fixture, gconstpointer kind)
{
  gint64 start_us = 0;
  g_autoptr (GString) all = NULL;

  while (write_line (fixture, 1))
    ;
  start_us = obk_clock_boot_us ();
  obk_log_stream_finish (&fixture->stream);
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, 2 * G_USEC_PER_SEC);
  all = drain (fixture);
  g_assert_cmpuint (all->len, >, 0);
}

/* Longer than what a pipe takes at once */
static void
test_long_line (Fixture *fixture, gconstpointer kind)
{
  g_autofree char *line = g_strnfill (20000, 'y');
  g_autoptr (GString) all = NULL;

  g_assert_true (obk_log_stream_write (&fixture->stream, line, strlen (line)));
  all = drain (fixture);
  g_assert_cmpstr (all->str, ==, line);
}

static void
test_reader_gone (Fixture *fixture, gconstpointer kind)
{
  close (fixture->reader);
  fixture->reader = -1;
  g_assert_false (write_line (fixture, 1));
  g_assert_false (write_line (fixture, 2));
  g_assert_cmpuint (fixture->stream.dropped, ==, 2);
}

static void
test_full_disk (void)
{
  ObkLogStream stream = { .fd = open ("/dev/full", O_WRONLY | O_CLOEXEC) };

  g_assert_cmpint (stream.fd, >=, 0);
  g_assert_false (obk_log_stream_write (&stream, "x\n", 2));
  g_assert_cmpuint (stream.dropped, ==, 1);
  close (stream.fd);
}

static void
test_file (void)
{
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  ObkLogStream stream = { .fd = g_file_open_tmp ("obk-log-XXXXXX", &path, NULL) };

  g_assert_cmpint (stream.fd, >=, 0);
  g_assert_true (obk_log_stream_write (&stream, "one\n", 4));
  g_assert_true (obk_log_stream_write (&stream, "two\n", 4));
  close (stream.fd);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "one\ntwo\n");
  unlink (path);
}

static void
add (const char *name, void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *on_pipe = g_strconcat ("/log-stream/pipe/", name, NULL);
  g_autofree char *on_socket = g_strconcat ("/log-stream/socket/", name, NULL);

  g_test_add (on_pipe, Fixture, GINT_TO_POINTER (PIPE), set_up, test, tear_down);
  g_test_add (on_socket, Fixture, GINT_TO_POINTER (SOCKET), set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  add ("plain", test_plain);
  add ("stuck-reader", test_stuck_reader);
  add ("finish", test_finish);
  add ("long-line", test_long_line);
  add ("reader-gone", test_reader_gone);
  g_test_add_func ("/log-stream/full-disk", test_full_disk);
  g_test_add_func ("/log-stream/file", test_file);
  return g_test_run ();
}
