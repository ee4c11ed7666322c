/* SPDX-License-Identifier: Apache-2.0 */
/* When one kind of probe tries next: its interval, quick retries, and the circuit breaker. Pure. */
#include "health/breaker.h"

#include "base/backoff.h"

#define FAILURES_TO_OPEN 3
#define OPEN_US (30 * G_USEC_PER_SEC)
#define OPEN_JITTER 0.25

gint64
obk_breaker_next (ObkBreaker *breaker, const ObkBreakerPace *pace, ObkBreakerOutcome outcome, gboolean healthy,
                  double random)
{
  if (outcome == OBK_BREAKER_NOT_TRIED)
    return MIN (pace->interval_us, pace->retry_us);
  if (outcome == OBK_BREAKER_PASSED)
    {
      breaker->failures = 0;
      return healthy ? pace->interval_us : MIN (pace->interval_us, pace->retry_us);
    }
  if (healthy)
    return pace->interval_us;
  breaker->failures++;
  if (obk_breaker_is_open (breaker))
    return obk_backoff_jittered (OPEN_US, OPEN_JITTER, random);
  return pace->retry_us;
}

gboolean
obk_breaker_is_open (const ObkBreaker *breaker)
{
  return breaker->failures >= FAILURES_TO_OPEN;
}

ObkBreakerState
obk_breaker_state (const ObkBreaker *breaker, gboolean trying)
{
  if (!obk_breaker_is_open (breaker))
    return OBK_BREAKER_CLOSED;
  return trying ? OBK_BREAKER_HALF_OPEN : OBK_BREAKER_OPEN;
}
