/* SPDX-License-Identifier: Apache-2.0 */
/* What Status, Encrypt and Decrypt go by: an immutable snapshot behind one pointer. */
#include "health/board.h"

#include "base/names.h"
#include "identity/key-id.h"

#include <string.h>

struct _ObkBoard
{
  gatomicrefcount references;
  ObkScope *scope;
  ObkKeyring *keyring;
  const char *reason;
  const char *stale_reason;
  gint64 fresh_until_us;
};

ObkBoard *
obk_board_new (const ObkScope *scope, const ObkBoardFacts *facts)
{
  ObkBoard *board = NULL;

  g_return_val_if_fail (scope != NULL && facts != NULL, NULL);
  g_return_val_if_fail (facts->reason != NULL && facts->stale_reason != NULL, NULL);

  board = g_new0 (ObkBoard, 1);
  g_atomic_ref_count_init (&board->references);
  board->scope = obk_scope_copy (scope);
  board->keyring = facts->keyring ? obk_keyring_ref (facts->keyring) : NULL;
  board->reason = facts->reason;
  board->stale_reason = *facts->stale_reason ? facts->stale_reason : OBK_REASON_STATUS_STALE;
  board->fresh_until_us = facts->fresh_until_us;
  return board;
}

ObkBoard *
obk_board_ref (ObkBoard *board)
{
  g_atomic_ref_count_inc (&board->references);
  return board;
}

void
obk_board_unref (ObkBoard *board)
{
  if (!g_atomic_ref_count_dec (&board->references))
    return;
  g_clear_pointer (&board->keyring, obk_keyring_unref);
  obk_scope_free (board->scope);
  g_free (board);
}

gboolean
obk_board_loaded (const ObkBoard *board)
{
  return board->keyring != NULL;
}

const char *
obk_board_reason (const ObkBoard *board, gint64 now_us)
{
  if (*board->reason != '\0')
    return board->reason;
  if (now_us >= board->fresh_until_us)
    return board->stale_reason;
  return board->keyring ? "" : OBK_REASON_STATE_UNAVAILABLE;
}

gboolean
obk_board_healthy (const ObkBoard *board, gint64 now_us)
{
  return *obk_board_reason (board, now_us) == '\0';
}

const ObkKeyIdentity *
obk_board_active (const ObkBoard *board)
{
  return board->keyring ? obk_keyring_active (board->keyring) : NULL;
}

const ObkKeyIdentity *
obk_board_find (const ObkBoard *board, const char *key_id, gsize length)
{
  char text[OBK_KEY_ID_LENGTH + 1] = { 0 };

  if (board->keyring == NULL || length != OBK_KEY_ID_LENGTH)
    return NULL;
  memcpy (text, key_id, length);
  return obk_keyring_find (board->keyring, text);
}

const ObkScope *
obk_board_scope (const ObkBoard *board)
{
  return board->scope;
}

/* An atomic pointer alone would not do: between reading it and taking a reference the board could go. The lock is
 * held for just that. */
struct _ObkBoardSlot
{
  GMutex lock;
  ObkBoard *board;
};

ObkBoardSlot *
obk_board_slot_new (const ObkScope *scope)
{
  ObkBoardSlot *slot = g_new0 (ObkBoardSlot, 1);

  g_mutex_init (&slot->lock);
  slot->board = obk_board_new (scope, &(ObkBoardFacts){ .reason = OBK_REASON_STATE_UNAVAILABLE, .stale_reason = "" });
  return slot;
}

void
obk_board_slot_free (ObkBoardSlot *slot)
{
  obk_board_unref (slot->board);
  g_mutex_clear (&slot->lock);
  g_free (slot);
}

ObkBoard *
obk_board_slot_get (ObkBoardSlot *slot)
{
  ObkBoard *board = NULL;

  g_mutex_lock (&slot->lock);
  board = obk_board_ref (slot->board);
  g_mutex_unlock (&slot->lock);
  return board;
}

void
obk_board_slot_set (ObkBoardSlot *slot, ObkBoard *board)
{
  ObkBoard *old = NULL;

  g_return_if_fail (board != NULL);

  g_mutex_lock (&slot->lock);
  old = g_steal_pointer (&slot->board);
  slot->board = obk_board_ref (board);
  g_mutex_unlock (&slot->lock);
  obk_board_unref (old);
}
