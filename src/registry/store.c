/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's state as it lies on disk: which pair of files may be loaded, and how a new one takes its place. */
#include "registry/store.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/names.h"
#include "registry/document.h"
#include "registry/state-directory.h"

#define MAX_PEEKS 3 /* against a save between the reading of the two files */

struct _ObkStore
{
  gatomicrefcount references; /* the owner's, and a running save's */
  ObkStateDirectory *directory;
  gboolean loaded;
  ObkScope *scope;
  guint64 generation; /* of what is in force; 0 before a first state */
  char *current_hash;
  gboolean unsettled; /* the files may not be the pair that is in force: see settle() */
  gboolean warned_of_size;
};

/* What the two files hold. */
typedef struct
{
  ObkState *state; /* %NULL without files */
  ObkCheckpointStatus status;
} Pair;

static void
pair_clear (Pair *pair)
{
  g_clear_pointer (&pair->state, obk_state_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pair, pair_clear)

static const char *const status_names[] = {
  [OBK_CHECKPOINT_CURRENT] = "current",
  [OBK_CHECKPOINT_BEHIND] = "behind",
  [OBK_CHECKPOINT_MISSING] = "missing",
  [OBK_CHECKPOINT_ABSENT] = "absent",
};

const char *
obk_checkpoint_status_name (ObkCheckpointStatus status)
{
  g_return_val_if_fail (status < G_N_ELEMENTS (status_names), NULL);

  return status_names[status];
}

static void
warn (ObkStore *store, const char *detail, const GError *cause)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL, detail);
  obk_log_string (&record, OBK_FIELD_PATH, obk_state_directory_path (store->directory, OBK_STATE_FILE_STATE));
  obk_log_error (&record, cause);
  obk_log_emit (&record);
}

ObkStore *
obk_store_open (const char *path, GError **error)
{
  g_autoptr (ObkStateDirectory) directory = NULL;
  ObkStore *store = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  directory = obk_state_directory_open (path, error);
  if (directory == NULL || !obk_state_directory_lock (directory, error))
    return NULL;
  store = g_new0 (ObkStore, 1);
  g_atomic_ref_count_init (&store->references);
  store->directory = g_steal_pointer (&directory);
  return store;
}

void
obk_store_free (ObkStore *store)
{
  if (store == NULL || !g_atomic_ref_count_dec (&store->references))
    return;
  obk_state_directory_free (store->directory);
  g_clear_pointer (&store->scope, obk_scope_free);
  g_free (store->current_hash);
  g_free (store);
}

/* Says of which file it is and what can be done. Returns: FALSE */
static gboolean
refuse (ObkStateDirectory *directory, ObkStateFile file, const char *what, GError **error)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED, "\"%s\" may not be used: %s: " OBK_STATE_WAY_OUT,
               obk_state_directory_path (directory, file), what);
  return FALSE;
}

static gboolean
read_state (ObkStateDirectory *directory, const ObkScope *scope, ObkState **state, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!obk_state_directory_read (directory, OBK_STATE_FILE_STATE, &text, &length, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  *state = obk_document_read_state (text, length, scope, &cause);
  return *state != NULL || refuse (directory, OBK_STATE_FILE_STATE, cause->message, error);
}

/* @checkpoint: generation 0 when there is none */
static gboolean
read_checkpoint (ObkStateDirectory *directory, ObkCheckpoint *checkpoint, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!obk_state_directory_read (directory, OBK_STATE_FILE_CHECKPOINT, &text, &length, error))
    return FALSE;
  return text == NULL || obk_document_read_checkpoint (text, length, checkpoint, &cause)
         || refuse (directory, OBK_STATE_FILE_CHECKPOINT, cause->message, error);
}

/* The rules of spec registry.md, "Loading", for the two together. */
static gboolean
judge (ObkStateDirectory *directory, const ObkState *state, const ObkCheckpoint *checkpoint,
       ObkCheckpointStatus *status, GError **error)
{
  g_autofree char *what = NULL;

  if (state == NULL && checkpoint->generation == 0)
    *status = OBK_CHECKPOINT_ABSENT;
  else if (state == NULL)
    return refuse (directory, OBK_STATE_FILE_STATE, "it is missing, but there is a checkpoint", error);
  else if (checkpoint->generation == 0)
    *status = OBK_CHECKPOINT_MISSING;
  else if (state->generation < checkpoint->generation)
    what = g_strdup_printf ("its generation %" G_GUINT64_FORMAT " is below the checkpoint's %" G_GUINT64_FORMAT
                            ", so it is an old copy",
                            state->generation, checkpoint->generation);
  else if (state->generation - checkpoint->generation > 1)
    what = g_strdup_printf ("its generation %" G_GUINT64_FORMAT " is ahead of the checkpoint's %" G_GUINT64_FORMAT
                            " by more than one",
                            state->generation, checkpoint->generation);
  else if (state->generation == checkpoint->generation)
    {
      *status = OBK_CHECKPOINT_CURRENT;
      if (!g_str_equal (state->current_hash, checkpoint->current_hash))
        what = g_strdup_printf ("it is of the checkpoint's generation %" G_GUINT64_FORMAT " but has another hash",
                                state->generation);
    }
  else
    {
      *status = OBK_CHECKPOINT_BEHIND;
      if (!g_str_equal (state->previous_hash, checkpoint->current_hash))
        what = g_strdup_printf ("its generation %" G_GUINT64_FORMAT " does not follow the checkpoint's",
                                state->generation);
    }
  return what == NULL || refuse (directory, OBK_STATE_FILE_STATE, what, error);
}

static gboolean
read_pair (ObkStateDirectory *directory, const ObkScope *scope, Pair *pair, GError **error)
{
  g_auto (ObkCheckpoint) checkpoint = { 0 };

  return read_state (directory, scope, &pair->state, error) && read_checkpoint (directory, &checkpoint, error)
         && judge (directory, pair->state, &checkpoint, &pair->status, error);
}

static gboolean
prepare_checkpoint (ObkStore *store, guint64 generation, const char *current_hash, GError **error)
{
  gsize length = 0;
  g_autofree char *text = obk_document_write_checkpoint (generation, current_hash, &length);

  return obk_state_directory_prepare (store->directory, OBK_STATE_FILE_CHECKPOINT, text, length, error);
}

static gboolean
repair_checkpoint (ObkStore *store, const ObkState *state, GError **error)
{
  if (obk_state_directory_check_lock (store->directory, error)
      && prepare_checkpoint (store, state->generation, state->current_hash, error)
      && obk_state_directory_commit (store->directory, OBK_STATE_FILE_CHECKPOINT, error))
    return TRUE;
  obk_state_directory_discard (store->directory);
  return FALSE;
}

/*
 * Makes what was read the state in force: with a checkpoint of its own, and both on disk for good. Whoever renamed the
 * files may have been killed before it synced, and a checkpoint must not get to the disk before its state.
 */
static gboolean
adopt (ObkStore *store, const Pair *pair, GError **error)
{
  const ObkState *state = pair->state;

  store->unsettled = TRUE;
  g_free (store->current_hash);
  store->generation = state != NULL ? state->generation : 0;
  store->current_hash = state != NULL ? g_strdup (state->current_hash) : NULL;
  if (!obk_state_directory_sync (store->directory, error))
    return FALSE;
  if ((pair->status == OBK_CHECKPOINT_BEHIND || pair->status == OBK_CHECKPOINT_MISSING)
      && !repair_checkpoint (store, state, error))
    return FALSE;
  store->unsettled = FALSE;
  return TRUE;
}

gboolean
obk_store_load (ObkStore *store, const ObkScope *scope, ObkState **state, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_auto (Pair) pair = { 0 };

  g_return_val_if_fail (store != NULL && !store->loaded && scope != NULL && state != NULL, FALSE);

  if (!read_pair (store->directory, scope, &pair, error))
    return FALSE;
  if (pair.status == OBK_CHECKPOINT_MISSING)
    warn (store, "the state has no checkpoint, so that nobody can tell whether it is an old copy; one is written",
          NULL);
  if (!adopt (store, &pair, &problem))
    warn (store, "the checkpoint could not be written; the next save tries again", problem);
  store->loaded = TRUE;
  g_clear_pointer (&store->scope, obk_scope_free);
  store->scope = obk_scope_copy (scope);
  *state = g_steal_pointer (&pair.state);
  return TRUE;
}

gboolean
obk_store_peek (const char *path, const ObkScope *scope, ObkState **state, ObkCheckpointStatus *status, GError **error)
{
  g_autoptr (ObkStateDirectory) directory = NULL;
  g_autoptr (GError) problem = NULL;

  g_return_val_if_fail (path != NULL && scope != NULL && state != NULL && status != NULL, FALSE);

  directory = obk_state_directory_open (path, error);
  if (directory == NULL)
    return FALSE;
  for (guint i = 0; i < MAX_PEEKS; i++)
    {
      g_auto (Pair) pair = { 0 };

      g_clear_error (&problem);
      if (!read_pair (directory, scope, &pair, &problem))
        continue;
      *state = g_steal_pointer (&pair.state);
      *status = pair.status;
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/*
 * A save that failed after its first rename leaves a pair that loads, but nobody knows which: either file may be the
 * old or the new one, and none of it need be on disk for good. To write over it blindly could make a pair that does not
 * load. So the next save first reads what is there and builds on that.
 */
static gboolean
settle (ObkStore *store, GError **error)
{
  g_auto (Pair) pair = { 0 };

  if (!store->unsettled)
    return TRUE;
  if (!read_pair (store->directory, store->scope, &pair, error))
    {
      if (error != NULL && *error != NULL)
        (*error)->code = OBK_ERROR_STATE_NOT_SAVED;
      return FALSE;
    }
  return adopt (store, &pair, error);
}

/* Returns: (transfer full): the text of @state as the next generation, or %NULL when it would not load */
static char *
next_document (ObkStore *store, ObkState *state, gsize *length, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = NULL;

  if (store->generation >= G_MAXINT64 || !obk_state_validate (state, &cause)
      || !obk_scope_equal (state->scope, store->scope))
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_NOT_SAVED, "the new state would not load and is not saved: %s",
                   cause != NULL ? cause->message : "of another identity scope, or generations have run out");
      return NULL;
    }
  obk_state_sort (state);
  state->generation = store->generation + 1;
  g_free (state->previous_hash);
  state->previous_hash = g_strdup (store->current_hash);
  text = obk_document_write_state (state, length);
  if (*length > OBK_STATE_MAX_SIZE)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_NOT_SAVED,
                   "the new state would be larger than 16 MiB and is not saved: retire old versions and remove them");
      return NULL;
    }
  if (*length > OBK_STATE_WARN_SIZE && !store->warned_of_size)
    {
      store->warned_of_size = TRUE;
      warn (store, "the state is larger than 12 MiB; beyond 16 MiB it can no longer be saved", NULL);
    }
  return g_steal_pointer (&text);
}

/*
 * Both files are written before the first is renamed, so that a full disk shows while nothing has changed. The state's
 * rename is on disk for good before the checkpoint's begins: the other order could leave a checkpoint that is ahead.
 */
static gboolean
write_pair (ObkStore *store, const ObkState *state, const char *text, gsize length, GError **error)
{
  if (!obk_state_directory_prepare (store->directory, OBK_STATE_FILE_STATE, text, length, error)
      || !prepare_checkpoint (store, state->generation, state->current_hash, error)
      || !obk_state_directory_check_lock (store->directory, error))
    return FALSE;
  store->unsettled = TRUE;
  if (!obk_state_directory_commit (store->directory, OBK_STATE_FILE_STATE, error)
      || !obk_state_directory_commit (store->directory, OBK_STATE_FILE_CHECKPOINT, error))
    return FALSE;
  store->unsettled = FALSE;
  return TRUE;
}

/* @start_us: on the boot clock */
static void
log_saved (const ObkState *state, gint64 start_us)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_REGISTRY_SAVED);
  obk_log_int (&record, OBK_FIELD_GENERATION, (gint64)state->generation);
  obk_log_string (&record, OBK_FIELD_STATUS, OBK_STATUS_OK);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)(obk_clock_boot_us () - start_us) / 1000);
  obk_log_emit (&record);
}

gboolean
obk_store_check_lock (ObkStore *store, GError **error)
{
  g_return_val_if_fail (store != NULL, FALSE);

  return obk_state_directory_check_lock (store->directory, error);
}

gboolean
obk_store_save (ObkStore *store, ObkState *state, GError **error)
{
  g_autofree char *text = NULL;
  gint64 start_us = obk_clock_boot_us ();
  gsize length = 0;

  g_return_val_if_fail (store != NULL && store->loaded && state != NULL, FALSE);

  if (!obk_state_directory_check_lock (store->directory, error) || !settle (store, error))
    return FALSE;
  text = next_document (store, state, &length, error);
  if (text == NULL)
    return FALSE;
  if (!write_pair (store, state, text, length, error))
    {
      obk_state_directory_discard (store->directory);
      return FALSE;
    }
  g_free (store->current_hash);
  store->current_hash = g_strdup (state->current_hash);
  store->generation = state->generation;
  log_saved (state, start_us);
  return TRUE;
}

/* What is replaced must be found again. Returns: whether all that is there has a second name, for good */
static gboolean
keep_old_pair (ObkStore *store, gint64 now_unix, GPtrArray *kept, GError **error)
{
  static const ObkStateFile files[] = { OBK_STATE_FILE_STATE, OBK_STATE_FILE_CHECKPOINT };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      char *path = NULL;

      if (!obk_state_directory_keep (store->directory, files[i], now_unix, &path, error))
        return FALSE;
      if (path != NULL)
        g_ptr_array_add (kept, path);
    }
  return obk_state_directory_sync (store->directory, error);
}

/*
 * The checkpoint first: it is ahead of any state that is there, so that this stays refused until the new state takes
 * its place by the last step. The other order could leave the new state beside a checkpoint that refuses it.
 */
static gboolean
put_new_pair (ObkStore *store, const ObkState *state, const char *text, gsize length, gint64 now_unix, GPtrArray *kept,
              GError **error)
{
  return obk_state_directory_prepare (store->directory, OBK_STATE_FILE_STATE, text, length, error)
         && prepare_checkpoint (store, state->generation, state->current_hash, error)
         && obk_state_directory_check_lock (store->directory, error) && keep_old_pair (store, now_unix, kept, error)
         && obk_state_directory_commit (store->directory, OBK_STATE_FILE_CHECKPOINT, error)
         && obk_state_directory_commit (store->directory, OBK_STATE_FILE_STATE, error);
}

static void
follow (ObkStore *store, const ObkScope *scope, guint64 generation, const char *current_hash)
{
  g_clear_pointer (&store->scope, obk_scope_free);
  g_free (store->current_hash);
  store->scope = obk_scope_copy (scope);
  store->generation = generation;
  store->current_hash = g_strdup (current_hash);
}

gboolean
obk_store_replace (ObkStore *store, const ObkDamage *damage, ObkState *state, gint64 now_unix, GPtrArray **kept,
                   GError **error)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *text = NULL;
  gint64 start_us = obk_clock_boot_us ();
  gsize length = 0;

  g_return_val_if_fail (store != NULL && !store->loaded && damage != NULL && damage->hash != NULL, FALSE);
  g_return_val_if_fail (state != NULL && kept != NULL, FALSE);

  names = g_ptr_array_new_with_free_func (g_free);
  follow (store, state->scope, damage->generation, damage->current_hash);
  text = next_document (store, state, &length, error);
  if (text == NULL)
    return FALSE;
  if (!put_new_pair (store, state, text, length, now_unix, names, error))
    {
      obk_state_directory_discard (store->directory);
      return FALSE;
    }
  follow (store, state->scope, state->generation, state->current_hash);
  store->loaded = TRUE;
  *kept = g_steal_pointer (&names);
  log_saved (state, start_us);
  return TRUE;
}

/* What a running save works on. */
typedef struct
{
  ObkStore *store;
  ObkState *state;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_pointer (&job->store, obk_store_free);
  obk_state_free (job->state);
  g_free (job);
}

static void
save_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  Job *job = data;
  gboolean saved = obk_store_save (job->store, job->state, &error);

  g_clear_pointer (&job->store, obk_store_free); /* before the answer: with the last one the lock is given back */
  if (saved)
    g_task_return_pointer (task, g_steal_pointer (&job->state), (GDestroyNotify)obk_state_free);
  else
    g_task_return_error (task, error);
}

void
obk_store_save_async (ObkStore *store, ObkState *state, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  Job *job = NULL;

  g_return_if_fail (store != NULL && store->loaded && state != NULL);

  job = g_new0 (Job, 1);
  g_atomic_ref_count_inc (&store->references);
  job->store = store;
  job->state = state;
  task = g_task_new (NULL, NULL, callback, user_data);
  g_task_set_source_tag (task, obk_store_save_async);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, save_in_thread);
}

ObkState *
obk_store_save_finish (ObkStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (store != NULL && g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
