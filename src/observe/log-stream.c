/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lines to a descriptor whose reader may be stuck. */
#include "observe/log-stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20
#define FINISH_PATIENCE_MS 200

/*
 * Never blocks for long: a socket (journald's stream) has a flag for that; a pipe that polls as writable takes PIPE_BUF
 * bytes at once; a terminal that was stopped does not poll as writable; a file does not block.
 */
static gssize
write_some (const ObkLogStream *stream, const char *data, gsize length, int patience_ms)
{
  struct pollfd poller = { .fd = stream->fd, .events = POLLOUT };
  gssize n = send (stream->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);

  if (n < 0 && errno == ENOTSOCK && poll (&poller, 1, 0) == 1)
    n = write (stream->fd, data, MIN (length, PIPE_BUF));
  else if (n < 0 && errno == ENOTSOCK)
    errno = EAGAIN;
  if (n >= 0 || errno != EAGAIN || patience_ms == 0)
    return n;
  return poll (&poller, 1, patience_ms) == 1 ? write_some (stream, data, length, 0) : n;
}

/* Returns: how many bytes went out */
static gsize
write_patiently (ObkLogStream *stream, const char *data, gsize length, int patience_ms)
{
  gsize done = 0;

  while (done < length)
    {
      gssize n = write_some (stream, data + done, length - done, stream->stuck ? 0 : patience_ms);

      if (n < 0 && errno == EINTR)
        continue;
      stream->stuck = n <= 0; /* a full disk or a reader that went away counts as stuck too */
      if (n <= 0)
        break;
      done += (gsize)n;
    }
  return done;
}

static gboolean
finish_line (ObkLogStream *stream, int patience_ms)
{
  gsize done = 0;

  if (stream->rest == NULL)
    return TRUE;
  done = write_patiently (stream, stream->rest->str, stream->rest->len, patience_ms);
  g_string_erase (stream->rest, 0, (gssize)done);
  if (stream->rest->len > 0)
    return FALSE;
  g_string_free (g_steal_pointer (&stream->rest), TRUE);
  return TRUE;
}

gboolean
obk_log_stream_write (ObkLogStream *stream, const char *line, gsize length)
{
  gsize done = finish_line (stream, PATIENCE_MS) ? write_patiently (stream, line, length, PATIENCE_MS) : 0;

  if (done == 0)
    {
      stream->dropped++;
      return FALSE;
    }
  if (done < length)
    stream->rest = g_string_new_len (line + done, (gssize)(length - done));
  return TRUE;
}

void
obk_log_stream_finish (ObkLogStream *stream)
{
  stream->stuck = FALSE;
  if (!finish_line (stream, FINISH_PATIENCE_MS))
    g_string_free (g_steal_pointer (&stream->rest), TRUE);
}
