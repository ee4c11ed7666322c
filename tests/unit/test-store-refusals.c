/* SPDX-License-Identifier: Apache-2.0 */
/* Every state that may not be loaded: refused with a message of its own, and left as it is. */
#include "registry/store.h"

#include "base/error.h"
#include "registry/document.h"
#include "store-fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAY_OUT                                                                                                        \
  "restore both files from a backup or a healthy peer, or run \"bao-kms-provider recover-state --replace\""

/* What is done to three good generations, and how their refusal reads. */
typedef struct
{
  const char *name;
  void (*damage) (const Fixture *fixture);
  ObkError code;
  gboolean of_checkpoint; /* which file the message names; the lock and the directory are named in @text */
  const char *text;
} Case;

static void
put (const char *path, const char *content)
{
  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  g_assert_cmpint (chmod (path, 0640), ==, 0);
}

static void
edit (const char *path, const char *from, const char *to)
{
  g_autofree char *before = content_of (path);
  g_auto (GStrv) parts = g_strsplit (before, from, 2);
  g_autofree char *after = g_strjoinv (to, parts);

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  put (path, after);
}

static void
make_link (const char *path)
{
  g_autofree char *target = g_strconcat (path, ".elsewhere", NULL);

  g_assert_cmpint (rename (path, target), ==, 0);
  g_assert_cmpint (symlink (target, path), ==, 0);
}

static void
make_directory (const char *path)
{
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

static void
make_fifo (const char *path)
{
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
}

#define ON_BOTH(name, call)                                                                                            \
  static void name##_state (const Fixture *fixture)                                                                    \
  {                                                                                                                    \
    const char *path = fixture->path;                                                                                  \
    call;                                                                                                              \
  }                                                                                                                    \
  static void name##_checkpoint (const Fixture *fixture)                                                               \
  {                                                                                                                    \
    const char *path = fixture->checkpoint;                                                                            \
    call;                                                                                                              \
  }

ON_BOTH (link, make_link (path))
ON_BOTH (directory, make_directory (path))
ON_BOTH (fifo, make_fifo (path))
ON_BOTH (mode_0660, g_assert_cmpint (chmod (path, 0660), ==, 0))
ON_BOTH (mode_0740, g_assert_cmpint (chmod (path, 0740), ==, 0))
ON_BOTH (mode_0650, g_assert_cmpint (chmod (path, 0650), ==, 0))
ON_BOTH (mode_0644, g_assert_cmpint (chmod (path, 0644), ==, 0))
ON_BOTH (mode_0642, g_assert_cmpint (chmod (path, 0642), ==, 0))
ON_BOTH (mode_0641, g_assert_cmpint (chmod (path, 0641), ==, 0))
ON_BOTH (large, g_assert_cmpint (truncate (path, OBK_STATE_MAX_SIZE + 1), ==, 0))
ON_BOTH (empty, put (path, ""))
ON_BOTH (not_json, put (path, "state: active\n"))
ON_BOTH (trailing, edit (path, "\n}\n", "\n}\n{}\n"))
ON_BOTH (unknown, edit (path, "\"generation\"", "\"comment\": \"x\",\n  \"generation\""))
ON_BOTH (duplicate, edit (path, "\"generation\": 3", "\"generation\": 3,\n  \"generation\": 3"))
ON_BOTH (schema, edit (path, "v1alpha1", "v1alpha2"))
ON_BOTH (generation_0, edit (path, "\"generation\": 3", "\"generation\": 0"))
ON_BOTH (hash_malformed, edit (path, "\"currentHash\": \"krs1.",
                               "\"currentHash\": \"krs1."
                               "-"))

static void
unseal (const Fixture *fixture)
{
  edit (fixture->path, "\"observedAtUnix\": 18", "\"observedAtUnix\": 17");
}

static void
lose_state (const Fixture *fixture)
{
  g_assert_cmpint (g_unlink (fixture->path), ==, 0);
}

/* Writes @state as it is told to, with its hash, and @generation's checkpoint when that is not 0. */
static void
put_pair (const Fixture *fixture, ObkState *state, guint64 generation, const char *hash)
{
  gsize length = 0;
  g_autofree char *text = obk_document_write_state (state, &length);
  g_autofree char *checkpoint = NULL;

  put (fixture->path, text);
  checkpoint = obk_document_write_checkpoint (generation, hash != NULL ? hash : state->current_hash, &length);
  put (fixture->checkpoint, checkpoint);
}

#define OTHER_HASH "krs1.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

static void
put_generations (const Fixture *fixture, guint64 state_generation, guint64 checkpoint_generation)
{
  g_autoptr (ObkState) state = make_state (3);

  state->generation = state_generation;
  state->previous_hash = state_generation > 1 ? g_strdup (OTHER_HASH) : NULL;
  put_pair (fixture, state, checkpoint_generation, NULL);
}

static void
below (const Fixture *fixture)
{
  put_generations (fixture, 3, 4);
}

static void
far_below (const Fixture *fixture)
{
  put_generations (fixture, 1, G_MAXINT64);
}

static void
ahead_by_two (const Fixture *fixture)
{
  put_generations (fixture, 5, 3);
}

static void
far_ahead (const Fixture *fixture)
{
  put_generations (fixture, G_MAXINT64, 1);
}

static void
ahead_of_another (const Fixture *fixture)
{
  put_generations (fixture, 4, 3);
}

static void
other_hash (const Fixture *fixture)
{
  g_autoptr (ObkState) state = make_state (3);

  state->generation = 3;
  state->previous_hash = g_strdup (OTHER_HASH);
  put_pair (fixture, state, 3, OTHER_HASH);
}

/* A state that is wrong in one way, with a hash that is right. */
static void
put_wrong (const Fixture *fixture, guint64 generation, void (*change) (ObkState *state))
{
  g_autoptr (ObkState) state = make_state (3);

  state->generation = generation;
  state->previous_hash = generation > 1 ? g_strdup (OTHER_HASH) : NULL;
  change (state);
  put_pair (fixture, state, generation, NULL);
}

static ObkSnapshot *
nth (ObkState *state, guint i)
{
  return &g_array_index (state->snapshots, ObkSnapshot, i);
}

#define WRONG(name, generation, change)                                                                                \
  static void change_##name (ObkState *state)                                                                          \
  {                                                                                                                    \
    change;                                                                                                            \
  }                                                                                                                    \
  static void name (const Fixture *fixture)                                                                            \
  {                                                                                                                    \
    put_wrong (fixture, generation, change_##name);                                                                    \
  }

WRONG (previous_in_first, 1, state->previous_hash = g_strdup (OTHER_HASH))
WRONG (no_previous, 2, g_clear_pointer (&state->previous_hash, g_free))
WRONG (two_active, 2, nth (state, 1)->state = OBK_SNAPSHOT_ACTIVE)
WRONG (key_id_twice, 2, g_strlcpy (nth (state, 2)->key_id, nth (state, 1)->key_id, OBK_KEY_ID_LENGTH + 1))
WRONG (key_id_foreign, 2, nth (state, 2)->created_at_unix++)
WRONG (stable_early, 2, nth (state, 0)->stable_at_unix = NOW - 1)
WRONG (promoted_early, 2, nth (state, 0)->promoted_at_unix = NOW - 1)
WRONG (negative, 2, nth (state, 0)->stable_count = -1)
WRONG (never_observed, 2, nth (state, 0)->observed_at_unix = 0)
WRONG (other_scope, 2,
       (g_free (state->scope->cluster_id), state->scope->cluster_id = g_strdup ("other"),
        g_array_set_size (state->snapshots, 0), obk_state_add (state, 1, CREATED, OBK_SNAPSHOT_ACTIVE)))

static void
lock_link (const Fixture *fixture)
{
  make_link (fixture->lock);
}

static void
lock_directory (const Fixture *fixture)
{
  make_directory (fixture->lock);
}

static void
lock_fifo (const Fixture *fixture)
{
  make_fifo (fixture->lock);
}

static void
lock_mode (const Fixture *fixture)
{
  g_assert_cmpint (chmod (fixture->lock, 0640), ==, 0);
}

static void
lock_links (const Fixture *fixture)
{
  g_autofree char *second = g_strconcat (fixture->lock, ".second", NULL);

  g_assert_cmpint (link (fixture->lock, second), ==, 0);
}

static void
parent_mode_0770 (const Fixture *fixture)
{
  g_assert_cmpint (chmod (fixture->directory, 0770), ==, 0);
}

static void
parent_mode_0752 (const Fixture *fixture)
{
  g_assert_cmpint (chmod (fixture->directory, 0752), ==, 0);
}

static void
parent_link (const Fixture *fixture)
{
  make_link (fixture->directory);
}

static void
parent_missing (const Fixture *fixture)
{
  g_autofree char *elsewhere = g_strconcat (fixture->directory, ".elsewhere", NULL);

  g_assert_cmpint (rename (fixture->directory, elsewhere), ==, 0);
}

static void
parent_file (const Fixture *fixture)
{
  parent_missing (fixture);
  put (fixture->directory, "");
}

#define REFUSED OBK_ERROR_STATE_REFUSED
#define BOTH(name, damage, text)                                                                                       \
  { "state-" name, damage##_state, REFUSED, FALSE, text },                                                             \
  {                                                                                                                    \
    "checkpoint-" name, damage##_checkpoint, REFUSED, TRUE, text                                                       \
  }

static const Case cases[] = {
  BOTH ("symlink", link, "is a symbolic link"),
  BOTH ("directory", directory, "is not a regular file"),
  BOTH ("fifo", fifo, "is not a regular file"),
  BOTH ("mode-0660", mode_0660, "has mode 0660: set it to 0640"),
  BOTH ("mode-0740", mode_0740, "has mode 0740: set it to 0640"),
  BOTH ("mode-0650", mode_0650, "has mode 0650: set it to 0640"),
  BOTH ("mode-0644", mode_0644, "has mode 0644: set it to 0640"),
  BOTH ("mode-0642", mode_0642, "has mode 0642: set it to 0640"),
  BOTH ("mode-0641", mode_0641, "has mode 0641: set it to 0640"),
  BOTH ("large", large, "is larger than 16 MiB"),
  BOTH ("empty", empty, "not valid JSON at line 1, column 0: it ends too early"),
  BOTH ("not-json", not_json, "not valid JSON at line 1, column 5: syntax error"),
  BOTH ("trailing", trailing, ": something follows the value"),
  BOTH ("unknown-member", unknown, "unknown member \"comment\""),
  BOTH ("duplicate-member", duplicate, "a member appears twice"),
  BOTH ("schema", schema, "its schemaVersion is not \"keyregistry.openbao-kms/"),
  BOTH ("generation-0", generation_0, "its generation is 0"),
  BOTH ("hash-malformed", hash_malformed, "its currentHash is malformed"),
  { "hash-mismatch", unseal, REFUSED, FALSE, "its currentHash does not match its content" },
  { "two-active", two_active, REFUSED, FALSE, "2 snapshots are active; there must be exactly one" },
  { "key-id-twice", key_id_twice, REFUSED, FALSE, "the kubernetesKeyId of version 1 stands twice" },
  { "key-id-foreign", key_id_foreign, REFUSED, FALSE, "the kubernetesKeyId of version 1 is not derived from its" },
  { "stable-before-observed", stable_early, REFUSED, FALSE, "version 3 was stable before it was observed" },
  { "promoted-before-observed", promoted_early, REFUSED, FALSE, "version 3 was promoted before it was observed" },
  { "negative", negative, REFUSED, FALSE, "version 3 has a negative time or count" },
  { "never-observed", never_observed, REFUSED, FALSE, "version 3 was counted, stable or promoted but never observed" },
  { "previous-hash-in-first", previous_in_first, REFUSED, FALSE, "generation 1 has a previousHash" },
  { "no-previous-hash", no_previous, REFUSED, FALSE, "generation 2 has no previousHash" },
  { "other-scope", other_scope, REFUSED, FALSE, "of another identity scope than the configuration's: \"clusterId\"" },
  { "below-checkpoint", below, REFUSED, FALSE, "its generation 3 is below the checkpoint's 4, so it is an old copy" },
  { "far-below-checkpoint", far_below, REFUSED, FALSE, "its generation 1 is below the checkpoint's" },
  { "other-hash-than-checkpoint", other_hash, REFUSED, FALSE, "the checkpoint's generation 3 but has another hash" },
  { "ahead-by-two", ahead_by_two, REFUSED, FALSE, "generation 5 is ahead of the checkpoint's 3 by more than one" },
  { "far-ahead", far_ahead, REFUSED, FALSE, "is ahead of the checkpoint's 1 by more than one" },
  { "ahead-of-another", ahead_of_another, REFUSED, FALSE, "its generation 4 does not follow the checkpoint's" },
  { "checkpoint-without-state", lose_state, REFUSED, FALSE, "it is missing, but there is a checkpoint" },
  { "lock-symlink", lock_link, REFUSED, FALSE, ".lock\" is a symbolic link: remove it while no" },
  { "lock-directory", lock_directory, REFUSED, FALSE, ".lock\" is not a regular file: remove it while no" },
  { "lock-fifo", lock_fifo, REFUSED, FALSE, ".lock\" is not a regular file: remove it while no" },
  { "lock-mode", lock_mode, REFUSED, FALSE, ".lock\" has another mode than 0600: remove it while no" },
  { "lock-links", lock_links, REFUSED, FALSE, ".lock\" has more than one link: remove it while no" },
  { "parent-mode-0770", parent_mode_0770, REFUSED, FALSE, "has mode 0770, so that others can write to it: set it to" },
  { "parent-mode-0752", parent_mode_0752, REFUSED, FALSE, "has mode 0752, so that others can write to it: set it to" },
  { "parent-symlink", parent_link, REFUSED, FALSE, "is a symbolic link" },
  { "parent-missing", parent_missing, REFUSED, FALSE, "is missing: make it" },
  { "parent-not-a-directory", parent_file, REFUSED, FALSE, "is not a directory" },
};

/* Names, types, modes and contents of all files, so that a change of any of it shows. */
static char *
look_at (const char *path)
{
  GString *seen = g_string_new (path);
  g_autoptr (GDir) directory = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  g_autofree char *content = NULL;
  const char *name = NULL;
  struct stat status;

  if (lstat (path, &status) != 0)
    {
      g_string_append (seen, " is not there\n");
      return g_string_free (seen, FALSE);
    }
  g_string_append_printf (seen, " %o %" G_GINT64_FORMAT "\n", status.st_mode, (gint64)status.st_size);
  if (S_ISREG (status.st_mode) && status.st_size < 100000 && g_file_get_contents (path, &content, NULL, NULL))
    g_string_append (seen, content);
  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);
      g_autofree char *inner = look_at (inside);

      g_string_append (seen, inner);
    }
  return g_string_free (seen, FALSE);
}

static void
test_refusal (Fixture *fixture, gconstpointer data)
{
  const Case *test = data;
  g_autofree char *elsewhere = g_strconcat (fixture->directory, ".elsewhere", NULL);
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;

  make_generations (fixture, 3);
  test->damage (fixture);
  before = look_at (fixture->directory);
  store = obk_store_open (fixture->path, &error);
  if (store != NULL)
    g_assert_false (obk_store_load (store, &scope, &state, &error));
  g_assert_error (error, OBK_ERROR, (gint)test->code);
  g_assert_null (state);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, test->text));
  g_assert_nonnull (strstr (error->message, store != NULL ? (test->of_checkpoint ? fixture->checkpoint : fixture->path)
                                                          : fixture->directory));
  g_assert_true (test->of_checkpoint || strstr (error->message, fixture->checkpoint) == NULL);
  g_assert_true (g_str_has_suffix (error->message, WAY_OUT));
  after = look_at (fixture->directory);
  g_assert_cmpstr (after, ==, before);
  remove_tree (elsewhere);
}

/* In a process of its own, as it will be. */
static void
test_locked (Fixture *fixture, gconstpointer data)
{
  int ready[2] = { -1, -1 };
  char byte = 0;
  pid_t child = 0;

  g_assert_cmpint (pipe (ready), ==, 0);
  child = fork ();
  if (child == 0)
    {
      ObkStore *store = obk_store_open (fixture->path, NULL);

      if (store == NULL || write (ready[1], "x", 1) != 1)
        _exit (1);
      for (;;)
        pause ();
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  {
    g_autoptr (GError) error = NULL;

    g_assert_null (obk_store_open (fixture->path, &error));
    g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_LOCKED);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, fixture->lock));
    g_assert_nonnull (strstr (error->message, "stop bao-kms-provider.service and bao-kms-provider.socket"));
  }
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  make_generations (fixture, 1);
  close (ready[0]);
  close (ready[1]);
}

static void
lose_by_removal (const Fixture *fixture)
{
  g_assert_cmpint (g_unlink (fixture->lock), ==, 0);
}

static void
lose_by_another (const Fixture *fixture)
{
  lose_by_removal (fixture);
  g_assert_true (g_file_set_contents (fixture->lock, "", 0, NULL));
  g_assert_cmpint (chmod (fixture->lock, 0600), ==, 0);
}

static void
lose_by_rename (const Fixture *fixture)
{
  g_autofree char *other = g_strconcat (fixture->directory, "/other", NULL);

  g_assert_true (g_file_set_contents (other, "", 0, NULL));
  g_assert_cmpint (chmod (other, 0600), ==, 0);
  g_assert_cmpint (rename (other, fixture->lock), ==, 0);
}

static void
lose_by_directory (const Fixture *fixture)
{
  parent_missing (fixture);
  g_assert_cmpint (g_mkdir (fixture->directory, 0750), ==, 0);
}

static void
test_lost_lock (Fixture *fixture, gconstpointer data)
{
  static void (*const ways[]) (const Fixture *)
      = { lose_by_removal, lose_by_another, lose_by_rename, lose_by_directory };
  g_autofree char *elsewhere = g_strconcat (fixture->directory, ".elsewhere", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (ObkStore) store = NULL;
      g_autoptr (ObkState) loaded = NULL;
      g_autoptr (ObkState) next = make_state (9);
      g_autoptr (GError) error = NULL;
      g_autofree char *before = NULL;
      g_autofree char *after = NULL;

      make_generations (fixture, 1);
      store = open_store (fixture);
      loaded = load (store);
      ways[i](fixture);
      before = look_at (fixture->directory);
      for (guint tries = 0; tries < 2; tries++)
        {
          g_clear_error (&error);
          g_assert_false (obk_store_save (store, next, &error));
          g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_LOCKED);
        }
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, fixture->lock));
      after = look_at (fixture->directory);
      g_assert_cmpstr (after, ==, before);
    }
  remove_tree (elsewhere);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/registry/load/refuses-", cases[i].name, NULL);

      g_test_add (path, Fixture, &cases[i], set_up, test_refusal, tear_down);
    }
  g_test_add ("/registry/load/refuses-locked", Fixture, NULL, set_up, test_locked, tear_down);
  g_test_add ("/registry/save/notices-lost-lock", Fixture, NULL, set_up, test_lost_lock, tear_down);
  return g_test_run ();
}
