/* SPDX-License-Identifier: Apache-2.0 */
/* A state directory for one test, and what the tests of the store do with it again and again. */
#pragma once

#include "base/log.h"
#include "base/names.h"
#include "registry/store.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>

#define CREATED 1700000000
#define NOW 1800000000
#define ALL_FILES "registry.json registry.json.checkpoint registry.json.lock"

static const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .namespace = (char *)"name/space",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

typedef struct
{
  char *directory;
  char *path;
  char *checkpoint;
  char *lock;
  GString *warnings;
} Fixture;

/* The details of warnings, a line each. */
static inline void
keep_warnings (const ObkLogRecord *record, gpointer user_data)
{
  GString *warnings = user_data;

  for (guint i = 0; record->level >= OBK_LOG_WARN && i < record->n_fields; i++)
    if (g_str_equal (record->fields[i].name, OBK_FIELD_DETAIL))
      g_string_append_printf (warnings, "%s\n", record->fields[i].value.string);
}

static inline void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("obk-store-XXXXXX", NULL);
  g_assert_nonnull (fixture->directory);
  g_assert_cmpint (chmod (fixture->directory, 0750), ==, 0);
  fixture->path = g_build_filename (fixture->directory, "registry.json", NULL);
  fixture->checkpoint = g_strconcat (fixture->path, ".checkpoint", NULL);
  fixture->lock = g_strconcat (fixture->path, ".lock", NULL);
  fixture->warnings = g_string_new (NULL);
  obk_log_set_sink (keep_warnings, fixture->warnings);
}

static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) directory = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name = NULL;

  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      remove_tree (inside);
    }
  g_remove (path);
}

static inline void
tear_down (Fixture *fixture, gconstpointer data)
{
  obk_log_set_sink (NULL, NULL);
  remove_tree (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->path);
  g_free (fixture->checkpoint);
  g_free (fixture->lock);
  g_string_free (fixture->warnings, TRUE);
}

static inline ObkStore *
open_store (const Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  ObkStore *store = obk_store_open (fixture->path, &error);

  g_assert_no_error (error);
  g_assert_nonnull (store);
  return store;
}

static inline ObkState *
load (ObkStore *store)
{
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;
  gboolean ok = obk_store_load (store, &scope, &state, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
  return state;
}

static inline void
save (ObkStore *store, ObkState *state)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = obk_store_save (store, state, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

/* A state with @n versions, the highest one active. */
static inline ObkState *
make_state (guint n)
{
  ObkState *state = obk_state_new (&scope);

  for (guint32 version = n; version > 0; version--)
    {
      ObkSnapshot *snapshot = obk_state_add (state, version, CREATED + version,
                                             version == n ? OBK_SNAPSHOT_ACTIVE : OBK_SNAPSHOT_RETIRED);

      snapshot->observed_at_unix = NOW;
      snapshot->promoted_at_unix = NOW;
    }
  return state;
}

/* Loads what is there and saves @n generations more, each with as many versions as its number. */
static inline void
make_generations (const Fixture *fixture, guint n)
{
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autoptr (ObkState) found = load (store);
  guint64 first = found != NULL ? found->generation : 0;

  for (guint64 i = first + 1; i <= first + n; i++)
    {
      g_autoptr (ObkState) state = make_state ((guint)i);

      save (store, state);
      g_assert_cmpuint (state->generation, ==, i);
    }
}

static inline char *
content_of (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *content = NULL;

  g_file_get_contents (path, &content, NULL, &error);
  g_assert_no_error (error);
  return content;
}

static inline gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Names of the directory's files, sorted, with a space between. */
static inline char *
files_of (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name = NULL;

  g_assert_nonnull (directory);
  while ((name = g_dir_read_name (directory)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (" ", (char **)names->pdata);
}
