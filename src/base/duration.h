/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Go writes them ("90s", "1h30m", "500ms", "0s"). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_duration_parse:
 * @text: the duration; units in any order and more than once, fractions and a "+", as Go has it
 * @us: (out): microseconds, not negative; a part of one counts as a whole one
 * @error: OBK_ERROR_CONFIG_INVALID
 *
 * Source: Go's time.ParseDuration, but negative values and the bare "0" are refused (spec configuration.md).
 */
gboolean obk_duration_parse (const char *text, gint64 *us, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full): @us as Go's Duration.String writes it ("1h30m0s", "500ms", "0s") */
char *obk_duration_format (gint64 us);

G_END_DECLS
