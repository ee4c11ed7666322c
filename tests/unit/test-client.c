/* SPDX-License-Identifier: Apache-2.0 */
#include "client-fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"

#include <string.h>

static const ObkClientRequest get = { .body = NULL };

/* Returns: a header of the request that echo has seen */
static const char *
seen_header (const ClientResult *result, const char *name)
{
  const json_t *headers = json_object_get (result->json, "headers");
  const json_t *header = NULL;
  gsize i = 0;

  json_array_foreach (headers, i, header)
    if (g_ascii_strcasecmp (json_string_value (json_array_get (header, 0)), name) == 0)
      return json_string_value (json_array_get (header, 1));
  return NULL;
}

/* --- requests --- */

static void
test_get (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_ask (f, "echo/a%20b", &result);
  client_result_assert_good (&result);
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "method")), ==, "GET");
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "path")), ==, "/v1/echo/a%20b");
  g_assert_cmpstr (seen_header (&result, "X-Vault-Token"), ==, "old");
  g_assert_cmpstr (seen_header (&result, "X-Vault-Namespace"), ==, "team/one");
  g_assert_cmpstr (seen_header (&result, "X-Vault-Request"), ==, "true");
  g_assert_cmpint (result.date_unix, ==, 1741064767);
  g_assert_cmpuint (f->auth->acquired + f->auth->refused, ==, 0);
}

static void
test_post (ClientFixture *f, gconstpointer data)
{
  static const char text[] = "{\"plaintext\":\"aGk=\"}";
  g_autoptr (ObkSecret) body = obk_secret_new_copy (text, strlen (text));
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_send (f, "echo", (ObkClientRequest){ .body = body }, &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "method")), ==, "POST");
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "body")), ==, text);
  g_assert_cmpstr (seen_header (&result, "Content-Type"), ==, "application/json");
}

static void
test_anonymous (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  obk_client_set_auth (f->client, NULL);
  client_fixture_send (f, "echo", (ObkClientRequest){ .anonymous = TRUE }, &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
  g_assert_cmpstr (seen_header (&result, "X-Vault-Token"), ==, NULL);
}

/* --- tokens --- */

static void
test_acquire (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  g_clear_pointer (&f->auth->token, obk_secret_unref);
  f->auth->login = "new";
  client_fixture_ask (f, "token/new", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (f->auth->acquired, ==, 1);
  g_assert_cmpuint (f->auth->refused, ==, 0);
}

static void
test_no_token (ClientFixture *f, gconstpointer data)
{
  static const ObkError codes[]
      = { OBK_ERROR_AUTH_FAILED, OBK_ERROR_AUTH_EXPIRED, OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_CONNECTION_FAILED };
  g_auto (ClientResult) result = { .calls = 0 };

  g_clear_pointer (&f->auth->token, obk_secret_unref);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      f->auth->refusal = codes[i];
      client_fixture_ask (f, "echo/unsent", &result);
      client_result_assert_failed (&result, codes[i]);
    }
  g_assert_cmpint (client_fixture_count ("good /v1/echo/unsent"), ==, 0);
}

static void
test_no_token_in_time (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  g_clear_pointer (&f->auth->token, obk_secret_unref);
  f->auth->silent = TRUE;
  client_fixture_send (f, "echo", get_within (100 * MS), &result);
  client_result_wait (&result);
  client_result_assert_failed (&result, OBK_ERROR_TIMEOUT);
  g_assert_cmpuint (f->auth->cancelled, ==, 1);
}

static void
test_healed (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "new";
  client_fixture_ask (f, "token/new", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 1);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
}

static void
test_a_401_heals_too (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "new";
  client_fixture_ask (f, "say_until/1/401", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 1);
}

/* One login, one repetition; meanwhile a standby is given its second. */
static void
test_denied (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();

  f->auth->login = "new";
  client_fixture_ask (f, "say/403/denied", &result);
  client_result_assert_failed (&result, OBK_ERROR_POLICY_DENIED);
  g_assert_cmpuint (f->auth->refused, ==, 1);
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, 2 * G_USEC_PER_SEC);
  g_assert_cmpint (client_fixture_count ("good /v1/say/403/denied"), <=, 15);
}

static void
test_login_does_not_heal (ClientFixture *f, gconstpointer data)
{
  static const ObkError codes[] = { OBK_ERROR_POLICY_DENIED /* too soon */, OBK_ERROR_AUTH_FAILED, OBK_ERROR_SEALED };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      f->auth->refusal = codes[i];
      client_fixture_ask (f, "say/403/unhealed", &result);
      client_result_assert_failed (&result, codes[i]);
    }
  g_assert_cmpint (client_fixture_count ("good /v1/say/403/unhealed"), ==, G_N_ELEMENTS (codes));
}

static void
test_own_token (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkSecret) token = obk_secret_new_copy ("mine", 4);
  g_auto (ClientResult) good = { .calls = 0 };
  g_auto (ClientResult) bad = { .calls = 0 };

  client_fixture_send (f, "token/mine", (ObkClientRequest){ .token = token }, &good);
  client_result_wait (&good);
  client_result_assert_good (&good);
  client_fixture_send (f, "token/other", (ObkClientRequest){ .token = token }, &bad);
  client_result_wait (&bad);
  client_result_assert_failed (&bad, OBK_ERROR_POLICY_DENIED);
  g_assert_cmpuint (f->auth->refused, ==, 0);
}

static void
test_standby_learns_of_token (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();

  f->auth->issued_us = start_us;
  client_fixture_ask (f, "say_until/3/403/learns", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 0);
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, G_USEC_PER_SEC);
  g_assert_cmpint (client_fixture_count ("good /v1/say_until/3/403/learns"), ==, 4);
}

/* And after a login that a refusal has brought. */
static void
test_standby_learns_of_new_token (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "new";
  client_fixture_ask (f, "say_until/3/403/learns-new", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 1);
}

/* Not beyond the deadline: then the refusal is the answer. */
static void
test_standby_does_not_learn (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "old"; /* a login changes nothing */
  f->auth->issued_us = obk_clock_boot_us ();
  client_fixture_send (f, "say/403/never", get_within (300 * MS), &result);
  client_result_wait (&result);
  client_result_assert_failed (&result, OBK_ERROR_POLICY_DENIED);
  g_assert_cmpuint (f->auth->refused, ==, 1);
}

/* --- deadlines --- */

static void
test_deadlines (ClientFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *addresses;
    gint64 timeout_us, patience_us; /* 0: none */
    gint64 ends_us;
    gboolean anonymous;
  } cases[] = {
    { "good/hang", 300 * MS, 0, 300 * MS, FALSE },
    { "good/hang", 300 * MS, 5000 * MS, 300 * MS, FALSE },
    { "good/hang", 5000 * MS, 200 * MS, 200 * MS, FALSE },
    { "hang-handshake", 300 * MS, 0, 300 * MS, FALSE },
    { "good/hang good/hang", 300 * MS, 0, 300 * MS, FALSE },
    { "good/hang good/hang", 300 * MS, 5000 * MS, 600 * MS, FALSE },
    { "good/hang", 200 * MS, 500 * MS, 500 * MS, TRUE }, /* a login has its own time */
    { "good/hang", 300 * MS, -1, 0, FALSE },             /* past */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (ClientResult) result = { .calls = 0 };
      ObkClientRequest request = { .anonymous = cases[i].anonymous };
      gint64 start_us = obk_clock_boot_us ();

      client_fixture_use (f, cases[i].addresses, cases[i].timeout_us);
      if (cases[i].patience_us != 0)
        request.deadline_us = start_us + cases[i].patience_us;
      client_fixture_send (f, "x", request, &result);
      client_result_wait (&result);
      g_test_message ("%u: %" G_GINT64_FORMAT " us", i, obk_clock_boot_us () - start_us);
      client_result_assert_failed (&result, OBK_ERROR_TIMEOUT);
      g_assert_cmpint (obk_clock_boot_us () - start_us, >=, cases[i].ends_us);
      g_assert_cmpint (obk_clock_boot_us () - start_us, <, cases[i].ends_us + 3000 * MS); /* of a busy machine */
    }
}

/* --- cancel --- */

static void
assert_cancels (ObkCall *call, ClientResult *result)
{
  obk_call_cancel (call);
  g_assert_cmpuint (result->freed, ==, 1);
  run_for (150);
  g_assert_cmpuint (result->calls, ==, 0);
  g_assert_cmpuint (result->freed, ==, 1);
}

static void
test_cancel_at_once (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  assert_cancels (client_fixture_send (f, "echo", get, &result), &result);
}

static void
test_cancel_in_flight (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  ObkCall *call = client_fixture_send (f, "hang", get, &result);
  guint idle = 0, busy = 0;

  run_for (100);
  obk_http_connections (f->http, &idle, &busy);
  g_assert_cmpuint (busy, ==, 1);
  assert_cancels (call, &result);
  obk_http_connections (f->http, &idle, &busy);
  g_assert_cmpuint (idle + busy, ==, 0);
}

static void
test_cancel_waiting_for_token (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  g_clear_pointer (&f->auth->token, obk_secret_unref);
  f->auth->silent = TRUE;
  assert_cancels (client_fixture_send (f, "echo", get_within (50 * MS), &result), &result);
  g_assert_cmpuint (f->auth->cancelled, ==, 1);
}

static void
test_cancel_waiting_for_login (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  ObkCall *call = client_fixture_send (f, "token/new", get, &result);

  f->auth->silent = TRUE;
  run_for (100);
  g_assert_cmpuint (f->auth->refused, ==, 1);
  assert_cancels (call, &result);
  g_assert_cmpuint (f->auth->cancelled, ==, 1);
}

static void
test_cancel_in_pause (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  ObkCall *call = NULL;
  json_int_t requests = 0;

  f->auth->issued_us = obk_clock_boot_us ();
  call = client_fixture_send (f, "say/403/pause", get, &result);
  run_for (100);
  assert_cancels (call, &result);
  requests = client_fixture_count ("good /v1/say/403/pause");
  run_for (300);
  g_assert_cmpint (client_fixture_count ("good /v1/say/403/pause"), ==, requests);
}

static void
test_free_busy (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) in_flight = { .calls = 0 };
  g_auto (ClientResult) waiting = { .calls = 0 };

  client_fixture_send (f, "hang", get, &in_flight);
  g_clear_pointer (&f->auth->token, obk_secret_unref);
  f->auth->silent = TRUE;
  client_fixture_send (f, "echo", get, &waiting);
  g_clear_pointer (&f->client, obk_client_free);
  g_assert_cmpuint (in_flight.freed + waiting.freed, ==, 2);
  run_for (100);
  g_assert_cmpuint (in_flight.calls + waiting.calls, ==, 0);
}

typedef struct
{
  ClientFixture *fixture;
  ObkCall *victim;
  ClientResult victim_result, next;
  gboolean ended;
} Chain;

static void
go_on (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  Chain *chain = user_data;

  chain->ended = TRUE;
  obk_call_cancel (chain->victim);
  client_fixture_send (chain->fixture, "echo", get, &chain->next);
}

/* A callback may send and cancel. */
static void
test_within_callback (ClientFixture *f, gconstpointer data)
{
  Chain chain = { .fixture = f };
  const ObkClientRequest request
      = { .operation = OBK_OPERATION_CAPABILITIES, .path = "echo", .deadline_us = OBK_NO_DEADLINE };

  chain.victim = client_fixture_send (f, "hang", get, &chain.victim_result);
  obk_client_send (f->client, &request, go_on, &chain);
  while (!chain.ended)
    g_main_context_iteration (NULL, TRUE);
  client_result_wait (&chain.next);
  client_result_assert_good (&chain.next);
  g_assert_cmpuint (chain.victim_result.calls, ==, 0);
  client_result_clear (&chain.next);
}

/* --- log --- */

static void
collect (const ObkLogRecord *record, gpointer user_data)
{
  GString *lines = user_data;

  if (strcmp (record->event, OBK_EVENT_OPENBAO_REQUEST) != 0)
    return;
  g_string_append_printf (lines, "%d", (int)record->level);
  for (guint i = 0; i < record->n_fields; i++)
    {
      const ObkLogField *field = &record->fields[i];

      if (field->type == OBK_LOG_FIELD_STRING && strcmp (field->name, OBK_FIELD_CAUSE) != 0)
        g_string_append_printf (lines, " %s=%s", field->name, field->value.string);
      else if (field->type == OBK_LOG_FIELD_INT)
        g_string_append_printf (lines, " %s=%d", field->name, (int)field->value.integer);
      else
        g_string_append_printf (lines, " %s", field->name);
    }
  g_string_append_c (lines, '\n');
}

static void
test_log (ClientFixture *f, gconstpointer data)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  g_auto (ClientResult) result = { .calls = 0 };

  obk_log_set_sink (collect, lines);
  obk_log_set_level (OBK_LOG_DEBUG);
  client_fixture_ask (f, "json/%7B%22request_id%22%3A%22abc%22%7D", &result);
  g_assert_cmpstr (
      lines->str, ==,
      "0 openbao_operation=transit decrypt status=ok duration_ms address_index=0 openbao_request_id=abc\n");
  g_string_truncate (lines, 0);
  client_fixture_use (f, "good/say/503/Vault%20is%20sealed good", PATIENCE_US);
  obk_log_set_level (OBK_LOG_INFO);
  client_fixture_ask (f, "echo", &result);
  g_assert_cmpstr (lines->str, ==,
                   "2 openbao_operation=transit decrypt status=error duration_ms address_index=0 "
                   "error_class=openbao_sealed cause\n");
  obk_log_set_sink (NULL, NULL);
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  obk_log_set_level (OBK_LOG_ERROR);
  fixture_server = stand_in_start ();
#define ADD(path, function)                                                                                            \
  g_test_add ("/client/" path, ClientFixture, NULL, client_fixture_set_up, function, client_fixture_tear_down)
  ADD ("request/get", test_get);
  ADD ("request/post", test_post);
  ADD ("request/anonymous", test_anonymous);
  ADD ("token/acquire", test_acquire);
  ADD ("token/none", test_no_token);
  ADD ("token/none-in-time", test_no_token_in_time);
  ADD ("token/healed", test_healed);
  ADD ("token/healed-401", test_a_401_heals_too);
  ADD ("token/denied", test_denied);
  ADD ("token/login-does-not-heal", test_login_does_not_heal);
  ADD ("token/own", test_own_token);
  ADD ("token/standby-learns", test_standby_learns_of_token);
  ADD ("token/standby-learns-new", test_standby_learns_of_new_token);
  ADD ("token/standby-does-not-learn", test_standby_does_not_learn);
  ADD ("deadline/ends", test_deadlines);
  ADD ("cancel/at-once", test_cancel_at_once);
  ADD ("cancel/in-flight", test_cancel_in_flight);
  ADD ("cancel/waiting-for-token", test_cancel_waiting_for_token);
  ADD ("cancel/waiting-for-login", test_cancel_waiting_for_login);
  ADD ("cancel/in-pause", test_cancel_in_pause);
  ADD ("free-busy", test_free_busy);
  ADD ("within-callback", test_within_callback);
  ADD ("log", test_log);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
