/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/jwt-login.h"

#include "base/error.h"
#include "base/json.h"
#include "client-stand-in.h"

#include <string.h>

#define JWT "aGVhZGVy.Y2xhaW1z.c2lnbmF0dXJl"

static guint freed;

static void
fetch (ObkJwtSupply *supply, gint64 deadline_us, ObkJwtSupplyDone done, gpointer user_data)
{
  g_autoptr (ObkSecret) jwt = obk_secret_new_copy (JWT, strlen (JWT));

  done (jwt, NULL, user_data);
}

static gint64
ttl_seconds (ObkJwtSupply *supply)
{
  return 42;
}

static void
count_free (ObkJwtSupply *supply)
{
  freed++;
}

static ObkJwtSupply supply = { .fetch = fetch, .ttl_seconds = ttl_seconds, .free = count_free };

static void
never (const json_t *answer, const GError *error, gpointer user_data)
{
  g_assert_not_reached ();
}

static void
count (const json_t *answer, const GError *error, gpointer user_data)
{
  g_assert_nonnull (answer);
  g_assert_no_error (error);
  ++*(guint *)user_data;
}

static ObkCredential *
new_login (ObkClient *client, const char *role)
{
  g_autoptr (GError) error = NULL;
  ObkCredential *login = obk_jwt_login_new (client, "jwt", role, &supply, &error);

  g_assert_no_error (error);
  return login;
}

static void
test_body (void)
{
  static const char *const roles[] = { "role", "a \"b\" \\c\n\x01 \xc3\xa4/", "" };
  static const char *const members[] = { "role", "jwt", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (roles); i++)
    {
      ObkClient *client = stand_in_client_new ();
      ObkCredential *login = new_login (client, roles[i]);
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) json = NULL;
      ObkSecret *body = NULL;
      const char *value = NULL;
      guint answers = 0;

      g_assert_cmpstr (login->operation, ==, "jwt login");
      g_assert_cmpint (login->ttl_seconds (login), ==, 42);
      login->log_in (login, 1, count, &answers);
      body = stand_in_call (client)->request.body;
      json = obk_json_parse (obk_secret_data (body), obk_secret_length (body), &error);
      g_assert_no_error (error);
      g_assert_true (obk_json_only (json, members, NULL));
      g_assert_true (obk_json_get_string (json, "role", &value, NULL));
      g_assert_cmpstr (value, ==, roles[i]);
      g_assert_true (obk_json_get_string (json, "jwt", &value, NULL));
      g_assert_cmpstr (value, ==, JWT);
      stand_in_answer (client, "{}");
      g_assert_cmpuint (answers, ==, 1);
      obk_credential_free (login);
      stand_in_client_free (client);
    }
}

static void
test_cancel (void)
{
  ObkClient *client = stand_in_client_new ();
  g_autoptr (ObkSecret) token = obk_secret_new_copy ("t", 1);
  ObkCredential *login = new_login (client, "role");

  login->log_in (login, 1, never, NULL);
  login->cancel (login);
  g_assert_cmpuint (client->cancelled, ==, 1);
  login->renew (login, token, G_USEC_PER_SEC / 2, 1, never, NULL);
  g_assert_cmpstr (obk_secret_data (stand_in_call (client)->request.body), ==, "{\"increment\":\"1s\"}");
  freed = 0;
  obk_credential_free (login);
  g_assert_cmpuint (client->cancelled, ==, 2);
  g_assert_cmpuint (freed, ==, 1);
  stand_in_client_free (client);
}

static void
test_role_not_utf8 (void)
{
  g_autoptr (GError) error = NULL;
  ObkClient *client = stand_in_client_new ();

  freed = 0;
  g_assert_null (obk_jwt_login_new (client, "jwt", "\xff", &supply, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
  g_assert_cmpuint (freed, ==, 1);
  stand_in_client_free (client);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jwt-login/body", test_body);
  g_test_add_func ("/jwt-login/cancel", test_cancel);
  g_test_add_func ("/jwt-login/role-not-utf8", test_role_not_utf8);
  return g_test_run ();
}
