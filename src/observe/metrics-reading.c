/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a metrics page that another process has made, and what two of them come to. */
#include "observe/metrics-reading.h"

#include <math.h>
#include <string.h>

#define QUANTILE 0.99

struct _ObkMetricsReading
{
  GHashTable *samples; /* "name{label="value"}" -> double */
};

static void
read_line (ObkMetricsReading *reading, const char *line)
{
  const char *space = strrchr (line, ' ');
  char *end = NULL;
  double value = 0;

  if (*line == '#' || space == NULL || space == line)
    return;
  value = g_ascii_strtod (space + 1, &end);
  if (end != space + 1 && *end == '\0' && isfinite (value))
    g_hash_table_insert (reading->samples, g_strndup (line, (gsize)(space - line)), g_memdup2 (&value, sizeof value));
}

ObkMetricsReading *
obk_metrics_reading_new (const char *text)
{
  ObkMetricsReading *reading = NULL;
  g_auto (GStrv) lines = NULL;

  g_return_val_if_fail (text != NULL, NULL);

  reading = g_new0 (ObkMetricsReading, 1);
  reading->samples = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    read_line (reading, *line);
  return reading;
}

void
obk_metrics_reading_free (ObkMetricsReading *reading)
{
  if (reading == NULL)
    return;
  g_hash_table_unref (reading->samples);
  g_free (reading);
}

gboolean
obk_metrics_reading_get (const ObkMetricsReading *reading, ObkMetric metric, const char *first, double *value)
{
  const ObkMetricInfo *info = obk_metric_info (metric);
  g_autofree char *series = NULL;
  const double *found = NULL;

  g_return_val_if_fail (reading != NULL && info != NULL && value != NULL, FALSE);

  series
      = first != NULL ? g_strdup_printf ("%s{%s=\"%s\"}", info->name, info->labels[0], first) : g_strdup (info->name);
  found = g_hash_table_lookup (reading->samples, series);
  if (found != NULL)
    *value = *found;
  return found != NULL;
}

/* Returns: whether both have the bucket; @n: (out): what came into it and those below */
static gboolean
bucket_growth (const ObkMetricsReading *reading, const ObkMetricsReading *before, const ObkMetricInfo *info,
               const char *first, const char *bound, double *n)
{
  g_autofree char *series
      = g_strdup_printf ("%s_bucket{%s=\"%s\",le=\"%s\"}", info->name, info->labels[0], first, bound);
  const double *now = g_hash_table_lookup (reading->samples, series);
  const double *then = g_hash_table_lookup (before->samples, series);

  if (now == NULL || then == NULL)
    return FALSE;
  *n = *now < *then ? *now : *now - *then; /* it has been started again */
  return TRUE;
}

/* As histogram_quantile() does it: a straight line within the bucket; beyond the last bound, that. */
static gboolean
find_p99 (const ObkMetricsReading *reading, const ObkMetricsReading *before, const ObkMetricInfo *info,
          const char *first, double n, double *p99_s)
{
  double rank = QUANTILE * n;
  double below = 0;
  double lower_s = 0;

  for (guint i = 0; i < OBK_METRIC_N_BUCKETS; i++)
    {
      double upper_s = (double)obk_metric_buckets_us[i] / G_USEC_PER_SEC;
      double up_to = 0;
      char bound[G_ASCII_DTOSTR_BUF_SIZE];

      g_ascii_formatd (bound, sizeof bound, "%.15g", upper_s);
      if (!bucket_growth (reading, before, info, first, bound, &up_to))
        return FALSE;
      if (up_to >= rank && up_to > below)
        {
          *p99_s = lower_s + (upper_s - lower_s) * (rank - below) / (up_to - below);
          return TRUE;
        }
      below = up_to;
      lower_s = upper_s;
    }
  *p99_s = lower_s;
  return TRUE;
}

gboolean
obk_metrics_reading_calls (const ObkMetricsReading *reading, const ObkMetricsReading *before, ObkMetric metric,
                           const char *first, double *n, double *p99_s)
{
  const ObkMetricInfo *info = obk_metric_info (metric);

  g_return_val_if_fail (reading != NULL && before != NULL && info != NULL && first != NULL, FALSE);

  *p99_s = 0;
  return bucket_growth (reading, before, info, first, "+Inf", n)
         && (*n < 1 || find_p99 (reading, before, info, first, *n, p99_s));
}
