/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted: one table of all metrics, and the cells that any thread adds to. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Spec observability.md, "Metrics"; docs/observability.md has the table for people. */
typedef enum
{
  OBK_METRIC_GRPC_REQUESTS,
  OBK_METRIC_GRPC_DURATION,
  OBK_METRIC_GRPC_IN_FLIGHT,
  OBK_METRIC_GRPC_CONCURRENCY_REJECTIONS,
  OBK_METRIC_OPENBAO_REQUESTS,
  OBK_METRIC_OPENBAO_DURATION,
  OBK_METRIC_OPENBAO_CONNECTIONS,
  OBK_METRIC_OPENBAO_ADDRESS_HEALTHY,
  OBK_METRIC_AUTH_LOGIN,
  OBK_METRIC_AUTH_RENEWAL,
  OBK_METRIC_AUTH_METHOD,
  OBK_METRIC_CERTIFICATE_SOURCE,
  OBK_METRIC_TOKEN_TTL,
  OBK_METRIC_JWT_TTL,
  OBK_METRIC_CERTIFICATE_TTL,
  OBK_METRIC_CREDENTIAL_HORIZON,
  OBK_METRIC_STATUS_HEALTHY,
  OBK_METRIC_STATUS_KEY_ID_HASH,
  OBK_METRIC_KEY_VERSION,
  OBK_METRIC_STATUS_CACHE_AGE,
  OBK_METRIC_METADATA_OBSERVATION,
  OBK_METRIC_ROTATION_STATE,
  OBK_METRIC_AAD_ERRORS,
  OBK_METRIC_KEY_ID_ERRORS,
  OBK_METRIC_PERSISTENCE_DEGRADED,
  OBK_METRIC_STALE_READS,
  OBK_METRIC_DECRYPT_LAST_USE,
  OBK_METRIC_CIRCUIT_BREAKER,
  OBK_METRIC_SOCKET_RESTARTS,
  OBK_METRIC_PEER_REFUSED,
  OBK_METRIC_REGISTRY_GENERATION,
  OBK_METRIC_CONFIG_RELOAD_SUCCESS,
  OBK_METRIC_BUILD_INFO,
  OBK_METRIC_PROCESS_CPU,
  OBK_METRIC_PROCESS_RESIDENT,
  OBK_METRIC_PROCESS_VIRTUAL,
  OBK_METRIC_PROCESS_OPEN_FDS,
  OBK_METRIC_PROCESS_MAX_FDS,
  OBK_METRIC_PROCESS_START,
  OBK_N_METRICS
} ObkMetric;

typedef enum
{
  OBK_METRIC_COUNTER,
  OBK_METRIC_GAUGE,
  OBK_METRIC_HISTOGRAM
} ObkMetricType;

#define OBK_METRIC_MAX_LABELS 2
#define OBK_METRIC_N_BUCKETS 14 /* of durations, beside the infinite one */

/* A row of the table. A metric without cells has no value of its own: it is told when somebody asks
 * (observe/metrics-page.h). */
typedef struct
{
  const char *name; /* of the samples; a counter's ends in "_total" */
  ObkMetricType type;
  const char *labels[OBK_METRIC_MAX_LABELS];        /* %NULL from the last one on */
  const char *const *values[OBK_METRIC_MAX_LABELS]; /* %NULL-ended: all that a label may hold; %NULL without cells */
  const char *help;
  guint64 *cells; /* (nullable): one for each set of values, the last label's turning fastest; in a histogram
                     OBK_METRIC_N_BUCKETS + 2: buckets that each count their own, and the sum in microseconds */
} ObkMetricInfo;

const ObkMetricInfo *obk_metric_info (ObkMetric metric);

/* The upper bounds of the buckets, in microseconds, ascending */
extern const gint64 obk_metric_buckets_us[OBK_METRIC_N_BUCKETS];

/**
 * obk_metric_count:
 * @first: (nullable): the value of the first label
 * @second: (nullable): of the second one
 *
 * Adds one, from any thread; so do those below. What is not among a label's values counts as "unknown", which its
 * label must have then.
 */
void obk_metric_count (ObkMetric metric, const char *first, const char *second);

/* Adds @by to a gauge with one label. */
void obk_metric_add (ObkMetric metric, const char *value, gint64 by);
/* Sets a gauge without labels. */
void obk_metric_set (ObkMetric metric, gint64 to);
/* Adds a duration to a histogram with one label. */
void obk_metric_observe (ObkMetric metric, const char *value, gint64 us);

/* Returns: what the cell of a counter or gauge holds; of a histogram, how many durations it got */
gint64 obk_metric_read (ObkMetric metric, const char *first, const char *second);

/* Returns: cell @index as it is now */
guint64 obk_metric_cell (ObkMetric metric, guint index);

G_END_DECLS
