/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of every world that is reached. */
#pragma once

#include "world.h"

G_BEGIN_DECLS

Fault world_check (const Scenario *scenario, const World *world);

/* Forgets which worlds were found to become quiet, as for another scenario. */
void world_forget_quiet (void);

/* Returns: what of it does not hold, in words */
const char *fault_text (Fault fault);

G_END_DECLS
