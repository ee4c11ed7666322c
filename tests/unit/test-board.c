/* SPDX-License-Identifier: Apache-2.0 */
#include "health/board.h"

#include <string.h>

static ObkScope scope = {
  (char *)"provider", (char *)"cluster", (char *)"instance", NULL, (char *)"mount", (char *)"lineage",
};

static ObkState *
make_state (void)
{
  ObkState *state = obk_state_new (&scope);

  obk_state_add (state, 4, 1700000400, OBK_SNAPSHOT_PENDING);
  obk_state_add (state, 3, 1700000300, OBK_SNAPSHOT_ACTIVE);
  obk_state_add (state, 2, 1700000200, OBK_SNAPSHOT_RETIRED);
  obk_state_add (state, 1, 1700000100, OBK_SNAPSHOT_REMOVED);
  obk_state_add (state, 5, 1700000500, OBK_SNAPSHOT_REJECTED);
  obk_state_sort (state);
  return state;
}

static const ObkKeyIdentity *
find (const ObkBoard *board, guint32 version, gint64 created)
{
  g_autofree char *key_id = obk_key_id_derive (&scope, version, created);

  return obk_board_find (board, key_id, strlen (key_id));
}

static void
test_nothing_loaded (void)
{
  g_autoptr (ObkBoardSlot) slot = obk_board_slot_new (&scope);
  g_autoptr (ObkBoard) board = obk_board_slot_get (slot);

  g_assert_false (obk_board_loaded (board));
  g_assert_false (obk_board_healthy (board, 1));
  g_assert_cmpstr (obk_board_reason (board, 1), ==, "state_unavailable");
  g_assert_null (obk_board_active (board));
  g_assert_null (find (board, 1, 1700000100));
}

static void
test_which_versions_decrypt (void)
{
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyring) keyring = obk_keyring_new (state, obk_state_active (state)->version, NULL);
  g_autoptr (ObkBoard) board
      = obk_board_new (&scope, &(ObkBoardFacts){ keyring, .reason = "", .stale_reason = "", .fresh_until_us = 100 });

  g_assert_true (obk_board_loaded (board));
  g_assert_cmpuint (obk_key_identity_version (obk_board_active (board)), ==, 3);
  g_assert_true (find (board, 3, 1700000300) == obk_board_active (board));
  g_assert_cmpuint (obk_key_identity_version (find (board, 4, 1700000400)), ==, 4);
  g_assert_cmpuint (obk_key_identity_version (find (board, 2, 1700000200)), ==, 2);
  g_assert_null (find (board, 1, 1700000100)); /* removed */
  g_assert_null (find (board, 5, 1700000500)); /* rejected */
  g_assert_null (find (board, 3, 1700000301)); /* another creation time is another key_id */
  g_assert_null (obk_board_find (board, "obk2.", 5));
}

static void
test_freshness_runs_out (void)
{
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyring) keyring = obk_keyring_new (state, obk_state_active (state)->version, NULL);
  ObkBoardFacts facts = { keyring, .reason = "", .stale_reason = "", .fresh_until_us = 100 };
  g_autoptr (ObkBoard) board = obk_board_new (&scope, &facts);
  g_autoptr (ObkBoard) told = NULL;

  g_assert_true (obk_board_healthy (board, 99));
  g_assert_false (obk_board_healthy (board, 100));
  g_assert_cmpstr (obk_board_reason (board, 100), ==, "status_stale");
  facts.stale_reason = "auth_failed";
  told = obk_board_new (&scope, &facts);
  g_assert_cmpstr (obk_board_reason (told, 99), ==, "");
  g_assert_cmpstr (obk_board_reason (told, 100), ==, "auth_failed");
}

static void
test_a_reason_is_unhealthy_at_once (void)
{
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyring) keyring = obk_keyring_new (state, obk_state_active (state)->version, NULL);
  g_autoptr (ObkBoard) board = obk_board_new (
      &scope, &(ObkBoardFacts){ keyring, .reason = "profile_invalid", .stale_reason = "", .fresh_until_us = 100 });

  g_assert_false (obk_board_healthy (board, 1));
  g_assert_cmpstr (obk_board_reason (board, 1), ==, "profile_invalid");
  g_assert_nonnull (find (board, 2, 1700000200)); /* decrypts all the same */
}

static void
test_identities_are_shared (void)
{
  g_autoptr (ObkState) state = make_state ();
  g_autoptr (ObkKeyring) first = obk_keyring_new (state, obk_state_active (state)->version, NULL);
  g_autoptr (ObkKeyring) second = obk_keyring_new (state, obk_state_active (state)->version, first);

  g_assert_true (obk_keyring_active (first) == obk_keyring_active (second));
}

static gpointer
read_often (gpointer data)
{
  for (int i = 0; i < 20000; i++)
    {
      g_autoptr (ObkBoard) board = obk_board_slot_get (data);

      g_assert_true (obk_board_scope (board) != NULL);
    }
  return NULL;
}

static void
test_replaced_under_readers (void)
{
  g_autoptr (ObkBoardSlot) slot = obk_board_slot_new (&scope);
  GThread *reader = g_thread_new ("reader", read_often, slot);

  for (int i = 0; i < 5000; i++)
    {
      g_autoptr (ObkBoard) board
          = obk_board_new (&scope, &(ObkBoardFacts){ NULL, .reason = "status_stale", .stale_reason = "" });

      obk_board_slot_set (slot, board);
    }
  g_thread_join (reader);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/board/nothing-loaded", test_nothing_loaded);
  g_test_add_func ("/board/which-versions-decrypt", test_which_versions_decrypt);
  g_test_add_func ("/board/freshness-runs-out", test_freshness_runs_out);
  g_test_add_func ("/board/a-reason-is-unhealthy-at-once", test_a_reason_is_unhealthy_at_once);
  g_test_add_func ("/board/identities-are-shared", test_identities_are_shared);
  g_test_add_func ("/board/replaced-under-readers", test_replaced_under_readers);
  return g_test_run ();
}
