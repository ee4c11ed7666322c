/* SPDX-License-Identifier: Apache-2.0 */
/* What both load programs share: a clock, one latency for each call, and the closing line. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * Samples:
 *
 * Every latency is kept, so that percentiles are exact. The first @warmup calls are not counted: connections,
 * caches and the processor's clock settle in them.
 */
typedef struct
{
  guint64 warmup;
  guint64 wanted;    /* calls to count; G_MAXUINT64 when time ends the run */
  gint64 end_ns;     /* no call starts after it; G_MAXINT64 when the count ends the run */
  guint64 started;   /* calls begun, warmup included */
  guint64 finished;  /* calls ended, warmup included */
  guint64 errors;    /* of the counted ones */
  gint64 first_ns;   /* end of the warmup */
  gint64 last_ns;    /* end of the last counted call */
  GArray *latencies; /* of guint32, nanoseconds */
} Samples;

/* @seconds: 0 when @calls ends the run */
void samples_init (Samples *samples, guint64 warmup, guint64 calls, double seconds);
void samples_clear (Samples *samples);

/* CLOCK_MONOTONIC */
gint64 samples_now_ns (void);

/* Whether one more call is to be made; counts it. */
gboolean samples_start (Samples *samples);
void samples_finish (Samples *samples, gint64 sent_ns, gboolean ok);

/**
 * samples_report:
 * @path: (nullable): where the latencies go, as guint32 in the order in which calls ended
 *
 * Prints one line of JSON: calls, errors, seconds.
 */
gboolean samples_report (const Samples *samples, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
