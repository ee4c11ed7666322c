/* SPDX-License-Identifier: Apache-2.0 */
/* One record for each KMS request that has been answered. */
#include "kms/request-log.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/names.h"

static const char *const operations[OBK_N_METHODS] = {
  [OBK_METHOD_STATUS] = "status",
  [OBK_METHOD_ENCRYPT] = "encrypt",
  [OBK_METHOD_DECRYPT] = "decrypt",
};

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

void
obk_request_log (const ObkRequestOutcome *outcome)
{
  ObkLogLevel level = outcome->error != NULL ? OBK_LOG_WARN : OBK_LOG_DEBUG;
  g_autofree char *hash = NULL;
  ObkLogRecord record;

  if (!obk_log_enabled (level))
    return;
  obk_log_begin (&record, level, OBK_EVENT_KMS_REQUEST);
  obk_log_string (&record, OBK_FIELD_OPERATION, operations[outcome->method]);
  obk_log_string (&record, OBK_FIELD_STATUS, outcome->error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)(obk_clock_boot_us () - outcome->start_us) / 1000);
  obk_log_string (&record, OBK_FIELD_HEALTHZ, outcome->healthz);
  add_key (&record, outcome, &hash);
  obk_log_error (&record, outcome->error);
  obk_log_emit (&record);
}
