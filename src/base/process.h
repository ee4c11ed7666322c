/* SPDX-License-Identifier: Apache-2.0 */
/* What the process as a whole owes its secrets. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Not dumpable, no core limit. Called first thing by every command that may hold a secret. */
gboolean obk_process_harden (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As many descriptors as the process may have: the soft limit is for those that use select(). */
void obk_process_raise_descriptors (void);

/* Returns: uniform in [0, 1), for jitter; not for keys */
double obk_random_unit (void);

G_END_DECLS
