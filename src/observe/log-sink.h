/* SPDX-License-Identifier: Apache-2.0 */
/* Writes log records: JSON or text on standard error, or fields to journald; holds repeats back. */
#pragma once

#include <glib.h>

#include "base/log.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_SINK_JSON,
  OBK_SINK_TEXT,
  OBK_SINK_JOURNAL
} ObkSinkFormat;

/* Installs itself as the sink of base/log.h and of GLib's own messages. May be called again to change both. */
void obk_log_sink_install (ObkSinkFormat format, ObkLogLevel level);

/* Writes the counts of what is still held back. At the end of the process. */
void obk_log_sink_flush (void);

G_END_DECLS
