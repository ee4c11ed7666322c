/* SPDX-License-Identifier: Apache-2.0 */
/* The state in force, and the saving of the one that is to follow it. */
#include "health/history.h"

#include "base/log.h"
#include "base/names.h"

struct _ObkHistory
{
  ObkStore *store;
  ObkState *state;
  gboolean unsaved;
  gboolean failed; /* the last save */
  gboolean saving;
  gboolean closed; /* its owner has gone while a save ran */
  ObkHistorySaved saved;
  gpointer user_data;
};

ObkHistory *
obk_history_new (ObkStore *store, ObkState *state)
{
  ObkHistory *history = NULL;

  g_return_val_if_fail (store != NULL, NULL);

  history = g_new0 (ObkHistory, 1);
  history->store = store;
  history->state = state;
  return history;
}

static void
destroy (ObkHistory *history)
{
  obk_store_free (history->store);
  g_clear_pointer (&history->state, obk_state_free);
  g_free (history);
}

void
obk_history_free (ObkHistory *history)
{
  if (history == NULL)
    return;
  history->closed = TRUE;
  if (!history->saving)
    destroy (history);
}

const ObkState *
obk_history_state (const ObkHistory *history)
{
  return history->state;
}

gboolean
obk_history_is_unsaved (const ObkHistory *history)
{
  return history->unsaved;
}

gboolean
obk_history_is_degraded (const ObkHistory *history)
{
  return history->unsaved || history->failed;
}

gboolean
obk_history_is_saving (const ObkHistory *history)
{
  return history->saving;
}

static void
put_in_force (ObkHistory *history, ObkState *state)
{
  g_clear_pointer (&history->state, obk_state_free);
  history->state = state;
}

/* What was saved, the store tells. */
static void
log_failure (const GError *error)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_REGISTRY_SAVED);
  obk_log_string (&record, OBK_FIELD_STATUS, OBK_STATUS_ERROR);
  obk_log_string (&record, OBK_FIELD_REASON, OBK_REASON_STATE_SAVE_FAILED);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
save_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ObkHistory *history = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = obk_store_save_finish (history->store, result, &error);

  history->saving = FALSE;
  history->failed = state == NULL;
  if (state == NULL)
    log_failure (error);
  else
    {
      put_in_force (history, g_steal_pointer (&state));
      history->unsaved = FALSE;
    }
  if (history->closed)
    destroy (history);
  else
    history->saved (error, history->user_data);
}

void
obk_history_save (ObkHistory *history, ObkState *state, ObkHistorySaved saved, gpointer user_data)
{
  g_return_if_fail (history != NULL && state != NULL && saved != NULL);
  g_return_if_fail (!history->saving);

  history->saving = TRUE;
  history->saved = saved;
  history->user_data = user_data;
  obk_store_save_async (history->store, state, save_done, history);
}

gboolean
obk_history_has_lock (ObkHistory *history)
{
  g_autoptr (GError) error = NULL;

  g_return_val_if_fail (history != NULL && !history->saving, FALSE);

  if (obk_store_check_lock (history->store, &error))
    return TRUE;
  log_failure (error);
  return FALSE;
}

void
obk_history_adopt (ObkHistory *history, ObkState *state)
{
  g_return_if_fail (history != NULL && state != NULL);

  put_in_force (history, state);
  history->unsaved = TRUE;
}
