/* SPDX-License-Identifier: Apache-2.0 */
/* One latency for each call of a measurement. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ObkSamples:
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
} ObkSamples;

/* @seconds: 0 when @calls ends the run */
void obk_samples_init (ObkSamples *samples, guint64 warmup, guint64 calls, double seconds);
void obk_samples_clear (ObkSamples *samples);

/* CLOCK_MONOTONIC */
gint64 obk_samples_now_ns (void);

/* Whether one more call is to be made; counts it. */
gboolean obk_samples_start (ObkSamples *samples);
void obk_samples_finish (ObkSamples *samples, gint64 sent_ns, gboolean ok);

/* Adds what @others counted, as when both ran at the same time. */
void obk_samples_merge (ObkSamples *samples, const ObkSamples *others);

/* What a run comes to. */
typedef struct
{
  guint calls;
  double seconds; /* from the end of the warmup to the end of the last call */
  double rate;    /* calls a second */
  double mean_ms;
  double min_ms;
  double p50_ms;
  double p90_ms;
  double p95_ms;
  double p99_ms;
  double max_ms;
} ObkSummary;

/* @samples: with at least one call */
ObkSummary obk_samples_summarize (const ObkSamples *samples);

G_END_DECLS
