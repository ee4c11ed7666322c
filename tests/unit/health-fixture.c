/* SPDX-License-Identifier: Apache-2.0 */
#include "health-fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"
#include "registry/store.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>

const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .namespace = (char *)"name/space",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

/*
 * Saves: the real ones, in their thread. The linker leads calls here (--wrap), so that a test knows whether one runs
 * and can have its end told late, as by a slow disk.
 */

typedef struct
{
  GAsyncReadyCallback callback;
  gpointer user_data;
  GAsyncResult *result;
} Saving;

static guint saves_running;
static gboolean holding_saves;
static GQueue held_saves = G_QUEUE_INIT; /* of Saving */

void __real_obk_store_save_async (ObkStore *store, ObkState *state, GAsyncReadyCallback callback, gpointer user_data);
void __wrap_obk_store_save_async (ObkStore *store, ObkState *state, GAsyncReadyCallback callback, gpointer user_data);

static void
tell_saved (Saving *saving)
{
  saving->callback (NULL, saving->result, saving->user_data);
  g_object_unref (saving->result);
  g_free (saving);
}

static void
save_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Saving *saving = user_data;

  saves_running--;
  saving->result = g_object_ref (result);
  if (holding_saves)
    g_queue_push_tail (&held_saves, saving);
  else
    tell_saved (saving);
}

void
__wrap_obk_store_save_async (ObkStore *store, ObkState *state, GAsyncReadyCallback callback, gpointer user_data)
{
  Saving *saving = g_new0 (Saving, 1);

  saving->callback = callback;
  saving->user_data = user_data;
  saves_running++;
  __real_obk_store_save_async (store, state, save_done, saving);
}

void
health_hold_saves (void)
{
  holding_saves = TRUE;
}

guint
health_saves_held (void)
{
  return held_saves.length;
}

void
health_release_saves (Health *f)
{
  Saving *saving = NULL;

  holding_saves = FALSE;
  while ((saving = g_queue_pop_head (&held_saves)) != NULL)
    tell_saved (saving);
  health_settle (f);
}

/* The log */

static const char *
field_of (const ObkLogRecord *record, const char *name)
{
  for (guint i = 0; i < record->n_fields; i++)
    if (g_str_equal (record->fields[i].name, name) && record->fields[i].type == OBK_LOG_FIELD_STRING)
      return record->fields[i].value.string;
  return "";
}

static gint64
number_of (const ObkLogRecord *record, const char *name)
{
  for (guint i = 0; i < record->n_fields; i++)
    if (g_str_equal (record->fields[i].name, name) && record->fields[i].type == OBK_LOG_FIELD_INT)
      return record->fields[i].value.integer;
  return 0;
}

static void
note_change (Health *f, const ObkLogRecord *record)
{
  gboolean healthy = g_str_equal (field_of (record, OBK_FIELD_HEALTHZ), OBK_HEALTHZ_OK);
  const char *reason = field_of (record, OBK_FIELD_REASON);

  g_assert_cmpint (healthy, ==, *reason == '\0');
  g_free (f->told);
  f->told
      = g_strdup_printf ("%s@%" G_GINT64_FORMAT, healthy ? "ok" : reason, number_of (record, OBK_FIELD_KEY_VERSION));
  g_string_append_printf (f->changes, "%s%s", f->changes->len > 0 ? " " : "", f->told);
}

static void
keep_record (const ObkLogRecord *record, gpointer user_data)
{
  static const char *const levels[] = { "debug", "info", "warn", "error" };
  Health *f = user_data;
  GString *text = g_string_new (levels[record->level]);

  g_string_append_printf (text, " %s", record->event);
  for (guint i = 0; i < record->n_fields; i++)
    {
      const ObkLogField *field = &record->fields[i];

      if (field->type == OBK_LOG_FIELD_STRING)
        g_string_append_printf (text, " %s=%s", field->name, field->value.string);
      else if (field->type == OBK_LOG_FIELD_INT)
        g_string_append_printf (text, " %s=%" G_GINT64_FORMAT, field->name, field->value.integer);
    }
  g_mutex_lock (&f->lock);
  g_ptr_array_add (f->log, g_string_free (text, FALSE));
  g_mutex_unlock (&f->lock);
  if (g_str_equal (record->event, OBK_EVENT_STATUS_CHANGED))
    note_change (f, record);
}

guint
health_count_log (Health *f, const char *a, const char *b)
{
  guint n = 0;

  g_mutex_lock (&f->lock);
  for (guint i = 0; i < f->log->len; i++)
    n += (a == NULL || strstr (f->log->pdata[i], a) != NULL) && (b == NULL || strstr (f->log->pdata[i], b) != NULL);
  g_mutex_unlock (&f->lock);
  return n;
}

/* Status */

static char *
status_now (Health *f)
{
  g_autoptr (ObkBoard) board = obk_board_slot_get (f->board);
  const char *reason = obk_board_reason (board, obk_clock_boot_us ());
  const ObkKeyIdentity *serving = obk_board_active (board);

  g_assert_cmpint (obk_board_healthy (board, obk_clock_boot_us ()), ==, *reason == '\0');
  return g_strdup_printf ("%s@%u", *reason == '\0' ? "ok" : reason,
                          serving != NULL ? obk_key_identity_version (serving) : 0);
}

/* What Status says was logged, whenever anybody may look. */
static void
check_told (Health *f)
{
  g_autofree char *status = status_now (f);

  if (f->prober != NULL)
    g_assert_cmpstr (status, ==, f->told);
}

void
health_expect (Health *f, const char *status)
{
  g_autofree char *now = status_now (f);

  g_assert_cmpstr (now, ==, status);
}

void
health_expect_changes (Health *f, const char *changes)
{
  g_assert_cmpstr (f->changes->str, ==, changes);
  g_string_truncate (f->changes, 0);
}

gboolean
health_decrypts (Health *f, guint32 version, gint64 created_at_unix)
{
  g_autoptr (ObkBoard) board = obk_board_slot_get (f->board);
  g_autofree char *key_id = obk_key_id_derive (&scope, version, created_at_unix);

  return obk_board_find (board, key_id, strlen (key_id)) != NULL;
}

void
health_expect_disk (Health *f, const char *snapshots)
{
  g_autoptr (ObkState) state = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  ObkCheckpointStatus checkpoint = OBK_CHECKPOINT_ABSENT;
  gboolean ok = obk_store_peek (f->path, &scope, &state, &checkpoint, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
  for (guint i = 0; state != NULL && i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);

      g_string_append_printf (text, "%s%s %u", i > 0 ? "; " : "", obk_snapshot_state_name (snapshot->state),
                              snapshot->version);
      if (snapshot->state == OBK_SNAPSHOT_PENDING)
        g_string_append_printf (text, " n%" G_GINT64_FORMAT, snapshot->stable_count);
    }
  g_assert_cmpstr (text->str, ==, snapshots);
}

/* Time */

void
health_settle (Health *f)
{
  check_told (f);
  while (saves_running > 0 || g_main_context_pending (NULL))
    {
      g_main_context_iteration (NULL, TRUE);
      check_told (f);
    }
}

void
health_advance (Health *f, gint64 us)
{
  gint64 until_us = obk_clock_boot_us () + us;
  gint64 next_us = 0;

  health_settle (f);
  while ((next_us = stand_in_next (f->poller)) >= 0 && obk_clock_boot_us () + next_us <= until_us)
    {
      stand_in_advance (f->poller, next_us);
      health_settle (f);
    }
  stand_in_advance (f->poller, until_us - obk_clock_boot_us ());
  health_settle (f);
}

/* The disk */

static char *
temporary_path (const Health *f)
{
  return g_strconcat (f->path, ".tmp", NULL);
}

void
health_spoil_disk (Health *f)
{
  g_autofree char *temporary = temporary_path (f);

  g_assert_cmpint (g_mkdir (temporary, 0700), ==, 0);
}

void
health_mend_disk (Health *f)
{
  g_autofree char *temporary = temporary_path (f);

  g_assert_cmpint (g_rmdir (temporary), ==, 0);
}

void
health_lose_lock (Health *f)
{
  g_autofree char *lock = g_strconcat (f->path, ".lock", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_unlink (lock), ==, 0);
  g_file_set_contents_full (lock, "", 0, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
}

/* Returns: what is on disk, to be changed; @store has the lock */
static ObkState *
load_state (const Health *f, ObkStore **store)
{
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;
  gboolean loaded = FALSE;

  *store = obk_store_open (f->path, &error);
  g_assert_no_error (error);
  loaded = obk_store_load (*store, &scope, &state, &error);
  g_assert_no_error (error);
  g_assert_true (loaded);
  return state;
}

static void
save_state (ObkStore *store, ObkState *state)
{
  g_autoptr (GError) error = NULL;
  gboolean saved = obk_store_save (store, state, &error);

  g_assert_no_error (error);
  g_assert_true (saved);
}

void
health_make_history (Health *f, guint32 active)
{
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (ObkState) found = load_state (f, &store);
  g_autoptr (ObkState) state = obk_state_new (&scope);

  for (guint32 version = active; version > 0; version--)
    {
      ObkSnapshot *snapshot = obk_state_add (state, version, CREATED + version,
                                             version == active ? OBK_SNAPSHOT_ACTIVE : OBK_SNAPSHOT_RETIRED);

      snapshot->observed_at_unix = START - 1000;
      snapshot->promoted_at_unix = START - 1000;
    }
  save_state (store, state);
  while (f->transit->key->latest_version < active)
    stand_in_rotate (f->transit, CREATED + f->transit->key->latest_version + 1);
}

void
health_remove_below (Health *f, guint32 first)
{
  g_autoptr (ObkStore) store = NULL;
  g_autoptr (ObkState) state = load_state (f, &store);

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);

      if (snapshot->version < first)
        snapshot->state = OBK_SNAPSHOT_REMOVED;
    }
  save_state (store, state);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name = NULL;

  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      g_remove (inside);
    }
  g_remove (path);
}

/* The prober */

static void
health_changed (gpointer user_data)
{
  ((Health *)user_data)->changed++;
}

static void
state_refused (const GError *error, gpointer user_data)
{
  Health *f = user_data;

  g_assert_null (f->refused);
  f->refused = g_error_copy (error);
}

void
health_set_up (Health *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("obk-health-XXXXXX", NULL);
  g_assert_nonnull (f->directory);
  g_assert_cmpint (chmod (f->directory, 0750), ==, 0);
  f->path = g_build_filename (f->directory, "registry.json", NULL);
  f->log = g_ptr_array_new_with_free_func (g_free);
  f->changes = g_string_new (NULL);
  obk_log_set_level (OBK_LOG_DEBUG);
  obk_log_set_sink (keep_record, f);
  f->poller = stand_in_poller_new ();
  f->transit = stand_in_new ();
  stand_in_make_key (f->transit, CREATED + 1);
  f->board = obk_board_slot_new (&scope);
  f->options = (ObkProberOptions){
    .poller = f->poller,
    .transit = f->transit,
    .board = f->board,
    .scope = &scope,
    .rotation = {
      .activation_delay_us = DELAY * SECOND,
      .stable_observation_count = COUNT,
      .reject_version_rollback = TRUE,
      .probe_interval_us = PROBE_INTERVAL * SECOND,
      .max_staleness_us = STALENESS * SECOND,
    },
    .deep_probe_interval_us = DEEP_INTERVAL * SECOND,
    .retry_interval_us = RETRY_INTERVAL * SECOND,
    .changed = health_changed,
    .refused = state_refused,
    .user_data = f,
  };
}

void
health_open (Health *f)
{
  g_autoptr (ObkStore) store = NULL;
  ObkState *state = load_state (f, &store);

  f->prober = obk_prober_new (&f->options, g_steal_pointer (&store), state);
  obk_prober_start (f->prober);
}

void
health_open_well (Health *f, guint32 version)
{
  g_autofree char *status = g_strdup_printf ("ok@%u", version);

  health_open (f);
  health_advance (f, 0);
  health_expect (f, status);
  g_string_truncate (f->changes, 0);
}

void
health_close (Health *f)
{
  g_clear_pointer (&f->prober, obk_prober_free);
  health_release_saves (f);
}

void
health_tear_down (Health *f, gconstpointer data)
{
  health_close (f);
  obk_log_set_sink (NULL, NULL);
  g_clear_error (&f->refused);
  obk_board_slot_free (f->board);
  obk_transit_free (f->transit);
  stand_in_poller_free (f->poller);
  g_ptr_array_unref (f->log);
  g_string_free (f->changes, TRUE);
  g_free (f->told);
  remove_all (f->directory);
  g_free (f->directory);
  g_free (f->path);
}

void
health_test (const char *path, void (*test) (Health *f, gconstpointer data))
{
  g_test_add (path, Health, NULL, health_set_up, test, health_tear_down);
}
