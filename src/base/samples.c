/* SPDX-License-Identifier: Apache-2.0 */
/* One latency for each call, kept in memory until the run is over. */
#include "base/samples.h"

#include <time.h>

gint64
obk_samples_now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
obk_samples_init (ObkSamples *samples, guint64 warmup, guint64 calls, double seconds)
{
  *samples = (ObkSamples){ .warmup = warmup, .wanted = calls, .end_ns = G_MAXINT64 };
  if (seconds > 0)
    {
      samples->wanted = G_MAXUINT64 - warmup;
      samples->end_ns = obk_samples_now_ns () + (gint64)(seconds * 1e9);
    }
  /* Room from the start: growing in the midst of a run would be measured as latency. */
  samples->latencies = g_array_sized_new (FALSE, FALSE, sizeof (guint32), seconds > 0 ? 1 << 20 : (guint)calls);
  samples->first_ns = samples->last_ns = obk_samples_now_ns ();
}

void
obk_samples_clear (ObkSamples *samples)
{
  g_clear_pointer (&samples->latencies, g_array_unref);
}

gboolean
obk_samples_start (ObkSamples *samples)
{
  if (samples->started >= samples->wanted + samples->warmup)
    return FALSE;
  if (samples->end_ns != G_MAXINT64 && obk_samples_now_ns () >= samples->end_ns)
    return FALSE;
  samples->started++;
  return TRUE;
}

void
obk_samples_finish (ObkSamples *samples, gint64 sent_ns, gboolean ok)
{
  gint64 now_ns = obk_samples_now_ns ();
  guint32 latency = (guint32)MIN (now_ns - sent_ns, (gint64)G_MAXUINT32);

  samples->finished++;
  if (samples->finished <= samples->warmup)
    {
      samples->first_ns = samples->last_ns = now_ns;
      return;
    }
  samples->last_ns = now_ns;
  if (!ok)
    samples->errors++;
  g_array_append_val (samples->latencies, latency);
}

void
obk_samples_merge (ObkSamples *samples, const ObkSamples *others)
{
  g_array_append_vals (samples->latencies, others->latencies->data, others->latencies->len);
  samples->errors += others->errors;
  samples->first_ns = MIN (samples->first_ns, others->first_ns);
  samples->last_ns = MAX (samples->last_ns, others->last_ns);
}

static gint
compare_latencies (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *)a;
  guint32 y = *(const guint32 *)b;

  return x < y ? -1 : x > y;
}

/* The smallest latency that @percent of all are not above */
static double
percentile_ms (const GArray *sorted, guint percent)
{
  guint64 rank = ((guint64)sorted->len * percent + 99) / 100;

  return g_array_index (sorted, guint32, MAX (rank, 1) - 1) / 1e6;
}

ObkSummary
obk_samples_summarize (const ObkSamples *samples)
{
  g_autoptr (GArray) sorted = g_array_copy (samples->latencies);
  ObkSummary summary = { .calls = sorted->len };
  double sum_ms = 0;

  g_return_val_if_fail (sorted->len > 0, summary);

  g_array_sort (sorted, compare_latencies);
  for (guint i = 0; i < sorted->len; i++)
    sum_ms += g_array_index (sorted, guint32, i) / 1e6;
  summary.seconds = (double)(samples->last_ns - samples->first_ns) / 1e9;
  summary.rate = summary.seconds > 0 ? sorted->len / summary.seconds : 0;
  summary.mean_ms = sum_ms / sorted->len;
  summary.min_ms = percentile_ms (sorted, 0);
  summary.p50_ms = percentile_ms (sorted, 50);
  summary.p90_ms = percentile_ms (sorted, 90);
  summary.p95_ms = percentile_ms (sorted, 95);
  summary.p99_ms = percentile_ms (sorted, 99);
  summary.max_ms = percentile_ms (sorted, 100);
  return summary;
}
