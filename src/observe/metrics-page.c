/* SPDX-License-Identifier: Apache-2.0 */
/* All metrics as a page for Prometheus: what was counted, and what is told for the page. */
#include "observe/metrics-page.h"

#include <string.h>

#define PAGE_SIZE_GUESS (48 * 1024)
#define TOTAL "_total"

/* As Prometheus clients print them, and as OpenMetrics wants them: canonical floating point numbers */
static const char *const bounds[][OBK_METRIC_N_BUCKETS] = {
  [OBK_METRICS_TEXT]
  = { "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10" },
  [OBK_METRICS_OPEN] = { "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0",
                         "2.5", "5.0", "10.0" },
};

typedef struct
{
  ObkMetric metric;
  char *values[OBK_METRIC_MAX_LABELS]; /* (nullable) */
  double value;
} Told;

struct _ObkMetricsPage
{
  GArray *told; /* of Told */
};

static void
clear_told (gpointer data)
{
  Told *told = data;

  for (guint i = 0; i < OBK_METRIC_MAX_LABELS; i++)
    g_free (told->values[i]);
}

ObkMetricsPage *
obk_metrics_page_new (void)
{
  ObkMetricsPage *page = g_new0 (ObkMetricsPage, 1);

  page->told = g_array_new (FALSE, FALSE, sizeof (Told));
  g_array_set_clear_func (page->told, clear_told);
  return page;
}

void
obk_metrics_page_free (ObkMetricsPage *page)
{
  if (page == NULL)
    return;
  g_array_unref (page->told);
  g_free (page);
}

void
obk_metrics_page_tell (ObkMetricsPage *page, ObkMetric metric, const char *first, const char *second, double value)
{
  Told told = { .metric = metric, .value = value };

  g_return_if_fail (page != NULL && obk_metric_info (metric)->cells == NULL);
  g_return_if_fail ((first != NULL) == (obk_metric_info (metric)->labels[0] != NULL));
  g_return_if_fail ((second != NULL) == (obk_metric_info (metric)->labels[1] != NULL));

  told.values[0] = g_strdup (first);
  told.values[1] = g_strdup (second);
  g_array_append_val (page->told, told);
}

/* The form that the page is to have */

/* Returns: the media range's q, in thousandths */
static guint
quality_of (char **parts)
{
  guint quality = 1000;

  for (guint i = 1; parts[0] != NULL && parts[i] != NULL; i++)
    {
      const char *part = g_strstrip (parts[i]);

      if (g_ascii_strncasecmp (part, "q=", 2) == 0)
        quality = (guint)(CLAMP (g_ascii_strtod (part + 2, NULL), 0.0, 1.0) * 1000);
    }
  return quality;
}

/* Whether the range's "version", if it has one, is ours. */
static gboolean
is_our_version (char **parts, const char *version)
{
  for (guint i = 1; parts[0] != NULL && parts[i] != NULL; i++)
    {
      const char *part = g_strstrip (parts[i]);

      if (g_ascii_strncasecmp (part, "version=", 8) == 0)
        return strcmp (part + 8, version) == 0;
    }
  return TRUE;
}

ObkMetricsForm
obk_metrics_form_negotiate (const char *accept)
{
  g_auto (GStrv) ranges = g_strsplit (accept != NULL ? accept : "", ",", -1);
  guint open = 0;
  guint text = 0;

  for (guint i = 0; ranges[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit (ranges[i], ";", -1);
      const char *type = parts[0] != NULL ? g_strstrip (parts[0]) : "";

      if (g_ascii_strcasecmp (type, "application/openmetrics-text") == 0 && is_our_version (parts, "1.0.0"))
        open = MAX (open, quality_of (parts));
      else if (g_ascii_strcasecmp (type, "text/plain") == 0)
        text = MAX (text, quality_of (parts));
    }
  return open > 0 && open >= text ? OBK_METRICS_OPEN : OBK_METRICS_TEXT;
}

const char *
obk_metrics_form_content_type (ObkMetricsForm form)
{
  return form == OBK_METRICS_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8";
}

/* Printing */

static void
append_number (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (out, g_ascii_formatd (text, sizeof text, "%.15g", value));
}

/* Operations are named as OpenBao's words; a label has none with a space in it. */
static void
append_label_value (GString *out, const char *value)
{
  for (const char *at = value; *at != '\0'; at++)
    if (*at == ' ')
      g_string_append_c (out, '_');
    else if (*at == '\n')
      g_string_append (out, "\\n");
    else
      {
        if (*at == '"' || *at == '\\')
          g_string_append_c (out, '\\');
        g_string_append_c (out, *at);
      }
}

/* @bound: (nullable): a bucket's */
static void
append_labels (GString *out, const ObkMetricInfo *info, const char *const *values, const char *bound)
{
  char before = '{';

  for (guint i = 0; i < OBK_METRIC_MAX_LABELS && info->labels[i] != NULL; i++)
    {
      g_string_append_c (out, before);
      g_string_append (out, info->labels[i]);
      g_string_append (out, "=\"");
      append_label_value (out, values[i]);
      g_string_append_c (out, '"');
      before = ',';
    }
  if (bound != NULL)
    g_string_append_printf (out, "%cle=\"%s\"", before, bound);
  if (bound != NULL || before == ',')
    g_string_append_c (out, '}');
  g_string_append_c (out, ' ');
}

static void
append_family (GString *out, const ObkMetricInfo *info, ObkMetricsForm form)
{
  static const char *const types[] = { "counter", "gauge", "histogram" };
  gsize length = strlen (info->name);

  /* There the family of a counter is named without what its samples end in. */
  if (form == OBK_METRICS_OPEN && info->type == OBK_METRIC_COUNTER && g_str_has_suffix (info->name, TOTAL))
    length -= strlen (TOTAL);
  g_string_append_printf (out, "# HELP %.*s %s\n", (int)length, info->name, info->help);
  g_string_append_printf (out, "# TYPE %.*s %s\n", (int)length, info->name, types[info->type]);
}

static void
append_sample (GString *out, const ObkMetricInfo *info, const char *const *values, double value)
{
  g_string_append (out, info->name);
  append_labels (out, info, values, NULL);
  append_number (out, value);
  g_string_append_c (out, '\n');
}

/* @at: its first cell */
static void
append_histogram (GString *out, ObkMetric metric, const char *const *values, guint at, ObkMetricsForm form)
{
  const ObkMetricInfo *info = obk_metric_info (metric);
  guint64 sum_us = obk_metric_cell (metric, at + OBK_METRIC_N_BUCKETS + 1);
  guint64 sum = 0;

  for (guint i = 0; i <= OBK_METRIC_N_BUCKETS; i++)
    {
      sum += obk_metric_cell (metric, at + i);
      g_string_append_printf (out, "%s_bucket", info->name);
      append_labels (out, info, values, i < OBK_METRIC_N_BUCKETS ? bounds[form][i] : "+Inf");
      g_string_append_printf (out, "%" G_GUINT64_FORMAT "\n", sum);
    }
  g_string_append_printf (out, "%s_sum", info->name);
  append_labels (out, info, values, NULL);
  append_number (out, (double)sum_us / G_USEC_PER_SEC);
  g_string_append_printf (out, "\n%s_count", info->name);
  append_labels (out, info, values, NULL);
  g_string_append_printf (out, "%" G_GUINT64_FORMAT "\n", sum);
}

static guint
count_values (const char *const *values)
{
  return values != NULL ? g_strv_length ((char **)values) : 1;
}

/* All series from the start on, at zero: a rate sees the first of its kind then. */
static void
append_counted (GString *out, ObkMetric metric, ObkMetricsForm form)
{
  const ObkMetricInfo *info = obk_metric_info (metric);
  guint n_first = count_values (info->values[0]);
  guint n_second = count_values (info->values[1]);

  for (guint i = 0; i < n_first * n_second; i++)
    {
      const char *values[OBK_METRIC_MAX_LABELS] = {
        info->values[0] != NULL ? info->values[0][i / n_second] : NULL,
        info->values[1] != NULL ? info->values[1][i % n_second] : NULL,
      };

      if (info->type == OBK_METRIC_HISTOGRAM)
        append_histogram (out, metric, values, i * (OBK_METRIC_N_BUCKETS + 2), form);
      else
        {
          gint64 value = (gint64)obk_metric_cell (metric, i);

          append_sample (out, info, values, (double)value);
        }
    }
}

static void
append_told (GString *out, const ObkMetricsPage *page, ObkMetric metric, ObkMetricsForm form)
{
  gboolean named = FALSE;

  for (guint i = 0; i < page->told->len; i++)
    {
      const Told *told = &g_array_index (page->told, Told, i);

      if (told->metric != metric)
        continue;
      if (!named)
        append_family (out, obk_metric_info (metric), form);
      named = TRUE;
      append_sample (out, obk_metric_info (metric), (const char *const *)told->values, told->value);
    }
}

char *
obk_metrics_page_print (const ObkMetricsPage *page, ObkMetricsForm form, gsize *length)
{
  GString *out = g_string_sized_new (PAGE_SIZE_GUESS);

  g_return_val_if_fail (page != NULL && length != NULL, NULL);

  for (ObkMetric metric = 0; metric < OBK_N_METRICS; metric++)
    if (obk_metric_info (metric)->cells == NULL)
      append_told (out, page, metric, form);
    else
      {
        append_family (out, obk_metric_info (metric), form);
        append_counted (out, metric, form);
      }
  if (form == OBK_METRICS_OPEN)
    g_string_append (out, "# EOF\n");
  *length = out->len;
  return g_string_free (out, FALSE);
}
