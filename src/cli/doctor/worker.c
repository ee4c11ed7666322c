/* SPDX-License-Identifier: Apache-2.0 */
/* The process that runs the checks with the service's ids, and what it tells the one that reports. */
#include "cli/doctor/worker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/doctor/report.h"
#include "cli/registry-command.h"

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

struct _ObkDoctorWorker
{
  pid_t pid;
  int fd;
  gboolean ended; /* before its time, and that was said */
};

/* The worker's side */

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

static gboolean
tell (int fd, const ObkCheckReport *report)
{
  g_autoptr (GBytes) bytes = obk_check_report_write (report);
  guint32 size = (guint32)g_bytes_get_size (bytes);

  return write_all (fd, &size, sizeof size) && write_all (fd, g_bytes_get_data (bytes, NULL), size);
}

/* An error's own text says what went wrong. */
static void
drop_record (const ObkLogRecord *record, gpointer user_data)
{
}

static void
run_checks (const ObkDoctorOptions *options, int fd)
{
  g_auto (ObkDoctor) doctor = { .options = *options };
  g_autoptr (GPtrArray) reports = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_check_report_free);

  obk_log_set_sink (drop_record, NULL);
  doctor.units = obk_registry_command_name_units (obk_config_path (options->config_path));
  for (gsize i = 0; i < obk_n_checks (); i++)
    {
      if (obk_checks[i].place == OBK_CHECK_AS_CALLER)
        {
          g_ptr_array_add (reports, obk_check_report_new ());
          continue;
        }
      g_ptr_array_add (reports, obk_check_run (i, reports, &doctor));
      if (!tell (fd, g_ptr_array_index (reports, i)))
        return;
    }
}

static void
be_worker (const ObkDoctorOptions *options, int fd)
{
  g_autoptr (ObkCheckReport) refusal = NULL;
  g_autoptr (GError) error = NULL;

  (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (!options->is_root || options->service.uid == 0 || obk_ids_take (&options->service, &error))
    {
      run_checks (options, fd);
      return;
    }
  refusal = obk_check_report_new ();
  obk_check_fail (refusal, "%s", error->message);
  (void)tell (fd, refusal);
}

/* The other side */

ObkDoctorWorker *
obk_doctor_worker_new (const ObkDoctorOptions *options, gboolean *is_worker, GError **error)
{
  ObkDoctorWorker *worker = NULL;
  int ends[2] = { -1, -1 };
  pid_t pid = -1;

  g_return_val_if_fail (options != NULL && is_worker != NULL, NULL);

  *is_worker = FALSE;
  if (pipe2 (ends, O_CLOEXEC) == 0)
    pid = fork ();
  if (pid == 0)
    {
      close (ends[0]);
      be_worker (options, ends[1]);
      close (ends[1]);
      *is_worker = TRUE;
      return NULL;
    }
  if (pid < 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("cannot start a process: %s"), g_strerror (errno));
      return NULL;
    }
  close (ends[1]);
  worker = g_new0 (ObkDoctorWorker, 1);
  worker->pid = pid;
  worker->fd = ends[0];
  return worker;
}

void
obk_doctor_worker_free (ObkDoctorWorker *worker)
{
  if (worker == NULL)
    return;
  close (worker->fd);
  if (worker->pid > 0)
    {
      kill (worker->pid, SIGKILL);
      (void)TEMP_FAILURE_RETRY (waitpid (worker->pid, NULL, 0));
    }
  g_free (worker);
}

static gboolean
wait_for_more (ObkDoctorWorker *worker, const char *id, gint64 since_us)
{
  struct pollfd readable = { .fd = worker->fd, .events = POLLIN };
  int n = 0;

  while ((n = TEMP_FAILURE_RETRY (poll (&readable, 1, TICK_MS))) == 0)
    obk_doctor_show_progress (id, since_us);
  return n > 0;
}

static gboolean
read_all (ObkDoctorWorker *worker, const char *id, gpointer data, gsize size)
{
  gint64 since_us = obk_clock_boot_us ();
  char *at = data;

  while (size > 0)
    {
      ssize_t n = wait_for_more (worker, id, since_us) ? TEMP_FAILURE_RETRY (read (worker->fd, at, size)) : -1;

      if (n <= 0)
        return FALSE;
      at += n;
      size -= (gsize)n;
    }
  return TRUE;
}

static ObkCheckReport *
read_report (ObkDoctorWorker *worker, const char *id)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *data = NULL;
  guint32 size = 0;

  if (!read_all (worker, id, &size, sizeof size) || size > MAX_REPORT)
    return NULL;
  data = g_malloc (MAX (size, 1));
  if (!read_all (worker, id, data, size))
    return NULL;
  bytes = g_bytes_new_take (g_steal_pointer (&data), size);
  return obk_check_report_read (bytes);
}

/* Why there is no report. */
static ObkCheckReport *
explain_end (ObkDoctorWorker *worker)
{
  ObkCheckReport *report = obk_check_report_new ();
  int status = 0;

  if (worker->ended)
    {
      obk_check_skip (report, _ ("the process that checks has ended"));
      return report;
    }
  worker->ended = TRUE;
  kill (worker->pid, SIGKILL);
  (void)TEMP_FAILURE_RETRY (waitpid (worker->pid, &status, 0));
  worker->pid = 0;
  if (WIFSIGNALED (status))
    obk_check_fail (report, _ ("the process that checks was ended by signal %d"), WTERMSIG (status));
  else
    obk_check_fail (report, _ ("the process that checks has ended before its time"));
  return report;
}

ObkCheckReport *
obk_doctor_worker_next (ObkDoctorWorker *worker, const char *id)
{
  ObkCheckReport *report = worker->ended ? NULL : read_report (worker, id);

  obk_doctor_show_progress (NULL, 0);
  return report != NULL ? report : explain_end (worker);
}
