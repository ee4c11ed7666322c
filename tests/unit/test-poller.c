/* SPDX-License-Identifier: Apache-2.0 */
#include "base/poller.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS 1000

typedef struct
{
  ObkPoller *poller;
  GMainContext *context;
  int near[2]; /* watched */
  int far[2];  /* the test's ends of the same socket pairs */
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->context = g_main_context_new ();
  f->poller = obk_poller_new (f->context, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2; i++)
    {
      int pair[2] = { -1, -1 };

      g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
      f->near[i] = pair[0];
      f->far[i] = pair[1];
    }
}

static void
teardown (Fixture *f, gconstpointer data)
{
  obk_poller_free (f->poller);
  g_main_context_unref (f->context);
  for (int i = 0; i < 2; i++)
    {
      close (f->near[i]);
      close (f->far[i]);
    }
}

/* Everything that is due now. */
static void
turn (Fixture *f)
{
  while (g_main_context_iteration (f->context, FALSE))
    ;
}

typedef struct Reader Reader;
struct Reader
{
  ObkWatch watch;
  ObkPoller *poller;
  Reader *victim; /* removed and freed when this one is called */
  guint calls;
  guint32 events;
  GPtrArray *freed; /* addresses only */
};

static void
reader_ready (ObkWatch *watch, guint32 events)
{
  Reader *reader = OBK_CONTAINER_OF (watch, Reader, watch);
  char byte = 0;

  reader->calls++;
  reader->events |= events;
  while (read (watch->fd, &byte, 1) == 1)
    ;
}

static void
reader_free (gpointer data)
{
  Reader *reader = data;

  g_ptr_array_add (reader->freed, reader);
  g_free (reader);
}

static void
reader_ready_kill (ObkWatch *watch, guint32 events)
{
  Reader *reader = OBK_CONTAINER_OF (watch, Reader, watch);

  reader->calls++;
  if (reader->victim->watch.events == 0)
    return;
  obk_poller_remove (reader->poller, &reader->victim->watch);
  obk_poller_defer_free (reader->poller, reader->victim, reader_free);
}

static void
add (Fixture *f, ObkWatch *watch, guint32 events)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (obk_poller_add (f->poller, watch, events, &error));
  g_assert_no_error (error);
}

static void
test_edge (Fixture *f, gconstpointer data)
{
  Reader reader = { .watch = { .fd = f->near[0], .ready = reader_ready }, .poller = f->poller };

  add (f, &reader.watch, EPOLLIN);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 0);

  g_assert_cmpint (write (f->far[0], "ab", 2), ==, 2);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 1);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 1);

  /* What was consumed by other means causes no call. */
  g_assert_cmpint (write (f->far[0], "c", 1), ==, 1);
  reader_ready (&reader.watch, 0);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 2);

  obk_poller_remove (f->poller, &reader.watch);
  g_assert_cmpint (write (f->far[0], "d", 1), ==, 1);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 2);
}

static void
test_modify (Fixture *f, gconstpointer data)
{
  Reader reader = { .watch = { .fd = f->near[0], .ready = reader_ready }, .poller = f->poller };

  add (f, &reader.watch, EPOLLIN);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 0);
  obk_poller_modify (f->poller, &reader.watch, EPOLLIN | EPOLLOUT);
  turn (f);
  g_assert_cmpuint (reader.calls, ==, 1);
  g_assert_true ((reader.events & EPOLLOUT) != 0);
  g_assert_false ((reader.events & EPOLLIN) != 0);
  obk_poller_remove (f->poller, &reader.watch);
}

static void
test_remove_in_callback (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) freed = g_ptr_array_new ();
  Reader *readers[2] = { g_new0 (Reader, 1), g_new0 (Reader, 1) };
  Reader *survivor = NULL;

  for (int i = 0; i < 2; i++)
    {
      *readers[i] = (Reader){ .watch = { .fd = f->near[i], .ready = reader_ready_kill },
                              .poller = f->poller,
                              .victim = readers[1 - i],
                              .freed = freed };
      add (f, &readers[i]->watch, EPOLLIN);
      g_assert_cmpint (write (f->far[i], "x", 1), ==, 1);
    }
  /* Both are ready at once; the first that is called kills the other, which must not be called any more. */
  turn (f);
  g_assert_cmpuint (freed->len, ==, 1);
  survivor = g_ptr_array_index (freed, 0) == readers[0] ? readers[1] : readers[0];
  g_assert_cmpuint (survivor->calls, ==, 1);
  obk_poller_remove (f->poller, &survivor->watch);
  g_free (survivor);
}

static void
throw_away (Fixture *f, GPtrArray *freed)
{
  Reader *reader = g_new0 (Reader, 1);

  reader->freed = freed;
  obk_poller_defer_free (f->poller, reader, reader_free);
}

static void
test_defer_free_outside (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) freed = g_ptr_array_new ();

  throw_away (f, freed);
  g_assert_cmpuint (freed->len, ==, 0);
  turn (f);
  g_assert_cmpuint (freed->len, ==, 1);

  throw_away (f, freed);
  obk_poller_free (g_steal_pointer (&f->poller));
  g_assert_cmpuint (freed->len, ==, 2);
}

typedef struct
{
  ObkTimer timer;
  ObkPoller *poller;
  GArray *order;
  guint id;
  gint64 again_us; /* set again to this when it expires */
} Alarm;

static void
alarm_expired (ObkTimer *timer)
{
  Alarm *alarm = OBK_CONTAINER_OF (timer, Alarm, timer);

  g_array_append_val (alarm->order, alarm->id);
  if (alarm->again_us != 0)
    obk_poller_set_timer (alarm->poller, timer, alarm->again_us);
}

static void
wait_for (Fixture *f, GArray *order, guint n)
{
  gint64 limit_us = obk_clock_boot_us () + 5000 * MS;

  while (order->len < n && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpuint (order->len, ==, n);
}

static void
test_timer_order (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  gint64 start_us = obk_clock_boot_us ();
  Alarm alarms[200];
  guint wanted = 0;

  for (guint i = 0; i < G_N_ELEMENTS (alarms); i++)
    {
      alarms[i] = (Alarm){ .timer.expired = alarm_expired, .order = order, .id = i };
      obk_poller_set_timer (f->poller, &alarms[i].timer, start_us + g_rand_int_range (random, 1, 40 * MS));
    }
  for (guint i = 0; i < G_N_ELEMENTS (alarms); i += 3) /* moved */
    obk_poller_set_timer (f->poller, &alarms[i].timer, start_us + g_rand_int_range (random, 1, 60 * MS));
  for (guint i = 0; i < G_N_ELEMENTS (alarms); i += 5)
    {
      obk_poller_cancel_timer (f->poller, &alarms[i].timer);
      obk_poller_cancel_timer (f->poller, &alarms[i].timer);
      g_assert_cmpuint (alarms[i].timer.position, ==, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (alarms); i++)
    wanted += i % 5 != 0;

  wait_for (f, order, wanted);
  for (guint i = 0; i < order->len; i++)
    {
      Alarm *alarm = &alarms[g_array_index (order, guint, i)];

      g_assert_cmpuint (alarm->id % 5, !=, 0);
      g_assert_cmpuint (alarm->timer.position, ==, 0);
      if (i > 0)
        g_assert_cmpint (alarms[g_array_index (order, guint, i - 1)].timer.deadline_us, <=, alarm->timer.deadline_us);
    }
}

static void
test_timer_earlier (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  gint64 start_us = obk_clock_boot_us ();
  Alarm late = { .timer.expired = alarm_expired, .order = order, .id = 1 };
  Alarm early = { .timer.expired = alarm_expired, .order = order, .id = 2 };

  obk_poller_set_timer (f->poller, &late.timer, start_us + 3600 * (gint64)G_USEC_PER_SEC);
  obk_poller_set_timer (f->poller, &early.timer, start_us + 20 * MS);
  wait_for (f, order, 1);
  g_assert_cmpuint (g_array_index (order, guint, 0), ==, 2);
  g_assert_cmpint (obk_clock_boot_us (), >=, start_us + 20 * MS);
  g_assert_cmpint (obk_clock_boot_us (), <, start_us + 2000 * MS);
  obk_poller_set_timer (f->poller, &late.timer, OBK_NO_DEADLINE);
  g_assert_cmpuint (late.timer.position, ==, 0);
}

/* One that is set again to the past comes with each turn and lets others live. */
static void
test_timer_past (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm alarm = { .timer.expired = alarm_expired, .poller = f->poller, .order = order, .id = 1, .again_us = -5 };
  Reader reader = { .watch = { .fd = f->near[0], .ready = reader_ready }, .poller = f->poller };

  add (f, &reader.watch, EPOLLIN);
  g_assert_cmpint (write (f->far[0], "x", 1), ==, 1);
  obk_poller_set_timer (f->poller, &alarm.timer, 1);
  g_assert_cmpuint (order->len, ==, 0);
  wait_for (f, order, 3);
  g_assert_cmpuint (reader.calls, ==, 1);
  obk_poller_cancel_timer (f->poller, &alarm.timer);
  obk_poller_remove (f->poller, &reader.watch);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/poller/" path, Fixture, NULL, setup, function, teardown)
  ADD ("edge-triggered", test_edge);
  ADD ("modify", test_modify);
  ADD ("remove-in-callback", test_remove_in_callback);
  ADD ("defer-free-outside", test_defer_free_outside);
  ADD ("timer/order", test_timer_order);
  ADD ("timer/earlier", test_timer_earlier);
  ADD ("timer/past", test_timer_past);
  return g_test_run ();
}
