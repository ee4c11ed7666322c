/* SPDX-License-Identifier: Apache-2.0 */
/* Telling systemd how we are. All from the main thread. */
#include "observe/notify.h"

#include <systemd/sd-daemon.h>

#include <time.h>

/* There is one service manager and one status line. */
static char *last_status = NULL;

void
obk_notify_ready (void)
{
  (void)sd_notify (0, "READY=1"); /* nobody listening is not our failure, here and below */
}

void
obk_notify_reloading (void)
{
  struct timespec now = { 0 };

  /* systemd takes the READY=1 that comes after this time for this reload's (sd_notify(3)). */
  clock_gettime (CLOCK_MONOTONIC, &now);
  (void)sd_notifyf (0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
                    (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000);
}

void
obk_notify_stopping (void)
{
  (void)sd_notify (0, "STOPPING=1");
}

void
obk_notify_status (const char *status)
{
  g_autofree char *line = g_strdup (status);

  g_return_if_fail (status != NULL);

  g_strdelimit (line, "\n", ' '); /* a newline would begin another assignment */
  if (g_strcmp0 (line, last_status) == 0)
    return;
  g_free (last_status);
  last_status = g_steal_pointer (&line);
  (void)sd_notifyf (0, "STATUS=%s", last_status);
}

static gboolean
beat (gpointer user_data)
{
  (void)sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

void
obk_notify_start_watchdog (void)
{
  static guint source = 0;
  guint64 interval_us = 0;

  if (source != 0 || sd_watchdog_enabled (0, &interval_us) <= 0)
    return;
  (void)beat (NULL);
  source = g_timeout_add ((guint)CLAMP (interval_us / 2 / 1000, 1, G_MAXINT), beat, NULL);
}
