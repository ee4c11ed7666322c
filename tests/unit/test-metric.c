/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/names.h"

#include <string.h>

#define THREADS 4
#define TIMES 20000

static gboolean
is_name (const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_islower (*at) && *at != '_' && (at == text || !g_ascii_isdigit (*at)))
      return FALSE;
  return *text != '\0';
}

/* What every row must be, whatever it is about. */
static void
test_table (void)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (ObkMetric metric = 0; metric < OBK_N_METRICS; metric++)
    {
      const ObkMetricInfo *info = obk_metric_info (metric);

      g_assert_nonnull (info->name);
      g_assert_true (g_hash_table_add (names, (gpointer)info->name));
      g_assert_true (is_name (info->name));
      g_assert_true (g_str_has_prefix (info->name, "openbao_kms_") || g_str_has_prefix (info->name, "process_"));
      g_assert_true ((info->type == OBK_METRIC_COUNTER) == g_str_has_suffix (info->name, "_total"));
      g_assert_cmpuint (strlen (info->help), >, 10);
      g_assert_null (strpbrk (info->help, "\n\\"));
      for (guint i = 0; i < OBK_METRIC_MAX_LABELS; i++)
        {
          g_assert_true (info->labels[i] == NULL || is_name (info->labels[i]));
          /* One that counts knows all that its labels may hold; one that is told knows none. */
          g_assert_true ((info->values[i] != NULL) == (info->cells != NULL && info->labels[i] != NULL));
        }
    }
}

/* docs/observability.md has a line for each, with its type and labels, and for nothing else. */
static void
test_documented (void)
{
  static const char *const types[] = { "counter", "gauge", "histogram" };
  const char *path = g_getenv ("OBK_OBSERVABILITY_PAGE");
  g_autofree char *page = NULL;
  guint n = 0;

  g_assert_nonnull (path);
  g_assert_true (g_file_get_contents (path, &page, NULL, NULL));
  for (ObkMetric metric = 0; metric < OBK_N_METRICS; metric++)
    {
      const ObkMetricInfo *info = obk_metric_info (metric);
      g_autoptr (GString) line = g_string_new (NULL);

      g_string_append_printf (line, "\n| `%s` | %s |", info->name, types[info->type]);
      for (guint i = 0; i < OBK_METRIC_MAX_LABELS && info->labels[i] != NULL; i++)
        g_string_append_printf (line, "%s `%s`", i > 0 ? "," : "", info->labels[i]);
      g_string_append (line, " | ");
      if (strstr (page, line->str) == NULL)
        g_error ("%s has no such line: %s", path, line->str);
    }
  for (const char *at = page; (at = strstr (at, "\n| `")) != NULL; at++)
    n += g_str_has_prefix (at, "\n| `openbao_kms_") || g_str_has_prefix (at, "\n| `process_");
  g_assert_cmpuint (n, ==, OBK_N_METRICS);
}

static void
test_counts (void)
{
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", "not_found"), ==, 0);
  obk_metric_count (OBK_METRIC_GRPC_REQUESTS, "decrypt", "not_found");
  obk_metric_count (OBK_METRIC_GRPC_REQUESTS, "decrypt", "not_found");
  obk_metric_count (OBK_METRIC_GRPC_REQUESTS, "decrypt", "ok");
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", "not_found"), ==, 2);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", "ok"), ==, 1);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "encrypt", "ok"), ==, 0);
}

/* Whatever a class or code may be called one day, the label stays bounded. */
static void
test_counts_unknown (void)
{
  obk_metric_count (OBK_METRIC_OPENBAO_REQUESTS, OBK_OPERATION_ENCRYPT, "a class that nobody has heard of");
  g_assert_cmpint (obk_metric_read (OBK_METRIC_OPENBAO_REQUESTS, OBK_OPERATION_ENCRYPT, "unknown"), ==, 1);
}

static void
test_gauges (void)
{
  obk_metric_add (OBK_METRIC_GRPC_IN_FLIGHT, "status", 2);
  obk_metric_add (OBK_METRIC_GRPC_IN_FLIGHT, "status", -3);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_IN_FLIGHT, "status", NULL), ==, -1);
  obk_metric_set (OBK_METRIC_CONFIG_RELOAD_SUCCESS, 1700000000);
  obk_metric_set (OBK_METRIC_CONFIG_RELOAD_SUCCESS, 1700000001);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_CONFIG_RELOAD_SUCCESS, NULL, NULL), ==, 1700000001);
}

/* A bucket holds what is as long as its bound, and not a microsecond more (Prometheus: "le"). */
static void
test_buckets (void)
{
  const guint encrypt = OBK_METRIC_N_BUCKETS + 2; /* the first cell of the second method */

  for (guint i = 0; i < OBK_METRIC_N_BUCKETS; i++)
    {
      obk_metric_observe (OBK_METRIC_GRPC_DURATION, "encrypt", obk_metric_buckets_us[i]);
      g_assert_cmpuint (obk_metric_cell (OBK_METRIC_GRPC_DURATION, encrypt + i), ==, i == 0 ? 1 : 2);
      obk_metric_observe (OBK_METRIC_GRPC_DURATION, "encrypt", obk_metric_buckets_us[i] + 1);
      g_assert_cmpuint (obk_metric_cell (OBK_METRIC_GRPC_DURATION, encrypt + i + 1), ==, 1);
    }
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_DURATION, "encrypt", NULL), ==, 2 * OBK_METRIC_N_BUCKETS);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_DURATION, "decrypt", NULL), ==, 0);
}

static gpointer
count_often (gpointer data)
{
  for (guint i = 0; i < TIMES; i++)
    {
      obk_metric_count (OBK_METRIC_PEER_REFUSED, NULL, NULL);
      obk_metric_observe (OBK_METRIC_OPENBAO_DURATION, OBK_OPERATION_DECRYPT, i);
    }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[THREADS];

  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("count", count_often, NULL);
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_PEER_REFUSED, NULL, NULL), ==, THREADS * TIMES);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_OPENBAO_DURATION, OBK_OPERATION_DECRYPT, NULL), ==, THREADS * TIMES);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metric/table", test_table);
  g_test_add_func ("/metric/documented", test_documented);
  g_test_add_func ("/metric/counts", test_counts);
  g_test_add_func ("/metric/counts-unknown", test_counts_unknown);
  g_test_add_func ("/metric/gauges", test_gauges);
  g_test_add_func ("/metric/buckets", test_buckets);
  g_test_add_func ("/metric/threads", test_threads);
  return g_test_run ();
}
