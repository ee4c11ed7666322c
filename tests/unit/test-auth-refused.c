/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/auth.h"

#include "auth-fixture.h"
#include "base/error.h"

static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkSecret) old = NULL;
  g_auto (Asker) first = { 0 }, second = { 0 }, late = { 0 }, again = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  old = obk_secret_ref (obk_auth_peek (f->auth));
  refused (f, &first, old); /* at once: the first login does not count */
  refused (f, &second, old);
  assert_login (f);
  answer (f, "s.t2", LEASE, TRUE);
  refused (f, &late, old);
  turn (f);
  assert_token (&first, "s.t2");
  assert_token (&second, "s.t2");
  assert_token (&late, "s.t2");
  refused (f, &again, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&again, OBK_ERROR_DENIAL_UNCONFIRMED);
  g_assert_cmpuint (f->client->started, ==, 2);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  assert_renewal (f, "s.t2");
}

/* Refuses the token in use again and again for @seconds; no login comes but at their end. */
static void
assert_pause (Fixture *f, int seconds)
{
  g_auto (Asker) asker = { 0 };

  for (int i = 0; i < seconds; i++)
    {
      refused (f, &asker, obk_auth_peek (f->auth));
      turn (f);
      assert_failed (&asker, OBK_ERROR_DENIAL_UNCONFIRMED);
      assert_idle (f);
      stand_in_advance (f->poller, SECOND);
    }
  refused (f, &asker, obk_auth_peek (f->auth));
  assert_login (f);
  answer (f, "s.t2", LEASE, TRUE);
  turn (f);
  assert_token (&asker, "s.t2");
}

static void
test_refused_pauses (Fixture *f, gconstpointer data)
{
  static const int pauses[] = { 0, 5, 10, 20, 30, 30 };

  begin (f, "s.t1", LEASE, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (pauses); i++)
    assert_pause (f, pauses[i]);
  stand_in_advance (f->poller, 40 * SECOND); /* it has helped: revoked again is another matter */
  assert_pause (f, 0);
  assert_pause (f, 5);
}

/* By whichever way it is asked for: two of them share a token after a reload. */
static void
test_refused_pauses_are_shared (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkAuth) former = f->auth;
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  assert_pause (f, 0);
  new_auth (f);
  g_assert_true (obk_auth_share (f->auth, former));
  refused (f, &asker, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&asker, OBK_ERROR_DENIAL_UNCONFIRMED);
}

static void
test_relogin_refused (Fixture *f, gconstpointer data)
{
  g_auto (Asker) first = { 0 }, after = { 0 }, healed = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  refused (f, &first, obk_auth_peek (f->auth));
  fail (f, OBK_ERROR_TRANSIT_REFUSED);
  turn (f);
  assert_failed (&first, OBK_ERROR_AUTH_FAILED);
  assert_in_use (f, "s.t1");
  refused (f, &after, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&after, OBK_ERROR_AUTH_FAILED);
  assert_idle (f);
  assert_next_login (f, 1); /* no renewal of what is suspect */
  refused (f, &healed, obk_auth_peek (f->auth));
  answer (f, "s.t2", LEASE, TRUE);
  turn (f);
  assert_token (&healed, "s.t2");
  refused (f, &after, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&after, OBK_ERROR_DENIAL_UNCONFIRMED);
}

static void
test_relogin_fails (Fixture *f, gconstpointer data)
{
  g_auto (Asker) first = { 0 }, after = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  refused (f, &first, obk_auth_peek (f->auth));
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  turn (f);
  assert_failed (&first, OBK_ERROR_CONNECTION_FAILED);
  refused (f, &after, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&after, OBK_ERROR_CONNECTION_FAILED);
  assert_idle (f);
}

/* A login that is refused is tried again in its own time, whatever comes meanwhile. */
static void
test_relogin_stays_refused (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  refused (f, &asker, obk_auth_peek (f->auth));
  for (int pause = 1; pause < 16; pause *= 2)
    {
      fail (f, OBK_ERROR_AUTH_FAILED);
      assert_next_login (f, pause);
    }
  fail (f, OBK_ERROR_AUTH_FAILED);
  stand_in_advance (f->poller, 6 * SECOND);
  refused (f, &asker, obk_auth_peek (f->auth));
  turn (f);
  assert_failed (&asker, OBK_ERROR_AUTH_FAILED);
  assert_idle (f);
}

/* The refresh fails for an outage; then OpenBao answers, and does not know the token: no wait for the next try. */
static void
test_refused_during_backoff (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, FALSE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  fail (f, OBK_ERROR_CONNECTION_FAILED);
  refused (f, &asker, obk_auth_peek (f->auth));
  assert_login (f);
  answer (f, "s.t2", LEASE, TRUE);
  turn (f);
  assert_token (&asker, "s.t2");
}

static void
test_refused_during_renewal (Fixture *f, gconstpointer data)
{
  g_auto (Asker) asker = { 0 };

  begin (f, "s.t1", LEASE, TRUE);
  stand_in_advance (f->poller, (LEASE - WINDOW) * SECOND);
  assert_renewal (f, "s.t1");
  refused (f, &asker, obk_auth_peek (f->auth));
  g_assert_cmpuint (f->client->cancelled, ==, 1);
  assert_login (f);
  answer (f, "s.t2", LEASE, TRUE);
  turn (f);
  assert_token (&asker, "s.t2");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/auth/" path, Fixture, NULL, setup, function, teardown)
  ADD ("refused/fresh-login", test_refused);
  ADD ("refused/pauses", test_refused_pauses);
  ADD ("refused/pauses-are-shared", test_refused_pauses_are_shared);
  ADD ("refused/login-refused", test_relogin_refused);
  ADD ("refused/login-stays-refused", test_relogin_stays_refused);
  ADD ("refused/login-fails", test_relogin_fails);
  ADD ("refused/during-backoff", test_refused_during_backoff);
  ADD ("refused/during-renewal", test_refused_during_renewal);
  return g_test_run ();
}
