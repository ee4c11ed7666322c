/* SPDX-License-Identifier: Apache-2.0 */
/* All that may stand between Status and health, each by itself: what /ready shows. Pure. */
#include "health/conditions.h"

#include "base/names.h"

static const char *
judge_registry (const ObkVerdict *verdict)
{
  if (*verdict->save_trouble != '\0')
    return verdict->save_trouble;
  return verdict->active == 0 ? OBK_REASON_STATE_UNAVAILABLE : "";
}

static const char *
judge_deep_probe (const ObkVerdict *verdict)
{
  if (*verdict->deep_finding != '\0')
    return verdict->deep_finding;
  return verdict->active == 0 || verdict->proved != verdict->serving ? OBK_REASON_DEEP_PROBE_PENDING : "";
}

void
obk_conditions_judge (const ObkVerdict *verdict, gint64 now_us, gint64 fresh_until_us, gboolean breaker_open,
                      ObkCondition conditions[OBK_N_CONDITIONS])
{
  gboolean no_token = g_str_equal (verdict->trouble, OBK_REASON_AUTH_FAILED);
  gboolean blocked = verdict->active != 0 && verdict->min_encryption > verdict->serving;

  conditions[OBK_CONDITION_REGISTRY] = (ObkCondition){ "registry", judge_registry (verdict) };
  conditions[OBK_CONDITION_METADATA_READ] = (ObkCondition){ "metadata_read", no_token ? "" : verdict->trouble };
  conditions[OBK_CONDITION_FRESHNESS]
      = (ObkCondition){ "freshness", now_us < fresh_until_us ? "" : OBK_REASON_STATUS_STALE };
  conditions[OBK_CONDITION_KEY] = (ObkCondition){ "key", verdict->finding };
  conditions[OBK_CONDITION_ENCRYPTION] = (ObkCondition){ "encryption", blocked ? OBK_REASON_ENCRYPTION_BLOCKED : "" };
  conditions[OBK_CONDITION_DEEP_PROBE] = (ObkCondition){ "deep_probe", judge_deep_probe (verdict) };
  conditions[OBK_CONDITION_CANARY] = (ObkCondition){ "canary", verdict->canary };
  conditions[OBK_CONDITION_CIRCUIT_BREAKER]
      = (ObkCondition){ "circuit_breaker", breaker_open ? OBK_REASON_CIRCUIT_BREAKER_OPEN : "" };
  conditions[OBK_CONDITION_AUTHENTICATION] = (ObkCondition){ "authentication", no_token ? OBK_REASON_AUTH_FAILED : "" };
}
