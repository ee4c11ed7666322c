/* SPDX-License-Identifier: Apache-2.0 */
/* What a Decrypt with an unknown key_id may find. */
#include "registry/rotation.h"

#include "rotation-fixture.h"

/* Discovers, wants @after in the end, and has it in force; %NULL when nothing is to be found. */
static void
discover (Node *node, const char *after)
{
  g_autoptr (ObkState) before = obk_state_copy (node->state);
  ObkState *found = obk_rotation_discover (node->state, node->metadata, node->now, &node->memory);

  g_assert_true (obk_state_same_content (node->state, before));
  if (after == NULL)
    {
      g_assert_null (found);
      return;
    }
  assert_state (found, after);
  obk_state_free (node->state);
  node->state = found;
}

/* The vector "discovered": no count, no promotion */
static void
test_finds (Node *node, gconstpointer data)
{
  show (node, 2);
  node->metadata->min_encryption_version = 2;
  advance (node, 60);
  discover (node, "active 1 o0 p0; pending 2 o60");
  discover (node, NULL);
  node->metadata->min_encryption_version = 0;
  step (node, "active 1 o0 p0; pending 2 o60 n1");
  g_assert_cmpuint (node->result.observed, ==, 0);
}

/* "an older pending one becomes retired", and those between decrypt too */
static void
test_supersedes (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n3 s0");
  show (node, 4);
  advance (node, 60);
  discover (node, "active 1 o0 p0; pending 4 o60; retired 3 o60; retired 2 o0");
}

static void
test_nothing (Node *node, gconstpointer data)
{
  discover (node, NULL);
  use (node, "active 1 o0 p0; retired 2 o0");
  show (node, 2);
  discover (node, NULL); /* what is known is left to the next probe */
}

/* A read behind what was seen is no finding against anything, and adds what it shows. */
static void
test_lagging (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 3 o0");
  show (node, 2);
  discover (node, "active 1 o0 p0; pending 3 o0; retired 2 o0");
  g_assert_cmpuint (node->memory.lagging_reads, ==, 0);
}

/* "Removed ones are never rediscovered." */
static void
test_removed (Node *node, gconstpointer data)
{
  use (node, "active 3 o0 p0; removed 2 o0; removed 1 o0");
  show (node, 3);
  discover (node, NULL);
  use (node, "active 1 o0 p0; removed 2 o0");
  show (node, 2);
  set_created (node, 2, CREATED + 50);
  discover (node, NULL);
}

/* "rejected ones do not count" */
static void
test_rejected (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; rejected 3 o0 n3 s0; rejected 2 o0");
  show (node, 3);
  set_created (node, 2, CREATED + 2 + 50);
  advance (node, 60);
  discover (node, "active 1 o0 p0; pending 3 o60; retired 2@50 o60; rejected 2 o0");
  step (node, "active 1 o0 p0; pending 3 o60 n1; retired 2@50 o60; rejected 2 o0");
}

static void
test_rejected_latest (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n2; rejected 3 o0");
  show (node, 3);
  set_created (node, 3, CREATED + 3 + 50);
  advance (node, 60);
  discover (node, "active 1 o0 p0; pending 3@50 o60; retired 2 o0; rejected 3 o0");
}

/* A read that is behind the candidate takes nothing from it. */
static void
test_below_candidate (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 4 o0 n2; retired 2 o0; rejected 3 o0");
  show (node, 3);
  set_created (node, 3, CREATED + 3 + 50);
  discover (node, "active 1 o0 p0; pending 4 o0 n2; retired 3@50 o0; retired 2 o0; rejected 3 o0");
}

/* "Each version is validated by itself": what is wrong with others, or with the key, keeps none from decrypting. */
static void
test_each_by_itself (Node *node, gconstpointer data)
{
  use (node, "active 2 o0 p0; retired 1 o0");
  show (node, 5);
  set_created (node, 1, CREATED + 77);
  set_created (node, 4, 0);
  node->metadata->deletion_allowed = TRUE;
  node->metadata->disable_upsert = FALSE;
  node->metadata->min_decryption_version = 2;
  advance (node, 60);
  discover (node, "active 2 o0 p0; pending 5 o60; retired 3 o60; retired 1 o0");
  probe_refused (node, OBK_FINDING_UPSERT_ALLOWED);
}

/* One without a creation time has no key_id: nothing takes the candidate's place. */
static void
test_latest_without_time (Node *node, gconstpointer data)
{
  use (node, "active 1 o0 p0; pending 2 o0 n2");
  show (node, 4);
  set_created (node, 4, 0);
  discover (node, "active 1 o0 p0; pending 2 o0 n2; retired 3 o0");
}

/* What OpenBao gives out again below the active version, as far as it is available. */
static void
test_below_active (Node *node, gconstpointer data)
{
  use (node, "active 4 o0 p0; retired 3 o0");
  show (node, 4);
  node->metadata->min_decryption_version = 2;
  discover (node, "active 4 o0 p0; retired 3 o0; retired 2 o0");
  discover (node, NULL);
}

/* A version above the latest is no version. */
static void
test_contradiction (Node *node, gconstpointer data)
{
  show (node, 3);
  node->metadata->latest_version = 2;
  discover (node, "active 1 o0 p0; pending 2 o0");
}

/* Only adds: times in the future are the next good probe's business. */
static void
test_future_times (Node *node, gconstpointer data)
{
  use (node, "active 1 o500 p500; rejected 2 o700");
  show (node, 3);
  discover (node, "active 1 o500 p500; pending 3 o0; retired 2 o700");
  step (node, "active 1 o30 p30; pending 3 o0 n1; retired 2 o30");
  use (node, "active 1 o500 p500; rejected 2 o700");
  show (node, 2);
  discover (node, "active 1 o500 p500; pending 2 o700");
}

/* What discovery has read has been seen, even when it could not be saved; what it shows again is not lost. */
static void
test_is_a_read (Node *node, gconstpointer data)
{
  g_autoptr (ObkState) unsaved = NULL;

  show (node, 2);
  unsaved = obk_rotation_discover (node->state, node->metadata, node->now, &node->memory);
  g_assert_nonnull (unsaved);
  show (node, 1);
  probe_lagging (node);
  probe_lagging (node);
  g_assert_cmpuint (node->memory.lagging_reads, ==, 2);
  discover (node, NULL);
  g_assert_cmpuint (node->memory.lagging_reads, ==, 2);
  show (node, 2);
  discover (node, "active 1 o0 p0; pending 2 o0");
  g_assert_cmpuint (node->memory.lagging_reads, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/registry/rotation-discovery/finds", test_finds);
  add ("/registry/rotation-discovery/supersedes", test_supersedes);
  add ("/registry/rotation-discovery/nothing", test_nothing);
  add ("/registry/rotation-discovery/lagging", test_lagging);
  add ("/registry/rotation-discovery/removed", test_removed);
  add ("/registry/rotation-discovery/rejected", test_rejected);
  add ("/registry/rotation-discovery/rejected-latest", test_rejected_latest);
  add ("/registry/rotation-discovery/below-candidate", test_below_candidate);
  add ("/registry/rotation-discovery/each-by-itself", test_each_by_itself);
  add ("/registry/rotation-discovery/latest-without-time", test_latest_without_time);
  add ("/registry/rotation-discovery/below-active", test_below_active);
  add ("/registry/rotation-discovery/contradiction", test_contradiction);
  add ("/registry/rotation-discovery/future-times", test_future_times);
  add ("/registry/rotation-discovery/is-a-read", test_is_a_read);
  return g_test_run ();
}
