/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/store.h"

#include "base/error.h"
#include "registry/document.h"
#include "store-fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534

static mode_t
mode_of (const char *path)
{
  struct stat status;

  g_assert_cmpint (lstat (path, &status), ==, 0);
  return status.st_mode & 07777;
}

static void
test_saves (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL;
  g_autofree char *files = NULL;
  gsize length = 0;
  mode_t old_mask = umask (0077);

  make_generations (fixture, 1);
  umask (0);
  make_generations (fixture, 3);
  umask (old_mask);
  {
    g_autoptr (ObkStore) store = open_store (fixture);
    g_autoptr (ObkState) state = load (store);
    g_autofree char *on_disk = content_of (fixture->path);

    g_assert_cmpuint (state->generation, ==, 4);
    text = obk_document_write_state (state, &length);
    g_assert_cmpstr (on_disk, ==, text);
  }
  g_assert_cmpint (mode_of (fixture->path), ==, 0640);
  g_assert_cmpint (mode_of (fixture->checkpoint), ==, 0640);
  g_assert_cmpint (mode_of (fixture->lock), ==, 0600);
  files = files_of (fixture->directory);
  g_assert_cmpstr (files, ==, ALL_FILES);
  g_assert_cmpstr (fixture->warnings->str, ==, "");
}

/* The chain of hashes, as the files themselves tell it. */
static void
test_chain (Fixture *fixture, gconstpointer data)
{
  g_autofree char *before = NULL;

  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (ObkStore) store = NULL;
      g_autoptr (ObkState) state = NULL;

      make_generations (fixture, 1);
      store = open_store (fixture);
      state = load (store);
      g_assert_cmpuint (state->generation, ==, i);
      g_assert_cmpstr (state->previous_hash, ==, before);
      g_free (before);
      before = g_strdup (state->current_hash);
    }
}

static void
copy_file (const char *from, const char *to)
{
  g_autofree char *content = content_of (from);

  g_assert_true (g_file_set_contents (to, content, -1, NULL));
  g_assert_cmpint (chmod (to, 0640), ==, 0);
}

/* Killed between the two renames. */
static void
test_repairs_gap (Fixture *fixture, gconstpointer data)
{
  g_autofree char *kept = g_strconcat (fixture->directory, "/kept", NULL);

  make_generations (fixture, 1);
  copy_file (fixture->checkpoint, kept);
  make_generations (fixture, 1);
  copy_file (kept, fixture->checkpoint);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (ObkState) state = NULL;
    ObkCheckpointStatus status = OBK_CHECKPOINT_CURRENT;

    g_assert_true (obk_store_peek (fixture->path, &scope, &state, &status, &error));
    g_assert_cmpstr (obk_checkpoint_status_name (status), ==, "behind");
    g_assert_cmpuint (state->generation, ==, 2);
  }
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (ObkStore) store = open_store (fixture);
      g_autoptr (ObkState) state = load (store);
      g_autofree char *text = content_of (fixture->checkpoint);
      g_auto (ObkCheckpoint) checkpoint = { 0 };

      g_assert_cmpuint (state->generation, ==, 2);
      g_assert_true (obk_document_read_checkpoint (text, strlen (text), &checkpoint, NULL));
      g_assert_cmpuint (checkpoint.generation, ==, 2);
      g_assert_cmpstr (checkpoint.current_hash, ==, state->current_hash);
    }
  g_assert_cmpstr (fixture->warnings->str, ==, "");
}

static void
test_repairs_missing_checkpoint (Fixture *fixture, gconstpointer data)
{
  g_autofree char *wanted = NULL;
  g_autofree char *found = NULL;

  make_generations (fixture, 2);
  wanted = content_of (fixture->checkpoint);
  g_assert_cmpint (g_unlink (fixture->checkpoint), ==, 0);
  {
    g_autoptr (ObkState) state = NULL;
    ObkCheckpointStatus status = OBK_CHECKPOINT_CURRENT;

    g_assert_true (obk_store_peek (fixture->path, &scope, &state, &status, NULL));
    g_assert_cmpstr (obk_checkpoint_status_name (status), ==, "missing");
    g_assert_false (g_file_test (fixture->checkpoint, G_FILE_TEST_EXISTS));
  }
  make_generations (fixture, 0);
  found = content_of (fixture->checkpoint);
  g_assert_cmpstr (found, ==, wanted);
  g_assert_nonnull (strstr (fixture->warnings->str, "has no checkpoint"));
}

static void
test_peeks (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;
  ObkCheckpointStatus status = OBK_CHECKPOINT_CURRENT;

  g_assert_true (obk_store_peek (fixture->path, &scope, &state, &status, &error));
  g_assert_cmpstr (obk_checkpoint_status_name (status), ==, "absent");
  g_assert_null (state);
  make_generations (fixture, 2);
  store = open_store (fixture); /* the lock does not stand in its way */
  g_assert_true (obk_store_peek (fixture->path, &scope, &state, &status, &error));
  g_assert_cmpstr (obk_checkpoint_status_name (status), ==, "current");
  g_assert_cmpuint (state->generation, ==, 2);
  obk_state_free (state);
  g_assert_true (g_file_set_contents (fixture->path, "{", 1, NULL));
  g_assert_cmpint (chmod (fixture->path, 0640), ==, 0);
  g_assert_false (obk_store_peek (fixture->path, &scope, &state, &status, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
}

static void
test_clears_leftovers (Fixture *fixture, gconstpointer data)
{
  g_autofree char *state_leftover = g_strconcat (fixture->path, ".tmp", NULL);
  g_autofree char *checkpoint_leftover = g_strconcat (fixture->checkpoint, ".tmp", NULL);
  g_autofree char *files = NULL;

  make_generations (fixture, 1);
  g_assert_true (g_file_set_contents (state_leftover, "{", -1, NULL));
  g_assert_true (g_file_set_contents (checkpoint_leftover, "", -1, NULL));
  {
    g_autoptr (ObkStore) store = open_store (fixture);

    files = files_of (fixture->directory);
    g_assert_cmpstr (files, ==, ALL_FILES);
  }
}

/* Root leaves nothing behind that the service's user could not use. */
static void
test_gives_to_owner (Fixture *fixture, gconstpointer data)
{
  const char *const paths[] = { fixture->path, fixture->checkpoint, fixture->lock };

  if (geteuid () != 0)
    {
      g_test_skip ("only root can give files away");
      return;
    }
  make_generations (fixture, 1);
  g_assert_cmpint (chown (fixture->directory, NOBODY, NOBODY - 1), ==, 0);
  make_generations (fixture, 1);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      struct stat status;

      g_assert_cmpint (lstat (paths[i], &status), ==, 0);
      g_assert_cmpuint (status.st_uid, ==, NOBODY);
      g_assert_cmpuint (status.st_gid, ==, NOBODY - 1);
    }
}

static void
assert_not_saved (ObkStore *store, ObkState *state, ObkError code, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (obk_store_save (store, state, &error));
  g_assert_error (error, OBK_ERROR, (gint)code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, part));
}

/* Whatever kept a save from being done: nothing has changed, and it works again when the cause is gone. */
static void
assert_save_fails (const Fixture *fixture, ObkStore *store, const char *part)
{
  g_autofree char *before = content_of (fixture->path);
  g_autofree char *checkpoint_before = content_of (fixture->checkpoint);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (ObkState) state = make_state (50);
      g_autofree char *after = NULL;
      g_autofree char *checkpoint_after = NULL;
      g_autofree char *files = NULL;

      assert_not_saved (store, state, OBK_ERROR_STATE_NOT_SAVED, part);
      after = content_of (fixture->path);
      g_assert_cmpstr (after, ==, before);
      checkpoint_after = content_of (fixture->checkpoint);
      g_assert_cmpstr (checkpoint_after, ==, checkpoint_before);
      files = files_of (fixture->directory);
      g_assert_cmpstr (files, ==, ALL_FILES);
    }
}

static void
assert_saves_again (ObkStore *store, guint64 generation)
{
  g_autoptr (ObkState) state = make_state (51);

  save (store, state);
  g_assert_cmpuint (state->generation, ==, generation);
}

static void
test_file_size_limit (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (ObkState) state = NULL;
  struct rlimit old_limit;
  struct rlimit limit;

  make_generations (fixture, 1);
  store = open_store (fixture);
  state = load (store);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old_limit), ==, 0);
  limit = old_limit;
  limit.rlim_cur = 4096; /* the state of 50 versions does not fit, its checkpoint would */
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  assert_save_fails (fixture, store, "File too large");
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old_limit), ==, 0);
  assert_saves_again (store, 2);
}

static gboolean
mount_small (const char *path)
{
  if (mount ("obk-test", path, "tmpfs", MS_NODEV | MS_NOSUID, "size=64k,mode=0750") == 0)
    return TRUE;
  g_assert_cmpint (errno, ==, EPERM);
  g_test_skip ("mounting a small file system needs CAP_SYS_ADMIN");
  return FALSE;
}

static void
test_full_disk (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strconcat (fixture->directory, "/filler", NULL);

  if (!mount_small (fixture->directory))
    return;
  for (guint room = 0; room < 2; room++) /* pages left: for neither file; for the state's first page alone */
    {
      g_autoptr (ObkStore) store = NULL;
      g_autoptr (ObkState) state = NULL;
      FILE *file = NULL;
      int n = 0;

      make_generations (fixture, 1);
      store = open_store (fixture);
      state = load (store);
      file = fopen (filler, "w");
      g_assert_nonnull (file);
      setbuf (file, NULL);
      while (fputc ('x', file) != EOF)
        n++;
      fclose (file);
      g_assert_cmpint (truncate (filler, n - (int)room * 4096), ==, 0);
      {
        g_autofree char *before = content_of (fixture->path);
        g_autoptr (ObkState) next = make_state (50);
        g_autofree char *after = NULL;
        g_autofree char *temporary = g_strconcat (fixture->path, ".tmp", NULL);

        assert_not_saved (store, next, OBK_ERROR_STATE_NOT_SAVED, "No space left on device");
        after = content_of (fixture->path);
        g_assert_cmpstr (after, ==, before);
        g_assert_false (g_file_test (temporary, G_FILE_TEST_EXISTS));
      }
      g_assert_cmpint (g_unlink (filler), ==, 0);
      assert_saves_again (store, state->generation + 1);
    }
  g_assert_cmpint (umount2 (fixture->directory, MNT_DETACH), ==, 0);
}

static void
test_full_disk_for_checkpoint (Fixture *fixture, gconstpointer data)
{
  g_autofree char *checkpoint_temporary = g_strconcat (fixture->checkpoint, ".tmp", NULL);
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (ObkState) state = NULL;

  make_generations (fixture, 1);
  store = open_store (fixture);
  state = load (store);
  g_assert_cmpint (g_mkdir (checkpoint_temporary, 0700), ==, 0); /* so that only the second file cannot be made */
  {
    g_autofree char *before = content_of (fixture->path);
    g_autofree char *after = NULL;
    g_autoptr (ObkState) next = make_state (50);

    assert_not_saved (store, next, OBK_ERROR_STATE_NOT_SAVED, "registry.json.checkpoint.tmp");
    after = content_of (fixture->path);
    g_assert_cmpstr (after, ==, before);
  }
  g_assert_cmpint (g_rmdir (checkpoint_temporary), ==, 0);
  assert_saves_again (store, 2);
}

static void
test_read_only (Fixture *fixture, gconstpointer data)
{
  g_autofree char *checkpoint = NULL;

  if (!mount_small (fixture->directory))
    return;
  make_generations (fixture, 2);
  {
    g_autoptr (ObkStore) store = open_store (fixture);
    g_autoptr (ObkState) state = load (store);

    g_assert_cmpint (mount (NULL, fixture->directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
    assert_save_fails (fixture, store, "Read-only file system");
  }
  { /* a start while it is so: what is there loads, with its lock */
    g_autoptr (ObkStore) store = open_store (fixture);
    g_autoptr (ObkState) state = load (store);

    g_assert_cmpuint (state->generation, ==, 2);
    assert_save_fails (fixture, store, "Read-only file system");
    g_assert_cmpint (mount (NULL, fixture->directory, NULL, MS_REMOUNT | MS_BIND, NULL), ==, 0);
    assert_saves_again (store, 3);
  }
  g_assert_cmpint (umount2 (fixture->directory, MNT_DETACH), ==, 0);
}

/* A checkpoint that could not be repaired at the start must be before the next state is written. */
static void
test_read_only_repair (Fixture *fixture, gconstpointer data)
{
  g_autofree char *kept = g_strconcat (fixture->directory, "/kept", NULL);
  g_autofree char *text = NULL;
  g_auto (ObkCheckpoint) checkpoint = { 0 };

  if (!mount_small (fixture->directory))
    return;
  make_generations (fixture, 1);
  copy_file (fixture->checkpoint, kept);
  make_generations (fixture, 1);
  copy_file (kept, fixture->checkpoint);
  g_assert_cmpint (g_unlink (kept), ==, 0);
  g_assert_cmpint (mount (NULL, fixture->directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
  {
    g_autoptr (ObkStore) store = open_store (fixture);
    g_autoptr (ObkState) state = load (store);

    g_assert_cmpuint (state->generation, ==, 2);
    g_assert_nonnull (strstr (fixture->warnings->str, "the checkpoint could not be written"));
    assert_save_fails (fixture, store, "Read-only file system");
    g_assert_cmpint (mount (NULL, fixture->directory, NULL, MS_REMOUNT | MS_BIND, NULL), ==, 0);
    assert_saves_again (store, 3);
  }
  text = content_of (fixture->checkpoint);
  g_assert_true (obk_document_read_checkpoint (text, strlen (text), &checkpoint, NULL));
  g_assert_cmpuint (checkpoint.generation, ==, 3);
  g_assert_cmpint (umount2 (fixture->directory, MNT_DETACH), ==, 0);
}

/* What would not load is not saved. */
static void
test_refuses_to_save (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (ObkState) loaded = NULL;
  g_autoptr (ObkState) two_active = make_state (2);
  g_autoptr (ObkState) times = make_state (2);
  g_autoptr (ObkState) foreign = NULL;
  ObkScope other = scope;

  other.cluster_id = (char *)"other";
  foreign = obk_state_first (&other, CREATED, NOW);
  g_array_index (two_active->snapshots, ObkSnapshot, 1).state = OBK_SNAPSHOT_ACTIVE;
  g_array_index (times->snapshots, ObkSnapshot, 0).promoted_at_unix = NOW - 1;
  make_generations (fixture, 1);
  store = open_store (fixture);
  loaded = load (store);
  assert_not_saved (store, two_active, OBK_ERROR_STATE_NOT_SAVED, "2 snapshots are active");
  assert_not_saved (store, times, OBK_ERROR_STATE_NOT_SAVED, "promoted before it was observed");
  assert_not_saved (store, foreign, OBK_ERROR_STATE_NOT_SAVED, "another identity scope");
  assert_saves_again (store, 2);
}

static void
test_size (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autoptr (ObkState) nothing = load (store);
  g_autoptr (ObkState) probe = make_state (1000);
  g_autoptr (ObkState) warned = NULL;
  g_autoptr (ObkState) large = NULL;
  gsize length = 0;
  guint per_megabyte = 0;
  struct stat status;

  probe->generation = 1;
  g_free (obk_document_write_state (probe, &length));
  per_megabyte = (guint)(1000 * (1024 * 1024) / length);
  warned = make_state (13 * per_megabyte);
  large = make_state (17 * per_megabyte);
  save (store, probe);
  g_assert_cmpstr (fixture->warnings->str, ==, "");
  save (store, warned);
  g_assert_nonnull (strstr (fixture->warnings->str, "larger than 12 MiB"));
  assert_not_saved (store, large, OBK_ERROR_STATE_NOT_SAVED, "would be larger than 16 MiB");
  g_assert_cmpint (stat (fixture->path, &status), ==, 0);
  g_assert_cmpint (status.st_size, >, 12 * 1024 * 1024);
  g_clear_pointer (&store, obk_store_free);
  {
    g_autoptr (ObkStore) again = open_store (fixture);
    g_autoptr (ObkState) state = load (again);

    g_assert_cmpuint (state->generation, ==, 2);
    g_assert_true (obk_state_same_content (state, warned));
  }
}

static void
test_speed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autoptr (ObkState) nothing = load (store);
  gint64 best = G_MAXINT64;

  for (guint i = 0; i < 5; i++) /* the best of a few: others use the machine too */
    {
      g_autoptr (ObkState) state = make_state (1000);
      gint64 start = g_get_monotonic_time ();

      save (store, state);
      best = MIN (best, g_get_monotonic_time () - start);
    }
  g_test_message ("1,000 versions are saved in %" G_GINT64_FORMAT " us", best);
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpint (best, <, 100000);
#endif
}

typedef struct
{
  GMainLoop *loop;
  ObkStore *store;
  ObkState *saved;
  GError *error;
} Asynchronous;

static void
on_saved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Asynchronous *test = user_data;

  test->saved = obk_store_save_finish (test->store, result, &test->error);
  g_main_loop_quit (test->loop);
}

static void
test_asynchronous (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autoptr (ObkState) nothing = load (store);
  Asynchronous test = { .loop = loop, .store = store };

  obk_store_save_async (store, make_state (1), on_saved, &test);
  g_main_loop_run (loop);
  g_assert_no_error (test.error);
  g_assert_cmpuint (test.saved->generation, ==, 1);
  g_clear_pointer (&test.saved, obk_state_free);
  g_assert_cmpint (g_unlink (fixture->lock), ==, 0);
  obk_store_save_async (store, make_state (2), on_saved, &test);
  g_main_loop_run (loop);
  g_assert_error (test.error, OBK_ERROR, OBK_ERROR_STATE_LOCKED);
  g_assert_null (test.saved);
  g_clear_error (&test.error);
}

static void
on_saved_late (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_main_loop_quit (user_data);
}

/* The lock is kept until a save that runs has ended. */
static void
test_freed_while_saving (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (ObkState) state = NULL;
  ObkStore *store = open_store (fixture);
  g_autoptr (ObkState) nothing = load (store);

  obk_store_save_async (store, make_state (1000), on_saved_late, loop);
  obk_store_free (store);
  g_main_loop_run (loop);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  store = open_store (fixture);
  state = load (store);
  g_assert_cmpuint (state->generation, ==, 1);
  obk_store_free (store);
}

static void
add (const char *path, void (*test) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/store/saves", test_saves);
  add ("/registry/store/chain", test_chain);
  add ("/registry/store/repairs-gap", test_repairs_gap);
  add ("/registry/store/repairs-missing-checkpoint", test_repairs_missing_checkpoint);
  add ("/registry/store/peeks", test_peeks);
  add ("/registry/store/clears-leftovers", test_clears_leftovers);
  add ("/registry/store/gives-to-owner", test_gives_to_owner);
  add ("/registry/store/file-size-limit", test_file_size_limit);
  add ("/registry/store/full-disk", test_full_disk);
  add ("/registry/store/full-disk-for-checkpoint", test_full_disk_for_checkpoint);
  add ("/registry/store/read-only", test_read_only);
  add ("/registry/store/read-only-repair", test_read_only_repair);
  add ("/registry/store/refuses-to-save", test_refuses_to_save);
  add ("/registry/store/size", test_size);
  add ("/registry/store/speed", test_speed);
  add ("/registry/store/asynchronous", test_asynchronous);
  add ("/registry/store/freed-while-saving", test_freed_while_saving);
  return g_test_run ();
}
