/* SPDX-License-Identifier: Apache-2.0 */
/* Sees the peers off: each is told to call elsewhere, and has a moment to hear of it. */
#include "kms/parting.h"

#include "base/clock.h"

#define LOOK_US (10 * G_TIME_SPAN_MILLISECOND) /* between looks at who is still there */

struct _ObkParting
{
  ObkPoller *poller;
  ObkConnections *connections;
  ObkTimer timer;
  gint64 end_us;
  gboolean (*is_busy) (gpointer user_data);
  void (*parted) (gpointer user_data);
  gpointer user_data;
};

static void
look (ObkTimer *timer)
{
  ObkParting *parting = OBK_CONTAINER_OF (timer, ObkParting, timer);
  gint64 now_us = obk_clock_boot_us ();

  if (parting->is_busy (parting->user_data))
    parting->end_us = now_us + OBK_PARTING_US;
  if (obk_connections_part (parting->connections) == 0 || now_us >= parting->end_us)
    parting->parted (parting->user_data);
  else
    obk_poller_set_timer (parting->poller, timer, MIN (now_us + LOOK_US, parting->end_us));
}

ObkParting *
obk_parting_new (ObkPoller *poller, ObkConnections *connections, gboolean (*is_busy) (gpointer user_data),
                 void (*parted) (gpointer user_data), gpointer user_data)
{
  ObkParting *parting = NULL;

  g_return_val_if_fail (poller != NULL && connections != NULL && is_busy != NULL && parted != NULL, NULL);

  parting = g_new0 (ObkParting, 1);
  parting->poller = poller;
  parting->connections = connections;
  parting->is_busy = is_busy;
  parting->parted = parted;
  parting->user_data = user_data;
  parting->timer.expired = look;
  parting->end_us = obk_clock_boot_us () + OBK_PARTING_US;
  obk_poller_set_timer (poller, &parting->timer, obk_clock_boot_us ());
  return parting;
}

void
obk_parting_free (ObkParting *parting)
{
  if (parting == NULL)
    return;
  obk_poller_cancel_timer (parting->poller, &parting->timer);
  g_free (parting);
}
