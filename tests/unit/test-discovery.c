/* SPDX-License-Identifier: Apache-2.0 */
#include "health/discovery.h"

#include "base/clock.h"
#include "base/error.h"
#include "time-stand-in.h"
#include "transit-stand-in.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define INTERVAL 30
#define MAX_WAITING 1024

typedef struct
{
  ObkPoller *poller;
  ObkTransit *transit;
  ObkDiscovery *discovery;
  guint finds;
  guint32 found; /* the latest version of the last find */
} Fixture;

/* One who asked. */
typedef struct
{
  Fixture *f;
  ObkDiscoveryWait *wait;
  guint calls;
  guint finds; /* when the answer came */
  GError *error;
} Asker;

static void
take_find (const ObkKeyMetadata *metadata, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_true (metadata->disable_upsert);
  f->finds++;
  f->found = metadata->latest_version;
}

static void
answered (const GError *error, gpointer user_data)
{
  Asker *asker = user_data;

  asker->wait = NULL;
  asker->calls++;
  asker->finds = asker->f->finds;
  asker->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->poller = stand_in_poller_new ();
  f->transit = stand_in_new ();
  stand_in_make_key (f->transit, 1700000001);
  stand_in_rotate (f->transit, 1700000002);
  f->discovery = obk_discovery_new (&(ObkDiscoveryOptions){
      .transit = f->transit,
      .interval_us = INTERVAL * SECOND,
      .found = take_find,
      .user_data = f,
  });
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->discovery, obk_discovery_free);
  g_assert_cmpuint (f->transit->calls->len, ==, 0);
  obk_transit_free (f->transit);
  stand_in_poller_free (f->poller);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

/* Returns: whether there is something to wait for */
static gboolean
ask (Fixture *f, Asker *asker, guint32 wanted)
{
  g_clear_error (&asker->error);
  *asker = (Asker){ .f = f };
  asker->wait = obk_discovery_ask (f->discovery, wanted, answered, asker, &asker->error);
  g_assert_cmpint (asker->wait != NULL, ==, asker->error == NULL);
  g_assert_cmpuint (asker->calls, ==, 0); /* never from within */
  return asker->wait != NULL;
}

static void
expect_found (Asker *asker)
{
  g_assert_cmpuint (asker->calls, ==, 1);
  g_assert_no_error (asker->error);
}

static void
expect_failed (Asker *asker)
{
  g_assert_cmpuint (asker->calls, ==, 1);
  g_assert_error (asker->error, OBK_ERROR, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  g_clear_error (&asker->error);
}

static void
expect_refused (Fixture *f, ObkError code)
{
  Asker asker = { 0 };
  guint started = f->transit->started;

  g_assert_false (ask (f, &asker, 2));
  g_assert_error (asker.error, OBK_ERROR, (gint)code);
  g_clear_error (&asker.error);
  g_assert_cmpuint (f->transit->started, ==, started);
}

/* One asks, and it is found. */
static void
find_once (Fixture *f)
{
  Asker asker = { 0 };

  g_assert_true (ask (f, &asker, 2));
  settle ();
  expect_found (&asker);
}

static void
test_found (Fixture *f, gconstpointer data)
{
  Asker asker = { 0 };

  g_assert_true (ask (f, &asker, 2));
  g_assert_cmpuint (f->transit->started, ==, 2); /* the key and disable_upsert */
  settle ();
  expect_found (&asker);
  g_assert_cmpuint (asker.finds, ==, 1); /* taken before the answer */
  g_assert_cmpuint (f->found, ==, 2);
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  Asker askers[300] = { 0 };

  f->transit->silent = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    g_assert_true (ask (f, &askers[i], 2));
  g_assert_cmpuint (f->transit->started, ==, 2);
  stand_in_release (f->transit);
  settle ();
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    expect_found (&askers[i]);
  g_assert_cmpuint (f->finds, ==, 1);
}

static void
test_rate_after_an_answer (Fixture *f, gconstpointer data)
{
  find_once (f);
  expect_refused (f, OBK_ERROR_KEY_ID_UNKNOWN);
  stand_in_advance (f->poller, INTERVAL * SECOND - 1);
  expect_refused (f, OBK_ERROR_KEY_ID_UNKNOWN);
  stand_in_advance (f->poller, 1);
  find_once (f);
  g_assert_cmpuint (f->finds, ==, 2);
}

static void
test_rate_after_a_failure (Fixture *f, gconstpointer data)
{
  Asker asker = { 0 };

  stand_in_break (f->transit, STAND_IN_READS, OBK_ERROR_CONNECTION_FAILED);
  g_assert_true (ask (f, &asker, 2));
  settle ();
  expect_failed (&asker);
  g_assert_cmpuint (f->finds, ==, 0);
  stand_in_break (f->transit, 0, OBK_ERROR_UNKNOWN);
  expect_refused (f, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  stand_in_advance (f->poller, 2 * SECOND - 1);
  expect_refused (f, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  stand_in_advance (f->poller, 1);
  find_once (f);
}

/* Either of the two reads */
static void
test_half_failure (Fixture *f, gconstpointer data)
{
  const StandInKinds *kind = data;
  Asker asker = { 0 };

  stand_in_break (f->transit, *kind, OBK_ERROR_UNAVAILABLE);
  g_assert_true (ask (f, &asker, 2));
  settle ();
  expect_failed (&asker);
  g_assert_cmpuint (f->finds, ==, 0);
}

/* The rate counts from the end of a read, however long it takes. */
static void
test_rate_from_the_end (Fixture *f, gconstpointer data)
{
  Asker asker = { 0 };

  f->transit->silent = TRUE;
  g_assert_true (ask (f, &asker, 2));
  stand_in_advance (f->poller, INTERVAL * SECOND);
  stand_in_release (f->transit);
  settle ();
  expect_found (&asker);
  expect_refused (f, OBK_ERROR_KEY_ID_UNKNOWN);
}

static void
test_lagging_standby (Fixture *f, gconstpointer data)
{
  Asker behind = { 0 };
  Asker content = { 0 };

  f->transit->silent = TRUE;
  g_assert_true (ask (f, &behind, 3));
  g_assert_true (ask (f, &content, 2));
  stand_in_release (f->transit);
  settle ();
  expect_failed (&behind);
  expect_found (&content);
  g_assert_cmpuint (f->finds, ==, 1); /* what it knows, it knows */
  expect_refused (f, OBK_ERROR_KEY_METADATA_REFRESH_FAILED);
  stand_in_advance (f->poller, 2 * SECOND);
  find_once (f);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  Asker gone = { 0 };
  Asker stays = { 0 };

  f->transit->silent = TRUE;
  g_assert_true (ask (f, &gone, 2));
  g_assert_true (ask (f, &stays, 2));
  obk_discovery_wait_cancel (gone.wait);
  g_assert_cmpuint (f->transit->cancelled, ==, 0);
  stand_in_release (f->transit);
  settle ();
  g_assert_cmpuint (gone.calls, ==, 0);
  expect_found (&stays);
}

/* The read goes on without clients, finds what there is, and counts for the rate. */
static void
test_all_cancel (Fixture *f, gconstpointer data)
{
  Asker gone = { 0 };

  f->transit->silent = TRUE;
  g_assert_true (ask (f, &gone, 2));
  obk_discovery_wait_cancel (gone.wait);
  stand_in_release (f->transit);
  settle ();
  g_assert_cmpuint (gone.calls, ==, 0);
  g_assert_cmpuint (f->finds, ==, 1);
  expect_refused (f, OBK_ERROR_KEY_ID_UNKNOWN);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  g_autofree Asker *askers = g_new0 (Asker, MAX_WAITING);

  f->transit->silent = TRUE;
  for (guint i = 0; i < MAX_WAITING; i++)
    g_assert_true (ask (f, &askers[i], 2));
  expect_refused (f, OBK_ERROR_CONCURRENCY_LIMIT);
  obk_discovery_wait_cancel (askers[0].wait);
  g_assert_true (ask (f, &askers[0], 2));
  stand_in_release (f->transit);
  settle ();
  for (guint i = 0; i < MAX_WAITING; i++)
    expect_found (&askers[i]);
}

static void
test_free_while_it_reads (Fixture *f, gconstpointer data)
{
  Asker asker = { 0 };

  f->transit->silent = TRUE;
  g_assert_true (ask (f, &asker, 2));
  g_clear_pointer (&f->discovery, obk_discovery_free);
  g_assert_cmpuint (f->transit->cancelled, ==, 2);
  g_assert_cmpuint (asker.calls, ==, 0);
}

/* One whose answer makes it ask again, when it may */
static void
ask_again (const GError *error, gpointer user_data)
{
  Asker *asker = user_data;
  Fixture *f = asker->f;

  g_assert_no_error (error);
  asker->calls++;
  stand_in_advance (f->poller, INTERVAL * SECOND);
  asker->wait = obk_discovery_ask (f->discovery, 2, answered, asker, &asker->error);
  g_assert_no_error (asker->error);
}

static void
test_asking_from_an_answer_waits_for_the_next_read (Fixture *f, gconstpointer data)
{
  Asker asker = { .f = f };

  asker.wait = obk_discovery_ask (f->discovery, 2, ask_again, &asker, &asker.error);
  g_assert_no_error (asker.error);
  while (asker.calls == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (asker.calls, ==, 1);
  g_assert_cmpuint (f->transit->reads, ==, 2);
  settle ();
  g_assert_cmpuint (asker.calls, ==, 2);
  g_assert_cmpuint (asker.finds, ==, 2);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  static const StandInKinds key = STAND_IN_READ_KEY;
  static const StandInKinds upsert = STAND_IN_READ_UPSERT;

  g_test_init (&argc, &argv, NULL);
  TEST ("/discovery/found", test_found);
  TEST ("/discovery/shared", test_shared);
  TEST ("/discovery/rate/after-an-answer", test_rate_after_an_answer);
  TEST ("/discovery/rate/after-a-failure", test_rate_after_a_failure);
  TEST ("/discovery/rate/from-the-end", test_rate_from_the_end);
  g_test_add ("/discovery/fails/key", Fixture, &key, set_up, test_half_failure, tear_down);
  g_test_add ("/discovery/fails/upsert", Fixture, &upsert, set_up, test_half_failure, tear_down);
  TEST ("/discovery/lagging-standby", test_lagging_standby);
  TEST ("/discovery/cancel/one", test_cancel);
  TEST ("/discovery/cancel/all", test_all_cancel);
  TEST ("/discovery/limit", test_limit);
  TEST ("/discovery/free-while-it-reads", test_free_while_it_reads);
  TEST ("/discovery/ask-from-an-answer", test_asking_from_an_answer_waits_for_the_next_read);
  return g_test_run ();
}
