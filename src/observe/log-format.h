/* SPDX-License-Identifier: Apache-2.0 */
/* A log record as a line of JSON, as a line of text, as journal fields. */
#pragma once

#include <glib.h>

#include "base/log.h"

G_BEGIN_DECLS

/* A string is cut to this many bytes: a record may hold what a peer sent. */
#define OBK_LOG_MAX_STRING 1024

/*
 * @unix_us: the system clock. Returns: (transfer full): one line with its newline, valid UTF-8, nothing in it that a
 * terminal acts on
 */
char *obk_log_format_json (const ObkLogRecord *record, gint64 unix_us, gsize *length);
char *obk_log_format_text (const ObkLogRecord *record, gint64 unix_us, gsize *length);

/**
 * obk_log_format_journal:
 *
 * MESSAGE is the text line without time and level, EVENT the record's name, MESSAGE_ID what the journal's catalogue
 * knows it by, and every field stands under its own name in upper case.
 *
 * Returns: (transfer container) (element-type utf8): "NAME=value" strings
 */
GPtrArray *obk_log_format_journal (const ObkLogRecord *record);

G_END_DECLS
