/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs as the tests need them, with a signature that nobody has made. */
#pragma once

#include "openbao/jwt.h"

#define JWT_SIGNATURE "c2lnbmF0dXJl"

/* No claim but "exp" counts, which has to leave 120 s. */
extern const ObkJwtRules jwt_any;

/* Returns: (transfer full): base64url without padding */
char *jwt_encode (const char *text);

/* @header, @claims: JSON, or what stands in its place. Returns: (transfer full) */
char *jwt_make (const char *header, const char *claims);
