/* SPDX-License-Identifier: Apache-2.0 */
/* A state that may not be loaded is read for what it is worth, kept, and replaced by one that may. */
#include "registry/store.h"

#include "base/error.h"
#include "registry/document.h"
#include "store-fixture.h"

#include <unistd.h>

#define KEPT_AT 1900000000
#define KEPT ".damaged-1900000000"

static void
put (const char *path, const char *content)
{
  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  g_assert_cmpint (chmod (path, 0640), ==, 0);
}

static void
put_checkpoint (const Fixture *fixture, guint64 generation, const char *hash)
{
  gsize length = 0;
  g_autofree char *text = obk_document_write_checkpoint (generation, hash, &length);

  put (fixture->checkpoint, text);
}

static void
assert_refused (ObkStore *store)
{
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;

  g_assert_false (obk_store_load (store, &scope, &state, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
}

static void
read_damage (const Fixture *fixture, ObkDamage *damage)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = obk_damage_read (fixture->path, &scope, damage, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

static void
assert_kept (const char *path, const char *content)
{
  g_autofree char *kept = g_strconcat (path, KEPT, NULL);
  g_autofree char *found = content_of (kept);

  g_assert_cmpstr (found, ==, content);
}

/* Replaces what is there by one of four versions, which must load, follow @generation and @hash, and be saved over. */
static void
replace (Fixture *fixture, guint64 generation, const char *hash, guint kept)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = make_state (4);
  g_autoptr (ObkState) later = make_state (5);
  g_autoptr (ObkStore) store = open_store (fixture);

  assert_refused (store);
  read_damage (fixture, &damage);
  g_assert_cmpuint (damage.generation, ==, generation);
  g_assert_cmpstr (damage.current_hash, ==, hash);
  g_assert_true (obk_store_replace (store, &damage, state, KEPT_AT, &names, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, kept);
  g_assert_cmpuint (state->generation, ==, generation + 1);
  g_assert_cmpstr (state->previous_hash, ==, hash);
  save (store, later);
  g_clear_pointer (&store, obk_store_free);
  {
    g_autoptr (ObkStore) again = open_store (fixture);
    g_autoptr (ObkState) found = load (again);

    g_assert_cmpuint (found->generation, ==, generation + 2);
    g_assert_true (obk_state_same_content (found, later));
  }
  g_assert_cmpstr (fixture->warnings->str, ==, "");
}

/* "krs1." and H of the bytes, computed by another program; the checkpoint tells where to go on. */
static void
test_garbage (Fixture *fixture, gconstpointer data)
{
  g_autofree char *checkpoint = NULL;
  g_autofree char *hash = NULL;

  make_generations (fixture, 3);
  checkpoint = content_of (fixture->checkpoint);
  put (fixture->path, "{");
  {
    g_auto (ObkDamage) damage = { 0 };

    read_damage (fixture, &damage);
    g_assert_null (damage.state);
    g_assert_cmpstr (damage.hash, ==, "krs1.Ah-1ltuB5tAr89JYbuOYH-UZ8nXArJyna7zy67QJfZY");
    hash = g_strdup (damage.current_hash);
  }
  replace (fixture, 3, hash, 2);
  assert_kept (fixture->path, "{");
  assert_kept (fixture->checkpoint, checkpoint);
}

/* Nothing can be proved: it begins anew. */
static void
test_garbage_alone (Fixture *fixture, gconstpointer data)
{
  put (fixture->path, "");
  replace (fixture, 0, NULL, 1);
  assert_kept (fixture->path, "");
}

static void
test_missing_state (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autofree char *hash = NULL;

  make_generations (fixture, 2);
  g_assert_cmpint (g_unlink (fixture->path), ==, 0);
  read_damage (fixture, &damage);
  hash = g_strdup (damage.current_hash);
  g_assert_cmpstr (damage.hash, ==, hash); /* the checkpoint's */
  replace (fixture, 2, hash, 1);
}

static void
test_missing_state_beside_garbage (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };

  put (fixture->checkpoint, "{");
  read_damage (fixture, &damage);
  g_assert_cmpstr (damage.hash, ==, "krs1.Ah-1ltuB5tAr89JYbuOYH-UZ8nXArJyna7zy67QJfZY");
  replace (fixture, 0, NULL, 1);
}

/* A whole state has its history and its own hash, whatever is wrong with the checkpoint. */
static void
test_damaged_checkpoint (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autofree char *hash = NULL;

  make_generations (fixture, 3);
  put (fixture->checkpoint, "{}");
  read_damage (fixture, &damage);
  g_assert_nonnull (damage.state);
  g_assert_cmpstr (damage.hash, ==, damage.state->current_hash);
  hash = g_strdup (damage.hash);
  replace (fixture, 3, hash, 2);
}

/* The higher one of both goes on; of the same generation, the checkpoint. */
static void
test_contradiction (Fixture *fixture, gconstpointer data)
{
  guint64 generation = GPOINTER_TO_UINT (data);
  const char *other = "krs1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  g_auto (ObkDamage) damage = { 0 };
  g_autofree char *hash = NULL;

  make_generations (fixture, 3);
  put_checkpoint (fixture, generation, other);
  read_damage (fixture, &damage);
  hash = g_strdup (damage.hash);
  g_assert_cmpstr (damage.state->current_hash, ==, hash);
  replace (fixture, MAX (generation, 3), generation < 3 ? hash : other, 2);
}

/* No generation could follow it, so it proves nothing. */
static void
test_last_generation (Fixture *fixture, gconstpointer data)
{
  make_generations (fixture, 1);
  put (fixture->path, "{");
  put_checkpoint (fixture, G_MAXINT64, "krs1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  replace (fixture, 0, NULL, 2);
}

/* What cannot be read has a hash all the same, which changes with what is there. */
static void
test_kinds (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) fifo = { 0 };
  g_auto (ObkDamage) link = { 0 };

  g_assert_cmpint (mkfifo (fixture->path, 0600), ==, 0);
  read_damage (fixture, &fifo);
  g_assert_true (obk_document_is_hash (fifo.hash));
  g_assert_cmpint (g_unlink (fixture->path), ==, 0);
  g_assert_cmpint (symlink ("elsewhere", fixture->path), ==, 0);
  read_damage (fixture, &link);
  g_assert_true (obk_document_is_hash (link.hash));
  g_assert_cmpstr (link.hash, !=, fifo.hash);
  replace (fixture, 0, NULL, 1);
  {
    g_autofree char *kept = g_strconcat (fixture->path, KEPT, NULL);
    g_autofree char *target = g_file_read_link (kept, NULL);

    g_assert_cmpstr (target, ==, "elsewhere");
  }
}

/* Refused as it was, and nothing of it gone. */
static void
test_what_cannot_be_kept (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = make_state (4);
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autofree char *files = NULL;

  g_assert_cmpint (g_mkdir (fixture->path, 0700), ==, 0);
  assert_refused (store);
  read_damage (fixture, &damage);
  g_assert_false (obk_store_replace (store, &damage, state, KEPT_AT, &names, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_NOT_SAVED);
  g_assert_nonnull (strstr (error->message, "move it away by hand"));
  g_assert_null (names);
  files = files_of (fixture->directory);
  g_assert_cmpstr (files, ==, "registry.json registry.json.lock");
  assert_refused (store);
}

/* What was kept in the same second is not written over. */
static void
test_kept_before (Fixture *fixture, gconstpointer data)
{
  g_autofree char *kept = g_strconcat (fixture->path, KEPT, NULL);
  g_autofree char *second = g_strconcat (fixture->path, KEPT "-1", NULL);
  g_autofree char *found = NULL;

  put (kept, "earlier");
  put (fixture->path, "{");
  replace (fixture, 0, NULL, 1);
  assert_kept (fixture->path, "earlier");
  found = content_of (second);
  g_assert_cmpstr (found, ==, "{");
}

/* A state that would not load, and a lock that is lost: nothing changes. */
static void
test_refuses (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) two_active = make_state (2);
  g_autoptr (ObkState) state = make_state (2);
  g_autoptr (ObkStore) store = open_store (fixture);
  g_autofree char *found = NULL;
  g_autofree char *files = NULL;

  put (fixture->path, "{");
  read_damage (fixture, &damage);
  g_array_index (two_active->snapshots, ObkSnapshot, 1).state = OBK_SNAPSHOT_ACTIVE;
  g_assert_false (obk_store_replace (store, &damage, two_active, KEPT_AT, &names, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_NOT_SAVED);
  g_clear_error (&error);
  g_assert_cmpint (g_unlink (fixture->lock), ==, 0);
  g_assert_false (obk_store_replace (store, &damage, state, KEPT_AT, &names, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_LOCKED);
  found = content_of (fixture->path);
  g_assert_cmpstr (found, ==, "{");
  files = files_of (fixture->directory);
  g_assert_cmpstr (files, ==, "registry.json");
}

static void
test_nothing_there (Fixture *fixture, gconstpointer data)
{
  g_auto (ObkDamage) damage = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *missing = g_build_filename (fixture->directory, "missing", "registry.json", NULL);

  g_assert_false (obk_damage_read (fixture->path, &scope, &damage, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_clear_error (&error);
  g_assert_false (obk_damage_read (missing, &scope, &damage, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
}

static void
add (const char *path, guint number, void (*test) (Fixture *fixture, gconstpointer data))
{
  g_test_add (path, Fixture, GUINT_TO_POINTER (number), set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/replace/garbage", 0, test_garbage);
  add ("/registry/replace/garbage-alone", 0, test_garbage_alone);
  add ("/registry/replace/missing-state", 0, test_missing_state);
  add ("/registry/replace/missing-state-beside-garbage", 0, test_missing_state_beside_garbage);
  add ("/registry/replace/damaged-checkpoint", 0, test_damaged_checkpoint);
  add ("/registry/replace/old-copy", 7, test_contradiction);
  add ("/registry/replace/another-hash", 3, test_contradiction);
  add ("/registry/replace/far-ahead", 1, test_contradiction);
  add ("/registry/replace/last-generation", 0, test_last_generation);
  add ("/registry/replace/kinds", 0, test_kinds);
  add ("/registry/replace/what-cannot-be-kept", 0, test_what_cannot_be_kept);
  add ("/registry/replace/kept-before", 0, test_kept_before);
  add ("/registry/replace/refuses", 0, test_refuses);
  add ("/registry/replace/nothing-there", 0, test_nothing_there);
  return g_test_run ();
}
