/* SPDX-License-Identifier: Apache-2.0 */
/* What the process as a whole owes its secrets. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Not dumpable, no core limit. Called first thing by every command that may hold a secret. */
gboolean obk_process_harden (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As many descriptors as the process may have: the soft limit is for those that use select(). */
void obk_process_raise_descriptors (void);

/**
 * obk_process_open_standard_streams:
 *
 * Opens those that were closed at the start on /dev/null, for reading: else the next file or socket would get their
 * number, and what is printed or logged would go into it. To write to them goes on failing.
 *
 * Returns: FALSE when /dev/null cannot be opened
 */
gboolean obk_process_open_standard_streams (void) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full) (nullable): the first entry of $RUNTIME_DIRECTORY, which systemd makes for us alone */
char *obk_process_runtime_directory (void);

/* Returns: uniform in [0, 1), for jitter; not for keys */
double obk_random_unit (void);

G_END_DECLS
