/* SPDX-License-Identifier: Apache-2.0 */
/* What a KMS request came to, in the log and in the metrics. */
#include "kms/request-log.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"

static const char *const operations[OBK_N_METHODS] = {
  [OBK_METHOD_STATUS] = OBK_METHOD_NAME_STATUS,
  [OBK_METHOD_ENCRYPT] = OBK_METHOD_NAME_ENCRYPT,
  [OBK_METHOD_DECRYPT] = OBK_METHOD_NAME_DECRYPT,
};

const char *
obk_method_name (ObkMethod method)
{
  g_return_val_if_fail (method < OBK_N_METHODS, NULL);

  return operations[method];
}

static void
add_key (ObkLogRecord *record, const ObkRequestOutcome *outcome, char **hash)
{
  if (outcome->identity != NULL)
    {
      obk_log_string (record, OBK_FIELD_KEY_ID_HASH, obk_key_identity_key_id_hash (outcome->identity));
      obk_log_int (record, OBK_FIELD_KEY_VERSION, obk_key_identity_version (outcome->identity));
    }
  else if (outcome->key_id != NULL)
    {
      *hash = obk_hash (outcome->key_id, -1);
      obk_log_string (record, OBK_FIELD_KEY_ID_HASH, *hash);
    }
}

/* What an operator should hear of beside the code that the client gets. */
static void
count_cause (const ObkRequestOutcome *outcome)
{
  switch (obk_error_code (outcome->error))
    {
    case OBK_ERROR_CONCURRENCY_LIMIT:
      obk_metric_count (OBK_METRIC_GRPC_CONCURRENCY_REJECTIONS, operations[outcome->method], NULL);
      break;
    case OBK_ERROR_ANNOTATION_INVALID:
      obk_metric_count (OBK_METRIC_AAD_ERRORS, OBK_AAD_REASON_ANNOTATION_INVALID, NULL);
      break;
    case OBK_ERROR_AAD_MISMATCH:
      obk_metric_count (OBK_METRIC_AAD_ERRORS, OBK_AAD_REASON_MISMATCH, NULL);
      break;
    case OBK_ERROR_TRANSIT_AUTHENTICATION_TAG:
      obk_metric_count (OBK_METRIC_AAD_ERRORS, OBK_AAD_REASON_TAG, NULL);
      break;
    case OBK_ERROR_KEY_ID_MALFORMED:
      obk_metric_count (OBK_METRIC_KEY_ID_ERRORS, OBK_KEY_ID_REASON_MALFORMED, NULL);
      break;
    case OBK_ERROR_KEY_ID_UNKNOWN:
      obk_metric_count (OBK_METRIC_KEY_ID_ERRORS, OBK_KEY_ID_REASON_UNKNOWN, NULL);
      break;
    case OBK_ERROR_KEY_METADATA_REFRESH_FAILED:
      obk_metric_count (OBK_METRIC_KEY_ID_ERRORS, OBK_KEY_ID_REASON_REFRESH_FAILED, NULL);
      break;
    default:
      break;
    }
}

static void
count (const ObkRequestOutcome *outcome, gint64 duration_us)
{
  const char *method = operations[outcome->method];
  grpc_status_code code = GRPC_STATUS_OK;
  const char *message = NULL;

  if (outcome->error != NULL)
    code = obk_error_table_status (outcome->error, outcome->method, &message);
  obk_metric_count (OBK_METRIC_GRPC_REQUESTS, method, obk_grpc_code_name (code));
  obk_metric_observe (OBK_METRIC_GRPC_DURATION, method, duration_us);
  if (outcome->error != NULL)
    count_cause (outcome);
}

void
obk_request_log (const ObkRequestOutcome *outcome)
{
  gint64 duration_us = obk_clock_boot_us () - outcome->start_us;
  ObkLogLevel level = outcome->error != NULL ? OBK_LOG_WARN : OBK_LOG_DEBUG;
  g_autofree char *hash = NULL;
  ObkLogRecord record;

  count (outcome, duration_us);
  if (!obk_log_enabled (level))
    return;
  obk_log_begin (&record, level, OBK_EVENT_KMS_REQUEST);
  obk_log_string (&record, OBK_FIELD_OPERATION, operations[outcome->method]);
  obk_log_string (&record, OBK_FIELD_STATUS, outcome->error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)duration_us / 1000);
  obk_log_string (&record, OBK_FIELD_HEALTHZ, outcome->healthz);
  add_key (&record, outcome, &hash);
  obk_correlation_log (outcome->correlation, outcome->uid_hash, &record);
  obk_log_error (&record, outcome->error);
  obk_log_emit (&record);
}
