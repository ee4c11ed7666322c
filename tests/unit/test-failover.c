/* SPDX-License-Identifier: Apache-2.0 */
#include "client-fixture.h"

#include "base/clock.h"
#include "base/log.h"

static const ObkClientRequest get = { .body = NULL };

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
      g_assert_cmpuint (obk_addresses_count (f->addresses), ==, 2);
      client_fixture_ask (f, "echo", &result);
      client_result_assert_good (&result);
      g_assert_false (obk_addresses_healthy (f->addresses, 0));
      g_assert_true (obk_addresses_healthy (f->addresses, 1));
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
      client_result_assert_failed (&result, cases[i].code);
      g_assert_true (obk_addresses_healthy (f->addresses, 0));
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
  client_result_assert_good (&result);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));

  client_fixture_use (f, LAGS "/first " LAGS "/second", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  client_result_assert_failed (&result, OBK_ERROR_STANDBY_LAGGING);
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
      client_fixture_use (f, cases[i].addresses, 6 * G_USEC_PER_SEC);
      client_result_clear (&result);
      client_fixture_send (f, "x", get_within (1600 * MS), &result);
      client_result_wait (&result);
      client_result_assert_failed (&result, cases[i].code);
      g_assert_cmpint (obk_clock_boot_us () - start_us, <, 5000 * MS); /* openbao.timeout is 6 s */
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
  client_result_assert_failed (&result, OBK_ERROR_TIMEOUT);
}

/* --- an address that is out --- */

#define UNTIL_TWO "say_until/2/503/Vault%20is%20sealed"

static void
test_out_and_back (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = obk_clock_boot_us ();
  gint64 tried_us = 0;

  client_fixture_use (f, "good/" UNTIL_TWO "/back good/echo/other", PATIENCE_US);
  client_fixture_ask (f, "x", &result); /* takes it out for 0.75 to 1.25 s */
  client_result_assert_good (&result);
  while (obk_clock_boot_us () < start_us + 700 * MS)
    client_fixture_ask (f, "x", &result);
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/back/v1/x"), ==, 1);
  g_assert_cmpint (client_fixture_count ("good /echo/other/v1/x"), >, 1);

  /* one of many has a copy of itself try it, which is refused */
  run_for (1300);
  tried_us = obk_clock_boot_us ();
  for (guint round = 0; round < 2; round++)
    {
      ClientResult results[20] = { { .calls = 0 } };

      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        client_fixture_send (f, "x", get, &results[i]);
      for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        {
          client_result_wait (&results[i]);
          client_result_assert_good (&results[i]);
          client_result_clear (&results[i]);
        }
    }
  g_assert_cmpint (client_fixture_count ("good /" UNTIL_TWO "/back/v1/x"), ==, 2);
  g_assert_false (obk_addresses_healthy (f->addresses, 0));

  /* out for twice as long, and then it is well */
  run_for (900);
  client_fixture_ask (f, "x", &result);
  g_assert_true (!obk_addresses_healthy (f->addresses, 0) || obk_clock_boot_us () - tried_us > 1500 * MS);
  run_for (2500);
  client_fixture_ask (f, "x", &result);
  client_result_assert_good (&result);
  for (guint i = 0; i < 50 && !obk_addresses_healthy (f->addresses, 0); i++)
    run_for (100);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
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
      client_result_assert_failed (&result, OBK_ERROR_SEALED);
      g_assert_false (obk_addresses_healthy (f->addresses, 0) || obk_addresses_healthy (f->addresses, 1));
    }
  client_fixture_ask (f, "x", &result); /* at once, out or not */
  client_result_assert_good (&result);
}

static void
test_only_address_out (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/" UNTIL_TWO "/only", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  client_fixture_ask (f, "x", &result);
  client_result_assert_failed (&result, OBK_ERROR_SEALED);
  client_fixture_ask (f, "x", &result);
  client_result_assert_good (&result);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
}

/* A client in a hurry says nothing of an address; one that has waited for long does. */
static void
test_silence_and_health (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) hurried = { .calls = 0 };
  g_auto (ClientResult) patient = { .calls = 0 };

  client_fixture_use (f, "good/hang good", 6 * G_USEC_PER_SEC);
  client_fixture_send (f, "echo", get_within (800 * MS), &hurried);
  client_result_wait (&hurried);
  client_result_assert_good (&hurried);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
  client_fixture_send (f, "echo", get_within (4000 * MS), &patient);
  client_result_wait (&patient);
  client_result_assert_good (&patient);
  g_assert_false (obk_addresses_healthy (f->addresses, 0));
}

/* No other address is in use, so that the call itself tries one; the next one may then, too. */
static void
test_cancelled_trial (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) trial = { .calls = 0 };
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/say_until/1/503 refused", PATIENCE_US);
  client_fixture_ask (f, "echo", &result);
  g_assert_false (obk_addresses_healthy (f->addresses, 0));
  run_for (1300);
  obk_call_cancel (client_fixture_send (f, "echo", get, &trial));
  client_fixture_ask (f, "echo", &result);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
}

/* Who finds out whether a silent address is back does not wait for it, and neither does anybody else. */
static void
test_dead_first_address (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };
  gint64 start_us = 0, slowest_us = 0;
  json_int_t tries = 0;

  client_fixture_use (f, "good/hang/dead good/echo/one good/echo/two good/echo/three", 900 * MS);
  client_fixture_ask (f, "x", &result);
  client_result_assert_good (&result);
  g_assert_true (obk_addresses_healthy (f->addresses, 0)); /* 450 ms of silence say nothing, but a copy waits on */
  run_for (1500);
  g_assert_false (obk_addresses_healthy (f->addresses, 0));
  start_us = obk_clock_boot_us ();
  while (obk_clock_boot_us () < start_us + 2 * G_USEC_PER_SEC)
    {
      gint64 asked_us = obk_clock_boot_us ();

      client_fixture_ask (f, "x", &result);
      client_result_assert_good (&result);
      slowest_us = MAX (slowest_us, obk_clock_boot_us () - asked_us);
      run_for (10);
    }
  tries = client_fixture_count ("good /hang/dead/v1/x");
  g_assert_cmpint (tries, >=, 2);
  g_assert_cmpint (tries, <=, 3);
  g_test_message ("slowest: %" G_GINT64_FORMAT " us", slowest_us);
  g_assert_cmpint (slowest_us, <, 850 * MS); /* of a busy machine; the address would take 900 */
  run_for (1000);                            /* and one is under way when all is freed */
  client_fixture_ask (f, "x", &result);
}

/* OpenBao would give out a token twice. */
static void
test_login_leaves_it_to_others (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkSecret) token = obk_secret_new_copy ("own", 3);
  const ObkClientRequest requests[] = { { .anonymous = TRUE }, { .token = token } };
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/say_until/1/503/of-login good/echo/login", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  g_assert_false (obk_addresses_healthy (f->addresses, 0));
  run_for (1300);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      client_result_clear (&result);
      client_fixture_send (f, "x", requests[i], &result);
      client_result_wait (&result);
      client_result_assert_good (&result);
      g_assert_cmpint (client_fixture_count ("good /echo/login/v1/x"), ==, 2 + (gint)i);
      g_assert_cmpint (client_fixture_count ("good /say_until/1/503/of-login/v1/x"), ==, 1);
    }
  client_fixture_ask (f, "x", &result);
  for (guint i = 0; i < 50 && !obk_addresses_healthy (f->addresses, 0); i++)
    run_for (100);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
}

/* Nobody else would. */
static void
test_login_tries_what_is_left (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/say_until/1/503/of-all refused", PATIENCE_US);
  client_fixture_ask (f, "x", &result);
  run_for (1300);
  client_result_clear (&result);
  client_fixture_send (f, "x", (ObkClientRequest){ .anonymous = TRUE }, &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
  g_assert_true (obk_addresses_healthy (f->addresses, 0));
}

/* Time is left for the second address. */
static void
test_deadline_is_split (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/hang hang-handshake good", 6 * G_USEC_PER_SEC);
  client_fixture_send (f, "echo", get_within (2400 * MS), &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
}

/* However many addresses there are, one that is slow and well has the time to answer, and is asked once. */
static void
test_slow_but_well (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/delay/900/one good/delay/900/two good/delay/900/three good/delay/900/four", 2000 * MS);
  client_fixture_send (f, "x", get_within (2800 * MS), &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
  g_assert_cmpint (client_fixture_count ("good /delay/900/one/v1/x"), ==, 1);
  g_assert_cmpint (client_fixture_count ("good /delay/900/two/v1/x"), ==, 0);
}

/* The time that addresses have left is for the one that needed more. */
static void
test_time_left (ClientFixture *f, gconstpointer data)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_use (f, "good/hang_until/1/left refused refused refused", 2000 * MS);
  client_fixture_send (f, "x", get_within (2000 * MS), &result);
  client_result_wait (&result);
  client_result_assert_good (&result);
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  obk_log_set_level (OBK_LOG_ERROR);
  fixture_server = stand_in_start ();
#define ADD(path, function)                                                                                            \
  g_test_add ("/failover/" path, ClientFixture, NULL, client_fixture_set_up, function, client_fixture_tear_down)
  ADD ("goes-on", test_failover);
  ADD ("definite", test_no_failover);
  ADD ("lagging", test_lagging);
  ADD ("worth", test_worth);
  ADD ("silence", test_silence_to_its_end);
  ADD ("health/out-and-back", test_out_and_back);
  ADD ("health/all-out", test_all_out);
  ADD ("health/only-address", test_only_address_out);
  ADD ("health/silence", test_silence_and_health);
  ADD ("health/cancelled-trial", test_cancelled_trial);
  ADD ("health/dead-first-address", test_dead_first_address);
  ADD ("health/login-leaves-it-to-others", test_login_leaves_it_to_others);
  ADD ("health/login-tries-what-is-left", test_login_tries_what_is_left);
  ADD ("deadline/is-split", test_deadline_is_split);
  ADD ("deadline/slow-but-well", test_slow_but_well);
  ADD ("deadline/time-left", test_time_left);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
