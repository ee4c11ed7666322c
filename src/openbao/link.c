/* SPDX-License-Identifier: Apache-2.0 */
/* One connection through the tunnel: curl's plain HTTP on one side, TLS to OpenBao on the other. */
#include "openbao/link.h"

#include "base/clock.h"
#include "base/error.h"
#include "openbao/dial.h"
#include "openbao/rest.h"
#include "openbao/tls.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_EVENTS (EPOLLIN | EPOLLRDHUP)
#define END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

struct _ObkLink
{
  guint references;
  ObkLinkShared *shared;
  ObkEndpoint *endpoint;
  ObkLinkReadable readable;
  gpointer user_data;
  ObkLinkStage stage;
  gboolean busy;
  gboolean retired;
  gboolean secretive; /* what TLS still holds of its answers may be secret */

  ObkWatch plain; /* towards curl */
  ObkWatch net;   /* towards OpenBao */
  ObkDial *dial;  /* %NULL but while it connects */
  ObkTls *tls;
  ObkRest outgoing; /* from curl */
  ObkRest incoming; /* from OpenBao */
  GError *error;

  ObkTimer open_timer; /* sends what has been waiting: after the deadlines, as our key may have been slow to sign */
  ObkTimer idle_timer; /* may be set to an idle time that is over; looked at when it expires */
  gint64 idle_since_us;
};

static void
close_watched (ObkLink *link, ObkWatch *watch)
{
  if (watch->fd < 0)
    return;
  obk_poller_remove (link->shared->poller, watch);
  close (watch->fd);
  watch->fd = -1;
}

/* The side of OpenBao only. */
static void
close_net (ObkLink *link)
{
  g_clear_pointer (&link->dial, obk_dial_cancel);
  g_clear_pointer (&link->tls, obk_tls_free);
  close_watched (link, &link->net);
  obk_rest_clear (&link->outgoing);
}

void
obk_link_close (ObkLink *link)
{
  g_return_if_fail (link != NULL);

  close_net (link);
  close_watched (link, &link->plain);
  obk_rest_clear (&link->incoming);
  obk_poller_cancel_timer (link->shared->poller, &link->open_timer);
  obk_poller_cancel_timer (link->shared->poller, &link->idle_timer);
  link->stage = OBK_LINK_CLOSED;
}

/* OpenBao has gone. Curl gets what there is to deliver and then the end of the stream. @error: (nullable) (transfer
 * full): the cause */
static void
end (ObkLink *link, GError *error)
{
  if (error != NULL)
    g_prefix_error (&error, "\"%s\": ", obk_endpoint_authority (link->endpoint));
  link->error = error;
  close_net (link);
  link->stage = OBK_LINK_ENDED;
  if (!link->busy)
    obk_link_close (link);
  else if (obk_rest_is_empty (&link->incoming))
    shutdown (link->plain.fd, SHUT_WR); /* not close(): what curl still writes would make it lose what it can read */
}

static gboolean pass_in (ObkLink *link);

/* OpenBao takes no more, perhaps because it has answered early: what it has said is passed on first. */
static void
end_by_write (ObkLink *link, GError *error)
{
  pass_in (link);
  if (link->stage == OBK_LINK_OPEN)
    end (link, error);
  else
    g_error_free (error);
}

/* Gives @data to TLS; what is not taken is kept. */
static void
send_out (ObkLink *link, const char *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  gsize n = 0;
  ObkTlsResult result = obk_tls_write (link->tls, data, size, &n, &error);

  if (result == OBK_TLS_FAILED)
    end_by_write (link, g_steal_pointer (&error));
  else if (n < size)
    obk_rest_keep (&link->outgoing, data + n, size - n);
}

/* Returns: whether nothing is held up any more */
static gboolean
flush_out (ObkLink *link)
{
  g_autoptr (GError) error = NULL;
  const char *left = NULL;
  gsize size = 0;
  gsize n = 0;

  if (obk_rest_is_empty (&link->outgoing))
    return TRUE;
  left = obk_rest_left (&link->outgoing, &size);
  if (obk_tls_write (link->tls, left, size, &n, &error) != OBK_TLS_FAILED)
    return obk_rest_take (&link->outgoing, n);
  end_by_write (link, g_steal_pointer (&error));
  return FALSE;
}

/* From curl to OpenBao, as long as both go on. */
static void
pass_out (ObkLink *link)
{
  char *scratch = obk_secret_writable (link->shared->scratch);
  gsize size = obk_secret_capacity (link->shared->scratch);

  while (link->stage == OBK_LINK_OPEN && flush_out (link))
    {
      ssize_t n = TEMP_FAILURE_RETRY (recv (link->plain.fd, scratch, size, 0));

      if (n <= 0)
        {
          if (n == 0 || errno != EAGAIN)
            obk_link_close (link); /* curl wants no more of it */
          break;
        }
      send_out (link, scratch, (gsize)n);
      obk_wipe (scratch, (gsize)n);
      if ((gsize)n < size) /* all there was; more comes with an event, and curl's closing by a call */
        break;
    }
}

/* Returns: bytes that curl's side has taken; all but those that fit count as taken when it has gone */
static gsize
write_plain (ObkLink *link, const char *data, gsize size)
{
  ssize_t n = TEMP_FAILURE_RETRY (send (link->plain.fd, data, size, MSG_NOSIGNAL));

  return n >= 0 ? (gsize)n : errno == EAGAIN ? 0 : size;
}

/* Returns: whether nothing is held up any more */
static gboolean
flush_in (ObkLink *link)
{
  const char *left = NULL;
  gsize size = 0;

  if (obk_rest_is_empty (&link->incoming))
    return TRUE;
  left = obk_rest_left (&link->incoming, &size);
  return obk_rest_take (&link->incoming, write_plain (link, left, size));
}

static void
deliver (ObkLink *link, const char *data, gsize size)
{
  gsize n = 0;

  if (!link->busy)
    {
      /* It would be taken for the answer to the next request. */
      end (link, g_error_new_literal (OBK_ERROR, OBK_ERROR_CONNECTION_FAILED, "the server spoke without being asked"));
      return;
    }
  n = write_plain (link, data, size);
  if (n < size)
    obk_rest_keep (&link->incoming, data + n, size - n);
}

/* From OpenBao to curl, as long as both go on. Returns: whether curl has something to see */
static gboolean
pass_in (ObkLink *link)
{
  char *scratch = obk_secret_writable (link->shared->scratch);
  gsize size = obk_secret_capacity (link->shared->scratch);
  gboolean news = FALSE;

  while (link->stage == OBK_LINK_OPEN && flush_in (link))
    {
      g_autoptr (GError) error = NULL;
      gsize n = 0;
      ObkTlsResult result = obk_tls_read (link->tls, scratch, size, &n, &error);

      if (result == OBK_TLS_AGAIN)
        break;
      news = TRUE;
      if (result == OBK_TLS_DONE)
        deliver (link, scratch, n);
      else
        end (link, g_steal_pointer (&error));
      obk_wipe (scratch, n);
    }
  return news;
}

/* After the end: delivers the rest and throws away what curl writes, until it closes. */
static void
linger (ObkLink *link)
{
  char *scratch = obk_secret_writable (link->shared->scratch);
  ssize_t n = 0;

  if (!obk_rest_is_empty (&link->incoming) && flush_in (link))
    shutdown (link->plain.fd, SHUT_WR);
  do
    {
      n = TEMP_FAILURE_RETRY (recv (link->plain.fd, scratch, obk_secret_capacity (link->shared->scratch), 0));
      obk_wipe (scratch, n > 0 ? (gsize)n : 0);
    }
  while (n > 0);
  if (n == 0 || errno != EAGAIN)
    obk_link_close (link);
}

static void
update_watches (ObkLink *link)
{
  if (link->net.events != 0 && link->tls != NULL)
    obk_poller_modify (link->shared->poller, &link->net,
                       READ_EVENTS | (obk_tls_wants_write (link->tls) ? EPOLLOUT : 0));
  if (link->plain.events != 0)
    obk_poller_modify (link->shared->poller, &link->plain,
                       READ_EVENTS | (!obk_rest_is_empty (&link->incoming) ? EPOLLOUT : 0));
}

/* The network has moved. Returns: whether curl has something to see */
static gboolean
progress (ObkLink *link)
{
  g_autoptr (GError) error = NULL;
  gboolean news = FALSE;

  if (link->stage == OBK_LINK_HANDSHAKE)
    switch (obk_tls_handshake (link->tls, &error))
      {
      case OBK_TLS_DONE:
        link->stage = OBK_LINK_OPEN;
        obk_poller_set_timer (link->shared->poller, &link->open_timer, obk_clock_boot_us ());
        break;
      case OBK_TLS_AGAIN:
        break;
      default:
        end (link, g_steal_pointer (&error));
        return TRUE;
      }
  if (link->stage == OBK_LINK_OPEN)
    {
      if (!obk_rest_is_empty (&link->outgoing))
        pass_out (link);
      news = pass_in (link);
    }
  return news;
}

static void
net_ready (ObkWatch *watch, guint32 events)
{
  ObkLink *link = OBK_CONTAINER_OF (watch, ObkLink, net);
  gboolean news = FALSE;

  obk_tls_readable (link->tls, (events & END_EVENTS) != 0);
  news = progress (link);
  update_watches (link);
  if (news)
    link->readable (link->user_data); /* last: it may send the next request through here, or close us */
}

static void
plain_ready (ObkWatch *watch, guint32 events)
{
  ObkLink *link = OBK_CONTAINER_OF (watch, ObkLink, plain);

  if (link->stage == OBK_LINK_OPEN)
    {
      pass_out (link);
      if ((events & EPOLLOUT) != 0)
        pass_in (link); /* curl's own watch tells it of what it gets */
    }
  else if (link->stage == OBK_LINK_ENDED)
    linger (link);
  update_watches (link);
}

void
obk_link_step (ObkLink *link)
{
  g_return_if_fail (link != NULL);

  if (link->stage != OBK_LINK_OPEN)
    return;
  pass_out (link);
  update_watches (link);
}

static void
open_expired (ObkTimer *timer)
{
  obk_link_step (OBK_CONTAINER_OF (timer, ObkLink, open_timer));
}

static gboolean
start_tls (ObkLink *link, GError **error)
{
  link->tls = obk_tls_new (link->net.fd, obk_endpoint_tls_server_name (link->endpoint),
                           obk_trust_bundle (link->shared->trust), link->shared->identity, error);
  if (link->tls == NULL || !obk_poller_add (link->shared->poller, &link->net, READ_EVENTS, error))
    return FALSE;
  link->stage = OBK_LINK_HANDSHAKE;
  return TRUE;
}

static void
resolved (gpointer user_data)
{
  ObkLink *link = user_data;

  link->stage = OBK_LINK_CONNECTING;
}

static void
connected (int fd, GError *failure, gpointer user_data)
{
  ObkLink *link = user_data;
  g_autoptr (GError) error = failure;
  gboolean news = FALSE;

  link->dial = NULL;
  link->net.fd = fd;
  if (fd < 0 || !start_tls (link, &error))
    end (link, g_steal_pointer (&error));
  news = link->stage != OBK_LINK_HANDSHAKE || progress (link);
  update_watches (link);
  if (news)
    link->readable (link->user_data);
}

void
obk_link_start (ObkLink *link, int plain_fd)
{
  static const ObkDialCallbacks callbacks = { .resolved = resolved, .done = connected };
  g_autoptr (GError) error = NULL;

  g_return_if_fail (link != NULL && link->stage == OBK_LINK_WAITING);

  link->plain.fd = plain_fd;
  if (!obk_poller_add (link->shared->poller, &link->plain, READ_EVENTS, &error))
    {
      end (link, g_steal_pointer (&error));
      return;
    }
  link->stage = OBK_LINK_RESOLVING;
  link->dial = obk_dial_start (link->endpoint, &callbacks, link);
}

/* When an idle link is closed, as things stand */
static gint64
idle_until_us (const ObkLink *link)
{
  return link->idle_since_us
         + (link->secretive ? OBK_LINK_SECRET_IDLE_SECONDS : OBK_LINK_IDLE_SECONDS) * G_USEC_PER_SEC;
}

static void
idle_expired (ObkTimer *timer)
{
  ObkLink *link = OBK_CONTAINER_OF (timer, ObkLink, idle_timer);

  if (link->busy)
    return;
  if (obk_clock_boot_us () >= idle_until_us (link))
    obk_link_close (link);
  else
    obk_poller_set_timer (link->shared->poller, timer, idle_until_us (link));
}

void
obk_link_set_busy (ObkLink *link, gboolean busy)
{
  g_return_if_fail (link != NULL);

  if (link->busy == busy || link->stage == OBK_LINK_CLOSED)
    return;
  link->busy = busy;
  if (busy)
    return;
  if (link->retired || link->stage != OBK_LINK_OPEN)
    {
      obk_link_close (link);
      return;
    }
  link->idle_since_us = obk_clock_boot_us ();
  if (link->idle_timer.position == 0 || link->idle_timer.deadline_us > idle_until_us (link))
    obk_poller_set_timer (link->shared->poller, &link->idle_timer, idle_until_us (link));
}

void
obk_link_expect_secret (ObkLink *link)
{
  g_return_if_fail (link != NULL);

  link->secretive = TRUE;
}

void
obk_link_retire (ObkLink *link)
{
  g_return_if_fail (link != NULL);

  link->retired = TRUE;
  if (!link->busy)
    obk_link_close (link);
}

ObkLink *
obk_link_new (ObkLinkShared *shared, ObkEndpoint *endpoint, ObkLinkReadable readable, gpointer user_data)
{
  ObkLink *link = g_new0 (ObkLink, 1);

  link->references = 1;
  link->shared = shared;
  link->endpoint = obk_endpoint_ref (endpoint);
  link->readable = readable;
  link->user_data = user_data;
  link->busy = TRUE;
  link->plain = (ObkWatch){ .fd = -1, .ready = plain_ready };
  link->net = (ObkWatch){ .fd = -1, .ready = net_ready };
  link->open_timer.expired = open_expired;
  link->idle_timer.expired = idle_expired;
  return link;
}

ObkLink *
obk_link_ref (ObkLink *link)
{
  g_return_val_if_fail (link != NULL, NULL);

  link->references++;
  return link;
}

static void
link_free (gpointer data)
{
  ObkLink *link = data;

  obk_endpoint_unref (link->endpoint);
  g_clear_error (&link->error);
  g_free (link);
}

void
obk_link_unref (ObkLink *link)
{
  if (link == NULL || --link->references > 0)
    return;
  obk_link_close (link);
  obk_poller_defer_free (link->shared->poller, link, link_free);
}

ObkLinkStage
obk_link_stage (const ObkLink *link)
{
  return link->stage;
}

const GError *
obk_link_error (const ObkLink *link)
{
  return link->error;
}
