/* SPDX-License-Identifier: Apache-2.0 */
/* Calls at once and in turn: slots, queues, deadlines while they wait, and calls that are given up. */
#include "kms/service.h"

#include "base/clock.h"
#include "kms/gate.h"
#include "service-fixture.h"

#include <string.h>

#define MANY 8

static void
start (Service *s, Call *calls, guint n)
{
  for (guint i = 0; i < n; i++)
    g_assert_true (call_encrypt (s, &calls[i], OBK_NO_DEADLINE));
}

static void
answer_all (Service *s)
{
  while (s->transit->calls->len > 0)
    stand_in_answer (s->transit);
}

static void
clear (Call *calls, guint n)
{
  for (guint i = 0; i < n; i++)
    call_clear (&calls[i]);
}

static void
test_in_order (Service *s, gconstpointer data)
{
  Call calls[MANY];

  start (s, calls, MANY);
  g_assert_cmpuint (s->transit->calls->len, ==, MAX_ENCRYPT);
  for (guint i = 0; i < MANY; i++)
    {
      g_assert_cmpuint (s->transit->calls->len, ==, MIN (MAX_ENCRYPT, MANY - i));
      stand_in_answer (s->transit);
      call_expect_encrypted (&calls[i], ACTIVE);
      g_assert_cmpuint (calls[i].order, ==, i + 1);
    }
  g_assert_cmpuint (s->transit->started, ==, MANY);
  clear (calls, MANY);
}

/* Neither takes the other's slots. */
static void
test_methods_apart (Service *s, gconstpointer data)
{
  Call encrypts[MANY], decrypts[MANY];
  g_auto (Sealed) sealed = { 0 };

  sealed_init (&sealed, s, RETIRED);
  start (s, encrypts, MANY);
  for (guint i = 0; i < MANY; i++)
    g_assert_true (call_decrypt (s, &decrypts[i], &sealed.request));
  g_assert_cmpuint (s->transit->calls->len, ==, MAX_ENCRYPT + MAX_DECRYPT);
  answer_all (s);
  for (guint i = 0; i < MANY; i++)
    {
      call_expect_encrypted (&encrypts[i], ACTIVE);
      call_expect_decrypted (&decrypts[i]);
    }
  clear (encrypts, MANY);
  clear (decrypts, MANY);
}

/* What fails gives its slot up like what does not. */
static void
test_failures_free_slots (Service *s, gconstpointer data)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_SEALED, "stand-in");
  Call calls[MANY];

  start (s, calls, MANY);
  for (guint i = 0; i < MANY; i++)
    {
      stand_in_fail (s->transit, error);
      call_expect_error (&calls[i], OBK_ERROR_SEALED);
    }
  clear (calls, MANY);
}

/* Refused ones never had one. */
static void
test_refusals_take_no_slot (Service *s, gconstpointer data)
{
  g_auto (Call) call = { 0 };

  for (guint i = 0; i < MANY; i++)
    {
      g_auto (Call) empty = { 0 }, late = { 0 };

      g_assert_false (call_encrypt_text (s, &empty, "", 0, OBK_NO_DEADLINE));
      g_assert_false (call_encrypt (s, &late, obk_clock_boot_us () - 1));
    }
  g_assert_true (call_encrypt (s, &call, OBK_NO_DEADLINE));
  g_assert_cmpuint (s->transit->calls->len, ==, 1);
  stand_in_answer (s->transit);
  call_expect_encrypted (&call, ACTIVE);
}

static void
test_queue_is_bounded (Service *s, gconstpointer data)
{
  const guint most = MAX_ENCRYPT + OBK_GATE_MAX_WAITING;
  g_autofree Call *calls = g_new0 (Call, most);
  g_auto (Call) refused = { 0 }, other = { 0 }, last = { 0 };
  g_auto (Sealed) sealed = { 0 };

  sealed_init (&sealed, s, ACTIVE);
  start (s, calls, most);
  g_assert_false (call_encrypt (s, &refused, OBK_NO_DEADLINE));
  call_expect_error (&refused, OBK_ERROR_CONCURRENCY_LIMIT);
  g_assert_cmpuint (service_count_log (s, "concurrency_limit"), ==, 1);
  g_assert_true (call_decrypt (s, &other, &sealed.request)); /* has a queue of its own */
  call_cancel (&calls[most / 2]);
  g_assert_true (call_encrypt (s, &last, OBK_NO_DEADLINE));
  answer_all (s);
  for (guint i = 0; i < most; i++)
    if (i != most / 2)
      call_expect_encrypted (&calls[i], ACTIVE);
  call_expect_decrypted (&other);
  call_expect_encrypted (&last, ACTIVE);
  g_assert_cmpuint (last.order, ==, s->answers);
  clear (calls, most);
}

/* Deadlines while they wait */

static void
test_deadline_while_waiting (Service *s, gconstpointer data)
{
  Call running[MAX_ENCRYPT];
  g_auto (Call) patient = { 0 }, hasty = { 0 }, calm = { 0 };
  gint64 now_us = obk_clock_boot_us ();

  start (s, running, MAX_ENCRYPT);
  g_assert_true (call_encrypt (s, &calm, now_us + 10 * SECOND));
  g_assert_true (call_encrypt (s, &hasty, now_us + 3 * SECOND));
  g_assert_true (call_encrypt (s, &patient, OBK_NO_DEADLINE));
  stand_in_advance (s->poller, 3 * SECOND - 1);
  g_assert_cmpuint (hasty.answers, ==, 0);
  stand_in_advance (s->poller, 1);
  call_expect_error (&hasty, OBK_ERROR_TIMEOUT);
  g_assert_cmpuint (s->answers, ==, 1);
  g_assert_cmpuint (s->transit->started, ==, MAX_ENCRYPT); /* no slot has come of it */
  g_assert_cmpuint (service_count_log (s, "timeout"), ==, 1);

  stand_in_answer (s->transit);
  g_assert_cmpint (((ObkCall *)s->transit->calls->pdata[MAX_ENCRYPT - 1])->deadline_us, ==, now_us + 10 * SECOND);
  g_assert_cmpint (stand_in_next (s->poller), ==, -1); /* the deadline is Transit's now */
  stand_in_advance (s->poller, 3600 * SECOND);
  g_assert_cmpuint (calm.answers, ==, 0);
  answer_all (s);
  call_expect_encrypted (&calm, ACTIVE);
  call_expect_encrypted (&patient, ACTIVE);
  clear (running, MAX_ENCRYPT);
}

/* All at the same moment, and in their order. */
static void
test_deadlines_together (Service *s, gconstpointer data)
{
  Call running[MAX_ENCRYPT], waiting[MANY];
  gint64 deadline_us = obk_clock_boot_us () + SECOND;

  start (s, running, MAX_ENCRYPT);
  for (guint i = 0; i < MANY; i++)
    g_assert_true (call_encrypt (s, &waiting[i], deadline_us));
  stand_in_advance (s->poller, SECOND);
  for (guint i = 0; i < MANY; i++)
    {
      call_expect_error (&waiting[i], OBK_ERROR_TIMEOUT);
      g_assert_cmpuint (waiting[i].order, ==, i + 1);
    }
  answer_all (s);
  g_assert_cmpuint (s->transit->started, ==, MAX_ENCRYPT);
  clear (running, MAX_ENCRYPT);
  clear (waiting, MANY);
}

/* Given up */

static void
test_cancel_running (Service *s, gconstpointer data)
{
  Call calls[MANY];

  start (s, calls, MANY);
  call_cancel (&calls[0]);
  g_assert_cmpuint (s->transit->cancelled, ==, 1);
  g_assert_cmpuint (s->transit->calls->len, ==, MAX_ENCRYPT); /* the next has its slot at once */
  g_assert_cmpuint (s->transit->started, ==, MAX_ENCRYPT + 1);
  answer_all (s);
  g_assert_cmpuint (calls[0].answers, ==, 0);
  for (guint i = 1; i < MANY; i++)
    {
      call_expect_encrypted (&calls[i], ACTIVE);
      g_assert_cmpuint (calls[i].order, ==, i);
    }
  g_assert_cmpuint (service_count_log (s, "canceled"), ==, 1);
  clear (calls, MANY);
}

static void
test_cancel_waiting (Service *s, gconstpointer data)
{
  Call calls[MANY];
  gint64 deadline_us = obk_clock_boot_us () + SECOND;

  start (s, calls, MAX_ENCRYPT);
  for (guint i = MAX_ENCRYPT; i < MANY; i++)
    g_assert_true (call_encrypt (s, &calls[i], deadline_us));
  for (guint i = MAX_ENCRYPT; i < MANY; i += 2)
    call_cancel (&calls[i]);
  g_assert_cmpuint (s->transit->cancelled, ==, 0);
  g_assert_cmpuint (s->transit->started, ==, MAX_ENCRYPT);
  answer_all (s);
  stand_in_advance (s->poller, 2 * SECOND);
  for (guint i = MAX_ENCRYPT; i < MANY; i++)
    g_assert_cmpuint (calls[i].answers, ==, (i - MAX_ENCRYPT) % 2);
  clear (calls, MANY);
}

/* A client that goes away at its deadline ran out of time, and did not change its mind. */
static void
test_cancel_at_the_deadline (Service *s, gconstpointer data)
{
  g_auto (Call) early = { 0 }, late = { 0 };
  gint64 deadline_us = obk_clock_boot_us () + SECOND;

  g_assert_true (call_encrypt (s, &early, deadline_us));
  g_assert_true (call_encrypt (s, &late, deadline_us));
  stand_in_advance (s->poller, SECOND - 1);
  call_cancel (&early);
  stand_in_advance (s->poller, 1);
  call_cancel (&late);
  g_assert_cmpuint (service_count_log (s, "canceled"), ==, 1);
  g_assert_cmpuint (service_count_log (s, "timeout"), ==, 1);
  g_assert_cmpuint (s->log->len, ==, 2);
}

/* From inside of an answer */

typedef struct
{
  Service *s;
  Call *given_up;
  Call *begun;
} Nested;

static void
cancel_and_begin (const char *ciphertext, const ObkKeyIdentity *identity, const GError *error, gpointer user_data)
{
  Nested *nested = user_data;

  g_assert_no_error (error);
  nested->s->answers++;
  call_cancel (nested->given_up);
  g_assert_true (call_encrypt (nested->s, nested->begun, OBK_NO_DEADLINE));
}

static void
test_answer_leads_to_others (Service *s, gconstpointer data)
{
  g_auto (Call) running = { 0 }, given_up = { 0 }, waiting = { 0 }, begun = { 0 };
  Nested nested = { s, &given_up, &begun };
  const ObkEncryptRequest request
      = { .plaintext = PLAINTEXT, .plaintext_length = strlen (PLAINTEXT), .deadline_us = OBK_NO_DEADLINE };

  g_assert_nonnull (obk_service_encrypt (s->service, &request, cancel_and_begin, &nested));
  g_assert_true (call_encrypt (s, &running, OBK_NO_DEADLINE));
  g_assert_true (call_encrypt (s, &given_up, OBK_NO_DEADLINE));
  g_assert_true (call_encrypt (s, &waiting, OBK_NO_DEADLINE));
  answer_all (s);
  call_expect_encrypted (&running, ACTIVE);
  call_expect_encrypted (&waiting, ACTIVE);
  call_expect_encrypted (&begun, ACTIVE);
  g_assert_cmpuint (given_up.answers, ==, 0);
  g_assert_cmpuint (waiting.order, <, begun.order); /* nobody was overtaken */
}

/* The end */

static void
test_free (Service *s, gconstpointer data)
{
  Call calls[MANY];

  for (guint i = 0; i < MANY; i++)
    g_assert_true (call_encrypt (s, &calls[i], obk_clock_boot_us () + SECOND));
  g_clear_pointer (&s->service, obk_service_free);
  g_assert_cmpuint (s->transit->cancelled, ==, MAX_ENCRYPT);
  g_assert_cmpuint (s->transit->started, ==, MAX_ENCRYPT); /* no slot went to the next */
  stand_in_advance (s->poller, 2 * SECOND);
  g_assert_cmpuint (s->answers, ==, 0);
}

#define TEST(path, function) g_test_add (path, Service, NULL, service_set_up, function, service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/service/queue/in-order", test_in_order);
  TEST ("/service/queue/methods-apart", test_methods_apart);
  TEST ("/service/queue/failures-free-slots", test_failures_free_slots);
  TEST ("/service/queue/refusals-take-no-slot", test_refusals_take_no_slot);
  TEST ("/service/queue/bounded", test_queue_is_bounded);
  TEST ("/service/deadline/while-waiting", test_deadline_while_waiting);
  TEST ("/service/deadline/together", test_deadlines_together);
  TEST ("/service/cancel/running", test_cancel_running);
  TEST ("/service/cancel/waiting", test_cancel_waiting);
  TEST ("/service/cancel/at-the-deadline", test_cancel_at_the_deadline);
  TEST ("/service/answer-leads-to-others", test_answer_leads_to_others);
  TEST ("/service/free", test_free);
  return g_test_run ();
}
