/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/addresses.h"

#include "base/error.h"

#define S G_USEC_PER_SEC
#define NO_JITTER 0.5

static ObkAddresses *
two_addresses (void)
{
  const char *urls[] = { "https://one.test", "https://two.test:8200/prefix", NULL };
  g_autoptr (GError) error = NULL;
  ObkAddresses *addresses = obk_addresses_new (urls, "one.test", &error);

  g_assert_no_error (error);
  return addresses;
}

static ObkAddressTry
choose (ObkAddresses *addresses, guint32 tried, gint64 now_us)
{
  ObkAddressTry choice;

  obk_addresses_choose (addresses, tried, now_us, &choice);
  g_assert_cmpint (choice.started_us, ==, now_us);
  return choice;
}

/* Takes the first one out at @now_us, by a try of its own. */
static void
take_first_out (ObkAddresses *addresses, gint64 now_us)
{
  ObkAddressTry choice = choose (addresses, 0, now_us);

  g_assert_cmpuint (choice.index, ==, 0);
  obk_addresses_failed (addresses, &choice, now_us, NO_JITTER);
  g_assert_false (obk_addresses_healthy (addresses, 0));
}

static void
test_new (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  const char *bad[] = { "https://one.test", "ftp://two.test", NULL };
  const char *many[OBK_MAX_ADDRESSES + 2] = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (obk_addresses_count (addresses), ==, 2);
  g_assert_cmpstr (obk_endpoint_authority (obk_addresses_endpoint (addresses, 1)), ==, "two.test:8200");
  g_assert_true (obk_addresses_healthy (addresses, 0) && obk_addresses_healthy (addresses, 1));

  g_assert_null (obk_addresses_new (bad, "one.test", &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
  g_clear_error (&error);
  for (guint i = 0; i <= OBK_MAX_ADDRESSES; i++)
    many[i] = "https://one.test";
  g_assert_null (obk_addresses_new (many, "one.test", &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
}

static void
test_order (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  ObkAddressTry choice;

  g_assert_cmpuint (choose (addresses, 0, 1).index, ==, 0);
  g_assert_cmpuint (choose (addresses, 1 << 0, 1).index, ==, 1);
  take_first_out (addresses, 10 * S);
  choice = choose (addresses, 0, 10 * S + 1);
  g_assert_cmpuint (choice.index, ==, 1);
  g_assert_false (choice.trial);
  /* also the one that is out, when the other one has been tried */
  choice = choose (addresses, 1 << 1, 10 * S + 1);
  g_assert_cmpuint (choice.index, ==, 0);
  g_assert_false (choice.trial);
  obk_addresses_answered (addresses, &choice);
  g_assert_true (obk_addresses_healthy (addresses, 0));
}

static void
test_one_request_tries (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  ObkAddressTry trial;

  take_first_out (addresses, 10 * S);
  g_assert_cmpuint (choose (addresses, 0, 11 * S - 1).index, ==, 1);
  trial = choose (addresses, 0, 11 * S);
  g_assert_cmpuint (trial.index, ==, 0);
  g_assert_true (trial.trial);
  g_assert_cmpuint (choose (addresses, 0, 11 * S).index, ==, 1);

  /* given up without a result: the next one tries */
  obk_addresses_abandoned (addresses, &trial);
  trial = choose (addresses, 0, 11 * S);
  g_assert_true (trial.trial);
  obk_addresses_answered (addresses, &trial);
  g_assert_true (obk_addresses_healthy (addresses, 0));
  g_assert_cmpuint (choose (addresses, 0, 11 * S).index, ==, 0);
}

/* 1 s, doubling to 30 s; from the start again after an answer. */
static void
test_backoff (void)
{
  static const gint64 seconds[] = { 1, 2, 4, 8, 16, 30, 30 };
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  gint64 now_us = 10 * S;
  ObkAddressTry trial;

  for (guint i = 0; i < G_N_ELEMENTS (seconds); i++)
    {
      take_first_out (addresses, now_us);
      now_us += seconds[i] * S;
      g_assert_cmpuint (choose (addresses, 0, now_us - 1).index, ==, 1);
    }
  trial = choose (addresses, 0, now_us);
  obk_addresses_answered (addresses, &trial);
  take_first_out (addresses, now_us);
  g_assert_cmpuint (choose (addresses, 0, now_us + 1 * S - 1).index, ==, 1);
  g_assert_cmpuint (choose (addresses, 0, now_us + 1 * S).index, ==, 0);
}

static void
test_jitter (void)
{
  static const struct
  {
    double random;
    gint64 due_us;
  } cases[] = { { 0, 750000 }, { 0.999999, 1250000 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkAddresses) addresses = two_addresses ();
      ObkAddressTry choice = choose (addresses, 0, S);

      obk_addresses_failed (addresses, &choice, S, cases[i].random);
      g_assert_cmpuint (choose (addresses, 0, S + cases[i].due_us - 10).index, ==, 1);
      g_assert_cmpuint (choose (addresses, 0, S + cases[i].due_us + 10).index, ==, 0);
    }
}

/* Fifty calls at once do not double it fifty times; nor does what is sent because all are out. */
static void
test_failures_together_are_one (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  ObkAddressTry choices[50], forced;

  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    choices[i] = choose (addresses, 0, 10 * S);
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    obk_addresses_failed (addresses, &choices[i], 10 * S, NO_JITTER);
  forced = choose (addresses, 1 << 1, 10 * S + 5);
  g_assert_cmpuint (forced.index, ==, 0);
  obk_addresses_failed (addresses, &forced, 10 * S + 6, NO_JITTER);
  g_assert_cmpuint (choose (addresses, 0, 11 * S - 1).index, ==, 1);
  g_assert_cmpuint (choose (addresses, 0, 11 * S).index, ==, 0);
}

static void
test_all_out (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  ObkAddressTry choice;

  choice = choose (addresses, 1 << 0, 9 * S);
  obk_addresses_failed (addresses, &choice, 9 * S, NO_JITTER); /* due at 10 s */
  take_first_out (addresses, 9 * S + 500000);                  /* due at 10.5 s */
  choice = choose (addresses, 0, 9 * S + 600000);
  g_assert_cmpuint (choice.index, ==, 1);
  g_assert_false (choice.trial);
  g_assert_cmpuint (choose (addresses, 1 << 1, 9 * S + 600000).index, ==, 0);
  /* while one tries the second, the others still go to the one that is due first */
  choice = choose (addresses, 0, 10 * S + 1);
  g_assert_true (choice.index == 1 && choice.trial);
  choice = choose (addresses, 0, 10 * S + 1);
  g_assert_true (choice.index == 1 && !choice.trial);
}

/* A login is kept from what others have found, and keeps what it has found itself. */
static void
test_learn (void)
{
  g_autoptr (ObkAddresses) addresses = two_addresses ();
  g_autoptr (ObkAddresses) others = two_addresses ();
  ObkAddressTry choice;

  take_first_out (others, 10 * S); /* due at 11 s */
  obk_addresses_learn (addresses, others, 10 * S);
  g_assert_false (obk_addresses_healthy (addresses, 0));
  g_assert_cmpuint (choose (addresses, 0, 11 * S - 1).index, ==, 1);

  choice = choose (addresses, 1 << 0, 10 * S);
  g_assert_cmpuint (choice.index, ==, 1);
  obk_addresses_failed (addresses, &choice, 10 * S, NO_JITTER);
  obk_addresses_learn (addresses, others, 11 * S - 1);
  g_assert_false (obk_addresses_healthy (addresses, 1));
  g_assert_true (obk_addresses_healthy (others, 1));

  choice = choose (others, 0, 11 * S);
  obk_addresses_answered (others, &choice);
  obk_addresses_learn (addresses, others, 11 * S);
  g_assert_true (obk_addresses_healthy (addresses, 0) && obk_addresses_healthy (addresses, 1));

  take_first_out (others, 20 * S);
  obk_addresses_learn (addresses, others, 20 * S);
  choice = choose (addresses, 1 << 1, 21 * S);
  obk_addresses_failed (addresses, &choice, 21 * S, NO_JITTER); /* the second time: twice as long */
  g_assert_cmpuint (choose (addresses, 0, 23 * S - 1).index, ==, 1);
}

static void
test_time (void)
{
  static const char *const urls[] = { "https://a:1", "https://b:1", "https://c:1", "https://d:1", NULL };
  g_autoptr (ObkAddresses) addresses = obk_addresses_new (urls, "a", NULL);

  /* a second for each of the others */
  g_assert_cmpint (obk_addresses_time_for (addresses, 0, 0xf, 3 * S), ==, 3 * S);
  g_assert_cmpint (obk_addresses_time_for (addresses, 0, 0x7, 3 * S), ==, 2 * S);
  g_assert_cmpint (obk_addresses_time_for (addresses, 0, 0x3, 5 * S), ==, 3 * S);
  /* but not more than half */
  g_assert_cmpint (obk_addresses_time_for (addresses, 0, 0x1, 4 * S), ==, 2 * S);
  /* those that are out do not count, unless the one that is asked is out, too */
  take_first_out (addresses, 10 * S);
  g_assert_cmpint (obk_addresses_time_for (addresses, 1, 0xe, 3 * S), ==, 3 * S);
  g_assert_cmpint (obk_addresses_time_for (addresses, 0, 0x7, 3 * S), ==, 2 * S);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/addresses/new", test_new);
  g_test_add_func ("/addresses/order", test_order);
  g_test_add_func ("/addresses/one-request-tries", test_one_request_tries);
  g_test_add_func ("/addresses/backoff", test_backoff);
  g_test_add_func ("/addresses/jitter", test_jitter);
  g_test_add_func ("/addresses/failures-together-are-one", test_failures_together_are_one);
  g_test_add_func ("/addresses/all-out", test_all_out);
  g_test_add_func ("/addresses/learn", test_learn);
  g_test_add_func ("/addresses/time", test_time);
  return g_test_run ();
}
