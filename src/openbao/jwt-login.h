/* SPDX-License-Identifier: Apache-2.0 */
/* The login with a JWT, wherever that comes from. */
#pragma once

#include "openbao/client.h"
#include "openbao/credential.h"
#include "openbao/jwt-supply.h"

G_BEGIN_DECLS

/**
 * obk_jwt_login_new:
 * @client: borrowed; outlives this
 * @mount_path: of the auth method
 * @supply: (transfer full): also when this fails
 * @error: OBK_ERROR_CONFIG_INVALID: @role is not UTF-8
 */
ObkCredential *obk_jwt_login_new (ObkClient *client, const char *mount_path, const char *role, ObkJwtSupply *supply,
                                  GError **error);

G_END_DECLS
