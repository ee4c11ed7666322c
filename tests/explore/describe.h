/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and worlds in words. */
#pragma once

#include "world.h"

G_BEGIN_DECLS

/* Returns: (transfer full): what happens, an event a line, with what has become of the nodes */
char *describe_trace (const Scenario *scenario, const Event *events, guint n);

G_END_DECLS
