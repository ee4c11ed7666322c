/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's state as it lies on disk: which pair of files may be loaded, and how a new one takes its place. */
#pragma once

#include <gio/gio.h>

#include "registry/damage.h"
#include "registry/state.h"

G_BEGIN_DECLS

/**
 * ObkStore:
 *
 * Holds the exclusive lock on the state. Of one thread, but for obk_store_save_async().
 */
typedef struct _ObkStore ObkStore;

/**
 * obk_store_open:
 * @path: state.path; its directory must exist and be safe
 * @error: OBK_ERROR_STATE_LOCKED when another process holds the lock, else OBK_ERROR_STATE_REFUSED. Each text names the
 *   file, what is wrong and the way out
 *
 * Takes the exclusive lock, which is held until obk_store_free() and the end of a save that still runs.
 */
ObkStore *obk_store_open (const char *path, GError **error);
void obk_store_free (ObkStore *store);

/**
 * obk_store_load:
 * @state: (out) (nullable): %NULL when neither state nor checkpoint exists
 * @error: OBK_ERROR_STATE_REFUSED; nothing on disk has been changed then
 *
 * Accepts a crash between the two writes, and a missing checkpoint with a warning, and then writes the checkpoint; if
 * that cannot be done, the next save does it first.
 */
gboolean obk_store_load (ObkStore *store, const ObkScope *scope, ObkState **state,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* FALSE with OBK_ERROR_STATE_LOCKED when the lock no longer keeps others out. Not while a save runs. */
gboolean obk_store_check_lock (ObkStore *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How the checkpoint stands to the state (spec cli.md, "rotation-plan") */
typedef enum
{
  OBK_CHECKPOINT_CURRENT,
  OBK_CHECKPOINT_BEHIND,
  OBK_CHECKPOINT_MISSING, /* state alone */
  OBK_CHECKPOINT_ABSENT   /* neither */
} ObkCheckpointStatus;

/* Returns: "current", … */
const char *obk_checkpoint_status_name (ObkCheckpointStatus status);

/* Reads as obk_store_load() does, but without the lock and without changing anything: for reports. */
gboolean obk_store_peek (const char *path, const ObkScope *scope, ObkState **state, ObkCheckpointStatus *status,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_store_save:
 * @state: its generation, previous_hash and current_hash are set here, following what was loaded or saved last
 * @error: OBK_ERROR_STATE_NOT_SAVED: the old state is still in force; OBK_ERROR_STATE_LOCKED: the lock was lost
 *
 * Only after obk_store_load(). Blocks on fsync: state, then checkpoint, each written beside, synced, renamed, its
 * directory synced. Not for the main loop of a daemon: see obk_store_save_async().
 */
gboolean obk_store_save (ObkStore *store, ObkState *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same in a worker thread. @state belongs to the store until the callback, which gets it back. One at a time. */
void obk_store_save_async (ObkStore *store, ObkState *state, GAsyncReadyCallback callback, gpointer user_data);
/* Returns: (transfer full): the state as saved, or %NULL with @error */
ObkState *obk_store_save_finish (ObkStore *store, GAsyncResult *result, GError **error);

/**
 * obk_store_replace:
 * @damage: what obk_damage_read() found since the lock is held
 * @state: as with obk_store_save(), but that it follows what @damage can prove
 * @now_unix: part of the names under which the old files are kept
 * @kept: (out) (transfer full) (element-type filename): these
 * @error: as with obk_store_save(); where a file of the old pair cannot be kept, nothing has changed
 *
 * Only after obk_store_load() has refused. Until the new state is there as a whole, what is there is refused as before:
 * killed at any instruction it leaves the one or the other, and the old files whole.
 */
gboolean obk_store_replace (ObkStore *store, const ObkDamage *damage, ObkState *state, gint64 now_unix,
                            GPtrArray **kept, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkStore, obk_store_free)

G_END_DECLS
