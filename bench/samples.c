/* SPDX-License-Identifier: Apache-2.0 */
/* One latency for each call, kept in memory until the run is over. */
#include "samples.h"

#include <time.h>

gint64
samples_now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
samples_init (Samples *samples, guint64 warmup, guint64 calls, double seconds)
{
  *samples = (Samples){ .warmup = warmup, .wanted = calls, .end_ns = G_MAXINT64 };
  if (seconds > 0)
    {
      samples->wanted = G_MAXUINT64 - warmup;
      samples->end_ns = samples_now_ns () + (gint64)(seconds * 1e9);
    }
  /* Room from the start: growing in the midst of a run would be measured as latency. */
  samples->latencies = g_array_sized_new (FALSE, FALSE, sizeof (guint32), seconds > 0 ? 1 << 20 : (guint)calls);
  samples->first_ns = samples->last_ns = samples_now_ns ();
}

void
samples_clear (Samples *samples)
{
  g_clear_pointer (&samples->latencies, g_array_unref);
}

gboolean
samples_start (Samples *samples)
{
  if (samples->started >= samples->wanted + samples->warmup)
    return FALSE;
  if (samples->end_ns != G_MAXINT64 && samples_now_ns () >= samples->end_ns)
    return FALSE;
  samples->started++;
  return TRUE;
}

void
samples_finish (Samples *samples, gint64 sent_ns, gboolean ok)
{
  gint64 now_ns = samples_now_ns ();
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

gboolean
samples_report (const Samples *samples, const char *path, GError **error)
{
  if (path != NULL
      && !g_file_set_contents (path, samples->latencies->data, (gssize)(samples->latencies->len * sizeof (guint32)),
                               error))
    return FALSE;
  g_print ("{\"calls\": %u, \"errors\": %" G_GUINT64_FORMAT ", \"seconds\": %.6f}\n", samples->latencies->len,
           samples->errors, (double)(samples->last_ns - samples->first_ns) / 1e9);
  return TRUE;
}
