/* SPDX-License-Identifier: Apache-2.0 */
#include "crash-fixture.h"

#include "base/log.h"

#include <glib/gstdio.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

const ObkScope crash_scope = {
  .provider_name = (char *)"p",
  .cluster_id = (char *)"c",
  .instance_id = (char *)"i",
  .mount_id = (char *)"m",
  .key_lineage_id = (char *)"l",
};

static void
ignore_record (const ObkLogRecord *record, gpointer user_data)
{
}

static char *
make_directory (void)
{
  char *path = g_dir_make_tmp ("obk-crash-XXXXXX", NULL);

  g_assert_nonnull (path);
  g_assert_cmpint (chmod (path, 0750), ==, 0);
  return path;
}

void
crash_set_up (Fixture *fixture, gconstpointer unused)
{
  obk_log_set_sink (ignore_record, NULL);
  fixture->live = make_directory ();
  fixture->scratch = make_directory ();
  fixture->log = shim_log_new ();
  fixture->tried = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
remove_directory (char *path)
{
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();

  disk_write (empty, path);
  g_assert_cmpint (g_rmdir (path), ==, 0);
  g_free (path);
}

void
crash_tear_down (Fixture *fixture, gconstpointer unused)
{
  g_test_message ("%u images", fixture->images);
  remove_directory (fixture->live);
  remove_directory (fixture->scratch);
  g_clear_pointer (&fixture->before, g_ptr_array_unref);
  g_hash_table_unref (fixture->tried);
}

void
crash_begin (Fixture *fixture)
{
  shim_log_clear (fixture->log);
  g_clear_pointer (&fixture->before, g_ptr_array_unref);
  fixture->before = disk_read (fixture->live);
}

gboolean
crash_wait (pid_t child)
{
  int status = 0;

  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  if (WIFSIGNALED (status))
    {
      g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
      return FALSE;
    }
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  return TRUE;
}

gboolean
crash_is_new (Fixture *fixture, const GPtrArray *files)
{
  g_autofree char *digest = disk_digest (files);

  if (!g_hash_table_add (fixture->tried, g_strdup_printf ("%s %" G_GUINT64_FORMAT, digest, fixture->log->promised)))
    return FALSE;
  fixture->images++;
  return TRUE;
}

void
crash_try_images (Fixture *fixture, DiskImage try_image)
{
  g_autoptr (GPtrArray) model = disk_after_kill (fixture->before, fixture->log);
  g_autoptr (GPtrArray) real = disk_read (fixture->live);

  g_assert_true (disk_equal (model, real));
  disk_power_cuts (fixture->before, fixture->log, try_image, fixture);
}
