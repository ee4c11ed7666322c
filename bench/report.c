/* SPDX-License-Identifier: Apache-2.0 */
/* How both load programs hand back what they have measured. */
#include "report.h"

gboolean
samples_report (const ObkSamples *samples, const char *path, GError **error)
{
  if (path != NULL
      && !g_file_set_contents (path, samples->latencies->data, (gssize)(samples->latencies->len * sizeof (guint32)),
                               error))
    return FALSE;
  g_print ("{\"calls\": %u, \"errors\": %" G_GUINT64_FORMAT ", \"seconds\": %.6f}\n", samples->latencies->len,
           samples->errors, (double)(samples->last_ns - samples->first_ns) / 1e9);
  return TRUE;
}
