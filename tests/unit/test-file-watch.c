/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file-watch.h"

#include <glib/gstdio.h>

#include <unistd.h>

#define PATIENCE_US (5 * G_USEC_PER_SEC)
#define QUIET_US (300 * 1000)

typedef struct
{
  char *directory;
  guint calls;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("test-file-watch-XXXXXX", &error);
  g_assert_no_error (error);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  const char *argv[] = { "rm", "-rf", f->directory, NULL };

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  g_free (f->directory);
}

static char *
path_of (Fixture *f, const char *name)
{
  return g_build_filename (f->directory, name, NULL);
}

static void
write_file (Fixture *f, const char *name, const char *content)
{
  g_autofree char *path = path_of (f, name);
  g_autofree char *directory = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents_full (path, content, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void
changed (gpointer user_data)
{
  ++*(guint *)user_data;
}

static gboolean
wake (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the loop until there are @calls, or for the time that shows that there are no more. */
static void
expect_calls (Fixture *f, guint calls)
{
  gint64 start_us = g_get_monotonic_time ();
  guint source = g_timeout_add (10, wake, NULL);

  while (f->calls < calls && g_get_monotonic_time () < start_us + PATIENCE_US)
    g_main_context_iteration (NULL, TRUE);
  for (start_us = g_get_monotonic_time (); g_get_monotonic_time () < start_us + QUIET_US;)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  g_assert_cmpuint (f->calls, ==, calls);
}

static void
test_replace (Fixture *f, gconstpointer data)
{
  g_autofree char *path = path_of (f, "file");
  g_autofree char *new_path = path_of (f, "new");
  g_autoptr (ObkFileWatch) watch = obk_file_watch_new (path, changed, &f->calls);

  expect_calls (f, 0);
  write_file (f, "file", "one"); /* appears */
  expect_calls (f, 1);
  write_file (f, "new", "two"); /* another file is none of ours */
  expect_calls (f, 1);
  g_assert_cmpint (g_rename (new_path, path), ==, 0);
  expect_calls (f, 2);
  g_assert_cmpint (g_unlink (path), ==, 0);
  expect_calls (f, 3);
}

/* The watched path leads through a link that is swapped, as Kubernetes does with "..data". */
static void
test_swapped_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *path = path_of (f, "mount/..data/file");
  g_autofree char *link = path_of (f, "mount/..data");
  g_autofree char *next = path_of (f, "mount/..next");
  g_autoptr (ObkFileWatch) watch = NULL;

  write_file (f, "mount/..1/file", "one");
  write_file (f, "mount/..2/file", "two");
  write_file (f, "mount/..3/file", "three");
  g_assert_cmpint (symlink ("..1", link), ==, 0);
  watch = obk_file_watch_new (path, changed, &f->calls);
  for (guint i = 2; i <= 3; i++)
    {
      g_autofree char *target = g_strdup_printf ("..%u", i);

      g_assert_cmpint (symlink (target, next), ==, 0);
      g_assert_cmpint (g_rename (next, link), ==, 0);
      expect_calls (f, i - 1);
    }
  write_file (f, "mount/..3/file", "four"); /* the new way is watched too */
  expect_calls (f, 3);
}

static gboolean
stir (gpointer data)
{
  Fixture *f = data;
  g_autofree char *path = path_of (f, "other");

  if (g_unlink (path) != 0)
    write_file (f, "other", "");
  return G_SOURCE_CONTINUE;
}

/* Others never leave the directory alone. */
static void
test_busy_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *path = path_of (f, "file");
  g_autoptr (ObkFileWatch) watch = obk_file_watch_new (path, changed, &f->calls);
  guint source = g_timeout_add (10, stir, f);

  write_file (f, "file", "one");
  expect_calls (f, 1);
  g_source_remove (source);
}

/* Nothing tells of a directory above that is replaced; but what is in the new one is watched from the next poll on. */
static void
test_replaced_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *path = path_of (f, "one/two/file");
  g_autofree char *directory = path_of (f, "one");
  g_autofree char *away = path_of (f, "away");
  g_autoptr (ObkFileWatch) watch = NULL;
  gint64 start_us = g_get_monotonic_time ();

  write_file (f, "one/two/file", "one");
  watch = obk_file_watch_new (path, changed, &f->calls);
  g_assert_cmpint (g_rename (directory, away), ==, 0);
  write_file (f, "one/two/file", "other");
  while (f->calls == 0 && g_get_monotonic_time () < start_us + 2 * OBK_FILE_WATCH_POLL_SECONDS * G_USEC_PER_SEC)
    g_main_context_iteration (NULL, TRUE);
  expect_calls (f, 1);
  write_file (f, "one/two/file", "third");
  expect_calls (f, 2);
}

static void
test_link_loop (Fixture *f, gconstpointer data)
{
  g_autofree char *path = path_of (f, "loop");
  g_autoptr (ObkFileWatch) watch = NULL;

  g_assert_cmpint (symlink ("loop", path), ==, 0);
  watch = obk_file_watch_new (path, changed, &f->calls);
  g_assert_nonnull (watch);
  expect_calls (f, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/file-watch/" path, Fixture, NULL, setup, function, teardown)
  ADD ("replace", test_replace);
  ADD ("swapped-directory", test_swapped_directory);
  ADD ("link-loop", test_link_loop);
  ADD ("busy-directory", test_busy_directory);
  ADD ("replaced-directory", test_replaced_directory);
  return g_test_run ();
}
