/* SPDX-License-Identifier: Apache-2.0 */
#include "health/conditions.h"

#include "base/names.h"

#define NOW 1000

/* All is well. */
static const ObkVerdict well = {
  .finding = "",
  .trouble = "",
  .good_us = 1,
  .min_encryption = 3,
  .proved = 3,
  .deep_finding = "",
  .canary = "",
  .active = 3,
  .serving = 3,
  .save_trouble = "",
  .settled = TRUE,
};

/* Exactly @name fails, with @reason; %NULL: none does */
static void
expect_only (const ObkVerdict *verdict, gint64 fresh_until_us, gboolean breaker_open, const char *name,
             const char *reason)
{
  ObkCondition conditions[OBK_N_CONDITIONS];
  guint n = 0;

  obk_conditions_judge (verdict, NOW, fresh_until_us, breaker_open, conditions);
  for (guint i = 0; i < OBK_N_CONDITIONS; i++)
    {
      g_assert_nonnull (conditions[i].name);
      if (*conditions[i].reason == '\0')
        continue;
      n++;
      g_assert_cmpstr (conditions[i].name, ==, name);
      g_assert_cmpstr (conditions[i].reason, ==, reason);
    }
  g_assert_cmpuint (n, ==, name != NULL ? 1 : 0);
}

static void
test_well (void)
{
  expect_only (&well, NOW + 1, FALSE, NULL, NULL);
}

/* Nothing is known yet: what is missing is named, and nothing is blamed. */
static void
test_start (void)
{
  const ObkVerdict verdict = OBK_VERDICT_INIT;
  ObkCondition conditions[OBK_N_CONDITIONS];

  obk_conditions_judge (&verdict, NOW, 0, FALSE, conditions);
  g_assert_cmpstr (conditions[OBK_CONDITION_REGISTRY].reason, ==, OBK_REASON_STATE_UNAVAILABLE);
  g_assert_cmpstr (conditions[OBK_CONDITION_FRESHNESS].reason, ==, OBK_REASON_STATUS_STALE);
  g_assert_cmpstr (conditions[OBK_CONDITION_DEEP_PROBE].reason, ==, OBK_REASON_DEEP_PROBE_PENDING);
  g_assert_cmpstr (conditions[OBK_CONDITION_METADATA_READ].reason, ==, "");
  g_assert_cmpstr (conditions[OBK_CONDITION_KEY].reason, ==, "");
  g_assert_cmpstr (conditions[OBK_CONDITION_ENCRYPTION].reason, ==, "");
}

static void
test_each (void)
{
  ObkVerdict verdict = well;

  expect_only (&well, NOW, FALSE, "freshness", OBK_REASON_STATUS_STALE);
  expect_only (&well, NOW + 1, TRUE, "circuit_breaker", OBK_REASON_CIRCUIT_BREAKER_OPEN);
  verdict.trouble = OBK_REASON_METADATA_READ_FAILED;
  expect_only (&verdict, NOW + 1, FALSE, "metadata_read", OBK_REASON_METADATA_READ_FAILED);
  verdict.trouble = OBK_REASON_STANDBY_LAGGING;
  expect_only (&verdict, NOW + 1, FALSE, "metadata_read", OBK_REASON_STANDBY_LAGGING);
  verdict.trouble = OBK_REASON_AUTH_FAILED;
  expect_only (&verdict, NOW + 1, FALSE, "authentication", OBK_REASON_AUTH_FAILED);
  verdict = well;
  verdict.finding = OBK_REASON_UPSERT_ALLOWED;
  expect_only (&verdict, NOW + 1, FALSE, "key", OBK_REASON_UPSERT_ALLOWED);
  verdict = well;
  verdict.min_encryption = 4;
  expect_only (&verdict, NOW + 1, FALSE, "encryption", OBK_REASON_ENCRYPTION_BLOCKED);
  verdict = well;
  verdict.proved = 2;
  expect_only (&verdict, NOW + 1, FALSE, "deep_probe", OBK_REASON_DEEP_PROBE_PENDING);
  verdict.deep_finding = OBK_REASON_DEEP_PROBE_INVALID;
  expect_only (&verdict, NOW + 1, FALSE, "deep_probe", OBK_REASON_DEEP_PROBE_INVALID);
  verdict = well;
  verdict.canary = OBK_REASON_CANARY_FAILED;
  expect_only (&verdict, NOW + 1, FALSE, "canary", OBK_REASON_CANARY_FAILED);
  verdict = well;
  verdict.save_trouble = OBK_REASON_STATE_SAVE_FAILED;
  expect_only (&verdict, NOW + 1, FALSE, "registry", OBK_REASON_STATE_SAVE_FAILED);
}

/* What makes Status unhealthy, some condition names. */
static void
test_covers_the_verdict (void)
{
  static const char *const texts[] = { "", "x" };

  for (guint bits = 0; bits < 512; bits++)
    {
      ObkVerdict verdict = well;
      ObkCondition conditions[OBK_N_CONDITIONS];
      gboolean named = FALSE;

      verdict.finding = texts[bits & 1];
      verdict.save_trouble = texts[bits >> 1 & 1];
      verdict.deep_finding = texts[bits >> 2 & 1];
      verdict.canary = texts[bits >> 3 & 1];
      verdict.trouble = texts[bits >> 4 & 1];
      verdict.good_us = bits >> 5 & 1;
      verdict.active = bits >> 6 & 1 ? 3 : 0;
      verdict.min_encryption = bits >> 7 & 1 ? 4 : 3;
      verdict.proved = bits >> 8 & 1 ? 3 : 2;
      obk_conditions_judge (&verdict, NOW, NOW + 1, FALSE, conditions);
      for (guint i = 0; i < OBK_N_CONDITIONS; i++)
        named |= *conditions[i].reason != '\0';
      if (*obk_verdict_reason (&verdict) != '\0')
        g_assert_true (named);
      else
        g_assert_true (!named || *verdict.trouble != '\0');
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/conditions/well", test_well);
  g_test_add_func ("/conditions/start", test_start);
  g_test_add_func ("/conditions/each", test_each);
  g_test_add_func ("/conditions/covers-the-verdict", test_covers_the_verdict);
  return g_test_run ();
}
