/* SPDX-License-Identifier: Apache-2.0 */
#include "client-fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"

#include <string.h>

static const ObkClientRequest get = { .body = NULL };

static ObkClientRequest
get_within (gint64 patience_us)
{
  return (ObkClientRequest){ .deadline_us = obk_clock_boot_us () + patience_us };
}

static void
assert_failed (const ClientResult *result, ObkError code)
{
  g_test_message ("%s", result->text != NULL ? result->text : "good");
  g_assert_cmpint (result->code, ==, code);
  g_assert_nonnull (result->text);
}

static void
assert_good (const ClientResult *result)
{
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_true (json_is_object (result->json));
}

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
  assert_good (&result);
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
  assert_good (&result);
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
  assert_good (&result);
  g_assert_cmpstr (seen_header (&result, "X-Vault-Token"), ==, NULL);
}

/* --- what an answer means --- */

static void
test_classes (ClientFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *path;
    ObkError code, login_code;
  } cases[] = {
    { "say/400/encryption%20key%20not%20found", OBK_ERROR_KEY_MISSING, OBK_ERROR_AUTH_FAILED },
    { "say/400/cipher%3A%20message%20authentication%20failed", OBK_ERROR_TRANSIT_AUTHENTICATION_TAG,
      OBK_ERROR_AUTH_FAILED },
    { "say/400/requested%20version%20for%20encryption%20is%20higher%20than%20the%20latest%20key%20version",
      OBK_ERROR_STANDBY_LAGGING, OBK_ERROR_AUTH_FAILED },
    { "say/400/invalid%20ciphertext%3A%20version%20is%20too%20new", OBK_ERROR_STANDBY_LAGGING, OBK_ERROR_AUTH_FAILED },
    { "say/400/no%20such%20key%20version", OBK_ERROR_VERSION_UNUSABLE, OBK_ERROR_AUTH_FAILED },
    { "say/400/requested%20version%20for%20encryption%20is%20less%20than%20the%20minimum%20encryption%20key%20version",
      OBK_ERROR_VERSION_UNUSABLE, OBK_ERROR_AUTH_FAILED },
    { "say/400/ciphertext%20or%20signature%20version%20is%20disallowed%20by%20policy%20%28too%20old%29",
      OBK_ERROR_VERSION_UNUSABLE, OBK_ERROR_AUTH_FAILED },
    { "say/400/first/no%20such%20key%20version", OBK_ERROR_VERSION_UNUSABLE, OBK_ERROR_AUTH_FAILED },
    { "say/400/refusing%20to%20use%20soft-deleted%20key", OBK_ERROR_TRANSIT_REFUSED, OBK_ERROR_AUTH_FAILED },
    { "say/400/invalid%20ciphertext%20length", OBK_ERROR_TRANSIT_REFUSED, OBK_ERROR_AUTH_FAILED },
    { "say/400/role%20%22a%22%20could%20not%20be%20found", OBK_ERROR_TRANSIT_REFUSED, OBK_ERROR_AUTH_FAILED },
    { "say/400", OBK_ERROR_TRANSIT_REFUSED, OBK_ERROR_AUTH_FAILED },
    { "say/401/permission%20denied", OBK_ERROR_AUTH_FAILED, OBK_ERROR_AUTH_FAILED },
    { "say/403/permission%20denied", OBK_ERROR_POLICY_DENIED, OBK_ERROR_AUTH_FAILED },
    { "say/403/1%20error%20occurred%3A%0A%09%2A%20permission%20denied%0A%0A", OBK_ERROR_POLICY_DENIED,
      OBK_ERROR_AUTH_FAILED },
    { "say/403", OBK_ERROR_POLICY_DENIED, OBK_ERROR_AUTH_FAILED },
    { "say/404", OBK_ERROR_KEY_MISSING, OBK_ERROR_KEY_MISSING },
    { "say/404/namespace%20not%20found", OBK_ERROR_KEY_MISSING, OBK_ERROR_KEY_MISSING },
    { "say/404/no%20handler%20for%20route%20%22x%22.%20route%20entry%20not%20found.", OBK_ERROR_KEY_MISSING,
      OBK_ERROR_KEY_MISSING },
    { "say/429/request%20path%3A%20rate%20limit%20quota%20exceeded", OBK_ERROR_RATE_LIMITED, OBK_ERROR_RATE_LIMITED },
    { "keep/429/slow%20down", OBK_ERROR_RATE_LIMITED, OBK_ERROR_RATE_LIMITED },
    { "say/503/Vault%20is%20sealed", OBK_ERROR_SEALED, OBK_ERROR_SEALED },
    { "say/503/OpenBao%20is%20sealed", OBK_ERROR_SEALED, OBK_ERROR_SEALED },
    { "say/503/namespace%20is%20sealed", OBK_ERROR_SEALED, OBK_ERROR_SEALED },
    { "say/503/API%20access%20to%20this%20namespace%20has%20been%20locked%20by%20an%20administrator",
      OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/503", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/503/%3Chtml%3E", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/500/Vault%20is%20sealed", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/500/internal%20error", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/502", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/412/required%20index%20state%20not%20present", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "say/405/unsupported%20operation", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/202/%7B%7D", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "redirect", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "truncated", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    /* a proxy's page is no verdict */
    { "keep/400/%3Chtml%3E", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/403/%3Chtml%3E", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/404/404%20page%20not%20found", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/404/%7B%22errors%22%3Anull%7D", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/404/%7B%22errors%22%3A%5B1%5D%7D", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
    { "keep/400/%5B%22errors%22%5D", OBK_ERROR_UNAVAILABLE, OBK_ERROR_UNAVAILABLE },
  };

  f->auth->refusal = OBK_ERROR_POLICY_DENIED; /* no fresh login comes between */
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkSecret) token = obk_secret_new_copy ("own", 3);
      g_auto (ClientResult) own = { .calls = 0 };
      g_auto (ClientResult) login = { .calls = 0 };

      g_test_message ("%s", cases[i].path);
      client_fixture_send (f, cases[i].path, (ObkClientRequest){ .token = token }, &own);
      client_result_wait (&own);
      assert_failed (&own, cases[i].code);
      client_fixture_send (f, cases[i].path, (ObkClientRequest){ .anonymous = TRUE }, &login);
      client_result_wait (&login);
      assert_failed (&login, cases[i].login_code);
    }
}

/* What OpenBao says may name paths and keys, and error texts go to the log. */
static void
test_texts_tell_nothing (ClientFixture *f, gconstpointer data)
{
  static const char *const paths[] = {
    "say/400/secret-word",
    "say/404/no%20handler%20for%20route%20%22secret-word%22",
    "say/503/secret-word%20is%20sealed",
    "keep/404/secret-word",
    "keep/200/secret-word",
    "keep/200/%22secret-word%22",
    "say/429/secret-word",
  };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      client_fixture_ask (f, paths[i], &result);
      g_test_message ("%s", result.text);
      g_assert_null (strstr (result.text, "secret"));
    }
}

static void
test_shapes (ClientFixture *f, gconstpointer data)
{
  static const char *const bad[] = {
    "keep/200/",        "keep/200/%5B%5D", "keep/200/null", "keep/200/%7B%22a%22%3A1%2C%22a%22%3A1%7D",
    "keep/200/%7B%7Dx", "size/1048577",    "unframed",      "garbage",
  };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      client_fixture_ask (f, bad[i], &result);
      assert_failed (&result, OBK_ERROR_UNAVAILABLE);
    }
  client_fixture_ask (f, "no_content", &result);
  assert_good (&result);
  g_assert_cmpuint (json_object_size (result.json), ==, 0);
}

/* --- tokens --- */

static void
test_acquire (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  g_clear_pointer (&f->auth->token, obk_secret_unref);
  f->auth->login = "new";
  client_fixture_ask (f, "token/new", &result);
  assert_good (&result);
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
      assert_failed (&result, codes[i]);
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
  assert_failed (&result, OBK_ERROR_TIMEOUT);
  g_assert_cmpuint (f->auth->cancelled, ==, 1);
}

static void
test_healed (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "new";
  client_fixture_ask (f, "token/new", &result);
  assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 1);
  g_assert_true (obk_client_address_healthy (f->client, 0));
}

static void
test_a_401_heals_too (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->login = "new";
  client_fixture_ask (f, "say_until/1/401", &result);
  assert_good (&result);
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
  assert_failed (&result, OBK_ERROR_POLICY_DENIED);
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
      assert_failed (&result, codes[i]);
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
  assert_good (&good);
  client_fixture_send (f, "token/other", (ObkClientRequest){ .token = token }, &bad);
  client_result_wait (&bad);
  assert_failed (&bad, OBK_ERROR_POLICY_DENIED);
  g_assert_cmpuint (f->auth->refused, ==, 0);
}

static void
test_standby_learns_of_token (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();

  f->auth->issued_us = start_us;
  client_fixture_ask (f, "say_until/3/403/learns", &result);
  assert_good (&result);
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
  assert_good (&result);
  g_assert_cmpuint (f->auth->refused, ==, 1);
}

/* Not beyond the deadline: then the refusal is the answer. */
static void
test_standby_does_not_learn (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();

  f->auth->login = "old"; /* a login changes nothing */
  f->auth->issued_us = start_us;
  client_fixture_send (f, "say/403/never", get_within (300 * MS), &result);
  client_result_wait (&result);
  assert_failed (&result, OBK_ERROR_POLICY_DENIED);
  g_assert_cmpint (obk_clock_boot_us () - start_us, <, 300 * MS);
  g_assert_cmpuint (f->auth->refused, ==, 1);
}

/* --- more than one address --- */

static void
test_failover (ClientFixture *f, gconstpointer data)
{
  static const char *const broken[] = {
    "refused good",
    "expired good",
    "close-handshake good",
    "reset-handshake good",
    "good/close good",
    "good/reset good",
    "good/truncated good",
    "good/garbage good",
    "good/redirect good",
    "good/say/500 good",
    "good/say/502 good",
    "good/say/503/Vault%20is%20sealed good",
    "good/keep/404/not%20OpenBao good",
    "good/size/10 good",
  };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_test_message ("%s", broken[i]);
      client_fixture_use (f, broken[i], PATIENCE_US);
      g_assert_cmpuint (obk_client_n_addresses (f->client), ==, 2);
      client_fixture_ask (f, "echo", &result);
      assert_good (&result);
      g_assert_false (obk_client_address_healthy (f->client, 0));
      g_assert_true (obk_client_address_healthy (f->client, 1));
    }
}

/* Definite answers are not asked for again. */
static void
test_no_failover (ClientFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *addresses;
    ObkError code;
  } cases[] = {
    { "good/say/400/encryption%20key%20not%20found good/echo/second", OBK_ERROR_KEY_MISSING },
    { "good/say/400/message%20authentication%20failed good/echo/second", OBK_ERROR_TRANSIT_AUTHENTICATION_TAG },
    { "good/say/400/no%20such%20key%20version good/echo/second", OBK_ERROR_VERSION_UNUSABLE },
    { "good/say/400 good/echo/second", OBK_ERROR_TRANSIT_REFUSED },
    { "good/say/403 good/echo/second", OBK_ERROR_POLICY_DENIED },
    { "good/say/404 good/echo/second", OBK_ERROR_KEY_MISSING },
    { "good/say/429 good/echo/second", OBK_ERROR_RATE_LIMITED },
  };
  g_auto (ClientResult) result = { .calls = 0 };

  f->auth->refusal = OBK_ERROR_POLICY_DENIED;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      client_fixture_use (f, cases[i].addresses, PATIENCE_US);
      client_fixture_ask (f, "x", &result);
      assert_failed (&result, cases[i].code);
      g_assert_true (obk_client_address_healthy (f->client, 0));
    }
  g_assert_cmpint (client_fixture_count ("good /echo/second/v1/x"), ==, 0);
}

#define LAGS "good/say/400/version%20is%20too%20new"
#define SEALED "good/say/503/Vault%20is%20sealed"

static void
test_lagging (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, LAGS " good", PATIENCE_US);
  client_fixture_ask (f, "echo", &result);
  assert_good (&result);
  g_assert_true (obk_client_address_healthy (f->client, 0));

  client_fixture_use (f, LAGS "/first " LAGS "/second", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  assert_failed (&result, OBK_ERROR_STANDBY_LAGGING);
  g_assert_cmpint (client_fixture_count ("good /say/400/version%20is%20too%20new/first/v1/x"), ==, 1);
  g_assert_cmpint (client_fixture_count ("good /say/400/version%20is%20too%20new/second/v1/x"), ==, 1);
}

/* What is told when no address does well. */
static void
test_worth (ClientFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *addresses;
    ObkError code;
  } cases[] = {
    { "refused expired", OBK_ERROR_TLS_FAILED },
    { "expired refused", OBK_ERROR_CONNECTION_FAILED },
    { SEALED " refused", OBK_ERROR_SEALED },
    { "refused " SEALED, OBK_ERROR_SEALED },
    { SEALED " good/hang", OBK_ERROR_SEALED },
    { "good/hang " SEALED, OBK_ERROR_SEALED },
    { "good/hang refused", OBK_ERROR_CONNECTION_FAILED }, /* its time was cut short */
    { "refused good/hang", OBK_ERROR_CONNECTION_FAILED },
    { LAGS " refused", OBK_ERROR_STANDBY_LAGGING },
    { "good/hang hang-handshake", OBK_ERROR_TIMEOUT },
    { "good/hang good/say/404", OBK_ERROR_KEY_MISSING },
    { "refused good/say/404", OBK_ERROR_KEY_MISSING },
  };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gint64 start_us = obk_clock_boot_us ();

      g_test_message ("%s", cases[i].addresses);
      client_fixture_use (f, cases[i].addresses, 2 * G_USEC_PER_SEC);
      client_result_clear (&result);
      client_fixture_send (f, "x", get_within (400 * MS), &result);
      client_result_wait (&result);
      assert_failed (&result, cases[i].code);
      g_assert_cmpint (obk_clock_boot_us () - start_us, <, 400 * MS); /* before the client gives up */
    }
}

/* OpenBao silent for all of openbao.timeout on the last address. */
static void
test_silence_to_its_end (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "refused good/hang", 200 * MS);
  client_fixture_send (f, "x", get_within (PATIENCE_US), &result);
  client_result_wait (&result);
  assert_failed (&result, OBK_ERROR_TIMEOUT);
}

/* --- an address that is out --- */

#define UNTIL_TWO "say_until/2/503/Vault%20is%20sealed"

static void
test_out_and_back (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();

  client_fixture_use (f, "good/" UNTIL_TWO "/back good/echo/other", PATIENCE_US);
  client_fixture_ask (f, "x", &result); /* takes it out for 0.75 to 1.25 s */
  assert_good (&result);
  while (obk_clock_boot_us () < start_us + 700 * MS)
    client_fixture_ask (f, "x", &result);
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/back/v1/x"), ==, 1);
  g_assert_cmpint (client_fixture_count ("good /echo/other/v1/x"), >, 1);

  /* one of many tries it, is refused, and goes on to the other address like the rest */
  run_for (600);
  for (guint round = 0; round < 2; round++)
    {
      ClientResult results[20] = { { .calls = 0 } };

      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        client_fixture_send (f, "x", get, &results[i]);
      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        {
          client_result_wait (&results[i]);
          assert_good (&results[i]);
          client_result_clear (&results[i]);
        }
    }
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/back/v1/x"), ==, 2);
  g_assert_false (obk_client_address_healthy (f->client, 0));

  /* out for twice as long, and then it is well */
  run_for (1400);
  client_fixture_ask (f, "x", &result);
  g_assert_false (obk_client_address_healthy (f->client, 0));
  run_for (1200);
  client_fixture_ask (f, "x", &result);
  assert_good (&result);
  g_assert_true (obk_client_address_healthy (f->client, 0));
  client_fixture_ask (f, "x", &result);
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/back/v1/x"), ==, 4);
}

static void
test_all_out (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/" UNTIL_TWO "/one good/" UNTIL_TWO "/two", PATIENCE_US);
  for (guint i = 0; i < 2; i++)
    {
      client_fixture_ask (f, "x", &result);
      assert_failed (&result, OBK_ERROR_SEALED);
      g_assert_false (obk_client_address_healthy (f->client, 0) || obk_client_address_healthy (f->client, 1));
    }
  client_fixture_ask (f, "x", &result); /* at once, out or not */
  assert_good (&result);
}

static void
test_only_address_out (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/" UNTIL_TWO "/only", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  client_fixture_ask (f, "x", &result);
  assert_failed (&result, OBK_ERROR_SEALED);
  client_fixture_ask (f, "x", &result);
  assert_good (&result);
  g_assert_true (obk_client_address_healthy (f->client, 0));
}

/* A client in a hurry says nothing of an address; one that has waited for long does. */
static void
test_silence_and_health (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) hurried = { .calls = 0 };
  g_auto (ClientResult) patient = { .calls = 0 };

  client_fixture_use (f, "good/hang good", 2 * G_USEC_PER_SEC);
  client_fixture_send (f, "echo", get_within (200 * MS), &hurried);
  client_result_wait (&hurried);
  assert_good (&hurried);
  g_assert_true (obk_client_address_healthy (f->client, 0));
  client_fixture_send (f, "echo", get_within (1500 * MS), &patient);
  client_result_wait (&patient);
  assert_good (&patient);
  g_assert_false (obk_client_address_healthy (f->client, 0));
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
      assert_failed (&result, OBK_ERROR_TIMEOUT);
      g_assert_cmpint (obk_clock_boot_us () - start_us, >=, cases[i].ends_us);
      g_assert_cmpint (obk_clock_boot_us () - start_us, <, cases[i].ends_us + 150 * MS);
    }
}

/* Time is left for the second address. */
static void
test_deadline_is_split (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/hang hang-handshake good", 2 * G_USEC_PER_SEC);
  client_fixture_send (f, "echo", get_within (600 * MS), &result);
  client_result_wait (&result);
  assert_good (&result);
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

/* The next one may try the address then. */
static void
test_cancel_of_trial (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) first = { .calls = 0 };
  g_auto (ClientResult) trial = { .calls = 0 };
  g_auto (ClientResult) next = { .calls = 0 };

  client_fixture_use (f, "good/" UNTIL_TWO "/trial good", PATIENCE_US);
  client_fixture_ask (f, "echo", &first);
  run_for (1300);
  obk_call_cancel (client_fixture_send (f, "echo", get, &trial));
  client_fixture_ask (f, "echo", &next);
  client_fixture_ask (f, "echo", &next);
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/trial/v1/echo"), >=, 2);
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
  const ObkClientRequest request = { .operation = "test", .path = "echo", .deadline_us = OBK_NO_DEADLINE };

  chain.victim = client_fixture_send (f, "hang", get, &chain.victim_result);
  obk_client_send (f->client, &request, go_on, &chain);
  while (!chain.ended)
    g_main_context_iteration (NULL, TRUE);
  client_result_wait (&chain.next);
  assert_good (&chain.next);
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
  client_fixture_use (f, SEALED " good", PATIENCE_US);
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
  ADD ("answer/classes", test_classes);
  ADD ("answer/texts-tell-nothing", test_texts_tell_nothing);
  ADD ("answer/shapes", test_shapes);
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
  ADD ("failover/goes-on", test_failover);
  ADD ("failover/definite", test_no_failover);
  ADD ("failover/lagging", test_lagging);
  ADD ("failover/worth", test_worth);
  ADD ("failover/silence", test_silence_to_its_end);
  ADD ("health/out-and-back", test_out_and_back);
  ADD ("health/all-out", test_all_out);
  ADD ("health/only-address", test_only_address_out);
  ADD ("health/silence", test_silence_and_health);
  ADD ("deadline/ends", test_deadlines);
  ADD ("deadline/is-split", test_deadline_is_split);
  ADD ("cancel/at-once", test_cancel_at_once);
  ADD ("cancel/in-flight", test_cancel_in_flight);
  ADD ("cancel/waiting-for-token", test_cancel_waiting_for_token);
  ADD ("cancel/waiting-for-login", test_cancel_waiting_for_login);
  ADD ("cancel/in-pause", test_cancel_in_pause);
  ADD ("cancel/trial", test_cancel_of_trial);
  ADD ("free-busy", test_free_busy);
  ADD ("within-callback", test_within_callback);
  ADD ("log", test_log);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
