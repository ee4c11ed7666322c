/* SPDX-License-Identifier: Apache-2.0 */
/* How both load programs hand back what they have measured. */
#pragma once

#include "base/samples.h"

G_BEGIN_DECLS

/**
 * samples_report:
 * @path: (nullable): where the latencies go, as guint32 in the order in which calls ended
 *
 * Prints one line of JSON: calls, errors, seconds.
 */
gboolean samples_report (const ObkSamples *samples, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
