/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus clients tell of their process, from /proc (proc(5)). */
#include "base/clock.h"
#include "observe/metrics-page.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Fields of /proc/self/stat, counted from the one after the command's closing bracket */
#define FIELD_UTIME 11
#define FIELD_STIME 12
#define FIELD_START 19
#define FIELD_VSIZE 20
#define FIELD_RSS 21

static double
number_at (char **fields, guint index)
{
  return g_ascii_strtod (fields[index], NULL);
}

/* The kernel counts from the boot. Not by /proc/stat's btime, which a sandbox may hide; and once, so that it stays. */
static double
start_time (double seconds_after_boot)
{
  static double start_s = 0;
  ObkNow now = obk_clock_now ();

  if (start_s <= 0)
    start_s = (double)now.unix_s - (double)now.boot_us / G_USEC_PER_SEC + seconds_after_boot;
  return start_s;
}

static void
tell_stat (ObkMetricsPage *page)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *after_command = NULL;
  long ticks = sysconf (_SC_CLK_TCK);
  long page_size = sysconf (_SC_PAGESIZE);

  if (!g_file_get_contents ("/proc/self/stat", &text, NULL, NULL) || (after_command = strrchr (text, ')')) == NULL)
    return;
  fields = g_strsplit (after_command[1] == ' ' ? after_command + 2 : "", " ", -1);
  if (g_strv_length (fields) <= FIELD_RSS)
    return;
  obk_metrics_page_tell (page, OBK_METRIC_PROCESS_CPU, NULL, NULL,
                         (number_at (fields, FIELD_UTIME) + number_at (fields, FIELD_STIME)) / (double)ticks);
  obk_metrics_page_tell (page, OBK_METRIC_PROCESS_RESIDENT, NULL, NULL,
                         number_at (fields, FIELD_RSS) * (double)page_size);
  obk_metrics_page_tell (page, OBK_METRIC_PROCESS_VIRTUAL, NULL, NULL, number_at (fields, FIELD_VSIZE));
  obk_metrics_page_tell (page, OBK_METRIC_PROCESS_START, NULL, NULL,
                         start_time (number_at (fields, FIELD_START) / (double)ticks));
}

static void
tell_descriptors (ObkMetricsPage *page)
{
  g_autoptr (GDir) directory = g_dir_open ("/proc/self/fd", 0, NULL);
  struct rlimit limit;
  guint n = 0;

  if (directory != NULL)
    {
      while (g_dir_read_name (directory) != NULL)
        n++;
      obk_metrics_page_tell (page, OBK_METRIC_PROCESS_OPEN_FDS, NULL, NULL, n - 1); /* but for the one that reads */
    }
  if (getrlimit (RLIMIT_NOFILE, &limit) == 0)
    obk_metrics_page_tell (page, OBK_METRIC_PROCESS_MAX_FDS, NULL, NULL, (double)limit.rlim_cur);
}

void
obk_metrics_page_tell_process (ObkMetricsPage *page)
{
  g_return_if_fail (page != NULL);

  tell_stat (page);
  tell_descriptors (page);
}
