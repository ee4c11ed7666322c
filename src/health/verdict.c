/* SPDX-License-Identifier: Apache-2.0 */
/* Whether Status is healthy, and under which version: what the outcomes of probes and saves come to. Pure. */
#include "health/verdict.h"

#include "base/names.h"

void
obk_verdict_metadata_good (ObkVerdict *verdict, const ObkKeyMetadata *metadata, gint64 asked_us)
{
  verdict->finding = "";
  verdict->trouble = "";
  verdict->good_us = asked_us;
  verdict->min_encryption = metadata->min_encryption_version;
}

void
obk_verdict_metadata_refused (ObkVerdict *verdict, const char *finding)
{
  verdict->finding = finding;
  verdict->trouble = "";
}

void
obk_verdict_metadata_failed (ObkVerdict *verdict, const char *trouble)
{
  verdict->trouble = trouble;
}

static gboolean
is_retained (const ObkState *state, guint32 version)
{
  const ObkSnapshot *snapshot = obk_state_find_version (state, version);

  return snapshot != NULL && obk_snapshot_is_retained (snapshot);
}

void
obk_verdict_use_state (ObkVerdict *verdict, const ObkState *state, gboolean at_once)
{
  guint32 active = obk_state_active (state)->version;

  if (active == verdict->active)
    return;
  verdict->active = active;
  verdict->deep_finding = "";
  if (at_once || verdict->serving != verdict->proved || !is_retained (state, verdict->serving))
    verdict->serving = active;
}

void
obk_verdict_deep_passed (ObkVerdict *verdict, guint32 version)
{
  if (version != verdict->active)
    return;
  verdict->proved = version;
  verdict->serving = version;
  verdict->deep_finding = "";
}

void
obk_verdict_deep_failed (ObkVerdict *verdict, guint32 version, const char *finding)
{
  if (version != verdict->active)
    return;
  verdict->deep_finding = finding;
  verdict->proved = 0; /* the finding ends with a promotion; no version from before it serves until the next proof */
}

gboolean
obk_verdict_wants_proof (const ObkVerdict *verdict)
{
  return verdict->active != 0 && verdict->proved != verdict->active;
}

gboolean
obk_verdict_is_blocked (const ObkVerdict *verdict)
{
  return verdict->active != 0 && verdict->min_encryption > verdict->active;
}

const char *
obk_verdict_reason (const ObkVerdict *verdict)
{
  if (*verdict->finding != '\0')
    return verdict->finding;
  if (*verdict->save_trouble != '\0')
    return verdict->save_trouble;
  /* Before the first good probe the way to OpenBao is what is wrong, if anything is. */
  if (verdict->good_us == 0 && *verdict->trouble != '\0')
    return verdict->trouble;
  if (verdict->active == 0)
    return OBK_REASON_STATE_UNAVAILABLE;
  if (verdict->min_encryption > verdict->serving)
    return OBK_REASON_ENCRYPTION_BLOCKED;
  if (*verdict->deep_finding != '\0')
    return verdict->deep_finding;
  if (verdict->proved != verdict->serving)
    return OBK_REASON_DEEP_PROBE_PENDING;
  return verdict->canary;
}

const char *
obk_verdict_stale_reason (const ObkVerdict *verdict)
{
  if (g_str_equal (verdict->trouble, OBK_REASON_AUTH_FAILED)
      || g_str_equal (verdict->trouble, OBK_REASON_STANDBY_LAGGING))
    return verdict->trouble;
  return "";
}

gint64
obk_verdict_fresh_until_us (const ObkVerdict *verdict, gint64 max_staleness_us)
{
  return verdict->good_us == 0 ? 0 : verdict->good_us + max_staleness_us;
}

gboolean
obk_verdict_settle (ObkVerdict *verdict, gint64 now_us, gint64 max_staleness_us)
{
  gboolean fresh = now_us < obk_verdict_fresh_until_us (verdict, max_staleness_us);
  gboolean healthy = fresh && *obk_verdict_reason (verdict) == '\0';

  if (!fresh)
    {
      /* Peers may have retired by now what served until the active version was proved. */
      verdict->settled = FALSE;
      verdict->serving = verdict->active;
    }
  else if (healthy)
    verdict->settled = TRUE;
  return healthy;
}
