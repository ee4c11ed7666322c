/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted: one table of all metrics, and the cells that any thread adds to. */
#include "base/metric.h"

#include "base/names.h"

#include <string.h>

#define N_HISTOGRAM_CELLS (OBK_METRIC_N_BUCKETS + 2)
#define SUM_CELL (OBK_METRIC_N_BUCKETS + 1)

/* Spec observability.md: "Duration buckets" */
const gint64 obk_metric_buckets_us[OBK_METRIC_N_BUCKETS]
    = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };

static const char *const methods[] = { OBK_METHOD_NAME_STATUS, OBK_METHOD_NAME_ENCRYPT, OBK_METHOD_NAME_DECRYPT, NULL };

/* Those of gRPC's codes that something here answers with */
static const char *const codes[] = {
  "ok",        "cancelled",         "invalid_argument",   "deadline_exceeded",
  "not_found", "permission_denied", "resource_exhausted", "failed_precondition",
  "internal",  "unavailable",       "unauthenticated",    "unknown",
  NULL,
};

static const char *const operations[] = {
  OBK_OPERATION_JWT_LOGIN,     OBK_OPERATION_CERT_LOGIN,   OBK_OPERATION_TOKEN_RENEW,
  OBK_OPERATION_METADATA_READ, OBK_OPERATION_UPSERT_READ,  OBK_OPERATION_ENCRYPT,
  OBK_OPERATION_DECRYPT,       OBK_OPERATION_CAPABILITIES, NULL,
};

/* OBK_STATUS_OK, or the error class of an answer or of none */
static const char *const outcomes[] = {
  OBK_STATUS_OK,
  OBK_OUTCOME_CANCELED,
  "timeout",
  "auth_failed",
  "transit_policy_denied",
  "transit_key_missing",
  "openbao_standby_lagging",
  "transit_version_unusable",
  "aad_mismatch",
  "openbao_rate_limited",
  "openbao_sealed",
  "openbao_unavailable",
  "openbao_tls_failed",
  "openbao_dns_failed",
  "openbao_connection_failed",
  "credential_invalid",
  "unknown",
  NULL,
};

static const char *const statuses[] = { OBK_STATUS_OK, OBK_STATUS_ERROR, NULL };
static const char *const observations[] = { OBK_STATUS_OK, OBK_STATUS_ERROR, OBK_OBSERVATION_LAGGING, NULL };
static const char *const aad_reasons[]
    = { OBK_AAD_REASON_ANNOTATION_INVALID, OBK_AAD_REASON_MISMATCH, OBK_AAD_REASON_TAG, NULL };
static const char *const key_id_reasons[]
    = { OBK_KEY_ID_REASON_MALFORMED, OBK_KEY_ID_REASON_UNKNOWN, OBK_KEY_ID_REASON_REFRESH_FAILED, NULL };

#define N_VALUES(set) (G_N_ELEMENTS (set) - 1)
#define CELLS(n)                                                                                                       \
  (guint64[n])                                                                                                         \
  {                                                                                                                    \
    0                                                                                                                  \
  }
#define PREFIX "openbao_kms_"

static const ObkMetricInfo table[OBK_N_METRICS] = {
  [OBK_METRIC_GRPC_REQUESTS] = { PREFIX "grpc_requests_total",
                                 OBK_METRIC_COUNTER,
                                 { "method", "status" },
                                 { methods, codes },
                                 "KMS requests that came to an end, by the gRPC status of their answer.",
                                 CELLS (N_VALUES (methods) * N_VALUES (codes)) },
  [OBK_METRIC_GRPC_DURATION] = { PREFIX "grpc_duration_seconds",
                                 OBK_METRIC_HISTOGRAM,
                                 { "method" },
                                 { methods },
                                 "How long KMS requests took, from their arrival to their answer.",
                                 CELLS (N_VALUES (methods) * N_HISTOGRAM_CELLS) },
  [OBK_METRIC_GRPC_IN_FLIGHT] = { PREFIX "grpc_in_flight",
                                  OBK_METRIC_GAUGE,
                                  { "method" },
                                  { methods },
                                  "KMS requests that have come and are not over.",
                                  CELLS (N_VALUES (methods)) },
  [OBK_METRIC_GRPC_CONCURRENCY_REJECTIONS] = { PREFIX "grpc_concurrency_rejections_total",
                                               OBK_METRIC_COUNTER,
                                               { "method" },
                                               { methods },
                                               "KMS requests refused because too many were waiting.",
                                               CELLS (N_VALUES (methods)) },

  [OBK_METRIC_OPENBAO_REQUESTS]
  = { PREFIX "openbao_requests_total",
      OBK_METRIC_COUNTER,
      { "operation", "status" },
      { operations, outcomes },
      "HTTP requests to OpenBao, by the class of what they came to; one KMS request may need several.",
      CELLS (N_VALUES (operations) * N_VALUES (outcomes)) },
  [OBK_METRIC_OPENBAO_DURATION] = { PREFIX "openbao_duration_seconds",
                                    OBK_METRIC_HISTOGRAM,
                                    { "operation" },
                                    { operations },
                                    "How long HTTP requests to OpenBao took.",
                                    CELLS (N_VALUES (operations) * N_HISTOGRAM_CELLS) },
  [OBK_METRIC_OPENBAO_CONNECTIONS] = { PREFIX "openbao_connections",
                                       OBK_METRIC_GAUGE,
                                       { "state" },
                                       { NULL },
                                       "Connections to OpenBao, idle or busy.",
                                       NULL },
  [OBK_METRIC_OPENBAO_ADDRESS_HEALTHY]
  = { PREFIX "openbao_address_healthy",
      OBK_METRIC_GAUGE,
      { "index" },
      { NULL },
      "Whether an address is in use: 0 is openbao.address, then come the additional ones.",
      NULL },

  [OBK_METRIC_AUTH_LOGIN] = { PREFIX "auth_login_total",
                              OBK_METRIC_COUNTER,
                              { "status" },
                              { statuses },
                              "Logins to OpenBao.",
                              CELLS (N_VALUES (statuses)) },
  [OBK_METRIC_AUTH_RENEWAL] = { PREFIX "auth_renewal_total",
                                OBK_METRIC_COUNTER,
                                { "status" },
                                { statuses },
                                "Renewals of the OpenBao token.",
                                CELLS (N_VALUES (statuses)) },
  [OBK_METRIC_AUTH_METHOD]
  = { PREFIX "auth_method_info", OBK_METRIC_GAUGE, { "method" }, { NULL }, "How the provider logs in.", NULL },
  [OBK_METRIC_CERTIFICATE_SOURCE] = { PREFIX "certificate_source_info",
                                      OBK_METRIC_GAUGE,
                                      { "source" },
                                      { NULL },
                                      "Where the key of the client certificate is.",
                                      NULL },
  [OBK_METRIC_TOKEN_TTL] = { PREFIX "token_ttl_seconds",
                             OBK_METRIC_GAUGE,
                             { NULL },
                             { NULL },
                             "Until the OpenBao token runs out; 0 without one.",
                             NULL },
  [OBK_METRIC_JWT_TTL]
  = { PREFIX "jwt_ttl_seconds",
      OBK_METRIC_GAUGE,
      { NULL },
      { NULL },
      "Until the identity token that logins use runs out, as last read; missing before it is known.",
      NULL },
  [OBK_METRIC_CERTIFICATE_TTL] = { PREFIX "certificate_ttl_seconds",
                                   OBK_METRIC_GAUGE,
                                   { NULL },
                                   { NULL },
                                   "Until the client certificate runs out; missing without one.",
                                   NULL },
  [OBK_METRIC_CREDENTIAL_HORIZON] = { PREFIX "credential_horizon_seconds",
                                      OBK_METRIC_GAUGE,
                                      { NULL },
                                      { NULL },
                                      "Until the first of what the provider cannot renew by itself runs out.",
                                      NULL },

  [OBK_METRIC_STATUS_HEALTHY]
  = { PREFIX "status_healthy", OBK_METRIC_GAUGE, { NULL }, { NULL }, "Whether Status is healthy.", NULL },
  [OBK_METRIC_STATUS_KEY_ID_HASH] = { PREFIX "status_key_id_hash",
                                      OBK_METRIC_GAUGE,
                                      { "hash" },
                                      { NULL },
                                      "The hash of the key_id that Status names when it is healthy.",
                                      NULL },
  [OBK_METRIC_KEY_VERSION]
  = { PREFIX "key_version", OBK_METRIC_GAUGE, { NULL }, { NULL }, "The Transit key version that encrypts.", NULL },
  [OBK_METRIC_STATUS_CACHE_AGE] = { PREFIX "status_cache_age_seconds",
                                    OBK_METRIC_GAUGE,
                                    { NULL },
                                    { NULL },
                                    "Since the last good metadata read began; missing before the first.",
                                    NULL },
  [OBK_METRIC_METADATA_OBSERVATION] = { PREFIX "transit_metadata_observation_total",
                                        OBK_METRIC_COUNTER,
                                        { "status" },
                                        { observations },
                                        "Metadata probes of the key.",
                                        CELLS (N_VALUES (observations)) },
  [OBK_METRIC_ROTATION_STATE]
  = { PREFIX "rotation_state",
      OBK_METRIC_GAUGE,
      { "state" },
      { NULL },
      "Whether a rotation is under way: active when not, pending while a newer version waits, unknown without a "
      "registry.",
      NULL },
  [OBK_METRIC_AAD_ERRORS] = { PREFIX "aad_validation_errors_total",
                              OBK_METRIC_COUNTER,
                              { "reason" },
                              { aad_reasons },
                              "Decrypts refused because annotations or ciphertext are not what was written together.",
                              CELLS (N_VALUES (aad_reasons)) },
  [OBK_METRIC_KEY_ID_ERRORS] = { PREFIX "decrypt_key_id_errors_total",
                                 OBK_METRIC_COUNTER,
                                 { "reason" },
                                 { key_id_reasons },
                                 "Decrypts refused for their key_id.",
                                 CELLS (N_VALUES (key_id_reasons)) },
  [OBK_METRIC_PERSISTENCE_DEGRADED] = { PREFIX "rotation_persistence_degraded",
                                        OBK_METRIC_GAUGE,
                                        { NULL },
                                        { NULL },
                                        "Whether the registry in force cannot be saved.",
                                        NULL },
  [OBK_METRIC_STALE_READS] = { PREFIX "transit_stale_reads_total",
                               OBK_METRIC_COUNTER,
                               { NULL },
                               { NULL },
                               "Metadata reads that showed less than was seen before: a standby that lags.",
                               CELLS (1) },
  [OBK_METRIC_DECRYPT_LAST_USE] = { PREFIX "decrypt_last_use_timestamp_seconds",
                                    OBK_METRIC_GAUGE,
                                    { "version" },
                                    { NULL },
                                    "When a Decrypt last needed a retained key version; 0 for not since the start.",
                                    NULL },
  [OBK_METRIC_CIRCUIT_BREAKER] = { PREFIX "circuit_breaker_state",
                                   OBK_METRIC_GAUGE,
                                   { NULL },
                                   { NULL },
                                   "Whether probes are held back after failures: 0 closed, 1 half open, 2 open.",
                                   NULL },

  [OBK_METRIC_SOCKET_RESTARTS] = { PREFIX "socket_restarts_total",
                                   OBK_METRIC_COUNTER,
                                   { NULL },
                                   { NULL },
                                   "Times that the KMS socket took the place of a dead one.",
                                   CELLS (1) },
  [OBK_METRIC_PEER_REFUSED] = { PREFIX "peer_refused_total",
                                OBK_METRIC_COUNTER,
                                { NULL },
                                { NULL },
                                "Connections to the KMS socket that were refused.",
                                CELLS (1) },
  [OBK_METRIC_REGISTRY_GENERATION] = { PREFIX "registry_generation",
                                       OBK_METRIC_GAUGE,
                                       { NULL },
                                       { NULL },
                                       "The generation of the key's history in force.",
                                       NULL },
  [OBK_METRIC_CONFIG_RELOAD_SUCCESS] = { PREFIX "config_last_reload_success_timestamp_seconds",
                                         OBK_METRIC_GAUGE,
                                         { NULL },
                                         { NULL },
                                         "When the configuration in use was loaded.",
                                         CELLS (1) },
  [OBK_METRIC_BUILD_INFO]
  = { PREFIX "build_info", OBK_METRIC_GAUGE, { "version", "commit" }, { NULL }, "What is running.", NULL },

  [OBK_METRIC_PROCESS_CPU] = { "process_cpu_seconds_total",
                               OBK_METRIC_COUNTER,
                               { NULL },
                               { NULL },
                               "Total user and system CPU time spent in seconds.",
                               NULL },
  [OBK_METRIC_PROCESS_RESIDENT]
  = { "process_resident_memory_bytes", OBK_METRIC_GAUGE, { NULL }, { NULL }, "Resident memory size in bytes.", NULL },
  [OBK_METRIC_PROCESS_VIRTUAL]
  = { "process_virtual_memory_bytes", OBK_METRIC_GAUGE, { NULL }, { NULL }, "Virtual memory size in bytes.", NULL },
  [OBK_METRIC_PROCESS_OPEN_FDS]
  = { "process_open_fds", OBK_METRIC_GAUGE, { NULL }, { NULL }, "Number of open file descriptors.", NULL },
  [OBK_METRIC_PROCESS_MAX_FDS]
  = { "process_max_fds", OBK_METRIC_GAUGE, { NULL }, { NULL }, "Maximum number of open file descriptors.", NULL },
  [OBK_METRIC_PROCESS_START] = { "process_start_time_seconds",
                                 OBK_METRIC_GAUGE,
                                 { NULL },
                                 { NULL },
                                 "Start time of the process since unix epoch in seconds.",
                                 NULL },
};

const ObkMetricInfo *
obk_metric_info (ObkMetric metric)
{
  g_return_val_if_fail ((guint)metric < OBK_N_METRICS, NULL);

  return &table[metric];
}

/* Makes @index that of the values so far and @value of label @label. Returns: whether there is such a one */
static gboolean
find_place (const ObkMetricInfo *info, guint label, const char *value, guint *index)
{
  const char *const *values = info->values[label];
  guint found = G_MAXUINT;
  guint n = 0;

  if (values == NULL || value == NULL)
    return values == NULL && value == NULL;
  for (; values[n] != NULL; n++)
    if (found == G_MAXUINT && strcmp (values[n], value) == 0)
      found = n;
  if (found == G_MAXUINT && strcmp (values[n - 1], "unknown") == 0)
    found = n - 1;
  *index = *index * n + found;
  return found != G_MAXUINT;
}

/* Returns: (nullable): the first cell of these values */
static guint64 *
find_cell (ObkMetric metric, const char *first, const char *second)
{
  const ObkMetricInfo *info = obk_metric_info (metric);
  guint index = 0;

  g_return_val_if_fail (info != NULL && info->cells != NULL, NULL);
  g_return_val_if_fail (find_place (info, 0, first, &index) && find_place (info, 1, second, &index), NULL);

  return &info->cells[info->type == OBK_METRIC_HISTOGRAM ? index * N_HISTOGRAM_CELLS : index];
}

static void
add_to (guint64 *cell, guint64 by)
{
  if (cell != NULL)
    (void)__atomic_fetch_add (cell, by, __ATOMIC_RELAXED);
}

void
obk_metric_count (ObkMetric metric, const char *first, const char *second)
{
  add_to (find_cell (metric, first, second), 1);
}

void
obk_metric_add (ObkMetric metric, const char *value, gint64 by)
{
  add_to (find_cell (metric, value, NULL), (guint64)by);
}

void
obk_metric_set (ObkMetric metric, gint64 to)
{
  guint64 *cell = find_cell (metric, NULL, NULL);

  if (cell != NULL)
    __atomic_store_n (cell, (guint64)to, __ATOMIC_RELAXED);
}

void
obk_metric_observe (ObkMetric metric, const char *value, gint64 us)
{
  guint64 *cells = find_cell (metric, value, NULL);
  guint bucket = 0;

  if (cells == NULL)
    return;
  while (bucket < OBK_METRIC_N_BUCKETS && us > obk_metric_buckets_us[bucket])
    bucket++;
  add_to (&cells[bucket], 1);
  add_to (&cells[SUM_CELL], (guint64)MAX (us, 0));
}

guint64
obk_metric_cell (ObkMetric metric, guint index)
{
  const ObkMetricInfo *info = obk_metric_info (metric);

  g_return_val_if_fail (info != NULL && info->cells != NULL, 0);

  return __atomic_load_n (&info->cells[index], __ATOMIC_RELAXED);
}

gint64
obk_metric_read (ObkMetric metric, const char *first, const char *second)
{
  const guint64 *cells = find_cell (metric, first, second);
  guint64 sum = 0;

  g_return_val_if_fail (cells != NULL, 0);

  for (guint i = 0; i < (table[metric].type == OBK_METRIC_HISTOGRAM ? SUM_CELL : 1); i++)
    sum += __atomic_load_n (&cells[i], __ATOMIC_RELAXED);
  return (gint64)sum;
}
