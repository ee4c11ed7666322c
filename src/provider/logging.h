/* SPDX-License-Identifier: Apache-2.0 */
/* The log as the configuration has it. */
#pragma once

#include "base/correlation.h"
#include "config/config.h"

G_BEGIN_DECLS

/* Installs the sink, or has the one that is installed go by @config. */
void obk_logging_install (const ObkConfig *config);

/* Returns: (transfer full) (nullable): debug correlation that begins now; %NULL when it is off */
ObkCorrelation *obk_logging_correlation (const ObkConfig *config);

G_END_DECLS
