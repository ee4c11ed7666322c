/* SPDX-License-Identifier: Apache-2.0 */
/* A process of its own that checks with other rights, and what it tells the one that reports. */
#include "cli/doctor/peer.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/doctor/report.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_REPORT (1024 * 1024) /* bytes */
#define TICK_MS 200

struct _ObkCheckPeer
{
  pid_t pid;
  int fd;
  gboolean ended; /* before its time, and that was said */
};

/* The new process */

static gboolean
write_all (int fd, gconstpointer data, gsize size)
{
  const char *at = data;

  while (size > 0)
    {
      ssize_t n = TEMP_FAILURE_RETRY (write (fd, at, size));

      if (n <= 0)
        return FALSE;
      at += n;
      size -= (gsize)n;
    }
  return TRUE;
}

gboolean
obk_check_report_send (const ObkCheckReport *report, int fd)
{
  g_autoptr (GBytes) bytes = obk_check_report_write (report);
  guint32 size = (guint32)g_bytes_get_size (bytes);

  return write_all (fd, &size, sizeof size) && write_all (fd, g_bytes_get_data (bytes, NULL), size);
}

/* The other side */

ObkCheckPeer *
obk_check_peer_start (int *fd, GError **error)
{
  ObkCheckPeer *peer = NULL;
  int ends[2] = { -1, -1 };
  pid_t pid = -1;

  g_return_val_if_fail (fd != NULL, NULL);

  *fd = -1;
  if (pipe2 (ends, O_CLOEXEC) == 0)
    pid = fork ();
  if (pid == 0)
    {
      (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (ends[0]);
      *fd = ends[1];
      return NULL;
    }
  if (pid < 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("cannot start a process: %s"), g_strerror (errno));
      return NULL;
    }
  close (ends[1]);
  peer = g_new0 (ObkCheckPeer, 1);
  peer->pid = pid;
  peer->fd = ends[0];
  return peer;
}

void
obk_check_peer_free (ObkCheckPeer *peer)
{
  if (peer == NULL)
    return;
  close (peer->fd);
  if (peer->pid > 0)
    {
      kill (peer->pid, SIGKILL);
      (void)TEMP_FAILURE_RETRY (waitpid (peer->pid, NULL, 0));
    }
  g_free (peer);
}

static gboolean
wait_for_more (ObkCheckPeer *peer, const char *id, gint64 since_us)
{
  struct pollfd readable = { .fd = peer->fd, .events = POLLIN };
  int n = 0;

  while ((n = TEMP_FAILURE_RETRY (poll (&readable, 1, TICK_MS))) == 0)
    obk_doctor_show_progress (id, since_us);
  return n > 0;
}

static gboolean
read_all (ObkCheckPeer *peer, const char *id, gpointer data, gsize size)
{
  gint64 since_us = obk_clock_boot_us ();
  char *at = data;

  while (size > 0)
    {
      ssize_t n = wait_for_more (peer, id, since_us) ? TEMP_FAILURE_RETRY (read (peer->fd, at, size)) : -1;

      if (n <= 0)
        return FALSE;
      at += n;
      size -= (gsize)n;
    }
  return TRUE;
}

static ObkCheckReport *
read_report (ObkCheckPeer *peer, const char *id)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *data = NULL;
  guint32 size = 0;

  if (!read_all (peer, id, &size, sizeof size) || size > MAX_REPORT)
    return NULL;
  data = g_malloc (MAX (size, 1));
  if (!read_all (peer, id, data, size))
    return NULL;
  bytes = g_bytes_new_take (g_steal_pointer (&data), size);
  return obk_check_report_read (bytes);
}

/* Why there is no report. */
static ObkCheckReport *
explain_end (ObkCheckPeer *peer)
{
  ObkCheckReport *report = obk_check_report_new ();
  int status = 0;

  if (peer->ended)
    {
      obk_check_skip (report, _ ("the process that checks has ended"));
      return report;
    }
  peer->ended = TRUE;
  kill (peer->pid, SIGKILL);
  (void)TEMP_FAILURE_RETRY (waitpid (peer->pid, &status, 0));
  peer->pid = 0;
  if (WIFSIGNALED (status))
    obk_check_fail (report, _ ("the process that checks was ended by signal %d"), WTERMSIG (status));
  else
    obk_check_fail (report, _ ("the process that checks has ended before its time"));
  obk_check_remedy (report, _ ("run doctor again; if it ends like that again, the journal or coredumpctl says why"));
  return report;
}

ObkCheckReport *
obk_check_peer_next (ObkCheckPeer *peer, const char *id)
{
  ObkCheckReport *report = peer->ended ? NULL : read_report (peer, id);

  obk_doctor_show_progress (NULL, 0);
  return report != NULL ? report : explain_end (peer);
}
