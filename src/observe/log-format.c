/* SPDX-License-Identifier: Apache-2.0 */
/* A log record as a line of JSON, as a line of text, as journal fields. */
#include "observe/log-format.h"

#include "base/canonical-json.h"
#include "base/names.h"
#include "observe/message-id.h"

#include <string.h>
#include <syslog.h>
#include <time.h>

#define TIME_LENGTH sizeof "2006-01-02T15:04:05.000Z"

static const struct
{
  const char *name;
  int priority;
} levels[] = {
  [OBK_LOG_DEBUG] = { "debug", LOG_DEBUG },
  [OBK_LOG_INFO] = { "info", LOG_INFO },
  [OBK_LOG_WARN] = { "warn", LOG_WARNING },
  [OBK_LOG_ERROR] = { "error", LOG_ERR },
};

/* RFC 3339, UTC, milliseconds */
static void
format_time (gint64 unix_us, char text[TIME_LENGTH])
{
  time_t seconds = (time_t)(unix_us / G_USEC_PER_SEC);
  struct tm parts;

  if (gmtime_r (&seconds, &parts) == NULL || strftime (text, TIME_LENGTH, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
    g_strlcpy (text, "1970-01-01T00:00:00", TIME_LENGTH);
  g_snprintf (text + strlen (text), 6, ".%03dZ", (int)(unix_us % G_USEC_PER_SEC / 1000));
}

/* Returns: (transfer full): @value as valid UTF-8 of bounded length */
static char *
clean (const char *value)
{
  gsize length = strnlen (value, OBK_LOG_MAX_STRING + 1);
  g_autofree char *valid = NULL;

  if (length <= OBK_LOG_MAX_STRING)
    return g_utf8_make_valid (value, (gssize)length);
  length = OBK_LOG_MAX_STRING;
  while (length > OBK_LOG_MAX_STRING - 4 && ((guchar)value[length] & 0xc0) == 0x80)
    length--; /* not into the middle of a character */
  valid = g_utf8_make_valid (value, (gssize)length);
  return g_strconcat (valid, "…", NULL);
}

static void
append_json_field (ObkCanonicalJson *json, const ObkLogField *field)
{
  g_autofree char *string = NULL;

  switch (field->type)
    {
    case OBK_LOG_FIELD_STRING:
      string = clean (field->value.string);
      obk_canonical_json_string (json, field->name, string);
      break;
    case OBK_LOG_FIELD_INT:
      obk_canonical_json_int (json, field->name, field->value.integer);
      break;
    case OBK_LOG_FIELD_DOUBLE:
      obk_canonical_json_double (json, field->name, field->value.number);
      break;
    }
}

char *
obk_log_format_json (const ObkLogRecord *record, gint64 unix_us, gsize *length)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  g_autofree char *object = NULL;
  char ts[TIME_LENGTH];

  format_time (unix_us, ts);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, OBK_FIELD_TS, ts);
  obk_canonical_json_string (json, OBK_FIELD_LEVEL, levels[record->level].name);
  obk_canonical_json_string (json, OBK_FIELD_MESSAGE, record->event);
  for (guint i = 0; i < record->n_fields; i++)
    append_json_field (json, &record->fields[i]);
  obk_canonical_json_end_object (json);
  object = obk_canonical_json_steal (json, length);
  *length += 1;
  return g_strconcat (object, "\n", NULL);
}

/* Returns: (transfer full): the value without quotes */
static char *
value_text (const ObkLogField *field)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  switch (field->type)
    {
    case OBK_LOG_FIELD_STRING:
      return clean (field->value.string);
    case OBK_LOG_FIELD_INT:
      return g_strdup_printf ("%" G_GINT64_FORMAT, field->value.integer);
    case OBK_LOG_FIELD_DOUBLE:
      return g_strdup (g_ascii_formatd (number, sizeof number, "%.15g", field->value.number));
    }
  g_return_val_if_reached (NULL);
}

/* Whether @text can stand in a line without quotes and still be told from its neighbours. */
static gboolean
is_plain_word (const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at) || *at == '"' || *at == '=' || *at == '\\')
      return FALSE;
  return *text != '\0';
}

static void
append_quoted (GString *line, const char *text)
{
  g_string_append_c (line, '"');
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '"' || c == '\\')
        g_string_append_printf (line, "\\%c", (char)c);
      else if (c == '\n')
        g_string_append (line, "\\n");
      else if (!g_unichar_isprint (c)) /* control, format and bidi characters among them */
        g_string_append_printf (line, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
      else
        g_string_append_unichar (line, c);
    }
  g_string_append_c (line, '"');
}

/* The event and its fields: "auth.login status=error cause=\"…\"" */
static void
append_body (GString *line, const ObkLogRecord *record)
{
  g_string_append (line, record->event);
  for (guint i = 0; i < record->n_fields; i++)
    {
      g_autofree char *value = value_text (&record->fields[i]);

      g_string_append_printf (line, " %s=", record->fields[i].name);
      if (is_plain_word (value))
        g_string_append (line, value);
      else
        append_quoted (line, value);
    }
}

char *
obk_log_format_text (const ObkLogRecord *record, gint64 unix_us, gsize *length)
{
  GString *line = g_string_sized_new (256);
  char ts[TIME_LENGTH];

  format_time (unix_us, ts);
  g_string_append_printf (line, "%s %-5s ", ts, levels[record->level].name);
  append_body (line, record);
  g_string_append_c (line, '\n');
  *length = line->len;
  return g_string_free (line, FALSE);
}

GPtrArray *
obk_log_format_journal (const ObkLogRecord *record)
{
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);
  const char *id = obk_message_id (record->event);
  GString *message = g_string_new ("MESSAGE=");

  append_body (message, record);
  g_ptr_array_add (fields, g_string_free (message, FALSE));
  g_ptr_array_add (fields, g_strdup_printf ("PRIORITY=%d", levels[record->level].priority));
  g_ptr_array_add (fields, g_strdup ("SYSLOG_IDENTIFIER=" OBK_PROGRAM));
  g_ptr_array_add (fields, g_strconcat ("EVENT=", record->event, NULL));
  if (id != NULL)
    g_ptr_array_add (fields, g_strconcat ("MESSAGE_ID=", id, NULL));
  for (guint i = 0; i < record->n_fields; i++)
    {
      g_autofree char *name = g_ascii_strup (record->fields[i].name, -1);
      g_autofree char *value = value_text (&record->fields[i]);

      g_ptr_array_add (fields, g_strconcat (name, "=", value, NULL));
    }
  return fields;
}
