/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the identity scope. */
#pragma once

#include "config/config.h"
#include "identity/scope.h"

G_BEGIN_DECLS

/* Returns: (transfer full): the scope of the configured key */
ObkScope *obk_scope_from_config (const ObkConfig *config);

/* Returns: (transfer full): the configuration's fingerprint (spec identity.md) */
char *obk_config_fingerprint (const ObkConfig *config);

G_END_DECLS
