/* SPDX-License-Identifier: Apache-2.0 */
/* All metrics as a page for Prometheus: what was counted, and what is told for the page. */
#pragma once

#include <glib.h>

#include "base/metric.h"

G_BEGIN_DECLS

/* One page in the making. */
typedef struct _ObkMetricsPage ObkMetricsPage;

ObkMetricsPage *obk_metrics_page_new (void);
void obk_metrics_page_free (ObkMetricsPage *page);

/**
 * obk_metrics_page_tell:
 * @metric: one without cells; it is left out of the page when nothing is told of it
 * @first: (nullable): the value of its first label, copied
 * @second: (nullable): of its second one
 */
void obk_metrics_page_tell (ObkMetricsPage *page, ObkMetric metric, const char *first, const char *second,
                            double value);

/* Tells of this process: CPU time, memory, descriptors, start. */
void obk_metrics_page_tell_process (ObkMetricsPage *page);

typedef enum
{
  OBK_METRICS_TEXT, /* Prometheus text format 0.0.4 */
  OBK_METRICS_OPEN  /* OpenMetrics 1.0.0 */
} ObkMetricsForm;

/* @accept: (nullable): the request's Accept header (RFC 9110, 12.5.1). OpenMetrics only for who asks for it. */
ObkMetricsForm obk_metrics_form_negotiate (const char *accept);
const char *obk_metrics_form_content_type (ObkMetricsForm form);

/**
 * obk_metrics_page_print:
 *
 * Source: Prometheus, "Exposition formats"; OpenMetrics 1.0.0.
 *
 * Returns: (transfer full): the page
 */
char *obk_metrics_page_print (const ObkMetricsPage *page, ObkMetricsForm form, gsize *length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkMetricsPage, obk_metrics_page_free)

G_END_DECLS
