/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/oauth2.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "jwt-fixture.h"
#include "openbao/http.h"
#include "stand-in.h"

#include <glib/gstdio.h>
#include <jansson.h>

#include <string.h>

#define PATIENCE_US (20 * G_USEC_PER_SEC)
#define SECRET "s3cret of & mine"
#define ISSUER "https://idp.test"

static StandIn *stand_in;

typedef struct
{
  ObkPoller *poller;
  char *secret_file;
  char *ca_file;
  const char *const *audience;
  ObkJwtSupply *supply;
  guint calls, changes;
  char *jwt;
  GError *error;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  static const char *const audience[] = { "bao", NULL };
  g_autoptr (GError) error = NULL;

  f->poller = obk_poller_new (NULL, &error);
  g_assert_no_error (error);
  f->secret_file = stand_in_file (stand_in, "client-secret");
  f->ca_file = stand_in_file (stand_in, "ca.pem");
  f->audience = audience;
  g_file_set_contents_full (f->secret_file, SECRET "\n", -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

static void
forget (Fixture *f)
{
  g_clear_pointer (&f->supply, obk_jwt_supply_free);
  g_clear_pointer (&f->jwt, g_free);
  g_clear_error (&f->error);
  f->calls = 0;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  forget (f);
  g_remove (f->secret_file);
  obk_poller_free (f->poller);
  g_free (f->secret_file);
  g_free (f->ca_file);
}

static void
make (Fixture *f, const char *url, const char *ca_file)
{
  static const char *const scopes[] = { "kms", NULL };
  static const char *const resources[] = { "urn:bao", NULL };
  g_autoptr (GError) error = NULL;

  forget (f);
  f->supply = obk_oauth2_new (
      f->poller,
      &(ObkOauth2Options){
          .token_url = url,
          .request
          = { .client_id = "node-1", .scopes = scopes, .audience = "", .resources = resources, .secret_in_body = TRUE },
          .client_secret_file = f->secret_file,
          .ca_cert_file = ca_file,
          .rules = { .min_remaining_ttl_us = 120 * G_USEC_PER_SEC,
                     .clock_skew_leeway_us = 30 * G_USEC_PER_SEC,
                     .expected_issuer = ISSUER,
                     .expected_audience = f->audience,
                     .expected_subject = "" },
      },
      &error);
  g_assert_no_error (error);
}

static void
take (ObkSecret *jwt, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_true ((jwt == NULL) != (error == NULL));
  g_assert_cmpuint (f->calls++, ==, 0);
  f->jwt = jwt != NULL ? g_strdup (obk_secret_data (jwt)) : NULL;
  f->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
fetch (Fixture *f, gint64 patience_us)
{
  gint64 limit_us = obk_clock_boot_us () + patience_us;

  g_clear_pointer (&f->jwt, g_free);
  g_clear_error (&f->error);
  f->calls = 0;
  f->supply->fetch (f->supply, limit_us, take, f);
  while (f->calls == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->calls, ==, 1);
  if (f->error != NULL)
    {
      g_test_message ("%s", f->error->message);
      g_assert_null (strstr (f->error->message, "s3cret"));
      g_assert_cmpint (f->supply->ttl_seconds (f->supply), ==, -1);
    }
}

static char *
url_of (const char *kind, const char *path)
{
  return g_strdup_printf ("https://127.0.0.1:%u/%s", stand_in_port (stand_in, kind), path);
}

static char *
jwt_of (gint64 lifetime, const char *issuer, const char *audience)
{
  g_autofree char *json = g_strdup_printf ("{\"exp\":%" G_GINT64_FORMAT ",\"iss\":\"%s\",\"aud\":\"%s\"}",
                                           obk_clock_unix () + lifetime, issuer, audience);

  return jwt_make ("{\"alg\":\"ES256\"}", json);
}

/* The stand-in answers with whatever it is asked for. */
static char *
path_granting (const char *jwt, const char *more)
{
  g_autofree char *answer = g_strdup_printf ("{\"access_token\":\"%s\",\"token_type\":\"bearer\"%s}", jwt, more);
  g_autofree char *escaped = g_uri_escape_string (answer, NULL, FALSE);

  return g_strconcat ("json/", escaped, "/token?a=b", NULL);
}

static void
expect_granted (Fixture *f, const char *jwt, gint64 ttl)
{
  g_assert_no_error (f->error);
  g_assert_cmpstr (f->jwt, ==, jwt);
  g_assert_cmpint (f->supply->ttl_seconds (f->supply), <=, ttl);
  g_assert_cmpint (f->supply->ttl_seconds (f->supply), >=, ttl - 5);
}

static void
keep_answer (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  g_assert_no_error (error);
  *(json_t **)user_data = json_loads (obk_secret_data (response->body), 0, NULL);
}

/* What the stand-in was asked last */
static json_t *
last_request (Fixture *f)
{
  g_autofree char *url = url_of ("good", "");
  g_autoptr (ObkEndpoint) endpoint = obk_endpoint_new (url, "localhost", NULL);
  g_autoptr (ObkTunnel) tunnel = obk_tunnel_new (f->poller, f->ca_file, FALSE, NULL);
  g_autoptr (ObkHttp) http = obk_http_new (f->poller, tunnel, NULL);
  json_t *seen = NULL;

  obk_http_send (http,
                 &(ObkHttpRequest){
                     .endpoint = endpoint, .path = "/last_kept", .deadline_us = obk_clock_boot_us () + PATIENCE_US },
                 keep_answer, &seen);
  while (seen == NULL)
    g_main_context_iteration (NULL, TRUE);
  return seen;
}

static void
expect_asked (Fixture *f, const char *body)
{
  json_t *seen = last_request (f);

  g_assert_cmpstr (json_string_value (json_object_get (seen, "method")), ==, "POST");
  g_assert_cmpstr (json_string_value (json_object_get (seen, "body")), ==, body);
  g_assert_true (g_str_has_suffix (json_string_value (json_object_get (seen, "path")), "/token?a=b"));
  json_decref (seen);
}

static void
test_granted (Fixture *f, gconstpointer data)
{
  g_autofree char *jwt = jwt_of (3600, ISSUER, "bao");
  g_autofree char *path = path_granting (jwt, "");
  g_autofree char *url = url_of ("good", path);

  make (f, url, f->ca_file);
  g_assert_cmpint (f->supply->ttl_seconds (f->supply), ==, -1);
  fetch (f, PATIENCE_US);
  expect_granted (f, jwt, 3600);
  expect_asked (f, "grant_type=client_credentials&client_id=node-1&client_secret=s3cret+of+%26+mine&scope=kms"
                   "&resource=urn%3Abao");

  g_file_set_contents_full (f->secret_file, "other", -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL);
  fetch (f, PATIENCE_US);
  expect_granted (f, jwt, 3600);
  expect_asked (f, "grant_type=client_credentials&client_id=node-1&client_secret=other&scope=kms&resource=urn%3Abao");
}

/* Both "exp" and "expires_in" end its life. */
static void
test_life (Fixture *f, gconstpointer data)
{
  static const struct
  {
    gint64 exp;
    const char *more;
    gint64 ttl;
  } cases[] = {
    { 600, ",\"expires_in\":3600", 600 },
    { 3600, ",\"expires_in\":600", 600 },
    { 3600, ",\"expires_in\":\"601\"", 601 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *jwt = jwt_of (cases[i].exp, ISSUER, "bao");
      g_autofree char *path = path_granting (jwt, cases[i].more);
      g_autofree char *url = url_of ("good", path);

      make (f, url, f->ca_file);
      fetch (f, PATIENCE_US);
      expect_granted (f, jwt, cases[i].ttl);
    }
}

static void
expect_failed (Fixture *f, ObkError code, const char *text)
{
  g_assert_error (f->error, OBK_ERROR, (int)code);
  g_assert_nonnull (strstr (f->error->message, text));
  g_assert_nonnull (strstr (f->error->message, "token endpoint "));
}

static void
test_answers_refused (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *path;
    ObkError code;
    const char *text;
  } cases[] = {
    { "keep/401/%7B%22error%22%3A%22invalid_client%22%7D", OBK_ERROR_OAUTH2_REJECTED, "status 401: invalid_client" },
    { "keep/400/%7B%22error%22%3A%22invalid_scope%22%7D", OBK_ERROR_OAUTH2_REJECTED, "status 400: invalid_scope" },
    { "status/404", OBK_ERROR_OAUTH2_REJECTED, "status 404" },
    { "status/429", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 429" },
    { "status/500", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 500" },
    { "redirect", OBK_ERROR_OAUTH2_REJECTED, "redirects (status 307), which is not followed" },
    { "json/hello", OBK_ERROR_OAUTH2_REJECTED, "the answer is not valid JSON" },
    { "json/%7B%7D", OBK_ERROR_OAUTH2_REJECTED, "has no \"access_token\"" },
    { "size/1048577", OBK_ERROR_OAUTH2_REJECTED, "the answer is too large" },
    { "headers/70000", OBK_ERROR_OAUTH2_REJECTED, "headers are too large" },
    { "close", OBK_ERROR_OAUTH2_UNAVAILABLE, "without an answer" },
    { "truncated", OBK_ERROR_OAUTH2_UNAVAILABLE, "cut short" },
    { "garbage", OBK_ERROR_OAUTH2_UNAVAILABLE, "not proper HTTP" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *url = url_of ("good", cases[i].path);

      make (f, url, f->ca_file);
      fetch (f, PATIENCE_US);
      expect_failed (f, cases[i].code, cases[i].text);
    }
}

static void
test_tokens_refused (Fixture *f, gconstpointer data)
{
  static const struct
  {
    gint64 lifetime;
    const char *issuer, *audience, *more, *text;
  } cases[] = {
    { -1, ISSUER, "bao", "", "\"exp\" has passed" },
    { 60, ISSUER, "bao", "", "\"exp\" leaves no more than auth.jwt.minRemainingTtl" },
    { 3600, ISSUER, "bao", ",\"expires_in\":60", "\"expires_in\" leaves no more than auth.jwt.minRemainingTtl" },
    { 3600, ISSUER, "bao", ",\"expires_in\":0", "\"expires_in\" leaves no more" },
    { 3600, "https://other.test", "bao", "", "\"iss\" is not the expected one" },
    { 3600, ISSUER, "other", "", "\"aud\" is not the expected one" },
  };
  g_autofree char *opaque = path_granting ("s3cret", "");
  g_autofree char *url = url_of ("good", opaque);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *jwt = jwt_of (cases[i].lifetime, cases[i].issuer, cases[i].audience);
      g_autofree char *path = path_granting (jwt, cases[i].more);
      g_autofree char *url_of_it = url_of ("good", path);

      make (f, url_of_it, f->ca_file);
      fetch (f, PATIENCE_US);
      expect_failed (f, OBK_ERROR_OAUTH2_REJECTED, cases[i].text);
      g_assert_null (strstr (f->error->message, jwt));
    }
  make (f, url, f->ca_file);
  fetch (f, PATIENCE_US);
  expect_failed (f, OBK_ERROR_OAUTH2_REJECTED, "it does not have three parts");
}

static void
test_token_too_long (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of ("good", "large_token/65537");

  make (f, url, f->ca_file);
  fetch (f, PATIENCE_US);
  expect_failed (f, OBK_ERROR_OAUTH2_REJECTED, "it is too long");
}

static void
test_transport (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *kind, *text;
  } cases[] = {
    { "unknown-issuer", "unknown issuer" },
    { "wrong-name", "name mismatch" },
    { "expired", "certificate expired" },
    { "tls1.1", "protocol version" },
    { "client-certificate", "client certificate refused" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *url = url_of (cases[i].kind, "echo");

      make (f, url, f->ca_file);
      fetch (f, PATIENCE_US);
      expect_failed (f, OBK_ERROR_OAUTH2_UNAVAILABLE, cases[i].text);
    }
  make (f, "https://idp.invalid/token", f->ca_file);
  fetch (f, PATIENCE_US);
  expect_failed (f, OBK_ERROR_OAUTH2_UNAVAILABLE, "cannot resolve the name");
  make (f, "https://127.0.0.1:1/token", f->ca_file);
  fetch (f, PATIENCE_US);
  expect_failed (f, OBK_ERROR_OAUTH2_UNAVAILABLE, "cannot connect");
}

/* The stand-in's authority is none of the system's. */
static void
test_system_trust (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of ("good", "echo");

  make (f, url, "");
  fetch (f, PATIENCE_US);
  expect_failed (f, OBK_ERROR_OAUTH2_UNAVAILABLE, "unknown issuer");
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of ("good", "hang");
  gint64 started_us = 0;

  make (f, url, f->ca_file);
  started_us = obk_clock_boot_us ();
  fetch (f, G_USEC_PER_SEC);
  expect_failed (f, OBK_ERROR_OAUTH2_UNAVAILABLE, "no answer within the deadline");
  /* The login that follows has the other half. */
  g_assert_cmpint (obk_clock_boot_us () - started_us, >=, G_USEC_PER_SEC / 2);
  g_assert_cmpint (obk_clock_boot_us () - started_us, <, G_USEC_PER_SEC * 9 / 10);
}

static void
never (ObkSecret *jwt, const GError *error, gpointer user_data)
{
  g_assert_not_reached ();
}

/* At once, under way and with the supply itself; each is waited for until its answer would long have come. */
static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of ("good", "delay/10");

  make (f, url, f->ca_file);
  fetch (f, PATIENCE_US); /* opens the connection, so that those that follow take no longer than their answer */
  f->supply->fetch (f->supply, obk_clock_boot_us () + PATIENCE_US, never, NULL);
  f->supply->cancel (f->supply);
  run_for (100);
  f->supply->fetch (f->supply, obk_clock_boot_us () + PATIENCE_US, never, NULL);
  g_main_context_iteration (NULL, FALSE);
  f->supply->cancel (f->supply);
  run_for (100);
  f->supply->fetch (f->supply, obk_clock_boot_us () + PATIENCE_US, never, NULL);
  g_main_context_iteration (NULL, FALSE);
  forget (f);
  run_for (100);
}

static void
expect_secret_refused (Fixture *f, const char *text)
{
  fetch (f, PATIENCE_US);
  g_assert_error (f->error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_assert_nonnull (strstr (f->error->message, "client secret file"));
  g_assert_nonnull (strstr (f->error->message, text));
}

static void
test_secret_refused (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *content;
    int mode;
    const char *text;
  } cases[] = {
    { "", 0600, "is empty" },
    { "\n", 0600, "is empty" },
    { "s3cret\r\n", 0600, "control character" },
    { "s3cret\n\n", 0600, "control character" },
    { "s3cret", 0644, "mode 0644" },
    { "s3cret", 0660, "mode 0660" },
  };
  g_autofree char *url = url_of ("good", "echo");
  g_autofree char *long_one = g_strnfill (4097, 's');

  make (f, url, f->ca_file);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_true (g_file_set_contents_full (f->secret_file, cases[i].content, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                                               cases[i].mode, NULL));
      g_assert_cmpint (g_chmod (f->secret_file, cases[i].mode), ==, 0);
      expect_secret_refused (f, cases[i].text);
    }
  g_assert_cmpint (g_chmod (f->secret_file, 0600), ==, 0);
  g_assert_true (g_file_set_contents_full (f->secret_file, long_one, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  expect_secret_refused (f, "larger than 4096");
  g_remove (f->secret_file);
  expect_secret_refused (f, "cannot open");
}

static void
count_change (gpointer user_data)
{
  ++*(guint *)user_data;
}

static void
test_secret_replaced (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of ("good", "echo");
  gint64 limit_us = obk_clock_boot_us () + PATIENCE_US;

  make (f, url, f->ca_file);
  f->supply->changed = count_change;
  f->supply->changed_data = &f->changes;
  g_assert_true (g_file_set_contents_full (f->secret_file, "another", -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  while (f->changes == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->changes, >=, 1);
}

static void
test_not_made (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *secret_file, *ca_file;
    ObkError code;
  } cases[] = {
    { "credential:secret", "/nonexistent", OBK_ERROR_CREDENTIAL_INVALID },
    { "/nonexistent", "/nonexistent", OBK_ERROR_CREDENTIAL_INVALID },
    { "/nonexistent", "/etc/passwd", OBK_ERROR_CREDENTIAL_INVALID },
  };
  static const char *const none[] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (
          obk_oauth2_new (f->poller,
                          &(ObkOauth2Options){
                              .token_url = "https://idp.test/token",
                              .request = { .client_id = "a", .scopes = none, .audience = "", .resources = none },
                              .client_secret_file = cases[i].secret_file,
                              .ca_cert_file = cases[i].ca_file,
                              .rules = { .expected_issuer = "", .expected_audience = none, .expected_subject = "" },
                          },
                          &error));
      g_assert_error (error, OBK_ERROR, (int)cases[i].code);
    }
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  obk_log_set_level (OBK_LOG_ERROR);
  stand_in = stand_in_start ();
#define ADD(path, function) g_test_add ("/oauth2/" path, Fixture, NULL, set_up, function, tear_down)
  ADD ("granted", test_granted);
  ADD ("life", test_life);
  ADD ("answers-refused", test_answers_refused);
  ADD ("tokens-refused", test_tokens_refused);
  ADD ("token-too-long", test_token_too_long);
  ADD ("transport", test_transport);
  ADD ("system-trust", test_system_trust);
  ADD ("silence", test_silence);
  ADD ("cancel", test_cancel);
  ADD ("secret/refused", test_secret_refused);
  ADD ("secret/replaced", test_secret_replaced);
  ADD ("not-made", test_not_made);
  result = g_test_run ();
  stand_in_stop (stand_in);
  return result;
}
