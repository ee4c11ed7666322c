/* SPDX-License-Identifier: Apache-2.0 */
/* Holding back identical failures, and counting what was held back. */
#include "observe/log-limit.h"

#include "base/clock.h"
#include "base/names.h"

#include <string.h>

/* More kinds than this at a time are told apart by their event alone. */
#define MAX_KINDS 256

/* What makes two failures the same one, as long as all of them come from bounded sets. */
static const char *const kind_fields[] = {
  OBK_FIELD_OPERATION,  OBK_FIELD_STATUS,    OBK_FIELD_ERROR_CLASS,  OBK_FIELD_OPENBAO_OPERATION,
  OBK_FIELD_PROBE_KIND, OBK_FIELD_HEALTHZ,   OBK_FIELD_REASON,       OBK_FIELD_DETAIL,
  OBK_FIELD_PATH,       OBK_FIELD_COMPONENT, OBK_FIELD_CONFIG_FIELD, OBK_FIELD_CONFIG_FIELDS,
};

typedef struct
{
  ObkLogLevel level;
  const char *event;
  char *values[G_N_ELEMENTS (kind_fields)]; /* (nullable) */
  gint64 window_end_us;
  guint passed;
  guint64 suppressed;
} Kind;

struct _ObkLogLimit
{
  GHashTable *kinds; /* key text -> Kind */
};

static void
kind_free (gpointer data)
{
  Kind *kind = data;

  for (gsize i = 0; i < G_N_ELEMENTS (kind_fields); i++)
    g_free (kind->values[i]);
  g_free (kind);
}

ObkLogLimit *
obk_log_limit_new (void)
{
  ObkLogLimit *limit = g_new0 (ObkLogLimit, 1);

  limit->kinds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, kind_free);
  return limit;
}

void
obk_log_limit_free (ObkLogLimit *limit)
{
  if (limit == NULL)
    return;
  g_hash_table_destroy (limit->kinds);
  g_free (limit);
}

/* Returns: (nullable) (transfer none): the record's string of that name */
static const char *
find_string (const ObkLogRecord *record, const char *name)
{
  for (guint i = 0; i < record->n_fields; i++)
    if (record->fields[i].type == OBK_LOG_FIELD_STRING && strcmp (record->fields[i].name, name) == 0)
      return record->fields[i].value.string;
  return NULL;
}

static char *
key_of (const ObkLogRecord *record, gboolean event_alone)
{
  GString *key = g_string_new (record->event);

  g_string_append_printf (key, "\n%d", (int)record->level);
  for (gsize i = 0; i < G_N_ELEMENTS (kind_fields) && !event_alone; i++)
    {
      const char *value = find_string (record, kind_fields[i]);

      if (value != NULL)
        g_string_append_printf (key, "\n%s=%s", kind_fields[i], value);
    }
  return g_string_free (key, FALSE);
}

static Kind *
find_kind (ObkLogLimit *limit, const ObkLogRecord *record, gint64 now_us)
{
  gboolean full = g_hash_table_size (limit->kinds) >= MAX_KINDS;
  g_autofree char *key = key_of (record, FALSE);
  Kind *kind = g_hash_table_lookup (limit->kinds, key);

  if (kind == NULL && full)
    {
      g_free (key);
      key = key_of (record, TRUE);
      kind = g_hash_table_lookup (limit->kinds, key);
    }
  if (kind != NULL)
    return kind;

  kind = g_new0 (Kind, 1);
  kind->level = record->level;
  kind->event = record->event;
  kind->window_end_us = now_us + OBK_LOG_LIMIT_WINDOW_US;
  for (gsize i = 0; i < G_N_ELEMENTS (kind_fields) && !full; i++)
    kind->values[i] = g_strdup (find_string (record, kind_fields[i]));
  g_hash_table_insert (limit->kinds, g_steal_pointer (&key), kind);
  return kind;
}

/* What an operator has asked for, and waits to read the outcome of, which is in the cause. */
static gboolean
is_answer (const ObkLogRecord *record)
{
  return strcmp (record->event, OBK_EVENT_CONFIG_RELOADED) == 0;
}

gboolean
obk_log_limit_admit (ObkLogLimit *limit, const ObkLogRecord *record, gint64 now_us)
{
  Kind *kind = NULL;

  if (record->level < OBK_LOG_WARN || is_answer (record))
    return TRUE;
  kind = find_kind (limit, record, now_us);
  if (kind->passed == OBK_LOG_LIMIT_BURST)
    {
      kind->suppressed++;
      return FALSE;
    }
  kind->passed++;
  return TRUE;
}

static void
summarize (const Kind *kind, ObkLogLimitSummary summary, gpointer user_data)
{
  ObkLogRecord record;

  obk_log_begin (&record, kind->level, kind->event);
  for (gsize i = 0; i < G_N_ELEMENTS (kind_fields); i++)
    obk_log_string (&record, kind_fields[i], kind->values[i]);
  obk_log_int (&record, OBK_FIELD_SUPPRESSED, (gint64)kind->suppressed);
  summary (&record, user_data);
}

void
obk_log_limit_sweep (ObkLogLimit *limit, gint64 now_us, ObkLogLimitSummary summary, gpointer user_data)
{
  GHashTableIter iter;
  gpointer value = NULL;

  g_hash_table_iter_init (&iter, limit->kinds);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Kind *kind = value;

      if (now_us < kind->window_end_us)
        continue;
      if (kind->suppressed > 0)
        summarize (kind, summary, user_data);
      g_hash_table_iter_remove (&iter);
    }
}

gint64
obk_log_limit_next (const ObkLogLimit *limit)
{
  GHashTableIter iter;
  gpointer value = NULL;
  gint64 next_us = OBK_NO_DEADLINE;

  g_hash_table_iter_init (&iter, limit->kinds);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((const Kind *)value)->suppressed > 0)
      next_us = MIN (next_us, ((const Kind *)value)->window_end_us);
  return next_us;
}
