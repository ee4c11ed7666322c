/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lines to a descriptor whose reader may be stuck. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ObkLogStream:
 *
 * A descriptor that is shared with others, such as standard error, and so may not be made non-blocking. A reader that
 * has stopped must not stop us, as every thread logs: after a short wait, once, lines are dropped and counted until the
 * reader goes on. A line that was written in part is finished before another one starts. Not safe for several threads.
 */
typedef struct
{
  int fd;
  GString *rest;   /* (nullable): of a line that was written in part */
  gboolean stuck;  /* the last wait was in vain: do not wait again */
  guint64 dropped; /* lines since the last one that was taken */
} ObkLogStream;

/* Returns: whether the line was taken; else it is counted in @stream->dropped */
gboolean obk_log_stream_write (ObkLogStream *stream, const char *line, gsize length);

/* Waits a little for the rest of a line. At the end of the process. */
void obk_log_stream_finish (ObkLogStream *stream);

G_END_DECLS
