/* SPDX-License-Identifier: Apache-2.0 */
/* One epoll set and one timer under one GLib source: GLib's own poll costs by the number of descriptors. */
#include "base/poller.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

/* What obk_poller_defer_free() keeps. */
typedef struct
{
  gpointer data;
  GDestroyNotify destroy;
} Garbage;

struct _ObkPoller
{
  GMainContext *context;
  GSource *source;
  int epoll_fd;
  guint depth; /* dispatches under way: a callback may run the main loop again */

  ObkWatch timer_watch;
  gint64 armed_us;   /* what the timer descriptor is set to */
  GPtrArray *timers; /* a heap by deadline; index 0 is not used */

  GArray *garbage;
};

typedef struct
{
  GSource source;
  ObkPoller *poller;
} PollerSource;

static void
take_out_garbage (ObkPoller *poller)
{
  g_autoptr (GArray) garbage = NULL;

  if (poller->depth > 0 || poller->garbage->len == 0)
    return;
  /* A destructor may throw away more. */
  garbage = g_steal_pointer (&poller->garbage);
  poller->garbage = g_array_new (FALSE, FALSE, sizeof (Garbage));
  for (guint i = 0; i < garbage->len; i++)
    {
      Garbage *item = &g_array_index (garbage, Garbage, i);

      item->destroy (item->data);
    }
}

/* Runs at the top of each turn of the loop, when no callback of this level is on the stack. */
static gboolean
source_prepare (GSource *source, int *timeout)
{
  take_out_garbage (((PollerSource *)source)->poller);
  *timeout = -1;
  return FALSE;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  ObkPoller *poller = ((PollerSource *)source)->poller;
  struct epoll_event events[EVENTS_AT_ONCE];
  int n = epoll_wait (poller->epoll_fd, events, EVENTS_AT_ONCE, 0);

  poller->depth++;
  for (int i = 0; i < n; i++)
    {
      ObkWatch *watch = events[i].data.ptr;

      if (watch->events != 0) /* not removed by one of the callbacks before */
        watch->ready (watch, events[i].events);
    }
  poller->depth--;
  take_out_garbage (poller);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .prepare = source_prepare, .dispatch = source_dispatch };

static ObkTimer *
timer_at (ObkPoller *poller, guint position)
{
  return g_ptr_array_index (poller->timers, position);
}

static void
place_timer (ObkPoller *poller, ObkTimer *timer, guint position)
{
  g_ptr_array_index (poller->timers, position) = timer;
  timer->position = position;
}

/* Restores the heap around @timer, whose place @position is free to be given to another. */
static void
sift (ObkPoller *poller, ObkTimer *timer, guint position)
{
  guint last = poller->timers->len - 1;

  for (; position > 1 && timer_at (poller, position / 2)->deadline_us > timer->deadline_us; position /= 2)
    place_timer (poller, timer_at (poller, position / 2), position);
  for (guint child = 2 * position; child <= last; child = 2 * position)
    {
      if (child < last && timer_at (poller, child + 1)->deadline_us < timer_at (poller, child)->deadline_us)
        child++;
      if (timer_at (poller, child)->deadline_us >= timer->deadline_us)
        break;
      place_timer (poller, timer_at (poller, child), position);
      position = child;
    }
  place_timer (poller, timer, position);
}

static void
unplace_timer (ObkPoller *poller, ObkTimer *timer)
{
  guint position = timer->position;
  ObkTimer *last = g_ptr_array_steal_index_fast (poller->timers, poller->timers->len - 1);

  timer->position = 0;
  if (last != timer)
    sift (poller, last, position);
}

static void
arm (ObkPoller *poller, gint64 deadline_us)
{
  gint64 us = MAX (deadline_us, 1); /* 0 would disarm it */
  struct itimerspec when = { .it_value = { .tv_sec = us / G_USEC_PER_SEC, .tv_nsec = us % G_USEC_PER_SEC * 1000 } };

  if (timerfd_settime (poller->timer_watch.fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
    g_critical ("cannot set the timer: %s", g_strerror (errno));
  poller->armed_us = deadline_us;
}

static void
timer_ready (ObkWatch *watch, guint32 events)
{
  ObkPoller *poller = OBK_CONTAINER_OF (watch, ObkPoller, timer_watch);
  gint64 now_us = obk_clock_boot_us ();
  guint left = poller->timers->len - 1; /* one that is set again to the past waits for the next turn */
  guint64 expirations = 0;
  ssize_t n = read (watch->fd, &expirations, sizeof expirations);

  (void)n; /* only to make it unreadable */
  poller->armed_us = OBK_NO_DEADLINE;
  for (; left > 0 && poller->timers->len > 1 && timer_at (poller, 1)->deadline_us <= now_us; left--)
    {
      ObkTimer *timer = timer_at (poller, 1);

      unplace_timer (poller, timer);
      timer->expired (timer);
    }
  if (poller->timers->len > 1 && timer_at (poller, 1)->deadline_us < poller->armed_us)
    arm (poller, timer_at (poller, 1)->deadline_us);
}

static gboolean
refuse_errno (GError **error, const char *what)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot %s: %s", what, g_strerror (errno));
  return FALSE;
}

static gboolean
open_descriptors (ObkPoller *poller, GError **error)
{
  poller->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (poller->epoll_fd < 0)
    return refuse_errno (error, "make an epoll set");
  poller->timer_watch.fd = timerfd_create (CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (poller->timer_watch.fd < 0)
    return refuse_errno (error, "make a timer descriptor");
  poller->timer_watch.ready = timer_ready;
  return obk_poller_add (poller, &poller->timer_watch, EPOLLIN, error);
}

ObkPoller *
obk_poller_new (GMainContext *context, GError **error)
{
  g_autoptr (ObkPoller) poller = g_new0 (ObkPoller, 1);

  poller->context = context != NULL ? g_main_context_ref (context) : NULL;
  poller->epoll_fd = -1;
  poller->timer_watch.fd = -1;
  poller->armed_us = OBK_NO_DEADLINE;
  poller->timers = g_ptr_array_new ();
  g_ptr_array_add (poller->timers, NULL);
  poller->garbage = g_array_new (FALSE, FALSE, sizeof (Garbage));
  if (!open_descriptors (poller, error))
    return NULL;

  poller->source = g_source_new (&source_funcs, sizeof (PollerSource));
  ((PollerSource *)poller->source)->poller = poller;
  g_source_set_name (poller->source, "poller");
  /* Otherwise GLib takes the descriptor out of its set and in again around each dispatch, and wakes itself twice. */
  g_source_set_can_recurse (poller->source, TRUE);
  g_source_add_unix_fd (poller->source, poller->epoll_fd, G_IO_IN);
  g_source_attach (poller->source, context);
  return g_steal_pointer (&poller);
}

void
obk_poller_free (ObkPoller *poller)
{
  if (poller == NULL)
    return;
  g_return_if_fail (poller->depth == 0);

  while (poller->garbage->len > 0)
    take_out_garbage (poller);
  if (poller->source != NULL)
    {
      g_source_destroy (poller->source);
      g_source_unref (poller->source);
    }
  if (poller->timer_watch.fd >= 0)
    close (poller->timer_watch.fd);
  if (poller->epoll_fd >= 0)
    close (poller->epoll_fd);
  g_clear_pointer (&poller->context, g_main_context_unref);
  g_ptr_array_unref (poller->timers);
  g_array_unref (poller->garbage);
  g_free (poller);
}

GMainContext *
obk_poller_context (const ObkPoller *poller)
{
  return poller->context;
}

gboolean
obk_poller_add (ObkPoller *poller, ObkWatch *watch, guint32 events, GError **error)
{
  struct epoll_event event = { .events = events | EPOLLET, .data.ptr = watch };

  g_return_val_if_fail (poller != NULL && watch != NULL && watch->ready != NULL && watch->events == 0, FALSE);

  if (epoll_ctl (poller->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
    return refuse_errno (error, "watch a descriptor");
  watch->events = event.events;
  return TRUE;
}

void
obk_poller_modify (ObkPoller *poller, ObkWatch *watch, guint32 events)
{
  struct epoll_event event = { .events = events | EPOLLET, .data.ptr = watch };

  g_return_if_fail (poller != NULL && watch != NULL && watch->events != 0);

  if (watch->events == event.events)
    return;
  if (epoll_ctl (poller->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) != 0)
    g_critical ("cannot watch a descriptor: %s", g_strerror (errno));
  watch->events = event.events;
}

void
obk_poller_remove (ObkPoller *poller, ObkWatch *watch)
{
  g_return_if_fail (poller != NULL && watch != NULL);

  if (watch->events == 0)
    return;
  if (epoll_ctl (poller->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) != 0)
    g_critical ("cannot forget a descriptor: %s", g_strerror (errno));
  watch->events = 0;
}

void
obk_poller_defer_free (ObkPoller *poller, gpointer data, GDestroyNotify destroy)
{
  Garbage item = { data, destroy };

  g_return_if_fail (poller != NULL && destroy != NULL);

  g_array_append_val (poller->garbage, item);
}

void
obk_poller_set_timer (ObkPoller *poller, ObkTimer *timer, gint64 deadline_us)
{
  g_return_if_fail (poller != NULL && timer != NULL && timer->expired != NULL);

  if (deadline_us == OBK_NO_DEADLINE)
    {
      obk_poller_cancel_timer (poller, timer);
      return;
    }
  timer->deadline_us = deadline_us;
  if (timer->position == 0)
    {
      g_ptr_array_add (poller->timers, timer);
      timer->position = poller->timers->len - 1;
    }
  sift (poller, timer, timer->position);
  if (deadline_us < poller->armed_us)
    arm (poller, deadline_us);
}

void
obk_poller_cancel_timer (ObkPoller *poller, ObkTimer *timer)
{
  g_return_if_fail (poller != NULL && timer != NULL);

  if (timer->position != 0)
    unplace_timer (poller, timer);
}
