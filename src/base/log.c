/* SPDX-License-Identifier: Apache-2.0 */
/* Building one log record, and the plain sink that serves until the real one is set. */
#include "base/log.h"

#include "base/error.h"
#include "base/names.h"

#include <unistd.h>

static void write_plain (const ObkLogRecord *record, gpointer user_data);

static gint lowest_level = OBK_LOG_INFO; /* atomic */
static ObkLogSink current_sink = write_plain;
static gpointer current_sink_data = NULL;

gboolean
obk_log_enabled (ObkLogLevel level)
{
  return (gint)level >= g_atomic_int_get (&lowest_level);
}

void
obk_log_set_level (ObkLogLevel level)
{
  g_atomic_int_set (&lowest_level, (gint)level);
}

void
obk_log_set_sink (ObkLogSink sink, gpointer user_data)
{
  current_sink = sink != NULL ? sink : write_plain;
  current_sink_data = user_data;
}

void
obk_log_begin (ObkLogRecord *record, ObkLogLevel level, const char *event)
{
  g_return_if_fail (record != NULL && event != NULL);

  record->level = level;
  record->event = event;
  record->n_fields = 0; /* the fields themselves are set as they are added: a record is built on every request */
}

/* Returns: (nullable): the next free field */
static ObkLogField *
add_field (ObkLogRecord *record, const char *name, ObkLogFieldType type)
{
  ObkLogField *field = NULL;

  if (record->n_fields == OBK_LOG_MAX_FIELDS)
    return NULL;
  field = &record->fields[record->n_fields++];
  field->name = name;
  field->type = type;
  return field;
}

void
obk_log_string (ObkLogRecord *record, const char *name, const char *value)
{
  ObkLogField *field = value != NULL ? add_field (record, name, OBK_LOG_FIELD_STRING) : NULL;

  if (field != NULL)
    field->value.string = value;
}

void
obk_log_int (ObkLogRecord *record, const char *name, gint64 value)
{
  ObkLogField *field = add_field (record, name, OBK_LOG_FIELD_INT);

  if (field != NULL)
    field->value.integer = value;
}

void
obk_log_double (ObkLogRecord *record, const char *name, double value)
{
  ObkLogField *field = add_field (record, name, OBK_LOG_FIELD_DOUBLE);

  if (field != NULL)
    field->value.number = value;
}

void
obk_log_error (ObkLogRecord *record, const GError *error)
{
  if (error == NULL)
    return;
  obk_log_string (record, OBK_FIELD_ERROR_CLASS, obk_error_class (error));
  obk_log_string (record, OBK_FIELD_CAUSE, error->message);
}

void
obk_log_emit (const ObkLogRecord *record)
{
  g_return_if_fail (record != NULL);

  if (obk_log_enabled (record->level))
    current_sink (record, current_sink_data);
}

static void
append_plain_field (GString *line, const ObkLogField *field)
{
  g_autofree char *escaped = NULL;

  g_string_append_printf (line, " %s=", field->name);
  switch (field->type)
    {
    case OBK_LOG_FIELD_STRING:
      escaped = g_strescape (field->value.string, NULL); /* a cause may hold bytes of a peer */
      g_string_append_printf (line, "\"%s\"", escaped);
      break;
    case OBK_LOG_FIELD_INT:
      g_string_append_printf (line, "%" G_GINT64_FORMAT, field->value.integer);
      break;
    case OBK_LOG_FIELD_DOUBLE:
      g_string_append_printf (line, "%g", field->value.number);
      break;
    }
}

static void
write_plain (const ObkLogRecord *record, gpointer user_data)
{
  static const char *const levels[] = { "debug", "info", "warn", "error" };
  g_autoptr (GString) line = g_string_new (levels[record->level]);
  ssize_t written = 0;

  g_string_append_printf (line, " %s", record->event);
  for (guint i = 0; i < record->n_fields; i++)
    append_plain_field (line, &record->fields[i]);
  g_string_append_c (line, '\n');
  /* One write, so that the lines of several threads do not mix; a log that cannot be written stops nothing. */
  written = write (STDERR_FILENO, line->str, line->len);
  (void)written;
}
