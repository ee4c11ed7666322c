/* SPDX-License-Identifier: Apache-2.0 */
/* When one kind of probe tries next: its interval, quick retries, and the circuit breaker. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gint64 interval_us; /* between probes while all is well */
  gint64 retry_us;    /* while Status is unhealthy */
} ObkBreakerPace;

/* A plain value, zeroed at first. */
typedef struct
{
  guint failures; /* in a row, while Status was unhealthy */
} ObkBreaker;

/* What a probe has come to. */
typedef enum
{
  OBK_BREAKER_PASSED,
  OBK_BREAKER_FAILED,
  OBK_BREAKER_NOT_TRIED /* OpenBao was not asked, for want of something of our own */
} ObkBreakerOutcome;

/**
 * obk_breaker_next:
 * @outcome: of the probe that just ended
 * @healthy: Status after it
 * @random: in [0, 1)
 *
 * The breaker spares an OpenBao that is in trouble a storm of quick retries. While Status is still healthy the
 * probes go at their interval anyway, so failures count only when it is not: an outage that ends in time is then
 * always noticed before Status goes stale.
 *
 * Source: spec openbao.md, "Retry timing".
 *
 * Returns: microseconds to wait before the next probe
 */
gint64 obk_breaker_next (ObkBreaker *breaker, const ObkBreakerPace *pace, ObkBreakerOutcome outcome, gboolean healthy,
                         double random);

typedef enum
{
  OBK_BREAKER_CLOSED,
  OBK_BREAKER_HALF_OPEN, /* open, and the one try is under way */
  OBK_BREAKER_OPEN
} ObkBreakerState;

/* @trying: whether a probe runs */
ObkBreakerState obk_breaker_state (const ObkBreaker *breaker, gboolean trying);

/* Whether it is open: the probe waits, and Status is unhealthy for it. */
gboolean obk_breaker_is_open (const ObkBreaker *breaker);

G_END_DECLS
