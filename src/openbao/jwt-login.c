/* SPDX-License-Identifier: Apache-2.0 */
/* The login with a JWT, wherever that comes from. */
#include "openbao/jwt-login.h"

#include "base/error.h"
#include "base/json.h"
#include "base/names.h"
#include "openbao/login-call.h"

#include <stdlib.h>
#include <string.h>

typedef struct
{
  ObkCredential base;
  ObkClient *client;
  ObkJwtSupply *supply;
  char *mount_path;
  char *body_start; /* of the login's JSON, up to the JWT */

  /* What is under way: a fetch, or a call. */
  gboolean fetching;
  ObkCall *call;
  gint64 deadline_us;
  ObkCredentialDone done;
  gpointer user_data;
} JwtLogin;

static void
answered (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  JwtLogin *login = user_data;

  login->call = NULL;
  login->done (json, error, login->user_data);
}

/* What has passed the check holds nothing that JSON would escape. */
static ObkSecret *
make_body (const JwtLogin *login, ObkSecret *jwt)
{
  ObkSecret *body = obk_secret_new (strlen (login->body_start) + obk_secret_length (jwt) + 2);

  obk_secret_append (body, login->body_start, strlen (login->body_start));
  obk_secret_append (body, obk_secret_data (jwt), obk_secret_length (jwt));
  obk_secret_append (body, "\"}", 2);
  return body;
}

static void
fetched (ObkSecret *jwt, const GError *error, gpointer user_data)
{
  JwtLogin *login = user_data;
  g_autoptr (ObkSecret) body = NULL;

  login->fetching = FALSE;
  if (jwt == NULL)
    {
      login->done (NULL, error, login->user_data);
      return;
    }
  body = make_body (login, jwt);
  login->call = obk_login_call (login->client, login->base.operation, login->mount_path, body, login->deadline_us,
                                answered, login);
}

static void
log_in (ObkCredential *credential, gint64 deadline_us, ObkCredentialDone done, gpointer user_data)
{
  JwtLogin *login = (JwtLogin *)credential;

  login->deadline_us = deadline_us;
  login->done = done;
  login->user_data = user_data;
  login->fetching = TRUE;
  login->supply->fetch (login->supply, deadline_us, fetched, login);
}

static void
renew (ObkCredential *credential, ObkSecret *token, gint64 increment_us, gint64 deadline_us, ObkCredentialDone done,
       gpointer user_data)
{
  JwtLogin *login = (JwtLogin *)credential;

  login->done = done;
  login->user_data = user_data;
  login->call = obk_renewal_call (login->client, token, increment_us, deadline_us, answered, login);
}

static void
cancel (ObkCredential *credential)
{
  JwtLogin *login = (JwtLogin *)credential;

  if (login->fetching)
    login->supply->cancel (login->supply);
  login->fetching = FALSE;
  g_clear_pointer (&login->call, obk_call_cancel);
}

static gint64
ttl_seconds (ObkCredential *credential)
{
  ObkJwtSupply *supply = ((JwtLogin *)credential)->supply;

  return supply->ttl_seconds (supply);
}

static void
supply_changed (gpointer user_data)
{
  JwtLogin *login = user_data;

  if (login->base.changed != NULL)
    login->base.changed (login->base.changed_data);
}

static void
jwt_login_free (ObkCredential *credential)
{
  JwtLogin *login = (JwtLogin *)credential;

  cancel (credential);
  obk_jwt_supply_free (login->supply);
  g_free (login->mount_path);
  g_free (login->body_start);
  g_free (login);
}

/* Returns: (transfer full) (nullable): the login's JSON up to the JWT */
static char *
start_body (const char *role)
{
  g_autoptr (json_t) value = json_string (role); /* %NULL when it is not UTF-8 */
  char *text = value != NULL ? json_dumps (value, JSON_ENCODE_ANY) : NULL;
  char *start = text != NULL ? g_strdup_printf ("{\"role\":%s,\"jwt\":\"", text) : NULL;

  free (text);
  return start;
}

ObkCredential *
obk_jwt_login_new (ObkClient *client, const char *mount_path, const char *role, ObkJwtSupply *supply, GError **error)
{
  g_autofree char *body_start = NULL;
  JwtLogin *login = NULL;

  g_return_val_if_fail (client != NULL && mount_path != NULL && role != NULL && supply != NULL, NULL);

  body_start = start_body (role);
  if (body_start == NULL)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "auth.jwt.role is not UTF-8");
      obk_jwt_supply_free (supply);
      return NULL;
    }
  login = g_new0 (JwtLogin, 1);
  login->base = (ObkCredential){
    .operation = OBK_OPERATION_JWT_LOGIN,
    .log_in = log_in,
    .renew = renew,
    .cancel = cancel,
    .ttl_seconds = ttl_seconds,
    .free = jwt_login_free,
  };
  login->client = client;
  login->mount_path = g_strdup (mount_path);
  login->body_start = g_steal_pointer (&body_start);
  login->supply = supply;
  supply->changed = supply_changed;
  supply->changed_data = login;
  return &login->base;
}
