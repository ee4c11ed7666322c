/* SPDX-License-Identifier: Apache-2.0 */
#include "health/canary.h"

#include <string.h>

static const guint8 plaintext[OBK_CANARY_PLAINTEXT] = "thirty-two bytes, more or less";

static ObkCanarySet *
make_set (guint32 first, guint32 last)
{
  ObkCanarySet *set = obk_canary_set_new ();

  for (guint32 version = first; version <= last; version++)
    {
      g_autofree char *ciphertext = g_strdup_printf ("vault:v%u:x", version);

      obk_canary_set_keep (set, version, plaintext, ciphertext);
    }
  return set;
}

/* @wanted: "1 2 3" */
static void
expect_round (ObkCanarySet *set, const char *wanted)
{
  g_autoptr (GArray) round = obk_canary_set_round (set);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < round->len; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? " " : "", g_array_index (round, guint32, i));
  g_assert_cmpstr (text->str, ==, wanted);
}

static void
test_empty (void)
{
  g_autoptr (ObkCanarySet) set = obk_canary_set_new ();

  expect_round (set, "");
  g_assert_cmpstr (obk_canary_set_finding (set), ==, "");
  g_assert_null (obk_canary_set_find (set, 1));
}

static void
test_keep (void)
{
  g_autoptr (ObkCanarySet) set = make_set (7, 7);
  const guint8 other[OBK_CANARY_PLAINTEXT] = { 1 };
  const ObkCanary *canary = NULL;

  obk_canary_set_keep (set, 7, other, "vault:v7:later");
  canary = obk_canary_set_find (set, 7);
  g_assert_nonnull (canary);
  g_assert_cmpuint (canary->version, ==, 7);
  g_assert_cmpmem (canary->plaintext, sizeof canary->plaintext, plaintext, sizeof plaintext);
  g_assert_cmpstr (canary->ciphertext, ==, "vault:v7:x");
  g_assert_cmpstr (canary->finding, ==, "");
}

static void
test_retain (void)
{
  g_autoptr (ObkCanarySet) set = make_set (1, 4);
  g_autoptr (GArray) versions = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint32 version = 3; version <= 9; version++)
    g_array_append_val (versions, version);
  obk_canary_set_find (set, 1)->finding = "canary_failed";
  obk_canary_set_retain (set, versions);
  expect_round (set, "3 4");
  g_assert_cmpstr (obk_canary_set_finding (set), ==, "");
  obk_canary_set_keep (set, 1, plaintext, "vault:v1:anew");
  g_assert_cmpstr (obk_canary_set_find (set, 1)->ciphertext, ==, "vault:v1:anew");
}

static void
test_few_are_checked_each_round (void)
{
  g_autoptr (ObkCanarySet) set = make_set (1, 3);

  expect_round (set, "1 2 3");
  expect_round (set, "1 2 3");
}

static void
test_many_take_turns (void)
{
  g_autoptr (ObkCanarySet) set = make_set (1, 20);

  expect_round (set, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
  expect_round (set, "17 18 19 20 1 2 3 4 5 6 7 8 9 10 11 12");
  expect_round (set, "13 14 15 16 17 18 19 20 1 2 3 4 5 6 7 8");
}

static void
test_failed_come_first (void)
{
  g_autoptr (ObkCanarySet) set = make_set (1, 20);

  expect_round (set, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
  obk_canary_set_find (set, 5)->finding = "canary_failed";
  obk_canary_set_find (set, 18)->finding = "canary_failed";
  g_assert_cmpstr (obk_canary_set_finding (set), ==, "canary_failed");
  expect_round (set, "5 18 17 19 20 1 2 3 4 6 7 8 9 10 11 12");
  obk_canary_set_find (set, 5)->finding = "";
  g_assert_cmpstr (obk_canary_set_finding (set), ==, "canary_failed");
  obk_canary_set_find (set, 18)->finding = "";
  g_assert_cmpstr (obk_canary_set_finding (set), ==, "");
  expect_round (set, "13 14 15 16 17 18 19 20 1 2 3 4 5 6 7 8");
}

static void
test_many_failed (void)
{
  g_autoptr (ObkCanarySet) set = make_set (1, 20);

  for (guint32 version = 1; version <= 20; version++)
    obk_canary_set_find (set, version)->finding = "canary_failed";
  expect_round (set, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/canary/empty", test_empty);
  g_test_add_func ("/canary/first-one-stays", test_keep);
  g_test_add_func ("/canary/retain", test_retain);
  g_test_add_func ("/canary/round/few", test_few_are_checked_each_round);
  g_test_add_func ("/canary/round/many-take-turns", test_many_take_turns);
  g_test_add_func ("/canary/round/failed-come-first", test_failed_come_first);
  g_test_add_func ("/canary/round/many-failed", test_many_failed);
  return g_test_run ();
}
