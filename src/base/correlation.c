/* SPDX-License-Identifier: Apache-2.0 */
/* Debug correlation: for a limited time log records say, by hash, which request of the API server they belong to. */
#include "base/correlation.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/names.h"

struct _ObkCorrelation
{
  gint references;
  char *incident_id;
  char *expires_at;  /* as in the log */
  gint64 expires_us; /* on the boot clock */
};

ObkCorrelation *
obk_correlation_new (const char *incident_id, gint64 ttl_us)
{
  ObkCorrelation *correlation = NULL;
  g_autoptr (GDateTime) expires = NULL;

  g_return_val_if_fail (incident_id != NULL && ttl_us > 0, NULL);

  correlation = g_new0 (ObkCorrelation, 1);
  correlation->references = 1;
  correlation->incident_id = g_strdup (incident_id);
  correlation->expires_us = obk_clock_boot_us () + ttl_us;
  expires = g_date_time_new_from_unix_utc (obk_clock_unix () + ttl_us / G_USEC_PER_SEC);
  correlation->expires_at = expires != NULL ? g_date_time_format (expires, "%Y-%m-%dT%H:%M:%SZ") : NULL;
  return correlation;
}

ObkCorrelation *
obk_correlation_ref (ObkCorrelation *correlation)
{
  g_atomic_int_inc (&correlation->references);
  return correlation;
}

void
obk_correlation_unref (ObkCorrelation *correlation)
{
  if (correlation == NULL || !g_atomic_int_dec_and_test (&correlation->references))
    return;
  g_free (correlation->incident_id);
  g_free (correlation->expires_at);
  g_free (correlation);
}

char *
obk_correlation_hash (const ObkCorrelation *correlation, const char *uid, gsize length)
{
  if (correlation == NULL || uid == NULL || length == 0 || obk_clock_boot_us () >= correlation->expires_us)
    return NULL;
  return obk_hash (uid, (gssize)length);
}

void
obk_correlation_log (const ObkCorrelation *correlation, const char *uid_hash, ObkLogRecord *record)
{
  if (correlation == NULL || uid_hash == NULL)
    return;
  obk_log_string (record, OBK_FIELD_REQUEST_UID_HASH, uid_hash);
  obk_log_string (record, OBK_FIELD_CORRELATION_INCIDENT, correlation->incident_id);
  obk_log_string (record, OBK_FIELD_CORRELATION_EXPIRES_AT, correlation->expires_at);
}
