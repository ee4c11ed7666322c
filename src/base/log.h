/* SPDX-License-Identifier: Apache-2.0 */
/* Building one log record. What becomes of it is the sink's business (observe/log.h). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  OBK_LOG_DEBUG,
  OBK_LOG_INFO,
  OBK_LOG_WARN,
  OBK_LOG_ERROR
} ObkLogLevel;

typedef enum
{
  OBK_LOG_FIELD_STRING,
  OBK_LOG_FIELD_INT,
  OBK_LOG_FIELD_DOUBLE
} ObkLogFieldType;

#define OBK_LOG_MAX_FIELDS 24

typedef struct
{
  const char *name; /* one of names.h, static */
  ObkLogFieldType type;
  union
  {
    const char *string; /* borrowed until the record is emitted */
    gint64 integer;
    double number;
  } value;
} ObkLogField;

/* A plain value on the caller's stack. */
typedef struct
{
  ObkLogLevel level;
  const char *event;
  guint n_fields;
  ObkLogField fields[OBK_LOG_MAX_FIELDS];
} ObkLogRecord;

/**
 * obk_log_enabled:
 *
 * Returns: whether a record of @level would be written; ask it before building a costly one
 */
gboolean obk_log_enabled (ObkLogLevel level);

/**
 * obk_log_begin:
 * @event: an OBK_EVENT_… name; it becomes the record's "message"
 */
void obk_log_begin (ObkLogRecord *record, ObkLogLevel level, const char *event);

/* A %NULL string adds nothing. Fields past OBK_LOG_MAX_FIELDS are dropped. */
void obk_log_string (ObkLogRecord *record, const char *name, const char *value);
void obk_log_int (ObkLogRecord *record, const char *name, gint64 value);
void obk_log_double (ObkLogRecord *record, const char *name, double value);

/* Adds error_class and the cause's text of @error; nothing for %NULL. */
void obk_log_error (ObkLogRecord *record, const GError *error);

void obk_log_emit (const ObkLogRecord *record);

/**
 * ObkLogSink:
 *
 * Called from any thread, with records of at least the set level.
 */
typedef void (*ObkLogSink) (const ObkLogRecord *record, gpointer user_data);

/* Set before other threads run; without one, records go to standard error as plain text. */
void obk_log_set_sink (ObkLogSink sink, gpointer user_data);
void obk_log_set_level (ObkLogLevel level);

G_END_DECLS
