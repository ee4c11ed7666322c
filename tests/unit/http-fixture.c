/* SPDX-License-Identifier: Apache-2.0 */
#include "http-fixture.h"

#include "base/clock.h"

StandIn *stand_in;

void
setup_with (Fixture *f, const char *ca_file)
{
  g_autoptr (GError) error = NULL;

  f->poller = obk_poller_new (NULL, &error);
  g_assert_no_error (error);
  f->tunnel = obk_tunnel_new (f->poller, ca_file, FALSE, &error);
  g_assert_no_error (error);
  f->http = obk_http_new (f->poller, f->tunnel, &error);
  g_assert_no_error (error);
}

void
setup (Fixture *f, gconstpointer data)
{
  g_autofree char *ca_file = stand_in_file (stand_in, "ca.pem");

  setup_with (f, ca_file);
}

void
teardown (Fixture *f, gconstpointer data)
{
  obk_http_free (f->http);
  obk_tunnel_free (f->tunnel);
  obk_poller_free (f->poller);
}

void
result_clear (Result *result)
{
  g_free (result->body);
  g_free (result->text);
  *result = (Result){ .calls = 0 };
}

void
take_result (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  g_assert_true ((response == NULL) != (error == NULL));
  g_assert_cmpuint (result->calls++, ==, 0);
  if (response != NULL)
    {
      result->status = response->status;
      result->length = obk_secret_length (response->body);
      result->body = g_strndup (obk_secret_data (response->body), result->length);
      result->date_unix = response->date_unix;
      return;
    }
  g_assert_true (error->domain == OBK_ERROR);
  result->code = obk_error_code (error);
  result->text = g_strdup (error->message);
}

ObkEndpoint *
endpoint_of (const char *kind, const char *host, const char *name)
{
  g_autofree char *url = g_strdup_printf ("https://%s:%u", host, stand_in_port (stand_in, kind));
  g_autoptr (GError) error = NULL;
  ObkEndpoint *endpoint = obk_endpoint_new (url, name, &error);

  g_assert_no_error (error);
  return endpoint;
}

ObkTransfer *
send_to (Fixture *f, ObkEndpoint *endpoint, const char *path, ObkSecret *body, gint64 patience_us, Result *result)
{
  ObkHttpRequest request
      = { .endpoint = endpoint, .path = path, .body = body, .deadline_us = obk_clock_boot_us () + patience_us };
  ObkTransfer *transfer = obk_http_send (f->http, &request, take_result, result);

  g_assert_cmpuint (result->calls, ==, 0); /* never from within */
  return transfer;
}

void
wait_for (Result *result)
{
  gint64 limit_us = obk_clock_boot_us () + PATIENCE_US + 5 * G_USEC_PER_SEC;

  while (result->calls == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (result->calls, ==, 1);
}

void
ask (Fixture *f, const char *kind, const char *path, gsize body_length, Result *result)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of (kind, "127.0.0.1", "localhost");
  g_autoptr (ObkSecret) body = NULL;

  if (body_length > 0)
    {
      g_autofree char *bytes = g_strnfill (body_length, 'b');

      body = obk_secret_new_copy (bytes, body_length);
    }
  result_clear (result);
  send_to (f, endpoint, path, body, PATIENCE_US, result);
  wait_for (result);
}

void
ask_well (Fixture *f, const char *kind, const char *path, Result *result)
{
  ask (f, kind, path, 0, result);
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_cmpuint (result->status, ==, 200);
}

json_int_t
count (Fixture *f, const char *what, const char *key)
{
  g_auto (Result) result = { .calls = 0 };
  json_t *stats = NULL;
  json_int_t n = 0;

  ask_well (f, "tls1.2", "/stats", &result);
  stats = json_loads (result.body, 0, NULL);
  g_assert_nonnull (stats);
  n = json_integer_value (json_object_get (json_object_get (stats, what), key));
  json_decref (stats);
  return n;
}
