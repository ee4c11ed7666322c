/* SPDX-License-Identifier: Apache-2.0 */
#include "time-stand-in.h"

#include "base/clock.h"

struct _ObkPoller
{
  GPtrArray *timers;
};

static gint64 now_us = 1000 * G_USEC_PER_SEC;       /* since boot */
static gint64 unix_less_boot_s = 1800000000 - 1000; /* the system clock is that much ahead */

gint64
obk_clock_boot_us (void)
{
  return now_us;
}

gint64
obk_clock_unix (void)
{
  return now_us / G_USEC_PER_SEC + unix_less_boot_s;
}

ObkNow
obk_clock_now (void)
{
  return (ObkNow){ .unix_s = obk_clock_unix (), .boot_us = now_us };
}

void
stand_in_jump (gint64 seconds)
{
  unix_less_boot_s += seconds;
}

void
stand_in_sleep (gint64 us)
{
  now_us += us;
}

ObkPoller *
stand_in_poller_new (void)
{
  ObkPoller *poller = g_new0 (ObkPoller, 1);

  poller->timers = g_ptr_array_new ();
  return poller;
}

void
stand_in_poller_free (ObkPoller *poller)
{
  g_assert_cmpuint (poller->timers->len, ==, 0);
  g_ptr_array_unref (poller->timers);
  g_free (poller);
}

void
obk_poller_cancel_timer (ObkPoller *poller, ObkTimer *timer)
{
  if (timer->position == 0)
    return;
  g_assert_true (g_ptr_array_remove (poller->timers, timer));
  timer->position = 0;
}

void
obk_poller_set_timer (ObkPoller *poller, ObkTimer *timer, gint64 deadline_us)
{
  obk_poller_cancel_timer (poller, timer);
  if (deadline_us == OBK_NO_DEADLINE)
    return;
  timer->deadline_us = deadline_us;
  timer->position = 1; /* any but 0 */
  g_ptr_array_add (poller->timers, timer);
}

/* The first of those that are due by then; of equal ones the one that was set first. */
static ObkTimer *
next_timer (ObkPoller *poller, gint64 until_us)
{
  ObkTimer *next = NULL;

  for (guint i = 0; i < poller->timers->len; i++)
    {
      ObkTimer *timer = g_ptr_array_index (poller->timers, i);

      if (timer->deadline_us <= until_us && (next == NULL || timer->deadline_us < next->deadline_us))
        next = timer;
    }
  return next;
}

gint64
stand_in_next (ObkPoller *poller)
{
  const ObkTimer *timer = next_timer (poller, OBK_NO_DEADLINE);

  return timer != NULL ? MAX (timer->deadline_us - now_us, 0) : -1;
}

void
stand_in_advance (ObkPoller *poller, gint64 us)
{
  gint64 until_us = now_us + us;
  ObkTimer *timer = NULL;

  while ((timer = next_timer (poller, until_us)) != NULL)
    {
      now_us = MAX (now_us, timer->deadline_us);
      obk_poller_cancel_timer (poller, timer);
      timer->expired (timer);
    }
  now_us = until_us;
}
