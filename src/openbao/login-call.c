/* SPDX-License-Identifier: Apache-2.0 */
/* The two calls to OpenBao that all credentials make: a login, and a renewal of what it brought. */
#include "openbao/login-call.h"

#include "base/names.h"

#include <string.h>

#define RENEW_PATH "auth/token/renew-self"

ObkCall *
obk_login_call (ObkClient *client, const char *operation, const char *mount_path, ObkSecret *body, gint64 deadline_us,
                ObkClientDone done, gpointer user_data)
{
  g_autofree char *mount = g_uri_escape_string (mount_path, "/", FALSE);
  g_autofree char *path = g_strconcat (mount, "/login", NULL);
  const ObkClientRequest request = {
    .operation = operation,
    .path = path,
    .body = body,
    .anonymous = TRUE,
    .secret_answer = TRUE,
    .deadline_us = deadline_us,
  };

  return obk_client_send (client, &request, done, user_data);
}

ObkCall *
obk_renewal_call (ObkClient *client, ObkSecret *token, gint64 increment_us, gint64 deadline_us, ObkClientDone done,
                  gpointer user_data)
{
  gint64 seconds = MAX (increment_us / G_USEC_PER_SEC, 1);
  g_autofree char *text = g_strdup_printf ("{\"increment\":\"%" G_GINT64_FORMAT "s\"}", seconds);
  g_autoptr (ObkSecret) body = obk_secret_new_copy (text, strlen (text));
  const ObkClientRequest request = {
    .operation = OBK_OPERATION_TOKEN_RENEW,
    .path = RENEW_PATH,
    .body = body,
    .token = token,
    .secret_answer = TRUE,
    .deadline_us = deadline_us,
  };

  return obk_client_send (client, &request, done, user_data);
}
