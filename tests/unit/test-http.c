/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers, and servers that misbehave. */
#include "http-fixture.h"

#include "base/clock.h"

#include <string.h>

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

/* Of a token endpoint, which is not OpenBao. */
static void
test_form (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  g_autoptr (ObkSecret) credentials = obk_secret_new_copy ("Authorization: Basic YTpi", 25);
  g_autoptr (ObkSecret) body = obk_secret_new_copy ("a=b", 3);
  ObkHttpRequest request = { .endpoint = endpoint,
                             .path = "/echo/token?x=1",
                             .body = body,
                             .form = TRUE,
                             .credentials = credentials,
                             .deadline_us = obk_clock_boot_us () + PATIENCE_US };
  json_t *seen = echo (f, &request);

  g_assert_cmpstr (json_string_value (json_object_get (seen, "method")), ==, "POST");
  g_assert_cmpstr (json_string_value (json_object_get (seen, "path")), ==, "/echo/token?x=1");
  g_assert_cmpstr (json_string_value (json_object_get (seen, "body")), ==, "a=b");
  g_assert_cmpstr (header (seen, "Content-Type"), ==, "application/x-www-form-urlencoded");
  g_assert_cmpstr (header (seen, "Accept"), ==, "application/json");
  g_assert_cmpstr (header (seen, "Authorization"), ==, "Basic YTpi");
  g_assert_null (header (seen, "X-Vault-Request"));
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

/* RFC 9112, section 3.2.1 */
static void
test_no_path (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *path, *seen;
  } cases[] = { { "", "/" }, { "?x=1", "/?x=1" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
      ObkHttpRequest request
          = { .endpoint = endpoint, .path = cases[i].path, .deadline_us = obk_clock_boot_us () + PATIENCE_US };
      json_t *seen = echo (f, &request);

      g_assert_cmpstr (json_string_value (json_object_get (seen, "path")), ==, cases[i].seen);
      json_decref (seen);
    }
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
}

static void
test_http_faults (Fixture *f, gconstpointer data)
{
  static const Fault faults[] = {
    { "/redirect", OBK_ERROR_ANSWER_REFUSED, "redirects (status 307)" },
    { "/status/304", OBK_ERROR_ANSWER_REFUSED, "redirects (status 304)" },
    { "/size/1048577", OBK_ERROR_ANSWER_REFUSED, "answer is too large" },
    { "/chunked/2000000", OBK_ERROR_ANSWER_REFUSED, "answer is too large" },
    { "/headers/70000", OBK_ERROR_ANSWER_REFUSED, "headers are too large" },
    { "/close", OBK_ERROR_CONNECTION_FAILED, "without an answer" },
    { "/reset", OBK_ERROR_CONNECTION_FAILED, "reset by peer" },
    { "/truncated", OBK_ERROR_UNAVAILABLE, "cut short" },
    { "/truncated_chunk", OBK_ERROR_UNAVAILABLE, "cut short" },
    { "/truncated_headers", OBK_ERROR_UNAVAILABLE, "cut short" },
    { "/reset_inside", OBK_ERROR_UNAVAILABLE, "cut short: " },
    { "/unframed", OBK_ERROR_UNAVAILABLE, "does not say how long" },
    { "/garbage", OBK_ERROR_UNAVAILABLE, "not proper HTTP" },
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
    { "unknown-issuer", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer" } },
    { "self-signed", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer" } },
    { "without-intermediate", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer" } },
    { "issued-by-server", { "/echo", OBK_ERROR_TLS_FAILED, "unknown issuer" } },
    { "expired", { "/echo", OBK_ERROR_TLS_FAILED, "certificate expired" } },
    { "not-yet-valid", { "/echo", OBK_ERROR_TLS_FAILED, "not yet valid" } },
    { "wrong-name", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch" } },
    { "common-name-only", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch" } },
    { "wildcard", { "/echo", OBK_ERROR_TLS_FAILED, "name mismatch" } },
    { "client-usage", { "/echo", OBK_ERROR_TLS_FAILED, "not for this use" } },
    { "sha1", { "/echo", OBK_ERROR_TLS_FAILED, "weak signature" } },
    { "weak-key", { "/echo", OBK_ERROR_TLS_FAILED, "weak key" } },
    { "tls1.1", { "/echo", OBK_ERROR_TLS_FAILED, "protocol version" } },
    { "client-certificate-1.2", { "/echo", OBK_ERROR_TLS_FAILED, "client certificate refused" } },
    { "client-certificate", { "/echo", OBK_ERROR_TLS_FAILED, "client certificate refused" } },
    { "garbage-handshake", { "/echo", OBK_ERROR_TLS_FAILED, "does not speak TLS" } },
    { "endless-handshake", { "/echo", OBK_ERROR_TLS_FAILED, "does not speak TLS" } },
    { "close-handshake", { "/echo", OBK_ERROR_CONNECTION_FAILED, "connection lost: closed" } },
    { "reset-handshake", { "/echo", OBK_ERROR_CONNECTION_FAILED, "reset by peer" } },
    { "refused", { "/echo", OBK_ERROR_CONNECTION_FAILED, "cannot connect: " } },
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

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  stand_in = stand_in_start ();
#define ADD(path, function) g_test_add ("/http/" path, Fixture, NULL, setup, function, teardown)
  ADD ("request/get", test_get);
  ADD ("request/post", test_post);
  ADD ("request/form", test_form);
  ADD ("request/prefix", test_prefix);
  ADD ("request/no-path", test_no_path);
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
  result = g_test_run ();
  stand_in_stop (stand_in);
  return result;
}
