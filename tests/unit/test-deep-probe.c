/* SPDX-License-Identifier: Apache-2.0 */
/* Deep probes and canaries, as the prober drives them. */
#include "health/deep-probe.h"

#include "base/clock.h"
#include "health-fixture.h"

#include <string.h>

/* Canaries */

static void
test_canaries_are_made (Health *f, gconstpointer data)
{
  health_make_history (f, 20);
  health_open_well (f, 20);
  g_assert_cmpuint (f->transit->encrypted, ==, 20);
  g_assert_cmpuint (f->transit->decrypted, ==, 1 + 16);
  health_advance (f, DEEP_INTERVAL * SECOND); /* those stay, and the others are checked */
  g_assert_cmpuint (f->transit->encrypted, ==, 21);
  g_assert_cmpuint (f->transit->decrypted, ==, 2 * (1 + 16));
}

static void
test_canaries_do_not_delay_health (Health *f, gconstpointer data)
{
  health_make_history (f, 20);
  f->transit->held = STAND_IN_ENCRYPT;
  health_open (f);
  health_advance (f, 0);
  stand_in_answer (f->transit); /* that of the active version */
  health_settle (f);
  health_expect (f, "ok@20");
  g_assert_cmpuint (f->transit->encrypted, ==, 1);
  g_assert_cmpuint (f->transit->calls->len, ==, 1);
}

static void
test_no_canary_below_the_minimum (Health *f, gconstpointer data)
{
  health_make_history (f, 5);
  f->transit->key->min_encryption_version = 4;
  health_open_well (f, 5);
  g_assert_cmpuint (f->transit->encrypted, ==, 2);
  g_assert_cmpuint (f->transit->started, ==, 2 + 2 + 1 + 2); /* reads, encryptions, proof, canaries: none in vain */
  f->transit->key->min_encryption_version = 1;
  health_advance (f, DEEP_INTERVAL * SECOND);
  g_assert_cmpuint (f->transit->encrypted, ==, 2 + 4);
}

/* What cannot be asked tells nothing, and the rest waits for the next round. */
static void
test_canary_without_answer (Health *f, gconstpointer data)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "stand-in");

  health_make_history (f, 3);
  health_open_well (f, 3);
  f->transit->held = STAND_IN_DECRYPT;
  health_advance (f, DEEP_INTERVAL * SECOND);
  stand_in_answer (f->transit); /* the active version's own */
  health_settle (f);
  g_assert_cmpuint (f->transit->calls->len, ==, 1);
  stand_in_fail (f->transit, error);
  health_settle (f);
  g_assert_cmpuint (f->transit->calls->len, ==, 0);
  health_expect_changes (f, "");
}

/* Another key behind the same number, as after a restore and another rotation */
static void
expect_canary_fails (Health *f, guint32 replaced)
{
  health_advance (f, DEEP_INTERVAL / 2 * SECOND);
  stand_in_replace_material (f->transit, replaced);
  health_advance (f, 2 * DEEP_INTERVAL * SECOND);
  health_expect_changes (f, "canary_failed@20");
  health_advance (f, 2 * DEEP_INTERVAL * SECOND); /* and it does not pass */
  health_expect_changes (f, "");
  g_hash_table_remove_all (f->transit->material);
  health_advance (f, 40 * SECOND);
  health_expect_changes (f, "ok@20");
}

static void
test_replaced_retired_version (Health *f, gconstpointer data)
{
  health_make_history (f, 20);
  health_open_well (f, 20);
  expect_canary_fails (f, 1);
  expect_canary_fails (f, 18);
}

/* Its own probe passes: it is the canary that remembers. */
static void
test_replaced_active_version (Health *f, gconstpointer data)
{
  health_make_history (f, 20);
  health_open_well (f, 20);
  expect_canary_fails (f, 20);
}

static void
test_trimmed_version (Health *f, gconstpointer data)
{
  health_make_history (f, 3);
  f->options.rotation.probe_interval_us = 10 * DEEP_INTERVAL * SECOND; /* the deep probe sees it first */
  f->options.rotation.max_staleness_us = 30 * DEEP_INTERVAL * SECOND;
  health_open_well (f, 3);
  stand_in_trim (f->transit, 2);
  health_advance (f, DEEP_INTERVAL * SECOND);
  health_expect_changes (f, "canary_failed@3");
  health_advance (f, RETRY_INTERVAL * SECOND);
  health_expect_changes (f, "minimum_above_retained@3");
}

/* The pace of deep probes that fail for a canary is that of all others that fail. */
static void
test_canary_opens_the_breaker (Health *f, gconstpointer data)
{
  guint encrypted = 0;

  health_make_history (f, 2);
  health_open_well (f, 2);
  stand_in_replace_material (f->transit, 1);
  health_advance (f, DEEP_INTERVAL * SECOND);
  encrypted = f->transit->encrypted;
  health_advance (f, 2 * RETRY_INTERVAL * SECOND);
  g_assert_cmpuint (f->transit->encrypted, ==, encrypted + 2);
  health_advance (f, 22 * SECOND);
  g_assert_cmpuint (f->transit->encrypted, ==, encrypted + 2);
  health_advance (f, 16 * SECOND);
  g_assert_cmpuint (f->transit->encrypted, ==, encrypted + 3);
}

/* That of a version that is observed later is made as well. */
static void
test_canary_of_a_pending_version (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  f->options.rotation.activation_delay_us = 0;
  health_advance (f, PROBE_INTERVAL * SECOND);
  obk_prober_doubt (f->prober);
  health_settle (f);
  health_expect_disk (f, "active 1; pending 2 n2");
  stand_in_replace_material (f->transit, 2);
  health_advance (f, 2 * SECOND);
  obk_prober_doubt (f->prober);
  health_settle (f);
  health_expect (f, "canary_failed@1");
}

/* The active version */

static void
test_definite_failures (Health *f, gconstpointer data)
{
  static const struct
  {
    StandInKinds kinds;
    ObkError code;
  } cases[] = {
    { STAND_IN_ENCRYPT, OBK_ERROR_TRANSIT_REFUSED },
    { STAND_IN_ENCRYPT, OBK_ERROR_VERSION_UNUSABLE },
    { STAND_IN_ENCRYPT, OBK_ERROR_KEY_MISSING },
    { STAND_IN_ENCRYPT, OBK_ERROR_POLICY_DENIED },
    { STAND_IN_DECRYPT, OBK_ERROR_TRANSIT_AUTHENTICATION_TAG },
    { STAND_IN_DECRYPT, OBK_ERROR_POLICY_DENIED },
  };

  health_open_well (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      stand_in_break (f->transit, cases[i].kinds, cases[i].code);
      health_advance (f, DEEP_INTERVAL * SECOND);
      health_expect (f, "deep_probe_failed@1");
      stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
      health_advance (f, 40 * SECOND);
      health_expect_changes (f, "deep_probe_failed@1 ok@1");
    }
}

static void
test_failures_of_the_way (Health *f, gconstpointer data)
{
  static const ObkError codes[] = {
    OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_TIMEOUT,     OBK_ERROR_SEALED,          OBK_ERROR_UNAVAILABLE,
    OBK_ERROR_RATE_LIMITED,      OBK_ERROR_AUTH_FAILED, OBK_ERROR_STANDBY_LAGGING,
  };

  health_open_well (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      stand_in_break (f->transit, STAND_IN_ENCRYPT | STAND_IN_DECRYPT, codes[i]);
      health_advance (f, DEEP_INTERVAL * SECOND);
      stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
      health_advance (f, 40 * SECOND);
    }
  health_expect_changes (f, "");
  g_assert_cmpuint (health_count_log (f, "warn status.probe probe_kind=deep status=error", NULL), >=,
                    G_N_ELEMENTS (codes));
}

static void
test_another_plaintext (Health *f, gconstpointer data)
{
  g_autoptr (ObkSecret) other = obk_secret_new_copy ("thirty-two bytes, but not those.", 32);
  g_autoptr (ObkSecret) shorter = obk_secret_new_copy ("few", 3);
  ObkSecret *const answers[] = { other, shorter };

  health_open_well (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      f->transit->held = STAND_IN_DECRYPT;
      health_advance (f, DEEP_INTERVAL * SECOND);
      stand_in_answer_decrypt (f->transit, answers[i]);
      health_settle (f);
      health_expect (f, "deep_probe_invalid@1");
      stand_in_release (f->transit);
      health_advance (f, RETRY_INTERVAL * SECOND);
      health_expect_changes (f, "deep_probe_invalid@1 ok@1");
    }
}

/* A version that is promoted while a round for the former one runs is proved right after it. */
static void
test_promotion_during_a_round (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  stand_in_rotate (f->transit, obk_clock_unix ());
  health_advance (f, 145 * SECOND);
  f->transit->held = STAND_IN_DECRYPT;
  obk_prober_doubt (f->prober);
  health_advance (f, 35 * SECOND);
  health_expect_disk (f, "active 2; retired 1");
  health_expect_changes (f, "");
  stand_in_release (f->transit);
  health_settle (f);
  health_expect_changes (f, "ok@2");
}

static void
test_interval (Health *f, gconstpointer data)
{
  health_open_well (f, 1);
  g_assert_cmpuint (f->transit->encrypted, ==, 1);
  health_advance (f, DEEP_INTERVAL * SECOND - 1);
  g_assert_cmpuint (f->transit->encrypted, ==, 1);
  health_advance (f, 1);
  g_assert_cmpuint (f->transit->encrypted, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  health_test ("/deep-probe/canaries/made", test_canaries_are_made);
  health_test ("/deep-probe/canaries/do-not-delay-health", test_canaries_do_not_delay_health);
  health_test ("/deep-probe/canaries/none-below-minimum", test_no_canary_below_the_minimum);
  health_test ("/deep-probe/canaries/without-answer", test_canary_without_answer);
  health_test ("/deep-probe/canaries/replaced-retired", test_replaced_retired_version);
  health_test ("/deep-probe/canaries/replaced-active", test_replaced_active_version);
  health_test ("/deep-probe/canaries/open-the-breaker", test_canary_opens_the_breaker);
  health_test ("/deep-probe/canaries/trimmed", test_trimmed_version);
  health_test ("/deep-probe/canaries/pending", test_canary_of_a_pending_version);
  health_test ("/deep-probe/active/definite", test_definite_failures);
  health_test ("/deep-probe/active/the-way", test_failures_of_the_way);
  health_test ("/deep-probe/active/another-plaintext", test_another_plaintext);
  health_test ("/deep-probe/active/promotion-during-a-round", test_promotion_during_a_round);
  health_test ("/deep-probe/active/interval", test_interval);
  return g_test_run ();
}
