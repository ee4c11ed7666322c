/* SPDX-License-Identifier: Apache-2.0 */
/* The two calls to OpenBao that all credentials make: a login, and a renewal of what it brought. */
#pragma once

#include "openbao/client.h"

G_BEGIN_DECLS

/**
 * obk_login_call:
 * @operation: OBK_OPERATION_JWT_LOGIN, …
 * @mount_path: of the auth method, as configured
 * @body: the login's JSON
 */
ObkCall *obk_login_call (ObkClient *client, const char *operation, const char *mount_path, ObkSecret *body,
                         gint64 deadline_us, ObkClientDone done, gpointer user_data);

/* @increment_us: how much longer @token is to live; OpenBao counts in seconds */
ObkCall *obk_renewal_call (ObkClient *client, ObkSecret *token, gint64 increment_us, gint64 deadline_us,
                           ObkClientDone done, gpointer user_data);

G_END_DECLS
