/* SPDX-License-Identifier: Apache-2.0 */
/* The key's history as values: snapshots and the state that holds them. */
#pragma once

#include <glib.h>

#include "identity/key-id.h"
#include "identity/scope.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_SNAPSHOT_ACTIVE,
  OBK_SNAPSHOT_PENDING,
  OBK_SNAPSHOT_RETIRED,
  OBK_SNAPSHOT_REJECTED,
  OBK_SNAPSHOT_REMOVED
} ObkSnapshotState;

typedef struct
{
  guint32 version;
  gint64 created_at_unix;
  char key_id[OBK_KEY_ID_LENGTH + 1]; /* zero-terminated */
  ObkSnapshotState state;
  gint64 observed_at_unix; /* 0: left out, as all four */
  gint64 stable_count;
  gint64 stable_at_unix;
  gint64 promoted_at_unix;
} ObkSnapshot;

/**
 * ObkState:
 *
 * Immutable once it is in use; the rotation rules copy, change the copy and normalise its order. All snapshots share
 * the scope. Snapshots stand as in the document: active, pending, retired, rejected, removed; within one, higher
 * versions first. A version may stand twice only when a rejected one had another creation time.
 */
typedef struct
{
  ObkScope *scope;
  guint64 generation;  /* 0: never saved */
  char *previous_hash; /* %NULL in generation 1 */
  char *current_hash;  /* set by document.h */
  GArray *snapshots;   /* of ObkSnapshot */
} ObkState;

ObkState *obk_state_new (const ObkScope *scope);
ObkState *obk_state_copy (const ObkState *state);
void obk_state_free (ObkState *state);

/* Adds one; its key_id is derived. Returns: borrowed, until the next addition */
ObkSnapshot *obk_state_add (ObkState *state, guint32 version, gint64 created_at_unix, ObkSnapshotState kind);
void obk_state_sort (ObkState *state);

ObkSnapshot *obk_state_at (const ObkState *state, guint i);  /* borrowed; to be changed only before it is in use */
const ObkSnapshot *obk_state_active (const ObkState *state); /* never %NULL in a valid state */
/* Returns: (nullable): the candidate; there is one at most */
const ObkSnapshot *obk_state_pending (const ObkState *state);
/* Returns: (nullable): that version's snapshot, a rejected one only when there is no other. A walk over all of them. */
const ObkSnapshot *obk_state_find_version (const ObkState *state, guint32 version);
/* Returns: (transfer full): of guint32: those that decrypt */
GArray *obk_state_retained_versions (const ObkState *state);
/* Same snapshots, whatever the generation and hashes */
gboolean obk_state_same_content (const ObkState *a, const ObkState *b);

/* Returns: "active", …: the document's word */
const char *obk_snapshot_state_name (ObkSnapshotState state);
gboolean obk_snapshot_state_parse (const char *name, ObkSnapshotState *state);
/* Whether it decrypts: active, pending or retired */
gboolean obk_snapshot_is_retained (const ObkSnapshot *snapshot);

/**
 * obk_state_validate:
 * @error: OBK_ERROR_STATE_REFUSED: what is wrong with the snapshots (spec registry.md, "Loading")
 *
 * What may neither be loaded nor saved: exactly one active, no key_id twice, each derived from its own snapshot, no
 * impossible times.
 */
gboolean obk_state_validate (const ObkState *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full): the unsaved first state of a key that was never rotated (registry.md, "First start") */
ObkState *obk_state_first (const ObkScope *scope, gint64 created_at_unix, gint64 now_unix);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkState, obk_state_free)

G_END_DECLS
