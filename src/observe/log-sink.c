/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log records: JSON or text on standard error, or fields to journald; holds repeats back. */
#include "observe/log-sink.h"

#include "base/clock.h"
#include "base/names.h"
#include "observe/log-format.h"
#include "observe/log-limit.h"
#include "observe/log-stream.h"

/* Our own fields stand in MESSAGE and in their fields; the place in this file would tell nothing. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <string.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* The process has one standard error, so there is one sink. */
static struct
{
  GMutex lock; /* of all below */
  ObkSinkFormat format;
  ObkLogLimit *limit;
  ObkLogStream stream;
  guint timer; /* source id: closes a window that held something back when nothing else is logged */
} sink = { .stream = { .fd = STDERR_FILENO } };

/* Set while this thread holds the lock: what a library says then must not come back here. */
static GPrivate inside;

static gboolean
write_line (const ObkLogRecord *record)
{
  gint64 now_us = g_get_real_time ();
  g_autofree char *line = NULL;
  gsize length = 0;

  if (sink.format == OBK_SINK_TEXT)
    line = obk_log_format_text (record, now_us, &length);
  else
    line = obk_log_format_json (record, now_us, &length);
  return obk_log_stream_write (&sink.stream, line, length);
}

static gboolean
write_journal (const ObkLogRecord *record)
{
  g_autoptr (GPtrArray) fields = obk_log_format_journal (record);
  struct iovec vectors[OBK_LOG_MAX_FIELDS + 8];

  for (guint i = 0; i < fields->len; i++)
    {
      vectors[i].iov_base = g_ptr_array_index (fields, i);
      vectors[i].iov_len = strlen (vectors[i].iov_base);
    }
  return sd_journal_sendv (vectors, (int)fields->len) == 0;
}

static void
write_record (const ObkLogRecord *record, gpointer user_data)
{
  guint64 dropped = sink.stream.dropped;
  ObkLogRecord notice;

  if (sink.format == OBK_SINK_JOURNAL && write_journal (record))
    return;
  if (!write_line (record) || dropped == 0)
    return;
  /* After the record and not before it: whether the reader is back is known only now. */
  obk_log_begin (&notice, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&notice, OBK_FIELD_DETAIL, "log records were lost: standard error was not read fast enough");
  obk_log_int (&notice, OBK_FIELD_SUPPRESSED, (gint64)dropped);
  sink.stream.dropped = write_line (&notice) ? 0 : dropped;
}

static gboolean on_window_over (gpointer user_data);

static void
arm_timer (gint64 now_us)
{
  gint64 next_us = obk_log_limit_next (sink.limit);

  if (sink.timer == 0 && next_us != OBK_NO_DEADLINE)
    sink.timer = g_timeout_add ((guint)((next_us - now_us) / 1000 + 1), on_window_over, NULL);
}

static void
enter (void)
{
  g_private_set (&inside, &sink);
  g_mutex_lock (&sink.lock);
}

static void
leave (void)
{
  g_mutex_unlock (&sink.lock);
  g_private_set (&inside, NULL);
}

static gboolean
on_window_over (gpointer user_data)
{
  gint64 now_us = obk_clock_boot_us ();

  enter ();
  sink.timer = 0;
  obk_log_limit_sweep (sink.limit, now_us, write_record, NULL);
  arm_timer (now_us);
  leave ();
  return G_SOURCE_REMOVE;
}

static void
on_record (const ObkLogRecord *record, gpointer user_data)
{
  gint64 now_us = obk_clock_boot_us ();

  enter ();
  obk_log_limit_sweep (sink.limit, now_us, write_record, NULL);
  if (obk_log_limit_admit (sink.limit, record, now_us))
    write_record (record, NULL);
  else
    arm_timer (now_us);
  leave ();
}

static ObkLogLevel
level_of (GLogLevelFlags flags)
{
  if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return OBK_LOG_ERROR;
  if (flags & G_LOG_LEVEL_WARNING)
    return OBK_LOG_WARN;
  return flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO) ? OBK_LOG_INFO : OBK_LOG_DEBUG;
}

/* Returns: (nullable): the field's text, when it is one */
static const char *
glib_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (fields[i].length < 0 && strcmp (fields[i].key, key) == 0)
      return fields[i].value;
  return NULL;
}

static GLogWriterOutput
on_glib_message (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *domain = glib_field (fields, n_fields, "GLIB_DOMAIN");
  ObkLogRecord record;

  if (g_private_get (&inside) != NULL)
    return g_log_writer_standard_streams (flags, fields, n_fields, NULL);
  if (g_log_writer_default_would_drop (flags, domain))
    return G_LOG_WRITER_HANDLED;

  obk_log_begin (&record, level_of (flags), OBK_EVENT_LIBRARY);
  obk_log_string (&record, OBK_FIELD_COMPONENT, domain);
  obk_log_string (&record, OBK_FIELD_DETAIL, glib_field (fields, n_fields, "MESSAGE"));
  obk_log_emit (&record);
  return G_LOG_WRITER_HANDLED;
}

void
obk_log_sink_install (ObkSinkFormat format, ObkLogLevel level)
{
  gboolean no_journal = format == OBK_SINK_JOURNAL && access (JOURNAL_SOCKET, W_OK) != 0;
  gboolean first = FALSE;
  ObkLogRecord record;

  enter ();
  first = sink.limit == NULL;
  if (first)
    sink.limit = obk_log_limit_new ();
  sink.format = no_journal ? OBK_SINK_JSON : format;
  leave ();

  obk_log_set_level (level);
  if (first)
    {
      obk_log_set_sink (on_record, NULL);
      g_log_set_writer_func (on_glib_message, NULL, NULL);
    }
  if (!no_journal)
    return;
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL, "journald is not reachable: logging JSON to standard error instead");
  obk_log_emit (&record);
}

void
obk_log_sink_flush (void)
{
  enter ();
  if (sink.timer != 0)
    g_source_remove (sink.timer);
  sink.timer = 0;
  if (sink.limit != NULL)
    obk_log_limit_sweep (sink.limit, OBK_NO_DEADLINE, write_record, NULL);
  obk_log_stream_finish (&sink.stream);
  leave ();
}
