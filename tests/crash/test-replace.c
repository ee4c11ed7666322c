/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replacement of a state that may not be loaded is killed at each of its system calls, and the directory is put
 * together again as a power cut at that moment might leave it: what is found is refused or is the new state, and the
 * old files' content is there.
 */
#include "crash-fixture.h"

#include "base/error.h"
#include "registry/document.h"
#include "registry/store.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is put in the place of state and checkpoint. */
typedef enum
{
  FILE_NONE,
  FILE_GARBAGE,
  FILE_FIRST, /* of generation 1 */
  FILE_SECOND
} Content;

typedef struct
{
  const char *name;
  Content state;
  Content checkpoint;
} Case;

static const Case cases[] = {
  { "garbage", FILE_GARBAGE, FILE_SECOND },       { "garbage-alone", FILE_GARBAGE, FILE_NONE },
  { "both-garbage", FILE_GARBAGE, FILE_GARBAGE }, { "old-copy", FILE_FIRST, FILE_SECOND },
  { "checkpoint", FILE_SECOND, FILE_GARBAGE },    { "missing", FILE_NONE, FILE_SECOND },
};

static ObkState *
new_state (void)
{
  return obk_state_first (&crash_scope, CREATED, NOW + 99);
}

static void
put (const char *directory, const char *suffix, const char *content)
{
  g_autofree char *path = g_strconcat (directory, "/" NAME, suffix, NULL);

  if (content == NULL)
    return;
  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  g_assert_cmpint (chmod (path, 0640), ==, 0);
}

/* Begins with the case's two files on disk for good. */
static void
begin (Fixture *fixture, const Case *test)
{
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();
  char *states[] = { NULL, g_strdup ("{ \"state\""), NULL, NULL };
  char *checkpoints[] = { NULL, g_strdup ("{ \"checkpoint\""), NULL, NULL };
  g_autoptr (ObkState) state = obk_state_first (&crash_scope, CREATED, NOW);
  gsize length = 0;

  for (guint i = FILE_FIRST; i <= FILE_SECOND; i++)
    {
      g_free (state->previous_hash);
      state->previous_hash = g_strdup (state->current_hash);
      state->generation++;
      states[i] = obk_document_write_state (state, &length);
      checkpoints[i] = obk_document_write_checkpoint (state->generation, state->current_hash, &length);
    }
  disk_write (empty, fixture->live);
  put (fixture->live, "", states[test->state]);
  put (fixture->live, ".checkpoint", checkpoints[test->checkpoint]);
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      g_free (states[i]);
      g_free (checkpoints[i]);
    }
  crash_begin (fixture);
}

/* As the command does it. Returns: whether it was told that the new state is saved */
static gboolean
replace (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, NAME, NULL);
  g_autoptr (ObkStore) store = obk_store_open (path, NULL);
  g_auto (ObkDamage) damage = { 0 };
  g_autoptr (GPtrArray) kept = NULL;
  g_autoptr (ObkState) state = new_state ();
  ObkState *old = NULL;

  if (store == NULL || obk_store_load (store, &crash_scope, &old, NULL)
      || !obk_damage_read (path, &crash_scope, &damage, NULL))
    {
      obk_state_free (old);
      return FALSE;
    }
  return obk_store_replace (store, &damage, state, NOW, &kept, NULL);
}

/* Returns: whether the process came to its end, instead of being killed */
static gboolean
run (Fixture *fixture, ShimFate fate)
{
  pid_t child = fork ();

  if (child == 0)
    {
      shim_arm (fixture->log, fate);
      fixture->log->promised = replace (fixture->live) ? 1 : 0;
      shim_disarm ();
      _exit (0);
    }
  return crash_wait (child);
}

static gboolean
has_content (const GPtrArray *files, GBytes *content)
{
  for (guint i = 0; i < files->len; i++)
    if (g_bytes_equal (((const DiskFile *)files->pdata[i])->content, content))
      return TRUE;
  return FALSE;
}

/* Returns: whether the scratch directory has the new state */
static gboolean
loads_new (Fixture *fixture, gboolean *refused)
{
  g_autofree char *path = g_build_filename (fixture->scratch, NAME, NULL);
  g_autoptr (ObkStore) store = obk_store_open (path, NULL);
  g_autoptr (ObkState) wanted = new_state ();
  g_autoptr (GError) error = NULL;
  ObkState *found = NULL;
  gboolean same = FALSE;

  g_assert_nonnull (store);
  *refused = !obk_store_load (store, &crash_scope, &found, &error);
  same = found != NULL && obk_state_same_content (found, wanted);
  obk_state_free (found);
  return same;
}

static gboolean
is_right (Fixture *fixture, const GPtrArray *files)
{
  gboolean refused = FALSE;

  for (guint i = 0; i < fixture->before->len; i++)
    if (!has_content (files, ((const DiskFile *)fixture->before->pdata[i])->content))
      return FALSE;
  disk_write (files, fixture->scratch);
  if (loads_new (fixture, &refused))
    return TRUE;
  /* Refused as before, and then it can be tried again. */
  return refused && fixture->log->promised == 0 && replace (fixture->scratch) && loads_new (fixture, &refused);
}

static void
try_image (const GPtrArray *files, gpointer user_data)
{
  Fixture *fixture = user_data;

  if (crash_is_new (fixture, files) && !is_right (fixture, files))
    fixture->faults++;
}

static void
try_images (Fixture *fixture)
{
  crash_try_images (fixture, try_image);
  g_assert_cmpuint (fixture->faults, ==, 0);
}

static void
test_killed (Fixture *fixture, gconstpointer data)
{
  gboolean done = FALSE;
  guint steps = 0;

  for (guint i = 0; !done; i++)
    {
      begin (fixture, data);
      done = run (fixture, (ShimFate){ .die_at = i, .fail_at = SHIM_NEVER });
      try_images (fixture);
      steps = i;
    }
  g_assert_cmpuint (fixture->log->promised, ==, 1);
  g_assert_cmpuint (steps, >, 15);
}

/* One call fails, or is said to have failed, and the command ends. */
static void
test_failed (Fixture *fixture, gconstpointer data)
{
  static const int causes[] = { EIO, ENOSPC, EPERM };

  for (guint after = 0; after < 2; after++)
    {
      gboolean reached = TRUE;

      for (guint i = 0; reached; i++)
        {
          begin (fixture, data);
          reached = !run (fixture, (ShimFate){ .die_at = i, .fail_at = SHIM_NEVER });
          begin (fixture, data);
          g_assert_true (run (fixture, (ShimFate){ .die_at = SHIM_NEVER,
                                                   .fail_at = i,
                                                   .fail_with = causes[i % G_N_ELEMENTS (causes)],
                                                   .fail_after = after == 1 }));
          try_images (fixture);
        }
    }
}

/* The model must be able to fail: without the syncs there are images that have lost something. */
static void
test_model_can_fail (Fixture *fixture, gconstpointer data)
{
  guint n = 0;

  begin (fixture, &cases[0]);
  g_assert_true (run (fixture, (ShimFate){ .die_at = SHIM_NEVER, .fail_at = SHIM_NEVER }));
  for (guint i = 0; i < fixture->log->n_operations; i++)
    if (fixture->log->operations[i].kind != SHIM_SYNC_DIRECTORY)
      fixture->log->operations[n++] = fixture->log->operations[i];
  fixture->log->n_operations = n;
  disk_power_cuts (fixture->before, fixture->log, try_image, fixture);
  g_assert_cmpuint (fixture->faults, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/registry/crash-replace/model-without-directory-sync", Fixture, NULL, crash_set_up, test_model_can_fail,
              crash_tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *killed = g_strconcat ("/registry/crash-replace/killed/", cases[i].name, NULL);
      g_autofree char *failed = g_strconcat ("/registry/crash-replace/failed/", cases[i].name, NULL);

      g_test_add (killed, Fixture, &cases[i], crash_set_up, test_killed, crash_tear_down);
      g_test_add (failed, Fixture, &cases[i], crash_set_up, test_failed, crash_tear_down);
    }
  return g_test_run ();
}
