/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/auth.h"

#include "auth-fixture.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/names.h"

#include <string.h>

static void
test_first_login (Fixture *f, gconstpointer data)
{
  obk_auth_start (f->auth);
  assert_idle (f);
  g_assert_null (obk_auth_peek (f->auth));
  g_assert_cmpint (obk_auth_token_ttl_seconds (f->auth), ==, -1);
  g_assert_cmpint (obk_auth_token_age_us (f->auth), ==, G_MAXINT64);
  turn (f);
  assert_login (f);
  stand_in_advance (f->poller, 2 * SECOND);
  answer (f, "s.t1", LEASE, TRUE);
  assert_in_use (f, "s.t1");
  g_assert_cmpuint (f->logins, ==, 1);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_INFO, NULL);
  g_assert_cmpint (f->seen.ttl_seconds, ==, LEASE - 2); /* from when it was asked for */
  stand_in_advance (f->poller, 3 * SECOND);
  g_assert_cmpint (obk_auth_token_ttl_seconds (f->auth), ==, LEASE - 5);
  g_assert_cmpint (obk_auth_token_age_us (f->auth), ==, 3 * SECOND);
  assert_idle (f);
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  g_auto (Asker) before = { 0 }, during = { 0 }, after = { 0 };

  acquire (f, &before);
  obk_auth_start (f->auth);
  turn (f);
  acquire (f, &during);
  g_assert_cmpuint (f->client->started, ==, 1);
  answer (f, "s.t1", LEASE, TRUE);
  acquire (f, &after);
  g_assert_cmpuint (before.calls + during.calls + after.calls, ==, 0);
  turn (f);
  assert_token (&before, "s.t1");
  assert_token (&during, "s.t1");
  assert_token (&after, "s.t1");
  g_assert_cmpuint (f->client->started, ==, 1);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_auto (Asker) early = { 0 }, late = { 0 }, other = { 0 };

  obk_auth_start (f->auth);
  turn (f);
  acquire (f, &early);
  acquire (f, &late);
  acquire (f, &other);
  obk_auth_wait_cancel (early.wait);
  answer (f, "s.t1", LEASE, TRUE);
  obk_auth_wait_cancel (late.wait); /* its outcome is known, but not told */
  turn (f);
  g_assert_cmpuint (early.calls + late.calls, ==, 0);
  assert_token (&other, "s.t1");
}

static void
test_free_under_way (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 }, told = { 0 };

  obk_auth_start (f->auth);
  turn (f);
  acquire (f, &asker);
  obk_auth_free (f->auth);
  g_assert_cmpuint (f->client->cancelled, ==, 1);
  turn (f);
  g_assert_cmpuint (asker.calls, ==, 0);

  new_auth (f); /* another one, whose outcome is known */
  begin (f, "s.t1", LEASE, TRUE);
  acquire (f, &told);
  obk_auth_free (f->auth);
  turn (f);
  g_assert_cmpuint (told.calls, ==, 0);
  new_auth (f);
}

static void
test_backoff (Fixture *f, gconstpointer data)
{
  static const int pauses[] = { 1, 2, 4, 8, 16, 30, 30 };

  obk_auth_start (f->auth);
  turn (f);
  for (guint i = 0; i < G_N_ELEMENTS (pauses); i++)
    {
      fail (f, OBK_ERROR_CONNECTION_FAILED);
      assert_next_login (f, pauses[i]);
    }
  answer (f, "s.t1", LEASE, FALSE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  assert_next_login (f, 1);
  obk_auth_free (g_steal_pointer (&f->auth));
}

static void
test_failures (Fixture *f, gconstpointer data)
{
  static const struct
  {
    ObkError from, to;
  } rows[] = {
    { OBK_ERROR_AUTH_FAILED, OBK_ERROR_AUTH_FAILED },
    { OBK_ERROR_POLICY_DENIED, OBK_ERROR_AUTH_FAILED },
    { OBK_ERROR_TRANSIT_REFUSED, OBK_ERROR_AUTH_FAILED },
    { OBK_ERROR_KEY_MISSING, OBK_ERROR_KEY_MISSING },
    { OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_CONNECTION_FAILED },
    { OBK_ERROR_SEALED, OBK_ERROR_SEALED },
    { OBK_ERROR_TIMEOUT, OBK_ERROR_TIMEOUT },
    { OBK_ERROR_RATE_LIMITED, OBK_ERROR_RATE_LIMITED },
  };

  obk_auth_start (f->auth);
  turn (f);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Asker) during = { 0 }, after = { 0 };
      guint started = f->client->started;

      acquire (f, &during);
      fail (f, rows[i].from);
      acquire (f, &after); /* told at once, without another try */
      turn (f);
      assert_failed (&during, (int)rows[i].to);
      assert_failed (&after, (int)rows[i].to);
      g_assert_nonnull (strstr (after.error->message, "cause"));
      g_assert_cmpstr (f->seen.error_class, ==, obk_error_class (after.error));
      g_assert_cmpuint (f->client->started, ==, started);
      stand_in_advance (f->poller, 38 * SECOND);
      assert_login (f);
    }
  fail (f, OBK_ERROR_SEALED);
}

static void
test_bad_answers (Fixture *f, gconstpointer data)
{
  static const char *const answers[] = {
    "{}",
    "[]",
    "{\"auth\":null}",
    "{\"auth\":{\"lease_duration\":60,\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\",\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\",\"lease_duration\":60}}",
    "{\"auth\":{\"client_token\":\"\",\"lease_duration\":60,\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\\r\\nX: y\",\"lease_duration\":60,\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\",\"lease_duration\":0,\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\",\"lease_duration\":-60,\"renewable\":true}}",
    "{\"auth\":{\"client_token\":\"s.t1\",\"lease_duration\":60.5,\"renewable\":true}}",
  };

  obk_auth_start (f->auth);
  turn (f);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_auto (Asker) asker = { 0 };

      acquire (f, &asker);
      stand_in_answer (f->client, answers[i]);
      turn (f);
      assert_failed (&asker, OBK_ERROR_UNAVAILABLE);
      assert_in_use (f, NULL);
      stand_in_advance (f->poller, 38 * SECOND);
    }
  g_assert_cmpuint (f->logins, ==, 0);
  answer (f, "s.t1", LEASE, TRUE);
  g_assert_cmpuint (f->logins, ==, 1);
}

static void
test_limits (Fixture *f, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (8192, 'a');
  g_autofree char *longer = g_strnfill (8193, 'a');

  obk_auth_start (f->auth);
  turn (f);
  answer (f, longer, LEASE, TRUE);
  assert_in_use (f, NULL);
  stand_in_advance (f->poller, 2 * SECOND);
  stand_in_answer (f->client, "{\"auth\":{\"client_token\":\"s.t1\",\"lease_duration\":9223372036854775807,"
                              "\"renewable\":false}}");
  assert_in_use (f, "s.t1");
  g_assert_cmpint (obk_auth_token_ttl_seconds (f->auth), >=, 365 * 86400);
  obk_auth_free (f->auth);

  new_auth (f);
  begin (f, longest, LEASE, TRUE);
}

/* Failures are expected while OpenBao may still be starting. */
static void
test_log_levels (Fixture *f, gconstpointer data)
{
  obk_auth_start (f->auth);
  turn (f);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_INFO, "openbao_connection_failed");
  stand_in_advance (f->poller, 60 * SECOND);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_WARN, "openbao_connection_failed");
  obk_auth_free (f->auth);

  new_auth (f);
  begin (f, "s.t1", 30, FALSE); /* once it has passed, they are not */
  stand_in_advance (f->poller, 20 * SECOND);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_WARN, "openbao_connection_failed");
}

static void
test_credential (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 }, after = { 0 };

  f->supply.broken = TRUE;
  acquire (f, &asker);
  obk_auth_start (f->auth);
  stand_in_advance (f->poller, 12 * SECOND);
  assert_failed (&asker, OBK_ERROR_AUTH_EXPIRED);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_INFO, "credential_invalid");
  g_assert_cmpuint (f->client->started, ==, 0);
  acquire (f, &after);
  turn (f);
  assert_failed (&after, OBK_ERROR_AUTH_EXPIRED);

  f->supply.broken = FALSE;
  supply_change (&f->supply);
  turn (f); /* no wait for the next try */
  assert_login (f);
  supply_change (&f->supply);
  fail (f, OBK_ERROR_TRANSIT_REFUSED); /* the one from before the change */
  turn (f);
  assert_login (f);
  fail (f, OBK_ERROR_TRANSIT_REFUSED);
  assert_next_login (f, 1);
  answer (f, "s.t1", LEASE, TRUE);
  supply_change (&f->supply);
  stand_in_advance (f->poller, 60 * SECOND);
  assert_idle (f); /* the token does not depend on it */
}

static void
test_renewal (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  for (guint i = 0; i < 3; i++)
    {
      stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND - 1);
      assert_idle (f);
      stand_in_advance (f->poller, 1);
      assert_renewal (f, "s.t1");
      acquire (f, &asker);
      turn (f);
      assert_token (&asker, "s.t1");
      answer (f, "s.t1", LEASE, TRUE);
      assert_seen (f, OBK_EVENT_AUTH_RENEWAL, OBK_LOG_INFO, NULL);
      g_assert_cmpint (f->seen.ttl_seconds, ==, LEASE);
      g_assert_null (f->seen.detail);
    }
  g_assert_cmpuint (f->logins, ==, 1);
}

static void
test_renewal_gives_too_little (Fixture *f, gconstpointer data)
{
  begin (f, "s.t1", LEASE, TRUE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  assert_renewal (f, "s.t1");
  answer (f, "s.t1", WINDOW, TRUE);
  assert_login (f);
  assert_in_use (f, "s.t1");
  fail (f, OBK_ERROR_SEALED);
  assert_next_login (f, 1); /* no second renewal */
  answer (f, "s.t2", LEASE, TRUE);
  assert_in_use (f, "s.t2");
}

/* The grant shrinks towards the token's maximum TTL: a login follows before it has run out. */
static void
test_renewal_towards_maximum (Fixture *f, gconstpointer data)
{
  int left = 90;
  guint renewals = 0;

  begin (f, "s.t1", 60, TRUE); /* a short lease: its window is 20 s */
  stand_in_advance (f->poller, 40 * SECOND);
  for (left -= 40; !stand_in_call (f->client)->request.anonymous; renewals++)
    {
      int granted = MIN (left, 60);

      assert_renewal (f, "s.t1");
      answer (f, "s.t1", granted, TRUE);
      if (granted > 20)
        {
          stand_in_advance (f->poller, MAX (granted - 20, 1) * SECOND);
          left -= MAX (granted - 20, 1);
        }
      assert_in_use (f, "s.t1");
    }
  g_assert_cmpuint (renewals, >, 1);
  g_assert_cmpint (left, ==, 20);
  answer (f, "s.t2", 60, TRUE);
}

static void
test_renewal_lengthens_window (Fixture *f, gconstpointer data)
{
  begin (f, "s.t1", 60, TRUE);
  stand_in_advance (f->poller, 40 * SECOND);
  answer (f, "s.t1", LEASE, TRUE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND - 1);
  assert_idle (f);
  stand_in_advance (f->poller, 1);
  assert_renewal (f, "s.t1");
}

static void
test_renewal_fails (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  assert_renewal (f, "s.t1");
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  assert_seen (f, OBK_EVENT_AUTH_RENEWAL, OBK_LOG_WARN, "openbao_connection_failed");
  assert_login (f);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  acquire (f, &asker);
  stand_in_advance (f->poller, 2 * SECOND);
  assert_token (&asker, "s.t1"); /* a token that is valid needs no refresh */
  assert_renewal (f, "s.t1");
  fail (f, OBK_ERROR_POLICY_DENIED);
  assert_login (f);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  stand_in_advance (f->poller, 4 * SECOND);
  assert_login (f); /* what OpenBao refuses to renew is not tried again */
  answer (f, "s.t2", LEASE, TRUE);
  assert_in_use (f, "s.t2");
}

static void
test_renewal_bad_answer (Fixture *f, gconstpointer data)
{
  begin (f, "s.t1", LEASE, TRUE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  answer (f, "s.t1", 0, TRUE);
  assert_seen (f, OBK_EVENT_AUTH_RENEWAL, OBK_LOG_WARN, "openbao_unavailable");
  assert_login (f);
  assert_in_use (f, "s.t1"); /* the old lease stands */
  g_assert_cmpint (obk_auth_token_ttl_seconds (f->auth), ==, WINDOW);
}

static void
test_not_renewable (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, FALSE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  assert_login (f);
  acquire (f, &asker);
  fail (f, OBK_ERROR_SEALED); /* that is nothing to one whose outcome is known */
  turn (f);
  assert_token (&asker, "s.t1");
  assert_next_login (f, 1);
  answer (f, "s.t2", LEASE, TRUE);
  assert_in_use (f, "s.t2");
}

static void
test_expiry (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 }, during = { 0 };

  begin (f, "s.t1", LEASE, FALSE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  fail (f, OBK_ERROR_SEALED);
  stand_in_advance (f->poller, WINDOW * SECOND - 1);
  assert_in_use (f, "s.t1");
  stand_in_advance (f->poller, 1);
  assert_in_use (f, NULL);
  g_assert_cmpint (obk_auth_token_ttl_seconds (f->auth), ==, -1);
  acquire (f, &during); /* a login is under way since the first retry */
  assert_login (f);
  fail (f, OBK_ERROR_SEALED);
  acquire (f, &asker);
  turn (f);
  assert_failed (&during, OBK_ERROR_SEALED);
  assert_failed (&asker, OBK_ERROR_SEALED);
}

static void
test_short_lease (Fixture *f, gconstpointer data)
{
  begin (f, "s.t1", WINDOW, FALSE);
  assert_seen (f, OBK_EVENT_WARNING, OBK_LOG_WARN, NULL);
  stand_in_advance (f->poller, WINDOW * SECOND * 2 / 3 - 1);
  assert_idle (f);
  stand_in_advance (f->poller, 1);
  assert_login (f);
  answer (f, "s.t2", 1, FALSE); /* however short: no storm of logins */
  stand_in_advance (f->poller, SECOND - 1);
  assert_idle (f);
  stand_in_advance (f->poller, 1);
  assert_login (f);
  answer (f, "s.t3", WINDOW + 1, FALSE);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_INFO, NULL);
}

static void
test_login_timeout (Fixture *f, gconstpointer data)
{
  gint64 deadline_us = 0;

  obk_auth_start (f->auth);
  turn (f);
  deadline_us = stand_in_call (f->client)->request.deadline_us;
  g_assert_cmpint (deadline_us, ==, obk_clock_boot_us () + 5 * SECOND);
}

static void
test_retry (Fixture *f, gconstpointer data)
{
  obk_auth_start (f->auth);
  turn (f);
  obk_auth_retry (f->auth); /* one is under way */
  fail (f, OBK_ERROR_TRANSIT_REFUSED);
  turn (f);
  assert_login (f);
  fail (f, OBK_ERROR_TRANSIT_REFUSED);
  turn (f);
  assert_idle (f);
  obk_auth_retry (f->auth);
  turn (f);
  assert_login (f);
  answer (f, "s.t1", LEASE, TRUE);
  obk_auth_retry (f->auth); /* there is nothing to mend */
  turn (f);
  assert_idle (f);
}

/* The JWT takes its time, which counts as the login's. */
static void
test_slow_source (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };
  gint64 begun_us = 0;

  f->supply.slow = TRUE;
  acquire (f, &asker);
  obk_auth_start (f->auth);
  turn (f);
  begun_us = obk_clock_boot_us ();
  g_assert_cmpint (f->supply.deadline_us, ==, begun_us + 5 * SECOND);
  stand_in_advance (f->poller, 2 * SECOND);
  g_assert_cmpuint (f->client->started + asker.calls, ==, 0);
  supply_answer (&f->supply);
  assert_login (f);
  g_assert_cmpint (stand_in_call (f->client)->request.deadline_us, ==, begun_us + 5 * SECOND);
  answer (f, "s.t1", LEASE, FALSE);
  g_assert_cmpint (f->seen.ttl_seconds, ==, LEASE - 2);
  turn (f);
  assert_token (&asker, "s.t1");

  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  supply_change (&f->supply); /* the one under way may have the old one */
  f->supply.broken = TRUE;
  supply_answer (&f->supply);
  assert_seen (f, OBK_EVENT_AUTH_LOGIN, OBK_LOG_WARN, "credential_invalid");
  turn (f);
  g_assert_cmpuint (f->supply.fetches, ==, 3);
  obk_auth_free (g_steal_pointer (&f->auth)); /* while it fetches */
  g_assert_cmpuint (f->supply.cancelled, ==, 1);
  g_assert_cmpuint (f->client->started, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/auth/" path, Fixture, NULL, setup, function, teardown)
  ADD ("login/first", test_first_login);
  ADD ("login/shared", test_shared);
  ADD ("login/cancel", test_cancel);
  ADD ("login/free-under-way", test_free_under_way);
  ADD ("login/timeout", test_login_timeout);
  ADD ("login/backoff", test_backoff);
  ADD ("login/failures", test_failures);
  ADD ("login/bad-answers", test_bad_answers);
  ADD ("login/limits", test_limits);
  ADD ("login/log-levels", test_log_levels);
  ADD ("login/credential", test_credential);
  ADD ("login/retry", test_retry);
  ADD ("login/slow-source", test_slow_source);
  ADD ("renewal/passes", test_renewal);
  ADD ("renewal/gives-too-little", test_renewal_gives_too_little);
  ADD ("renewal/towards-maximum", test_renewal_towards_maximum);
  ADD ("renewal/lengthens-window", test_renewal_lengthens_window);
  ADD ("renewal/fails", test_renewal_fails);
  ADD ("renewal/bad-answer", test_renewal_bad_answer);
  ADD ("renewal/not-renewable", test_not_renewable);
  ADD ("lease/expiry", test_expiry);
  ADD ("lease/short", test_short_lease);
  return g_test_run ();
}
