/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT from a file: read before each login, watched for replacement. */
#pragma once

#include "openbao/jwt-supply.h"
#include "openbao/jwt.h"

G_BEGIN_DECLS

/**
 * obk_jwt_file_new:
 * @path: absolute, or credential:NAME. The file may be missing until it is needed
 * @rules: what its JWT must say; copied
 * @error: OBK_ERROR_CREDENTIAL_INVALID: there is no such credential
 */
ObkJwtSupply *obk_jwt_file_new (const char *path, const ObkJwtRules *rules, GError **error);

G_END_DECLS
