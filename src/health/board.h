/* SPDX-License-Identifier: Apache-2.0 */
/* What Status, Encrypt and Decrypt go by: an immutable snapshot behind one pointer. */
#pragma once

#include <glib.h>

#include "health/keyring.h"
#include "identity/key-identity.h"
#include "identity/scope.h"

G_BEGIN_DECLS

/**
 * ObkBoard:
 *
 * Replaced, never changed. Reference-counted, for any thread.
 */
typedef struct _ObkBoard ObkBoard;

/* What a board says; everything is copied or referenced. */
typedef struct
{
  ObkKeyring *keyring;      /* (nullable): %NULL before a registry is loaded */
  const char *reason;       /* static: "" when all conditions but freshness hold, else the first that fails */
  const char *stale_reason; /* static: why the probes fail of late, or "": told once freshness has run out */
  gint64 fresh_until_us;    /* when the last good metadata probe becomes too old; 0 when none passed yet */
} ObkBoardFacts;

ObkBoard *obk_board_new (const ObkScope *scope, const ObkBoardFacts *facts);
ObkBoard *obk_board_ref (ObkBoard *board);
void obk_board_unref (ObkBoard *board);

/* Whether a registry is loaded; without one nothing decrypts. */
gboolean obk_board_loaded (const ObkBoard *board);
/* Whether Status is healthy at @now_us (freshness runs out by itself). */
gboolean obk_board_healthy (const ObkBoard *board, gint64 now_us);
/* "" when healthy, else the first of the conditions that fail (spec observability.md, "Health") */
const char *obk_board_reason (const ObkBoard *board, gint64 now_us);
/* The active key version; %NULL before a registry is loaded. Borrowed. */
const ObkKeyIdentity *obk_board_active (const ObkBoard *board);
/* The version that a well-formed key_id decrypts with: active, pending or retired; else %NULL. Borrowed. */
const ObkKeyIdentity *obk_board_find (const ObkBoard *board, const char *key_id, gsize length);
const ObkScope *obk_board_scope (const ObkBoard *board);

/* Where the current board hangs: written by the main loop, read by any thread, no lock that anything slow holds. */
typedef struct _ObkBoardSlot ObkBoardSlot;

ObkBoardSlot *obk_board_slot_new (const ObkScope *scope);
void obk_board_slot_free (ObkBoardSlot *slot);
/* Returns: (transfer full): never %NULL; nothing loaded at first */
ObkBoard *obk_board_slot_get (ObkBoardSlot *slot);
void obk_board_slot_set (ObkBoardSlot *slot, ObkBoard *board);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkBoard, obk_board_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkBoardSlot, obk_board_slot_free)

G_END_DECLS
