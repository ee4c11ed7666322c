/* SPDX-License-Identifier: Apache-2.0 */
/* The state in force, and the saving of the one that is to follow it. */
#pragma once

#include <glib.h>

#include "registry/store.h"

G_BEGIN_DECLS

/* Of the main loop. One save runs at a time. */
typedef struct _ObkHistory ObkHistory;

/* @store: loaded (transfer full). @state: (nullable) (transfer full): what was loaded */
ObkHistory *obk_history_new (ObkStore *store, ObkState *state);
void obk_history_free (ObkHistory *history); /* a save that runs goes on; its callback does not come */

/* Returns: (nullable): what is in force; %NULL before a first state is saved */
const ObkState *obk_history_state (const ObkHistory *history);

/* Whether something in force is not on disk, or the last save failed: the registry's persistence is degraded. */
gboolean obk_history_is_degraded (const ObkHistory *history);
/* Whether what is in force holds more than what is on disk. */
gboolean obk_history_is_unsaved (const ObkHistory *history);
gboolean obk_history_is_saving (const ObkHistory *history);

/* @error: (nullable): OBK_ERROR_STATE_NOT_SAVED, OBK_ERROR_STATE_LOCKED; then nothing has changed */
typedef void (*ObkHistorySaved) (const GError *error, gpointer user_data);

/* @state: (transfer full): in force once it is durable. Not while a save runs. The callback comes on the main loop. */
void obk_history_save (ObkHistory *history, ObkState *state, ObkHistorySaved saved, gpointer user_data);

/* Whether the lock still keeps others out, as a save would find; it is logged when it does not. Not while one runs. */
gboolean obk_history_has_lock (ObkHistory *history);

/* @state: (transfer full): in force now, from memory: what discovery has found. A save that runs supersedes it. */
void obk_history_adopt (ObkHistory *history, ObkState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkHistory, obk_history_free)

G_END_DECLS
