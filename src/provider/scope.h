/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the values that the registry goes by. */
#pragma once

#include "config/config.h"
#include "identity/scope.h"
#include "registry/rotation.h"

G_BEGIN_DECLS

/* Returns: (transfer full): the scope of the configured key */
ObkScope *obk_scope_from_config (const ObkConfig *config);

ObkRotationPolicy obk_rotation_policy_from_config (const ObkConfig *config);

/* Returns: (transfer full): the configuration's fingerprint (spec identity.md) */
char *obk_config_fingerprint (const ObkConfig *config);

G_END_DECLS
