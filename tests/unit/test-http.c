/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "stand-in.h"

#include <jansson.h>

#include <string.h>
#include <unistd.h>

#define MS 1000
#define PATIENCE_US (20 * G_USEC_PER_SEC)

static StandIn *stand_in;

typedef struct
{
  ObkPoller *poller;
  ObkTunnel *tunnel;
  ObkHttp *http;
} Fixture;

static void
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

static void
setup (Fixture *f, gconstpointer data)
{
  g_autofree char *ca_file = stand_in_file (stand_in, "ca.pem");

  setup_with (f, ca_file);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  obk_http_free (f->http);
  obk_tunnel_free (f->tunnel);
  obk_poller_free (f->poller);
}

/* What a callback was told. */
typedef struct
{
  guint calls;
  guint status; /* 0 with an error */
  char *body;
  gsize length;
  gint64 date_unix;
  ObkError code;
  char *text;
  gboolean may_have_reached;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->body);
  g_free (result->text);
  *result = (Result){ .calls = 0 };
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static void
take_result (const ObkHttpResponse *response, const GError *error, gboolean may_have_reached, gpointer user_data)
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
  result->may_have_reached = may_have_reached;
}

static ObkEndpoint *
endpoint_of (const char *kind, const char *host, const char *name)
{
  g_autofree char *url = g_strdup_printf ("https://%s:%u", host, stand_in_port (stand_in, kind));
  g_autoptr (GError) error = NULL;
  ObkEndpoint *endpoint = obk_endpoint_new (url, name, &error);

  g_assert_no_error (error);
  return endpoint;
}

static ObkTransfer *
send_to (Fixture *f, ObkEndpoint *endpoint, const char *path, ObkSecret *body, gint64 patience_us, Result *result)
{
  ObkHttpRequest request
      = { .endpoint = endpoint, .path = path, .body = body, .deadline_us = obk_clock_boot_us () + patience_us };
  ObkTransfer *transfer = obk_http_send (f->http, &request, take_result, result);

  g_assert_cmpuint (result->calls, ==, 0); /* never from within */
  return transfer;
}

static void
wait_for (Result *result)
{
  gint64 limit_us = obk_clock_boot_us () + PATIENCE_US + 5 * G_USEC_PER_SEC;

  while (result->calls == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (result->calls, ==, 1);
}

static gboolean
time_is_up (gpointer up)
{
  *(gboolean *)up = TRUE;
  return G_SOURCE_REMOVE;
}

static void
run_for (guint ms)
{
  gboolean up = FALSE;

  g_timeout_add (ms, time_is_up, &up);
  while (!up)
    g_main_context_iteration (NULL, TRUE);
}

/* One request from first to last. */
static void
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

static void
ask_well (Fixture *f, const char *kind, const char *path, Result *result)
{
  ask (f, kind, path, 0, result);
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_cmpuint (result->status, ==, 200);
}

/* How often the stand-in has seen that connection or request. */
static json_int_t
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

/* --- requests --- */

static json_t *
echo (Fixture *f, const ObkHttpRequest *request)
{
  g_auto (Result) result = { .calls = 0 };
  json_t *seen = NULL;

  obk_http_send (f->http, request, take_result, &result);
  wait_for (&result);
  g_assert_cmpstr (result.text, ==, NULL);
  seen = json_loads (result.body, 0, NULL);
  g_assert_nonnull (seen);
  return seen;
}

/* Returns: (nullable): the one value of a header as the server saw it */
static const char *
header (json_t *seen, const char *name)
{
  const char *value = NULL;
  json_t *pair = NULL;
  size_t i = 0;

  json_array_foreach (json_object_get (seen, "headers"), i, pair)
    if (g_ascii_strcasecmp (json_string_value (json_array_get (pair, 0)), name) == 0)
      {
        g_assert_null (value);
        value = json_string_value (json_array_get (pair, 1));
      }
  return value;
}

static void
test_get (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "localhost", "localhost");
  g_autofree char *host = g_strdup_printf ("localhost:%u", stand_in_port (stand_in, "good"));
  ObkHttpRequest request
      = { .endpoint = endpoint, .path = "/echo/a/../%2e?x=1", .deadline_us = obk_clock_boot_us () + PATIENCE_US };
  json_t *seen = echo (f, &request);

  g_assert_cmpstr (json_string_value (json_object_get (seen, "method")), ==, "GET");
  g_assert_cmpstr (json_string_value (json_object_get (seen, "path")), ==, "/echo/a/../%2e?x=1");
  g_assert_cmpstr (header (seen, "Host"), ==, host);
  g_assert_cmpstr (header (seen, "X-Vault-Request"), ==, "true");
  g_assert_null (header (seen, "X-Vault-Token"));
  g_assert_null (header (seen, "X-Vault-Namespace"));
  g_assert_null (header (seen, "Content-Type"));
  json_decref (seen);
}

static void
test_post (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  g_autoptr (ObkSecret) token = obk_secret_new_copy ("s.token", 7);
  g_autoptr (ObkSecret) other_token = obk_secret_new_copy ("s.other", 7);
  g_autoptr (ObkSecret) body = obk_secret_new_copy ("{\"a\":\"b\"}", 9);
  ObkHttpRequest request = { .endpoint = endpoint,
                             .path = "/echo",
                             .token = token,
                             .namespace = "team/a",
                             .body = body,
                             .deadline_us = obk_clock_boot_us () + PATIENCE_US };
  json_t *seen = echo (f, &request);

  g_assert_cmpstr (json_string_value (json_object_get (seen, "method")), ==, "POST");
  g_assert_cmpstr (json_string_value (json_object_get (seen, "body")), ==, "{\"a\":\"b\"}");
  g_assert_cmpstr (header (seen, "Content-Type"), ==, "application/json");
  g_assert_cmpstr (header (seen, "Content-Length"), ==, "9");
  g_assert_cmpstr (header (seen, "X-Vault-Token"), ==, "s.token");
  g_assert_cmpstr (header (seen, "X-Vault-Namespace"), ==, "team/a");
  g_assert_null (header (seen, "Expect"));
  json_decref (seen);

  request.token = other_token;
  request.namespace = NULL;
  seen = echo (f, &request);
  g_assert_cmpstr (header (seen, "X-Vault-Token"), ==, "s.other");
  g_assert_null (header (seen, "X-Vault-Namespace"));
  json_decref (seen);

  /* The handle has been used for a POST before. */
  request.token = NULL;
  request.body = NULL;
  seen = echo (f, &request);
  g_assert_cmpstr (json_string_value (json_object_get (seen, "method")), ==, "GET");
  g_assert_cmpint (json_integer_value (json_object_get (seen, "body_length")), ==, 0);
  g_assert_null (header (seen, "X-Vault-Token"));
  g_assert_cmpint (json_integer_value (json_object_get (seen, "nth")), ==, 3); /* one connection for all */
  json_decref (seen);
}

static void
test_prefix (Fixture *f, gconstpointer data)
{
  g_autofree char *url = g_strdup_printf ("https://127.0.0.1:%u/echo/bao/", stand_in_port (stand_in, "good"));
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkEndpoint) endpoint = obk_endpoint_new (url, "localhost", &error);
  ObkHttpRequest request = { .endpoint = endpoint, .path = "/v1/x", .deadline_us = obk_clock_boot_us () + PATIENCE_US };
  json_t *seen = echo (f, &request);

  g_assert_cmpstr (json_string_value (json_object_get (seen, "path")), ==, "/echo/bao/v1/x");
  json_decref (seen);
}

static void
test_proxy_of_environment (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };

  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_setenv ("all_proxy", "http://127.0.0.1:1", TRUE);
  ask_well (f, "good", "/echo", &result);
  g_unsetenv ("http_proxy");
  g_unsetenv ("all_proxy");
}

/* --- answers --- */

static void
test_status (Fixture *f, gconstpointer data)
{
  static const guint statuses[] = { 200, 400, 403, 404, 429, 500, 503 };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_autofree char *path = g_strdup_printf ("/status/%u", statuses[i]);

      ask (f, "good", path, 0, &result);
      g_assert_cmpuint (result.status, ==, statuses[i]);
      g_assert_cmpstr (result.body, ==, "{\"errors\":[]}");
      g_assert_cmpint (result.date_unix, ==, 1741064767); /* 2025-03-04 05:06:07 */
    }
  ask (f, "good", "/no_content", 0, &result);
  g_assert_cmpuint (result.status, ==, 204);
  g_assert_cmpuint (result.length, ==, 0);
  g_assert_cmpint (result.date_unix, ==, 0);
  ask_well (f, "good", "/interim", &result);
  g_assert_cmpstr (result.body, ==, "{\"interim\":true}");
  g_assert_cmpint (result.date_unix, ==, 1741064767);
  ask_well (f, "good", "/slow/2", &result);
  g_assert_cmpstr (result.body, ==, "{\"slow\":true}");
}

static void
test_sizes (Fixture *f, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 1022, 1023, 1024, 4096, 16384, 20000, 300000, OBK_HTTP_MAX_BODY };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *path = g_strdup_printf ("/size/%" G_GSIZE_FORMAT, sizes[i]);

      ask_well (f, "good", path, &result);
      g_assert_cmpuint (result.length, ==, sizes[i]);
      g_assert_cmpuint (strspn (result.body, "x"), ==, sizes[i]);
      ask_well (f, "tls1.2", path, &result);
      g_assert_cmpuint (result.length, ==, sizes[i]);
    }
  ask_well (f, "good", "/chunked/500000", &result);
  g_assert_cmpuint (result.length, ==, 500000);
  g_assert_cmpuint (strspn (result.body, "y"), ==, 500000);
  ask_well (f, "good", "/headers/60000", &result);
  g_assert_cmpint (count (f, "connections", "good"), >=, 1);
}

/* Requests larger than any socket buffer. */
static void
test_large_request (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < 3; i++)
    {
      json_t *seen = NULL;

      ask (f, i == 1 ? "tls1.2" : "good", "/echo", 3000000, &result);
      g_assert_cmpstr (result.text, ==, NULL);
      seen = json_loads (result.body, 0, NULL);
      g_assert_cmpint (json_integer_value (json_object_get (seen, "body_length")), ==, 3000000);
      g_assert_null (header (seen, "Expect"));
      json_decref (seen);
    }
}

/* What the server says before it has read everything is heard. */
static void
test_early_answer (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };

  ask (f, "good", "/early", 20000000, &result);
  g_assert_cmpstr (result.text, ==, NULL);
  g_assert_cmpuint (result.status, ==, 413);
  g_assert_cmpstr (result.body, ==, "{\"errors\":[\"too large\"]}");
}

/* --- faults --- */

typedef struct
{
  const char *path;
  ObkError code;
  const char *text; /* part of it */
  gboolean reached;
} Fault;

static void
expect_fault (Fixture *f, const char *kind, const Fault *fault)
{
  g_auto (Result) result = { .calls = 0 };

  ask (f, kind, fault->path, 0, &result);
  g_test_message ("%s%s: %s", kind, fault->path, result.text);
  g_assert_cmpuint (result.status, ==, 0);
  g_assert_cmpint (result.code, ==, fault->code);
  g_assert_nonnull (strstr (result.text, fault->text));
  g_assert_cmpint (result.may_have_reached, ==, fault->reached);
}

static void
test_http_faults (Fixture *f, gconstpointer data)
{
  static const Fault faults[] = {
    { "/redirect", OBK_ERROR_UNAVAILABLE, "redirects (status 307)", TRUE },
    { "/status/304", OBK_ERROR_UNAVAILABLE, "redirects (status 304)", TRUE },
    { "/size/1048577", OBK_ERROR_UNAVAILABLE, "answer is too large", TRUE },
    { "/chunked/2000000", OBK_ERROR_UNAVAILABLE, "answer is too large", TRUE },
    { "/headers/70000", OBK_ERROR_UNAVAILABLE, "headers are too large", TRUE },
    { "/close", OBK_ERROR_CONNECTION_FAILED, "without an answer", TRUE },
    { "/reset", OBK_ERROR_CONNECTION_FAILED, "reset by peer", TRUE },
    { "/truncated", OBK_ERROR_UNAVAILABLE, "cut short", TRUE },
    { "/truncated_chunk", OBK_ERROR_UNAVAILABLE, "cut short", TRUE },
    { "/truncated_headers", OBK_ERROR_UNAVAILABLE, "cut short", TRUE },
    { "/reset_inside", OBK_ERROR_UNAVAILABLE, "cut short: ", TRUE },
    { "/unframed", OBK_ERROR_UNAVAILABLE, "does not say how long", TRUE },
    { "/garbage", OBK_ERROR_UNAVAILABLE, "not proper HTTP", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      expect_fault (f, "good", &faults[i]);
      expect_fault (f, "tls1.2", &faults[i]);
    }
}

static void
test_tls_faults (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind;
    Fault fault;
  } faults[] = {
    { "unknown-issuer", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer", FALSE } },
    { "self-signed", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer", FALSE } },
    { "without-intermediate", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer", FALSE } },
    { "issued-by-server", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer", FALSE } },
    { "expired", { "/echo", OBK_ERROR_TLS_FAILED, "certificate expired", FALSE } },
    { "not-yet-valid", { "/echo", OBK_ERROR_TLS_FAILED, "not yet valid", FALSE } },
    { "wrong-name", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch", FALSE } },
    { "common-name-only", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch", FALSE } },
    { "wildcard", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch", FALSE } },
    { "client-usage", { "/echo", OBK_ERROR_TLS_FAILED, "not for this use", FALSE } },
    { "sha1", { "/echo", OBK_ERROR_TLS_FAILED, "weak signature", FALSE } },
    { "weak-key", { "/echo", OBK_ERROR_TLS_FAILED, "weak key", FALSE } },
    { "tls1.1", { "/echo", OBK_ERROR_TLS_FAILED, "protocol version", FALSE } },
    { "client-certificate-1.2", { "/echo", OBK_ERROR_TLS_FAILED, "client certificate refused", FALSE } },
    { "client-certificate", { "/echo", OBK_ERROR_TLS_FAILED, "client certificate refused", TRUE } },
    { "garbage-handshake", { "/echo", OBK_ERROR_TLS_FAILED, "does not speak TLS", FALSE } },
    { "close-handshake", { "/echo", OBK_ERROR_CONNECTION_FAILED, "connection lost: closed", FALSE } },
    { "reset-handshake", { "/echo", OBK_ERROR_CONNECTION_FAILED, "reset by peer", FALSE } },
    { "refused", { "/echo", OBK_ERROR_CONNECTION_FAILED, "cannot connect: ", FALSE } },
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    expect_fault (f, faults[i].kind, &faults[i].fault);
  ask_well (f, "intermediate", "/echo", &result);
  ask_well (f, "rsa", "/echo", &result);
}

static void
test_unknown_host (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkEndpoint) endpoint = obk_endpoint_new ("https://no-such-host.invalid:8200", "localhost", &error);
  g_auto (Result) result = { .calls = 0 };

  send_to (f, endpoint, "/echo", NULL, PATIENCE_US, &result);
  wait_for (&result);
  g_test_message ("%s", result.text);
  g_assert_cmpint (result.code, ==, OBK_ERROR_DNS_FAILED);
  g_assert_false (result.may_have_reached);
}

static void
ask_name (Fixture *f, const char *kind, const char *host, const char *name, Result *result)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of (kind, host, name);
  g_autoptr (GError) error = NULL;

  /* Connections are shared by host and port; another TLS name needs a pool of its own. */
  obk_http_free (f->http);
  f->http = obk_http_new (f->poller, f->tunnel, &error);
  g_assert_no_error (error);
  result_clear (result);
  send_to (f, endpoint, "/echo", NULL, PATIENCE_US, result);
  wait_for (result);
}

static void
test_names (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind, *host, *name;
    gboolean good;
  } cases[] = {
    { "good", "localhost", "localhost", TRUE },
    { "good", "localhost", "bao.test", TRUE },
    { "good", "127.0.0.1", "127.0.0.1", TRUE },
    { "good", "127.0.0.1", "::1", TRUE },
    { "good", "127.0.0.1", "127.0.0.9", FALSE },
    { "good", "localhost", "other.test", FALSE },
    { "wildcard", "localhost", "node.bao.test", TRUE },
    { "wildcard", "localhost", "a.node.bao.test", FALSE },
    { "wildcard", "localhost", "bao.test", FALSE },
    { "wrong-name", "127.0.0.1", "elsewhere.test", TRUE },
    { "wrong-name", "127.0.0.1", "127.0.0.2", TRUE },
    { "wrong-name", "127.0.0.1", "127.0.0.1", FALSE },
    { "common-name-only", "localhost", "localhost", FALSE },
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ask_name (f, cases[i].kind, cases[i].host, cases[i].name, &result);
      g_test_message ("%s as %s: %s", cases[i].kind, cases[i].name, result.text != NULL ? result.text : "good");
      g_assert_cmpint (result.status == 200, ==, cases[i].good);
      if (!cases[i].good)
        g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
    }
}

/* The cause is that of the very connection, not of the last one that failed. */
static void
test_causes_do_not_mix (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind, *text;
  } cases[] = { { "expired", "expired" },
                { "wrong-name", "name mismatch" },
                { "refused", "cannot connect" },
                { "unknown-issuer", "unknown issuer" } };
  Result results[40] = { { .calls = 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (ObkEndpoint) endpoint = endpoint_of (cases[i % 4].kind, "127.0.0.1", "localhost");

      send_to (f, endpoint, "/echo", NULL, PATIENCE_US, &results[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      wait_for (&results[i]);
      g_assert_nonnull (strstr (results[i].text, cases[i % 4].text));
      result_clear (&results[i]);
    }
}

/* --- deadlines and cancelling --- */

static void
test_deadlines (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind, *path, *text;
    gboolean reached;
  } cases[] = {
    { "hang-handshake", "/echo", "no TLS handshake", FALSE },
    { "good", "/hang", "no answer", TRUE },
    { "good", "/hang_inside", "no complete answer", TRUE },
    { "good", "/slow/50", "answer within", TRUE },
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkEndpoint) endpoint = endpoint_of (cases[i].kind, "127.0.0.1", "localhost");
      gint64 start_us = obk_clock_boot_us ();

      result_clear (&result);
      send_to (f, endpoint, cases[i].path, NULL, 300 * MS, &result);
      wait_for (&result);
      g_test_message ("%s", result.text);
      g_assert_cmpint (result.code, ==, OBK_ERROR_TIMEOUT);
      g_assert_nonnull (strstr (result.text, cases[i].text));
      g_assert_cmpint (result.may_have_reached, ==, cases[i].reached);
      g_assert_cmpint (obk_clock_boot_us () - start_us, >=, 300 * MS);
      g_assert_cmpint (obk_clock_boot_us () - start_us, <, 2000 * MS);
    }
  /* A deadline that has passed is told of like any other. */
  {
    g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");

    result_clear (&result);
    send_to (f, endpoint, "/hang", NULL, -5, &result);
    wait_for (&result);
    g_assert_cmpint (result.code, ==, OBK_ERROR_TIMEOUT);
  }
  ask_well (f, "good", "/echo", &result);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  static const guint delays[] = { 0, 1, 5, 100 };
  Result never = { .calls = 0 };
  g_auto (Result) result = { .calls = 0 };
  guint idle = 0, busy = 0;

  for (guint i = 0; i < 2 * G_N_ELEMENTS (delays); i++)
    {
      g_autoptr (ObkEndpoint) endpoint = endpoint_of (i % 2 ? "hang-handshake" : "good", "127.0.0.1", "localhost");
      ObkTransfer *transfer = send_to (f, endpoint, "/hang", NULL, PATIENCE_US, &never);

      if (delays[i / 2] > 0)
        run_for (delays[i / 2]);
      obk_http_connections (f->http, &idle, &busy);
      g_assert_cmpuint (busy, ==, 1);
      obk_http_cancel (transfer);
      obk_http_connections (f->http, &idle, &busy); /* closed at once */
      g_assert_cmpuint (busy, ==, 0);
    }
  run_for (50);
  g_assert_cmpuint (never.calls, ==, 0);
  ask_well (f, "good", "/echo", &result);
}

/* Freed with requests under way in every stage. */
static void
test_free_busy (Fixture *f, gconstpointer data)
{
  static const char *const kinds[] = { "good", "hang-handshake", "refused", "good" };
  Result never = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (ObkEndpoint) endpoint = endpoint_of (kinds[i], "127.0.0.1", "localhost");

      send_to (f, endpoint, "/hang", NULL, PATIENCE_US, &never);
      if (i < 2)
        run_for (30);
    }
}

typedef struct
{
  Fixture *f;
  ObkTransfer *victim;
  Result result;
  Result next;
} Meddler;

static void
meddle (const ObkHttpResponse *response, const GError *error, gboolean may_have_reached, gpointer user_data)
{
  Meddler *meddler = user_data;
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");

  take_result (response, error, may_have_reached, &meddler->result);
  obk_http_cancel (meddler->victim);
  send_to (meddler->f, endpoint, "/echo", NULL, PATIENCE_US, &meddler->next);
}

static void
test_within_callback (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  Result never = { .calls = 0 };
  Meddler meddler = { .f = f };
  ObkHttpRequest request = { .endpoint = endpoint, .path = "/echo", .deadline_us = obk_clock_boot_us () + PATIENCE_US };

  meddler.victim = send_to (f, endpoint, "/hang", NULL, PATIENCE_US, &never);
  obk_http_send (f->http, &request, meddle, &meddler);
  wait_for (&meddler.next);
  g_assert_cmpuint (meddler.result.status, ==, 200);
  g_assert_cmpuint (meddler.next.status, ==, 200);
  g_assert_cmpuint (never.calls, ==, 0);
  result_clear (&meddler.result);
  result_clear (&meddler.next);
}

/* --- connections --- */

static void
expect_connections (Fixture *f, guint idle, guint busy)
{
  guint idle_now = 0, busy_now = 0;

  obk_http_connections (f->http, &idle_now, &busy_now);
  g_assert_cmpuint (idle_now, ==, idle);
  g_assert_cmpuint (busy_now, ==, busy);
}

static void
test_reuse (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };
  json_int_t before = count (f, "connections", "good");

  for (guint i = 0; i < 20; i++)
    ask_well (f, "good", i % 2 ? "/size/5000" : "/chunked/5000", &result);
  ask (f, "good", "/status/503", 0, &result);
  ask (f, "good", "/redirect", 0, &result);
  ask_well (f, "good", "/echo", &result);
  g_assert_cmpint (count (f, "connections", "good"), ==, before + 1);
  expect_connections (f, 2, 0); /* the other one is count()'s */
}

static void
test_parallel (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  json_int_t before = count (f, "connections", "good");
  Result results[100] = { { .calls = 0 } };

  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        send_to (f, endpoint, "/delay/300", NULL, PATIENCE_US, &results[i]);
      expect_connections (f, 1, 100);
      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        {
          wait_for (&results[i]);
          g_assert_cmpuint (results[i].status, ==, 200);
          result_clear (&results[i]);
        }
    }
  g_assert_cmpint (count (f, "connections", "good"), ==, before + 100);
  expect_connections (f, 101, 0);
}

/* A connection that OpenBao closes while it is idle is not used again. */
static void
test_closed_while_idle (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "/last", "/then_close", "/unasked" };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      json_int_t before = count (f, "connections", "good");

      ask_well (f, "good", paths[i], &result);
      run_for (250);
      expect_connections (f, 1, 0);
      ask_well (f, "good", "/echo", &result);
      g_assert_nonnull (strstr (result.body, "\"nth\": 1"));
      /* The one that is left of the round before serves the first request. */
      g_assert_cmpint (count (f, "connections", "good"), ==, before + (i == 0 ? 2 : 1));
    }
}

/* Bytes after the answer are not taken for the next one. */
static void
test_excess (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < 5; i++)
    {
      ask_well (f, "good", "/excess", &result);
      g_assert_cmpstr (result.body, ==, "{}");
      ask_well (f, "good", "/echo", &result);
      g_assert_nonnull (strstr (result.body, "\"path\": \"/echo\""));
    }
}

static void
test_retry (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "/first_only", "/first_only_reset" };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    for (gsize body_length = 0; body_length <= 100; body_length += 100)
      {
        g_autofree char *key = g_strconcat ("good ", paths[i], NULL);
        json_int_t connections = count (f, "connections", "good");
        json_int_t requests = count (f, "requests", key);

        for (guint n = 0; n < 4; n++)
          {
            ask (f, "good", paths[i], body_length, &result);
            g_assert_cmpstr (result.text, ==, NULL);
            g_assert_cmpuint (result.status, ==, 200);
          }
        /* Of four requests the later three are sent twice: on the old connection, and on a new one. */
        g_assert_cmpint (count (f, "requests", key), ==, requests + 7);
        g_assert_cmpint (count (f, "connections", "good"), <=, connections + 4);
        ask_well (f, "good", "/last", &result);
      }
}

/* Several old connections, all of which fail: the second try goes to a new one at once. */
static void
test_retry_on_new_connection (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  Result results[8] = { { .calls = 0 } };
  json_int_t requests = 0;
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    send_to (f, endpoint, "/delay/200", NULL, PATIENCE_US, &results[i]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      wait_for (&results[i]);
      result_clear (&results[i]);
    }
  requests = count (f, "requests", "good /first_only");
  ask_well (f, "good", "/first_only", &result);
  g_assert_cmpint (count (f, "requests", "good /first_only"), ==, requests + 2);
}

/* Once a byte of the answer has come, or on a new connection, there is no second try. */
static void
test_no_retry (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "/first_only_partly", "/close", "/reset", "/truncated" };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *key = g_strconcat ("good ", paths[i], NULL);
      json_int_t requests = count (f, "requests", key);

      ask_well (f, "good", "/last", &result);
      if (i == 0)
        {
          ask_well (f, "good", paths[i], &result);
          requests++;
        }
      ask (f, "good", paths[i], 0, &result);
      g_assert_cmpuint (result.status, ==, 0);
      g_assert_true (result.may_have_reached);
      g_assert_cmpint (count (f, "requests", key), ==, requests + 1);
    }
}

/* The second try meets a server that is gone: the first may have been heard. */
static void
test_retry_fails (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };
  json_int_t requests = count (f, "requests", "good /close");

  ask_well (f, "good", "/echo", &result);
  ask (f, "good", "/close", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_CONNECTION_FAILED);
  g_assert_true (result.may_have_reached);
  g_assert_cmpint (count (f, "requests", "good /close"), ==, requests + 2);
}

/* --- trust --- */

static void
replace_ca (const char *from, const char *ca_file)
{
  g_autofree char *name = g_path_get_basename (ca_file);
  g_autofree char *copy = stand_in_copy (stand_in, from, name);

  g_assert_cmpstr (copy, ==, ca_file);
}

static void
test_ca_change (Fixture *f, gconstpointer data)
{
  g_autofree char *ca_file = stand_in_copy (stand_in, "ca.pem", "changing-ca.pem");
  g_auto (Result) result = { .calls = 0 };

  setup_with (f, ca_file);
  ask_well (f, "good", "/echo", &result);
  ask (f, "unknown-issuer", "/echo", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
  expect_connections (f, 1, 0);

  replace_ca ("both-ca.pem", ca_file);
  run_for (300);
  expect_connections (f, 0, 0); /* what the old trust has let in goes */
  ask_well (f, "unknown-issuer", "/echo", &result);
  ask_well (f, "good", "/echo", &result);

  /* What cannot be used changes nothing. */
  replace_ca ("cut-ca.pem", ca_file);
  run_for (300);
  expect_connections (f, 2, 0);

  replace_ca ("other-ca.pem", ca_file);
  run_for (300);
  expect_connections (f, 0, 0);
  ask_well (f, "unknown-issuer", "/echo", &result);
  ask (f, "good", "/echo", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
}

/* A busy connection serves its request to the end before it goes. */
static void
test_ca_change_while_busy (Fixture *f, gconstpointer data)
{
  g_autofree char *ca_file = stand_in_copy (stand_in, "ca.pem", "busy-ca.pem");
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  g_auto (Result) result = { .calls = 0 };

  setup_with (f, ca_file);
  send_to (f, endpoint, "/delay/500", NULL, PATIENCE_US, &result);
  run_for (100);
  replace_ca ("other-ca.pem", ca_file);
  wait_for (&result);
  g_assert_cmpuint (result.status, ==, 200);
  expect_connections (f, 0, 0);
}

/* Two tunnels of one process do not trust each other's authorities. */
static void
test_trust_is_the_tunnels_own (Fixture *f, gconstpointer data)
{
  g_autofree char *other_file = stand_in_file (stand_in, "other-ca.pem");
  Fixture other = { .poller = NULL };
  g_auto (Result) result = { .calls = 0 };

  setup_with (&other, other_file);
  ask_well (&other, "unknown-issuer", "/echo", &result);
  ask (&other, "good", "/echo", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
  ask_well (f, "good", "/echo", &result);
  ask (f, "unknown-issuer", "/echo", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
  teardown (&other, NULL);
}

/* An authority below the root, or the server's own certificate, can be all that is trusted. */
static void
test_anchors (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *ca, *kind;
    gboolean good;
  } cases[] = {
    { "middle-ca.pem", "without-intermediate", TRUE },
    { "middle-ca.pem", "intermediate", TRUE },
    { "middle-ca.pem", "good", FALSE },
    { "self-signed.pem", "self-signed", TRUE },
    { "self-signed.pem", "good", FALSE },
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *ca_file = stand_in_file (stand_in, cases[i].ca);

      setup_with (f, ca_file);
      ask (f, cases[i].kind, "/echo", 0, &result);
      g_test_message ("%s, %s: %s", cases[i].ca, cases[i].kind, result.text != NULL ? result.text : "good");
      g_assert_cmpint (result.status == 200, ==, cases[i].good);
      if (i + 1 < G_N_ELEMENTS (cases))
        teardown (f, NULL);
    }
}

/* --- memory --- */

static guint64
anonymous_kib (void)
{
  g_autofree char *status = NULL;
  const char *line = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
  line = strstr (status, "RssAnon:");
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen ("RssAnon:"), NULL, 10);
}

static void
test_memory (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  g_autoptr (ObkSecret) body = obk_secret_new_copy ("{}", 2);
  guint64 start_kib = 0;

  for (guint n = 0; n < 10000; n++)
    {
      g_auto (Result) result = { .calls = 0 };

      send_to (f, endpoint, n % 100 == 0 ? "/close" : "/size/300", body, PATIENCE_US, &result);
      wait_for (&result);
      if (n == 2000)
        start_kib = anonymous_kib ();
    }
  g_test_message ("%" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT, start_kib, anonymous_kib ());
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory */
  g_assert_cmpuint (anonymous_kib (), <=, start_kib + 512);
#endif
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  stand_in = stand_in_start ();
#define ADD(path, function) g_test_add ("/http/" path, Fixture, NULL, setup, function, teardown)
#define ADD_BARE(path, function) g_test_add ("/http/" path, Fixture, NULL, NULL, function, teardown)
  ADD ("request/get", test_get);
  ADD ("request/post", test_post);
  ADD ("request/prefix", test_prefix);
  ADD ("request/no-proxy", test_proxy_of_environment);
  ADD ("answer/status", test_status);
  ADD ("answer/sizes", test_sizes);
  ADD ("answer/large-request", test_large_request);
  ADD ("answer/early", test_early_answer);
  ADD ("fault/http", test_http_faults);
  ADD ("fault/tls", test_tls_faults);
  ADD ("fault/unknown-host", test_unknown_host);
  ADD ("fault/causes-do-not-mix", test_causes_do_not_mix);
  ADD ("name", test_names);
  ADD ("deadline", test_deadlines);
  ADD ("cancel", test_cancel);
  ADD ("free-busy", test_free_busy);
  ADD ("within-callback", test_within_callback);
  ADD ("connection/reuse", test_reuse);
  ADD ("connection/parallel", test_parallel);
  ADD ("connection/closed-while-idle", test_closed_while_idle);
  ADD ("connection/excess", test_excess);
  ADD ("retry/once", test_retry);
  ADD ("retry/on-new-connection", test_retry_on_new_connection);
  ADD ("retry/never-after-answer", test_no_retry);
  ADD ("retry/fails", test_retry_fails);
  ADD_BARE ("trust/change", test_ca_change);
  ADD_BARE ("trust/change-while-busy", test_ca_change_while_busy);
  ADD ("trust/own", test_trust_is_the_tunnels_own);
  ADD_BARE ("trust/anchors", test_anchors);
  ADD ("memory", test_memory);
  result = g_test_run ();
  stand_in_stop (stand_in);
  return result;
}
