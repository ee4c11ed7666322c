/* SPDX-License-Identifier: Apache-2.0 */
/* Telling systemd how we are. All from the main thread. */
#include "observe/notify.h"

#include <systemd/sd-daemon.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

/* There is one service manager and one status line. */
static char *last_status = NULL;

/* By a socket that is kept: sd_notify() makes one each time, and without a descriptor left the watchdog would end us.
 */
static gboolean
send_by_kept_socket (const char *text)
{
  static int fd = -1;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const char *path = g_getenv ("NOTIFY_SOCKET");
  gsize length = path != NULL ? strlen (path) : 0;

  if (length == 0 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
    return FALSE;
  memcpy (address.sun_path, path, length);
  if (path[0] == '@') /* abstract */
    address.sun_path[0] = '\0';
  if (fd < 0)
    fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0
         && sendto (fd, text, strlen (text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                    (socklen_t)(G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + length))
                >= 0;
}

static void
tell (const char *text)
{
  if (!send_by_kept_socket (text))
    (void)sd_notify (0, text); /* nobody listening is not our failure */
}

void
obk_notify_ready (void)
{
  tell ("READY=1");
}

void
obk_notify_reloading (void)
{
  g_autofree char *text = NULL;
  struct timespec now = { 0 };

  /* systemd takes the READY=1 that comes after this time for this reload's (sd_notify(3)). */
  clock_gettime (CLOCK_MONOTONIC, &now);
  text = g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
                          (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000);
  tell (text);
}

void
obk_notify_stopping (void)
{
  tell ("STOPPING=1");
}

void
obk_notify_status (const char *status)
{
  g_autofree char *line = g_strdup (status);
  g_autofree char *text = NULL;

  g_return_if_fail (status != NULL);

  g_strdelimit (line, "\n", ' '); /* a newline would begin another assignment */
  if (g_strcmp0 (line, last_status) == 0)
    return;
  g_free (last_status);
  last_status = g_steal_pointer (&line);
  text = g_strconcat ("STATUS=", last_status, NULL);
  tell (text);
}

static gboolean
beat (gpointer user_data)
{
  tell ("WATCHDOG=1");
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
