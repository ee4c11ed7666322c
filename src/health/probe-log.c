/* SPDX-License-Identifier: Apache-2.0 */
/* What probes come to, in the log. Only for prober.c. */
#include "health/probe-log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"
#include "registry/profile.h"

static const char *const probe_names[OBK_N_PROBES] = {
  [OBK_PROBE_METADATA] = "metadata",
  [OBK_PROBE_DEEP] = "deep",
};

void
obk_probe_log_init (ObkProbeLog *log, gint64 grace_timeout_us)
{
  *log = (ObkProbeLog){ .begun_us = obk_clock_boot_us (), .grace_timeout_us = grace_timeout_us };
}

void
obk_probe_log_begin (ObkProbeLog *log, ObkProbeName kind)
{
  log->start_us[kind] = obk_clock_boot_us ();
}

/* That OpenBao is not there yet when the machine starts is no news. */
static ObkLogLevel
failure_level (const ObkProbeLog *log)
{
  gint64 age_us = obk_clock_boot_us () - log->begun_us;

  return !log->settled && age_us < log->grace_timeout_us ? OBK_LOG_INFO : OBK_LOG_WARN;
}

static void
begin (const ObkProbeLog *log, ObkLogRecord *record, ObkProbeName kind, gboolean passed)
{
  obk_log_begin (record, passed ? OBK_LOG_DEBUG : failure_level (log), OBK_EVENT_STATUS_PROBE);
  obk_log_string (record, OBK_FIELD_PROBE_KIND, probe_names[kind]);
  obk_log_string (record, OBK_FIELD_STATUS, passed ? OBK_STATUS_OK : OBK_STATUS_ERROR);
  obk_log_double (record, OBK_FIELD_DURATION_MS, (double)(obk_clock_boot_us () - log->start_us[kind]) / 1000);
}

static void
log_finding (const ObkProbeLog *log, const ObkProfileFinding *finding)
{
  ObkLogRecord record;

  begin (log, &record, OBK_PROBE_METADATA, FALSE);
  obk_log_string (&record, OBK_FIELD_REASON, obk_finding_name (finding->finding));
  obk_log_string (&record, OBK_FIELD_IMPACT, obk_impact_name (finding->impact));
  obk_log_string (&record, OBK_FIELD_DETAIL, finding->text);
  obk_log_emit (&record);
}

void
obk_probe_log_metadata (const ObkProbeLog *log, const ObkProbeResult *result)
{
  ObkLogRecord record;

  if (result->kind == OBK_PROBE_REFUSED)
    {
      for (guint i = 0; i < result->findings->len; i++)
        log_finding (log, result->findings->pdata[i]);
      return;
    }
  begin (log, &record, OBK_PROBE_METADATA, result->kind == OBK_PROBE_GOOD);
  if (result->kind == OBK_PROBE_LAGGING)
    obk_log_string (&record, OBK_FIELD_REASON, OBK_REASON_STANDBY_LAGGING);
  obk_log_emit (&record);
}

void
obk_probe_log_metadata_error (const ObkProbeLog *log, const char *reason, const GError *error)
{
  ObkLogRecord record;

  begin (log, &record, OBK_PROBE_METADATA, FALSE);
  obk_log_string (&record, OBK_FIELD_REASON, reason);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

void
obk_probe_log_deep (const ObkProbeLog *log, guint32 version, const char *reason, const GError *error)
{
  ObkLogRecord record;

  begin (log, &record, OBK_PROBE_DEEP, error == NULL && *reason == '\0');
  if (version != 0)
    obk_log_int (&record, OBK_FIELD_KEY_VERSION, version);
  if (*reason != '\0')
    obk_log_string (&record, OBK_FIELD_REASON, reason);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

gboolean
obk_probe_log_status (ObkProbeLog *log, const ObkBoard *board, gint64 now_us)
{
  const ObkKeyIdentity *serving = obk_board_active (board);
  guint32 version = serving != NULL ? obk_key_identity_version (serving) : 0;
  const char *reason = obk_board_reason (board, now_us);
  gboolean healthy = *reason == '\0';
  ObkLogRecord record;

  if (g_strcmp0 (reason, log->reason) == 0 && version == log->serving)
    return FALSE;
  log->reason = reason;
  log->serving = version;
  log->settled |= healthy;
  obk_log_begin (&record, healthy ? OBK_LOG_INFO : failure_level (log), OBK_EVENT_STATUS_CHANGED);
  obk_log_string (&record, OBK_FIELD_HEALTHZ, healthy ? OBK_HEALTHZ_OK : OBK_HEALTHZ_UNHEALTHY);
  if (!healthy)
    obk_log_string (&record, OBK_FIELD_REASON, reason);
  if (serving != NULL)
    {
      obk_log_string (&record, OBK_FIELD_KEY_ID_HASH, obk_key_identity_key_id_hash (serving));
      obk_log_int (&record, OBK_FIELD_KEY_VERSION, version);
    }
  obk_log_emit (&record);
  return TRUE;
}

static void
log_version (const char *event, ObkLogLevel level, guint32 version, const char *detail)
{
  ObkLogRecord record;

  obk_log_begin (&record, level, event);
  if (version != 0)
    obk_log_int (&record, OBK_FIELD_KEY_VERSION, version);
  obk_log_string (&record, OBK_FIELD_DETAIL, detail);
  obk_log_emit (&record);
}

void
obk_probe_log_rotation (const ObkProbeResult *result, const ObkState *state)
{
  if (result->clock_regressed)
    log_version (OBK_EVENT_CLOCK_REGRESSED, OBK_LOG_WARN, 0,
                 "the state held times that lie in the future; they were set back to now");
  if (result->rejected != 0)
    log_version (OBK_EVENT_WARNING, OBK_LOG_WARN, result->rejected,
                 "OpenBao has lost this version, and rotation.rejectVersionRollback is false: it is used no more");
  if (result->observed != 0)
    log_version (OBK_EVENT_KEY_OBSERVED, OBK_LOG_INFO, result->observed, NULL);
  if (result->promoted != 0)
    log_version (OBK_EVENT_KEY_PROMOTED, OBK_LOG_INFO, result->promoted,
                 result->caught_up ? "it is older than any rotation under way: its peers use it already" : NULL);
}

void
obk_probe_log_find (const ObkState *before, const ObkState *found)
{
  for (guint i = 0; i < found->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (found, i);
      const ObkSnapshot *known = obk_state_find_version (before, snapshot->version);

      if (obk_snapshot_is_retained (snapshot) && (known == NULL || !obk_snapshot_is_retained (known)))
        log_version (OBK_EVENT_KEY_OBSERVED, OBK_LOG_INFO, snapshot->version,
                     "found as a peer uses it: it decrypts from now on");
    }
}
