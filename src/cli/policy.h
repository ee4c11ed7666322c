/* SPDX-License-Identifier: Apache-2.0 */
/* The least that the provider's token must be allowed to do in OpenBao. */
#pragma once

#include <glib.h>

#include "config/config.h"

G_BEGIN_DECLS

/**
 * obk_policy_openbao:
 * @renewal: whether the token renews itself, and may do so
 * @error: OBK_ERROR_CONFIG_INVALID when the mount path has a meaning of its own in a policy
 *
 * Paths are relative to the namespace, as the policy is written inside of it.
 *
 * Returns: (transfer full): the policy in HCL
 */
char *obk_policy_openbao (const ObkConfig *config, gboolean renewal, GError **error);

G_END_DECLS
