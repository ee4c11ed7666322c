/* SPDX-License-Identifier: Apache-2.0 */
/* What lasts longer than a request: deadlines, connections kept and lost, the trust that changes. */
#include "http-fixture.h"

#include "base/clock.h"

#include <string.h>

/* --- deadlines and cancelling --- */

static void
test_deadlines (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind, *path, *text;
  } cases[] = {
    { "hang-handshake", "/echo", "no TLS handshake" },
    { "good", "/hang", "no answer" },
    { "good", "/hang_inside", "no complete answer" },
    { "good", "/slow/50", "answer within" },
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
meddle (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Meddler *meddler = user_data;
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");

  take_result (response, error, &meddler->result);
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

/* TLS still holds what came last on a connection: one whose answers are secret does not stay open for it. */
static void
test_secret_answer (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkEndpoint) endpoint = endpoint_of ("good", "127.0.0.1", "localhost");
  ObkHttpRequest request = { .endpoint = endpoint, .path = "/echo", .secret_answer = TRUE };
  g_auto (Result) result = { .calls = 0 };

  ask_well (f, "good", "/echo", &result); /* the connection has had a long idle time before */
  for (guint i = 0; i < 2; i++)
    {
      result_clear (&result);
      request.deadline_us = obk_clock_boot_us () + PATIENCE_US;
      obk_http_send (f->http, &request, take_result, &result);
      wait_for (&result);
      g_assert_cmpuint (result.status, ==, 200);
      expect_connections (f, 1, 0);
    }
  run_for (500);
  expect_connections (f, 1, 0); /* others may use it for a moment */
  run_for (OBK_LINK_SECRET_IDLE_SECONDS * 1000);
  expect_connections (f, 0, 0);
  ask_well (f, "good", "/echo", &result);
  g_assert_nonnull (strstr (result.body, "\"nth\": 1"));
  run_for (OBK_LINK_SECRET_IDLE_SECONDS * 1000 + 500);
  expect_connections (f, 1, 0);
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
      g_assert_cmpint (count (f, "requests", key), ==, requests + 1);
    }
}

/* The second try meets a server that is gone. */
static void
test_retry_fails (Fixture *f, gconstpointer data)
{
  g_auto (Result) result = { .calls = 0 };
  json_int_t requests = count (f, "requests", "good /close");

  ask_well (f, "good", "/echo", &result);
  ask (f, "good", "/close", 0, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_CONNECTION_FAILED);
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
#define ADD(path, function) g_test_add ("/http-connections/" path, Fixture, NULL, setup, function, teardown)
#define ADD_BARE(path, function) g_test_add ("/http-connections/" path, Fixture, NULL, NULL, function, teardown)
  ADD ("deadline", test_deadlines);
  ADD ("cancel", test_cancel);
  ADD ("free-busy", test_free_busy);
  ADD ("within-callback", test_within_callback);
  ADD ("connection/reuse", test_reuse);
  ADD ("connection/parallel", test_parallel);
  ADD ("connection/closed-while-idle", test_closed_while_idle);
  ADD ("connection/secret-answer", test_secret_answer);
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
