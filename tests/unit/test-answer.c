/* SPDX-License-Identifier: Apache-2.0 */
#include "client-fixture.h"

#include "base/log.h"

#include <string.h>

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
    { "redirect", OBK_ERROR_ANSWER_REFUSED, OBK_ERROR_ANSWER_REFUSED },
    { "size/1048577", OBK_ERROR_ANSWER_REFUSED, OBK_ERROR_ANSWER_REFUSED },
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
      client_result_assert_failed (&own, cases[i].code);
      client_fixture_send (f, cases[i].path, (ObkClientRequest){ .anonymous = TRUE }, &login);
      client_result_wait (&login);
      client_result_assert_failed (&login, cases[i].login_code);
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
    "keep/200/%7B%7Dx", "unframed",        "garbage",
  };
  g_auto (ClientResult) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      client_fixture_ask (f, bad[i], &result);
      client_result_assert_failed (&result, OBK_ERROR_UNAVAILABLE);
    }
  client_fixture_ask (f, "no_content", &result);
  client_result_assert_good (&result);
  g_assert_cmpuint (json_object_size (result.json), ==, 0);
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  obk_log_set_level (OBK_LOG_ERROR);
  fixture_server = stand_in_start ();
#define ADD(path, function)                                                                                            \
  g_test_add ("/answer/" path, ClientFixture, NULL, client_fixture_set_up, function, client_fixture_tear_down)
  ADD ("classes", test_classes);
  ADD ("texts-tell-nothing", test_texts_tell_nothing);
  ADD ("shapes", test_shapes);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
