/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/metrics-reading.h"

#include "observe/metrics-page.h"

static ObkMetricsReading *
read_own (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = NULL;
  gsize length = 0;

  obk_metrics_page_tell (page, OBK_METRIC_TOKEN_TTL, NULL, NULL, 77.5);
  obk_metrics_page_tell (page, OBK_METRIC_OPENBAO_ADDRESS_HEALTHY, "3", NULL, 1);
  text = obk_metrics_page_print (page, OBK_METRICS_TEXT, &length);
  return obk_metrics_reading_new (text);
}

static void
test_samples (void)
{
  g_autoptr (ObkMetricsReading) reading = read_own ();
  double value = 0;

  g_assert_true (obk_metrics_reading_get (reading, OBK_METRIC_TOKEN_TTL, NULL, &value));
  g_assert_cmpfloat_with_epsilon (value, 77.5, 1e-9);
  g_assert_true (obk_metrics_reading_get (reading, OBK_METRIC_OPENBAO_ADDRESS_HEALTHY, "3", &value));
  g_assert_cmpfloat_with_epsilon (value, 1, 1e-9);
  g_assert_false (obk_metrics_reading_get (reading, OBK_METRIC_OPENBAO_ADDRESS_HEALTHY, "2", &value));
  g_assert_false (obk_metrics_reading_get (reading, OBK_METRIC_JWT_TTL, NULL, &value));
}

/* 98 calls of half a millisecond or less and 2 between 25 and 50 ms: the 99th of 100 is half way into that bucket. */
static void
test_p99 (void)
{
  g_autoptr (ObkMetricsReading) before = read_own ();
  g_autoptr (ObkMetricsReading) now = NULL;
  double n = -1, p99_s = -1;

  for (guint i = 0; i < 98; i++)
    obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", 200);
  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", 30000);
  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", 40000);
  now = read_own ();
  g_assert_true (obk_metrics_reading_calls (now, before, OBK_METRIC_GRPC_DURATION, "decrypt", &n, &p99_s));
  g_assert_cmpfloat_with_epsilon (n, 100, 1e-9);
  g_assert_cmpfloat_with_epsilon (p99_s, 0.0375, 1e-9);
  g_assert_true (obk_metrics_reading_calls (now, before, OBK_METRIC_GRPC_DURATION, "encrypt", &n, &p99_s));
  g_assert_cmpfloat_with_epsilon (n, 0, 1e-9);
  g_assert_cmpfloat_with_epsilon (p99_s, 0, 1e-9);
  /* started again between: all of the later page is new */
  g_assert_true (obk_metrics_reading_calls (before, now, OBK_METRIC_GRPC_DURATION, "decrypt", &n, &p99_s));
  g_assert_cmpfloat_with_epsilon (n, 0, 1e-9);
}

static void
test_beyond_the_last_bucket (void)
{
  g_autoptr (ObkMetricsReading) before = read_own ();
  g_autoptr (ObkMetricsReading) now = NULL;
  double n = -1, p99_s = -1;

  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "status", 60 * G_USEC_PER_SEC);
  now = read_own ();
  g_assert_true (obk_metrics_reading_calls (now, before, OBK_METRIC_GRPC_DURATION, "status", &n, &p99_s));
  g_assert_cmpfloat_with_epsilon (n, 1, 1e-9);
  g_assert_cmpfloat_with_epsilon (p99_s, 10, 1e-9);
}

/* Whatever somebody else may serve there. */
static void
test_foreign (void)
{
  static const char *const texts[] = {
    "",
    "\n\n",
    " ",
    "a",
    "a b",
    "openbao_kms_token_ttl_seconds",
    "openbao_kms_token_ttl_seconds NaN",
    "openbao_kms_token_ttl_seconds 1x",
    "openbao_kms_token_ttl_seconds +Inf",
    "# openbao_kms_token_ttl_seconds 1",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (ObkMetricsReading) reading = obk_metrics_reading_new (texts[i]);
      double n = 0, p99_s = 0;

      g_assert_false (obk_metrics_reading_get (reading, OBK_METRIC_TOKEN_TTL, NULL, &n));
      g_assert_false (obk_metrics_reading_calls (reading, reading, OBK_METRIC_GRPC_DURATION, "status", &n, &p99_s));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics-reading/samples", test_samples);
  g_test_add_func ("/metrics-reading/p99", test_p99);
  g_test_add_func ("/metrics-reading/beyond-the-last-bucket", test_beyond_the_last_bucket);
  g_test_add_func ("/metrics-reading/foreign", test_foreign);
  return g_test_run ();
}
