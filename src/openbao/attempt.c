/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a request at one address: read, counted, logged, and the address judged by it. */
#include "openbao/attempt.h"

#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "openbao/answer.h"
#include "openbao/worth.h"

/* @outcome: OBK_STATUS_OK or an error class */
static void
count (const ObkAttempt *attempt, const char *outcome, gint64 now_us)
{
  obk_metric_count (OBK_METRIC_OPENBAO_REQUESTS, attempt->operation, outcome);
  obk_metric_observe (OBK_METRIC_OPENBAO_DURATION, attempt->operation, now_us - attempt->where.started_us);
}

static void
log_end (const ObkAttempt *attempt, const json_t *json, const GError *error, gint64 now_us)
{
  ObkLogLevel level = error != NULL ? OBK_LOG_WARN : OBK_LOG_DEBUG;
  ObkLogRecord record;

  if (!obk_log_enabled (level))
    return;
  obk_log_begin (&record, level, OBK_EVENT_OPENBAO_REQUEST);
  obk_log_string (&record, OBK_FIELD_OPENBAO_OPERATION, attempt->operation);
  obk_log_string (&record, OBK_FIELD_STATUS, error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)(now_us - attempt->where.started_us) / 1000);
  obk_log_int (&record, OBK_FIELD_ADDRESS_INDEX, attempt->where.index);
  if (attempt->log_request_id)
    obk_log_string (&record, OBK_FIELD_OPENBAO_REQUEST_ID, json_string_value (json_object_get (json, "request_id")));
  obk_correlation_log (attempt->correlation, attempt->uid_hash, &record);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
judge_address (const ObkAttempt *attempt, const GError *error, gint64 now_us)
{
  ObkError code = obk_error_code (error);
  gboolean says_nothing = code == OBK_ERROR_NO_DESCRIPTORS || (code == OBK_ERROR_TIMEOUT && !attempt->silence_tells);

  if (says_nothing)
    obk_addresses_abandoned (attempt->addresses, &attempt->where);
  else if (error == NULL || !obk_worth_going_on (error) || code == OBK_ERROR_STANDBY_LAGGING)
    obk_addresses_answered (attempt->addresses, &attempt->where);
  else
    obk_addresses_failed (attempt->addresses, &attempt->where, now_us, g_random_double ());
}

json_t *
obk_attempt_end (const ObkAttempt *attempt, const ObkHttpResponse *response, const GError *error, gint64 now_us,
                 GError **failure)
{
  ObkEndpoint *endpoint = obk_addresses_endpoint (attempt->addresses, attempt->where.index);
  g_autoptr (GError) cause = NULL;
  json_t *json = NULL;

  if (response != NULL)
    json = obk_answer_read (response, obk_endpoint_authority (endpoint), attempt->anonymous, &cause);
  else
    cause = g_error_copy (error);
  count (attempt, cause != NULL ? obk_error_class (cause) : OBK_STATUS_OK, now_us);
  log_end (attempt, json, cause, now_us);
  judge_address (attempt, cause, now_us);
  if (cause != NULL)
    g_propagate_error (failure, g_steal_pointer (&cause));
  return json;
}

void
obk_attempt_cancelled (const ObkAttempt *attempt, gint64 now_us)
{
  count (attempt, OBK_OUTCOME_CANCELED, now_us);
  obk_addresses_abandoned (attempt->addresses, &attempt->where);
}
