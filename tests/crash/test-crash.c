/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A save is killed at each of its system calls, and the directory is put together again as a power cut at that moment
 * might leave it. Whatever is found must load: the old state or the new, nothing that was promised lost.
 */
#include "crash-fixture.h"

#include "base/error.h"
#include "registry/store.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const ShimFate no_fate = { SHIM_NEVER, SHIM_NEVER, 0, FALSE };

/* No two are the same, not even for the same generation tried again: time goes on. */
static ObkState *
make_state (guint64 generation, guint try)
{
  return obk_state_first (&crash_scope, CREATED, NOW + 10 * (gint64)generation + try);
}

/* Loads what is there and saves @n generations, trying twice what fails; promises what it was promised. */
static gboolean
work (const char *directory, guint n, ShimLog *log)
{
  g_autofree char *path = g_build_filename (directory, NAME, NULL);
  g_autoptr (ObkStore) store = obk_store_open (path, NULL);
  ObkState *found = NULL;
  guint64 generation = 0;

  if (store == NULL || !obk_store_load (store, &crash_scope, &found, NULL))
    return FALSE;
  if (found != NULL)
    generation = log->promised = found->generation;
  obk_state_free (found);
  for (guint i = 0; i < n; i++)
    {
      gboolean saved = FALSE;

      for (guint tries = 0; tries < 2 && !saved; tries++)
        {
          g_autoptr (ObkState) state = make_state (generation + 1, tries);

          saved = obk_store_save (store, state, NULL);
          if (saved)
            generation = log->promised = state->generation;
        }
    }
  return TRUE;
}

/* Returns: whether the process came to its end, instead of being killed */
static gboolean
run (Fixture *fixture, guint n, ShimFate fate)
{
  pid_t child = fork ();

  if (child == 0)
    {
      gboolean ok = FALSE;

      shim_arm (fixture->log, fate);
      ok = work (fixture->live, n, fixture->log);
      shim_disarm ();
      _exit (ok || fate.fail_at != SHIM_NEVER ? 0 : 1);
    }
  return crash_wait (child);
}

/* Begins with @generations saved and on disk for good. */
static void
begin (Fixture *fixture, guint generations)
{
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();

  shim_log_clear (fixture->log);
  disk_write (empty, fixture->live);
  if (generations > 0)
    g_assert_true (work (fixture->live, generations, fixture->log));
  crash_begin (fixture);
  fixture->log->promised = generations;
}

/* An image must load with at least what was promised, and go on from there. */
static void
try_image (const GPtrArray *files, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autofree char *path = g_build_filename (fixture->scratch, NAME, NULL);
  guint64 generation = 0;

  if (!crash_is_new (fixture, files))
    return;
  disk_write (files, fixture->scratch);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkStore) store = obk_store_open (path, &error);
      g_autoptr (ObkState) next = NULL;
      ObkState *state = NULL;

      g_assert_no_error (error);
      g_assert_true (obk_store_load (store, &crash_scope, &state, &error) || error != NULL);
      if (error != NULL)
        g_test_message ("after %u operations: %s", fixture->log->n_operations, error->message);
      g_assert_no_error (error);
      if (i == 1)
        g_assert_cmpuint (state->generation, ==, generation);
      generation = state != NULL ? state->generation : 0;
      g_assert_cmpuint (generation, >=, fixture->log->promised);
      obk_state_free (state);
      next = make_state (generation + 1, 5);
      g_assert_true (obk_store_save (store, next, &error));
      generation = next->generation;
    }
}

/* Killed anywhere in a save. */
static void
test_killed (Fixture *fixture, gconstpointer data)
{
  guint generations = GPOINTER_TO_UINT (data);
  gboolean done = FALSE;
  guint steps = 0;

  for (guint i = 0; !done; i++)
    {
      begin (fixture, generations);
      done = run (fixture, 1, (ShimFate){ .die_at = i, .fail_at = SHIM_NEVER });
      crash_try_images (fixture, try_image);
      steps = i;
    }
  g_test_message ("%u steps", steps);
  g_assert_cmpuint (steps, >, 15);
  g_assert_cmpuint (fixture->log->promised, ==, generations + 1);
}

/* Killed, started again without a power cut between, and killed again: what the first left unsynced counts too. */
static void
test_killed_twice (Fixture *fixture, gconstpointer data)
{
  guint generations = GPOINTER_TO_UINT (data);
  gboolean first_done = FALSE;

  for (guint i = 0; !first_done; i++)
    {
      gboolean done = FALSE;

      for (guint j = 0; !done; j++)
        {
          begin (fixture, generations);
          first_done = run (fixture, 1, (ShimFate){ .die_at = i, .fail_at = SHIM_NEVER });
          done = run (fixture, 1, (ShimFate){ .die_at = j, .fail_at = SHIM_NEVER });
          crash_try_images (fixture, try_image);
        }
    }
}

/* A call fails, the save is tried again by the same process, and that is killed. */
static void
test_failed_and_killed (Fixture *fixture, gconstpointer data)
{
  guint generations = GPOINTER_TO_UINT (data);
  static const int causes[] = { EIO, ENOSPC, EDQUOT };
  guint steps = 0;

  begin (fixture, generations);
  for (gboolean done = FALSE; !done; steps++)
    {
      begin (fixture, generations);
      done = run (fixture, 2, (ShimFate){ .die_at = steps, .fail_at = SHIM_NEVER });
    }
  for (guint after = 0; after < 2; after++)
    for (guint i = 0; i < steps; i++)
      {
        gboolean done = FALSE;

        for (guint j = i + 1; !done; j++)
          {
            begin (fixture, generations);
            done = run (fixture, 2,
                        (ShimFate){ .die_at = j,
                                    .fail_at = i,
                                    .fail_with = causes[i % G_N_ELEMENTS (causes)],
                                    .fail_after = after == 1 });
            crash_try_images (fixture, try_image);
          }
      }
}

/* The model must be able to fail: without the syncs that it is about, there are images that do not load. */
static void
count_unloadable (const GPtrArray *files, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autofree char *path = g_build_filename (fixture->scratch, NAME, NULL);
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;

  disk_write (files, fixture->scratch);
  store = obk_store_open (path, &error);
  g_assert_no_error (error);
  if (!obk_store_load (store, &crash_scope, &state, NULL))
    fixture->images++;
  obk_state_free (state);
}

static void
test_model_can_fail (Fixture *fixture, gconstpointer data)
{
  ShimKind without = (ShimKind)GPOINTER_TO_UINT (data);
  guint n = 0;

  begin (fixture, 2);
  g_assert_true (run (fixture, 1, no_fate));
  for (guint i = 0; i < fixture->log->n_operations; i++)
    if (fixture->log->operations[i].kind != without)
      fixture->log->operations[n++] = fixture->log->operations[i];
  g_assert_cmpuint (n, <, fixture->log->n_operations);
  fixture->log->n_operations = n;
  disk_power_cuts (fixture->before, fixture->log, count_unloadable, fixture);
  g_assert_cmpuint (fixture->images, >, 0);
}

static void
add (const char *path, guint number, void (*test) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, GUINT_TO_POINTER (number), crash_set_up, test, crash_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/crash/model-without-file-sync", SHIM_SYNC, test_model_can_fail);
  add ("/registry/crash/model-without-directory-sync", SHIM_SYNC_DIRECTORY, test_model_can_fail);
  add ("/registry/crash/killed-in-first-save", 0, test_killed);
  add ("/registry/crash/killed-in-second-save", 1, test_killed);
  add ("/registry/crash/killed-in-later-save", 2, test_killed);
  add ("/registry/crash/killed-twice-in-first-save", 0, test_killed_twice);
  add ("/registry/crash/killed-twice-in-later-save", 2, test_killed_twice);
  add ("/registry/crash/failed-and-killed-in-first-save", 0, test_failed_and_killed);
  add ("/registry/crash/failed-and-killed-in-later-save", 2, test_failed_and_killed);
  return g_test_run ();
}
