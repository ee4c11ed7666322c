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
 * versions first.
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

const ObkSnapshot *obk_state_active (const ObkState *state);                        /* never %NULL in a valid state */
const ObkSnapshot *obk_state_find_version (const ObkState *state, guint32 version); /* (nullable) */
/* Same snapshots, whatever the generation and hashes */
gboolean obk_state_same_content (const ObkState *a, const ObkState *b);

/* Returns: (transfer full): generation 1 of a key that was never rotated (registry.md, "First start") */
ObkState *obk_state_first (const ObkScope *scope, gint64 created_at_unix, gint64 now_unix);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkState, obk_state_free)

G_END_DECLS
