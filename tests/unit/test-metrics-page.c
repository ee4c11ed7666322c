/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/metrics-page.h"

#include "base/names.h"

#include <string.h>

static char *
print (const ObkMetricsPage *page, ObkMetricsForm form)
{
  gsize length = 0;
  char *text = obk_metrics_page_print (page, form, &length);

  g_assert_cmpuint (strlen (text), ==, length);
  return text;
}

static void
assert_line (const char *text, const char *line)
{
  g_autofree char *whole = g_strdup_printf ("\n%s\n", line);

  if (strstr (text, whole) == NULL)
    g_error ("no line %s", line);
}

static void
assert_no_part (const char *text, const char *part)
{
  g_assert_null (strstr (text, part));
}

/* All that is counted is there from the start, so that a rate sees the first of its kind. */
static void
test_from_zero (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = print (page, OBK_METRICS_TEXT);

  assert_line (text, "# TYPE openbao_kms_grpc_requests_total counter");
  assert_line (text, "openbao_kms_grpc_requests_total{method=\"status\",status=\"ok\"} 0");
  assert_line (text, "openbao_kms_grpc_requests_total{method=\"decrypt\",status=\"unauthenticated\"} 0");
  assert_line (text, "openbao_kms_openbao_requests_total{operation=\"transit_disable_upsert_read\",status=\"ok\"} 0");
  assert_line (text, "openbao_kms_peer_refused_total 0");
  assert_line (text, "openbao_kms_openbao_duration_seconds_bucket{operation=\"jwt_login\",le=\"+Inf\"} 0");
  assert_no_part (text, "key_version"); /* nobody has told it */
  assert_no_part (text, "EOF");
}

static void
test_histogram (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = NULL;

  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", 400);
  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", 900);
  obk_metric_observe (OBK_METRIC_GRPC_DURATION, "decrypt", G_GINT64_CONSTANT (3600000000));
  text = print (page, OBK_METRICS_TEXT);
  assert_line (text, "# TYPE openbao_kms_grpc_duration_seconds histogram");
  assert_line (text, "openbao_kms_grpc_duration_seconds_bucket{method=\"decrypt\",le=\"0.0005\"} 1");
  assert_line (text, "openbao_kms_grpc_duration_seconds_bucket{method=\"decrypt\",le=\"0.001\"} 2");
  assert_line (text, "openbao_kms_grpc_duration_seconds_bucket{method=\"decrypt\",le=\"10\"} 2");
  assert_line (text, "openbao_kms_grpc_duration_seconds_bucket{method=\"decrypt\",le=\"+Inf\"} 3");
  assert_line (text, "openbao_kms_grpc_duration_seconds_sum{method=\"decrypt\"} 3600.0013");
  assert_line (text, "openbao_kms_grpc_duration_seconds_count{method=\"decrypt\"} 3");
}

static void
test_told (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = NULL;

  obk_metrics_page_tell (page, OBK_METRIC_BUILD_INFO, "1\"2\\3\n4", "abc", 1);
  obk_metrics_page_tell (page, OBK_METRIC_DECRYPT_LAST_USE, "2", NULL, 1700000000);
  obk_metrics_page_tell (page, OBK_METRIC_KEY_VERSION, NULL, NULL, 7);
  obk_metrics_page_tell (page, OBK_METRIC_DECRYPT_LAST_USE, "1", NULL, 0);
  text = print (page, OBK_METRICS_TEXT);
  assert_line (text, "openbao_kms_key_version 7");
  assert_line (text, "# TYPE openbao_kms_decrypt_last_use_timestamp_seconds gauge\n"
                     "openbao_kms_decrypt_last_use_timestamp_seconds{version=\"2\"} 1700000000\n"
                     "openbao_kms_decrypt_last_use_timestamp_seconds{version=\"1\"} 0");
  assert_line (text, "openbao_kms_build_info{version=\"1\\\"2\\\\3\\n4\",commit=\"abc\"} 1");
}

static void
test_open_metrics (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = NULL;

  obk_metrics_page_tell (page, OBK_METRIC_PROCESS_CPU, NULL, NULL, 0.25);
  text = print (page, OBK_METRICS_OPEN);
  assert_line (text, "# TYPE openbao_kms_grpc_requests counter");
  assert_line (text, "openbao_kms_grpc_requests_total{method=\"encrypt\",status=\"ok\"} 0");
  assert_line (text, "# TYPE process_cpu_seconds counter");
  assert_line (text, "process_cpu_seconds_total 0.25");
  assert_line (text, "openbao_kms_grpc_duration_seconds_bucket{method=\"status\",le=\"1.0\"} 0");
  g_assert_true (g_str_has_suffix (text, "\n# EOF\n"));
}

static void
test_process (void)
{
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();
  g_autofree char *text = NULL;
  const char *at = NULL;
  gint64 now_us = g_get_real_time ();
  double age_s = 0;

  obk_metrics_page_tell_process (page);
  text = print (page, OBK_METRICS_TEXT);
  at = strstr (text, "\nprocess_start_time_seconds ");
  g_assert_nonnull (at);
  age_s = (double)now_us / G_USEC_PER_SEC - g_ascii_strtod (strchr (at + 1, ' '), NULL);
  g_assert_cmpfloat (age_s, >, -2);
  g_assert_cmpfloat (age_s, <, 60);
  at = strstr (text, "\nprocess_open_fds ");
  g_assert_nonnull (at);
  g_assert_cmpfloat (g_ascii_strtod (strchr (at + 1, ' '), NULL), >=, 3);
  g_assert_nonnull (strstr (text, "\nprocess_resident_memory_bytes "));
  g_assert_nonnull (strstr (text, "\nprocess_virtual_memory_bytes "));
  g_assert_nonnull (strstr (text, "\nprocess_max_fds "));
  g_assert_nonnull (strstr (text, "\nprocess_cpu_seconds_total "));
}

static void
test_negotiation (void)
{
  static const struct
  {
    const char *accept;
    ObkMetricsForm form;
  } cases[] = {
    { NULL, OBK_METRICS_TEXT },
    { "", OBK_METRICS_TEXT },
    { "*/*", OBK_METRICS_TEXT },
    { "text/html", OBK_METRICS_TEXT },
    { "application/openmetrics-text", OBK_METRICS_OPEN },
    { "Application/OpenMetrics-Text; version=1.0.0", OBK_METRICS_OPEN },
    { "application/openmetrics-text;version=0.0.1", OBK_METRICS_TEXT },
    { "application/openmetrics-text;q=0", OBK_METRICS_TEXT },
    { "application/openmetrics-text;q=0.2, text/plain;q=0.9", OBK_METRICS_TEXT },
    { "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1", OBK_METRICS_OPEN },
    /* what Prometheus 2.42 sends */
    { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      OBK_METRICS_OPEN },
    { ";;,,;q=;version", OBK_METRICS_TEXT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (obk_metrics_form_negotiate (cases[i].accept), ==, cases[i].form);
  g_assert_true (g_str_has_prefix (obk_metrics_form_content_type (OBK_METRICS_TEXT), "text/plain; version=0.0.4"));
  g_assert_true (g_str_has_prefix (obk_metrics_form_content_type (OBK_METRICS_OPEN),
                                   "application/openmetrics-text; version=1.0.0"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics-page/from-zero", test_from_zero);
  g_test_add_func ("/metrics-page/histogram", test_histogram);
  g_test_add_func ("/metrics-page/told", test_told);
  g_test_add_func ("/metrics-page/open-metrics", test_open_metrics);
  g_test_add_func ("/metrics-page/process", test_process);
  g_test_add_func ("/metrics-page/negotiation", test_negotiation);
  return g_test_run ();
}
