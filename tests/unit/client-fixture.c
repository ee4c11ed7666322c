/* SPDX-License-Identifier: Apache-2.0 */
#include "client-fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/names.h"

StandIn *fixture_server;

void
client_fixture_use (ClientFixture *f, const char *addresses, gint64 timeout_us)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) urls = g_strsplit (addresses, " ", -1);
  ObkClientOptions options = {
    .namespace = "team/one",
    .timeout_us = timeout_us,
    .log_request_ids = TRUE,
  };

  for (guint i = 0; urls[i] != NULL; i++)
    {
      g_autofree char *address = g_steal_pointer (&urls[i]);
      g_auto (GStrv) parts = g_strsplit (address, "/", 2);

      urls[i] = g_strdup_printf ("https://127.0.0.1:%u/%s", stand_in_port (fixture_server, parts[0]),
                                 parts[1] != NULL ? parts[1] : "");
    }
  g_clear_pointer (&f->client, obk_client_free);
  g_clear_pointer (&f->addresses, obk_addresses_free);
  f->addresses = obk_addresses_new ((const char *const *)urls, "localhost", &error);
  g_assert_no_error (error);
  options.addresses = f->addresses;
  f->client = obk_client_new (f->poller, f->http, &options);
  obk_client_set_auth (f->client, f->auth);
}

void
client_fixture_set_up (ClientFixture *f, gconstpointer unused)
{
  g_autofree char *ca_file = stand_in_file (fixture_server, "ca.pem");
  g_autoptr (GError) error = NULL;

  f->poller = obk_poller_new (NULL, &error);
  g_assert_no_error (error);
  f->tunnel = obk_tunnel_new (f->poller, ca_file, FALSE, &error);
  g_assert_no_error (error);
  f->http = obk_http_new (f->poller, f->tunnel, &error);
  g_assert_no_error (error);
  f->auth = auth_stand_in_new ("old");
  client_fixture_use (f, "good", PATIENCE_US);
}

void
client_fixture_tear_down (ClientFixture *f, gconstpointer unused)
{
  obk_client_free (f->client);
  obk_addresses_free (f->addresses);
  auth_stand_in_free (f->auth);
  obk_http_free (f->http);
  obk_tunnel_free (f->tunnel);
  obk_poller_free (f->poller);
}

void
client_result_clear (ClientResult *result)
{
  json_decref (result->json);
  g_free (result->text);
  *result = (ClientResult){ .calls = 0 };
}

static void
take_result (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  ClientResult *result = user_data;

  g_assert_true ((json == NULL) != (error == NULL));
  g_assert_cmpuint (result->calls++, ==, 0);
  g_assert_cmpuint (result->freed, ==, 0);
  if (json != NULL)
    {
      result->json = json_deep_copy (json);
      result->date_unix = date_unix;
      return;
    }
  g_assert_true (error->domain == OBK_ERROR);
  result->code = obk_error_code (error);
  result->text = g_strdup (error->message);
}

static void
count_freed (gpointer user_data)
{
  ClientResult *result = user_data;

  result->freed++;
}

ObkCall *
client_fixture_send (ClientFixture *f, const char *path, ObkClientRequest request, ClientResult *result)
{
  ObkCall *call = NULL;

  request.operation = OBK_OPERATION_DECRYPT;
  request.path = path;
  request.free_user_data = count_freed;
  if (request.deadline_us == 0)
    request.deadline_us = OBK_NO_DEADLINE;
  call = obk_client_send (f->client, &request, take_result, result);
  g_assert_cmpuint (result->calls, ==, 0); /* never from within */
  return call;
}

void
client_result_wait (ClientResult *result)
{
  gint64 limit_us = obk_clock_boot_us () + 2 * PATIENCE_US;

  while (result->calls == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (result->calls, ==, 1);
  g_assert_cmpuint (result->freed, ==, 1);
}

void
client_result_assert_good (const ClientResult *result)
{
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_true (json_is_object (result->json));
}

void
client_result_assert_failed (const ClientResult *result, ObkError code)
{
  g_test_message ("%s", result->text != NULL ? result->text : "good");
  g_assert_cmpint (result->code, ==, code);
  g_assert_nonnull (result->text);
}

ObkClientRequest
get_within (gint64 patience_us)
{
  return (ObkClientRequest){ .deadline_us = obk_clock_boot_us () + patience_us };
}

void
client_fixture_ask (ClientFixture *f, const char *path, ClientResult *result)
{
  client_result_clear (result);
  client_fixture_send (f, path, (ObkClientRequest){ .body = NULL }, result);
  client_result_wait (result);
}

/* By a client of its own: one that a test has given addresses that fail could not ask. */
json_int_t
client_fixture_count (const char *what)
{
  ClientFixture f = { .poller = NULL };
  g_auto (ClientResult) result = { .calls = 0 };
  json_int_t count = 0;

  client_fixture_set_up (&f, NULL);
  client_fixture_ask (&f, "stats", &result);
  count = json_integer_value (json_object_get (json_object_get (result.json, "requests"), what));
  client_fixture_tear_down (&f, NULL);
  return count;
}
