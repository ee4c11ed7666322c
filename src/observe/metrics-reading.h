/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a metrics page that another process has made, and what two of them come to. */
#pragma once

#include <glib.h>

#include "base/metric.h"

G_BEGIN_DECLS

typedef struct _ObkMetricsReading ObkMetricsReading;

/* @text: Prometheus text format as metrics-page.h prints it; lines of another form are passed over */
ObkMetricsReading *obk_metrics_reading_new (const char *text);
void obk_metrics_reading_free (ObkMetricsReading *reading);

/**
 * obk_metrics_reading_get:
 * @first: (nullable): the value of its first label; of a metric with one label at most
 * @value: (out)
 *
 * Returns: whether there is such a sample
 */
gboolean obk_metrics_reading_get (const ObkMetricsReading *reading, ObkMetric metric, const char *first, double *value);

/**
 * obk_metrics_reading_calls:
 * @before: an earlier one
 * @metric: a histogram with one label
 * @n: (out): durations that have come since
 * @p99_s: (out): what 99 of 100 of them do not exceed, in seconds, as far as the buckets tell; 0 when there was none
 *
 * Returns: whether both readings have it
 */
gboolean obk_metrics_reading_calls (const ObkMetricsReading *reading, const ObkMetricsReading *before, ObkMetric metric,
                                    const char *first, double *n, double *p99_s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkMetricsReading, obk_metrics_reading_free)

G_END_DECLS
