/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP by libcurl, TLS by the tunnel below it: one request, one answer, one deadline. */
#include "openbao/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "openbao/transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_IDLE_CONNECTIONS 128L /* more than the concurrency limits' sum; the tunnel closes idle ones */
#define HANDLE_IDLE_US G_USEC_PER_SEC
#define DUE_AT_ONCE 8 /* rounds of curl's timers that are run in a row */

/* Curl's end of one connection. */
typedef struct
{
  ObkWatch watch;
  ObkHttp *http;
  ObkLink *link;
  ObkTransfer *transfer; /* that is on it now */
  int what;              /* CURL_POLL_…: what curl waits for; 0 while idle */
  gboolean used;         /* it has served a request */
} Socket;

struct _ObkHttp
{
  ObkPoller *poller;
  ObkTunnel *tunnel;
  CURLM *multi;
  GHashTable *sockets;  /* fd -> Socket */
  GPtrArray *transfers; /* under way */
  GPtrArray *handles;   /* idle CURL handles; the last one was used last */
  ObkSecret *token;     /* the last one seen, and its header */
  ObkSecret *token_line;
  gint64 due_us;         /* when curl wants to be called */
  ObkTimer due_timer;    /* is set to @due_us or earlier */
  ObkTimer settle_timer; /* for what has finished within obk_http_send() */
  ObkTimer trim_timer;
  gint64 last_sent_us;
  int running; /* transfers that curl has not finished */
  gboolean settling;
};

/* --- curl's sockets --- */

static void socket_drive (Socket *socket, int bits);

static void
link_readable (gpointer user_data)
{
  Socket *socket = user_data;

  if ((socket->what & CURL_POLL_IN) != 0)
    socket_drive (socket, CURL_CSELECT_IN);
}

static void
socket_ready (ObkWatch *watch, guint32 events)
{
  Socket *socket = OBK_CONTAINER_OF (watch, Socket, watch);
  int bits = ((events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0)
             | ((events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_IN | CURL_CSELECT_ERR : 0);

  if (socket->what != 0) /* curl looks at idle ones itself before it uses them */
    socket_drive (socket, bits);
}

static curl_socket_t
open_socket (void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
  ObkTransfer *transfer = data;
  ObkHttp *http = transfer->http;
  Socket *socket = g_new0 (Socket, 1);

  g_clear_error (&transfer->open_error);
  socket->http = http;
  socket->watch.ready = socket_ready;
  socket->link = obk_tunnel_open (http->tunnel, transfer->endpoint, &socket->watch.fd, link_readable, socket,
                                  &transfer->open_error);
  if (socket->link == NULL)
    {
      g_free (socket);
      return CURL_SOCKET_BAD;
    }
  g_hash_table_insert (http->sockets, GINT_TO_POINTER (socket->watch.fd), socket);
  return socket->watch.fd;
}

static int
close_socket (void *data, curl_socket_t fd)
{
  ObkHttp *http = data;
  Socket *socket = g_hash_table_lookup (http->sockets, GINT_TO_POINTER (fd));

  g_return_val_if_fail (socket != NULL, 1);

  obk_poller_remove (http->poller, &socket->watch);
  g_hash_table_remove (http->sockets, GINT_TO_POINTER (fd));
  socket->watch.fd = -1;
  socket->what = 0;
  obk_tunnel_close (http->tunnel, socket->link);
  obk_poller_defer_free (http->poller, socket, g_free);
  return close (fd);
}

static void
watch_socket (Socket *socket, int what)
{
  g_autoptr (GError) error = NULL;
  guint32 events = EPOLLIN | EPOLLRDHUP | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0);

  socket->what = what;
  if (socket->watch.events != 0)
    obk_poller_modify (socket->http->poller, &socket->watch, events);
  else if (!obk_poller_add (socket->http->poller, &socket->watch, events, &error))
    g_warning ("%s", error->message); /* the request's deadline ends it */
}

/* What curl waits for on a connection. It stays in the poller while idle: taking it out and in costs two calls. */
static int
socket_wanted (CURL *easy, curl_socket_t fd, int what, void *data, void *unused)
{
  ObkHttp *http = data;
  Socket *socket = g_hash_table_lookup (http->sockets, GINT_TO_POINTER (fd));
  ObkTransfer *transfer = NULL;

  if (socket == NULL)
    return 0;
  if (what == CURL_POLL_REMOVE)
    {
      socket->what = 0;
      socket->transfer = NULL;
      socket->used = TRUE;
      obk_link_set_busy (socket->link, FALSE);
      return 0;
    }
  curl_easy_getinfo (easy, CURLINFO_PRIVATE, (char **)&transfer);
  if (socket->transfer != transfer)
    {
      socket->transfer = transfer;
      obk_transfer_set_link (transfer, socket->link, socket->used);
      obk_link_set_busy (socket->link, TRUE);
    }
  watch_socket (socket, what);
  return 0;
}

/* --- curl's clock --- */

static int
timer_wanted (CURLM *multi, long ms, void *data)
{
  ObkHttp *http = data;

  http->due_us = ms < 0 ? OBK_NO_DEADLINE : obk_clock_boot_us () + (gint64)ms * 1000;
  return 0;
}

/* Lets curl work; what it wants at once it gets at once. */
static void
drive (ObkHttp *http, curl_socket_t fd, int bits)
{
  curl_multi_socket_action (http->multi, fd, bits, &http->running);
  for (guint i = 0; i < DUE_AT_ONCE && http->due_us != OBK_NO_DEADLINE && http->due_us <= obk_clock_boot_us (); i++)
    {
      http->due_us = OBK_NO_DEADLINE;
      curl_multi_socket_action (http->multi, CURL_SOCKET_TIMEOUT, 0, &http->running);
    }
  if (http->due_us != OBK_NO_DEADLINE && (http->due_timer.position == 0 || http->due_us < http->due_timer.deadline_us))
    obk_poller_set_timer (http->poller, &http->due_timer, http->due_us);
}

static void settle (ObkHttp *http);

static void
due_expired (ObkTimer *timer)
{
  ObkHttp *http = OBK_CONTAINER_OF (timer, ObkHttp, due_timer);

  if (http->due_us == OBK_NO_DEADLINE)
    return;
  if (http->due_us > obk_clock_boot_us ())
    {
      obk_poller_set_timer (http->poller, timer, http->due_us);
      return;
    }
  http->due_us = OBK_NO_DEADLINE;
  drive (http, CURL_SOCKET_TIMEOUT, 0);
  settle (http);
}

/* Returns: whether curl has left something unread; @end: or has not seen that it was all */
static gboolean
has_more (const Socket *socket, gboolean *end)
{
  char byte = 0;
  ssize_t n = 0;

  if ((socket->what & CURL_POLL_IN) == 0 || *end)
    return FALSE;
  n = recv (socket->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  *end = n == 0;
  return n >= 0;
}

static void
socket_drive (Socket *socket, int bits)
{
  ObkHttp *http = socket->http;
  gboolean end = FALSE;

  /* Should curl try again because this connection has ended, then on a new one: others may have ended, too. */
  if (socket->transfer != NULL && obk_link_stage (socket->link) >= OBK_LINK_ENDED)
    curl_easy_setopt (socket->transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
  /* Curl reads once a call, and events come once. */
  do
    drive (http, socket->watch.fd, bits);
  while (has_more (socket, &end));
  settle (http);
}

/* --- transfers --- */

static void
trim_expired (ObkTimer *timer)
{
  ObkHttp *http = OBK_CONTAINER_OF (timer, ObkHttp, trim_timer);

  if (obk_clock_boot_us () - http->last_sent_us < HANDLE_IDLE_US)
    obk_poller_set_timer (http->poller, timer, http->last_sent_us + HANDLE_IDLE_US);
  else
    g_ptr_array_set_size (http->handles, 0);
}

static CURL *
take_handle (ObkHttp *http)
{
  CURL *easy = NULL;

  if (http->handles->len > 0)
    return g_ptr_array_steal_index_fast (http->handles, http->handles->len - 1);
  easy = curl_easy_init ();
  obk_transfer_prepare (easy, obk_tunnel_socket_path (http->tunnel));
  curl_easy_setopt (easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt (easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt (easy, CURLOPT_CLOSESOCKETDATA, http);
  return easy;
}

/* Takes @transfer off the books; its connection is closed unless the answer is complete. */
static void
detach (ObkTransfer *transfer)
{
  ObkHttp *http = transfer->http;
  ObkTransfer *last = NULL;

  obk_poller_cancel_timer (http->poller, &transfer->deadline);
  curl_multi_remove_handle (http->multi, transfer->easy);
  /* Their buffers hold answers, so idle handles are not kept for long. */
  g_ptr_array_add (http->handles, transfer->easy);
  if (http->trim_timer.position == 0)
    obk_poller_set_timer (http->poller, &http->trim_timer, http->last_sent_us + HANDLE_IDLE_US);
  last = g_ptr_array_steal_index_fast (http->transfers, http->transfers->len - 1);
  if (last != transfer)
    {
      g_ptr_array_index (http->transfers, transfer->index) = last;
      last->index = transfer->index;
    }
}

static void
finish (ObkTransfer *transfer, CURLcode result)
{
  g_autoptr (GError) error = NULL;
  ObkHttpResponse response = { .status = 0 };
  gboolean ok = obk_transfer_judge (transfer, result, &response, &error);

  detach (transfer);
  transfer->done (ok ? &response : NULL, error, transfer->user_data);
  obk_transfer_free (transfer);
}

static void
again (ObkTransfer *transfer)
{
  curl_multi_remove_handle (transfer->http->multi, transfer->easy);
  obk_transfer_rewind (transfer);
  curl_easy_setopt (transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_multi_add_handle (transfer->http->multi, transfer->easy);
  drive (transfer->http, CURL_SOCKET_TIMEOUT, 0);
}

/* Hands out what has finished. The callbacks may send and cancel; what that finishes is handed out here, too. */
static void
settle (ObkHttp *http)
{
  CURLMsg *message = NULL;
  int left = 0;

  if (http->settling)
    return;
  http->settling = TRUE;
  while ((message = curl_multi_info_read (http->multi, &left)) != NULL)
    {
      ObkTransfer *transfer = NULL;
      CURLcode result = message->data.result;

      if (message->msg != CURLMSG_DONE)
        continue;
      curl_easy_getinfo (message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
      /* Curl itself does so except where it has begun to send a large body. */
      if (obk_transfer_may_retry (transfer, result))
        again (transfer);
      else
        finish (transfer, result);
    }
  http->settling = FALSE;
}

static void
settle_expired (ObkTimer *timer)
{
  settle (OBK_CONTAINER_OF (timer, ObkHttp, settle_timer));
}

static void
deadline_expired (ObkTimer *timer)
{
  ObkTransfer *transfer = OBK_CONTAINER_OF (timer, ObkTransfer, deadline);
  g_autoptr (GError) error = obk_transfer_timeout (transfer);

  detach (transfer);
  transfer->done (NULL, error, transfer->user_data);
  obk_transfer_free (transfer);
}

/* Returns: (transfer none) (nullable): the header line of @token, made once a token and in memory of its kind */
static ObkSecret *
token_line (ObkHttp *http, ObkSecret *token)
{
  static const char name[] = "X-Vault-Token: ";

  if (token == NULL)
    return NULL;
  if (token != http->token)
    {
      obk_secret_unref (http->token);
      obk_secret_unref (http->token_line);
      http->token = obk_secret_ref (token);
      http->token_line = obk_secret_new (strlen (name) + obk_secret_length (token));
      obk_secret_append (http->token_line, name, strlen (name));
      obk_secret_append (http->token_line, obk_secret_data (token), obk_secret_length (token));
    }
  return http->token_line;
}

ObkTransfer *
obk_http_send (ObkHttp *http, const ObkHttpRequest *request, ObkHttpDone done, gpointer user_data)
{
  ObkTransfer *transfer = NULL;

  g_return_val_if_fail (http != NULL && request != NULL && done != NULL, NULL);
  g_return_val_if_fail (request->endpoint != NULL && request->path != NULL, NULL);
  g_return_val_if_fail (request->deadline_us != OBK_NO_DEADLINE, NULL);

  transfer = g_new0 (ObkTransfer, 1);
  transfer->http = http;
  transfer->done = done;
  transfer->user_data = user_data;
  transfer->easy = take_handle (http);
  transfer->index = http->transfers->len;
  g_ptr_array_add (http->transfers, transfer);
  obk_transfer_set_request (transfer, request, token_line (http, request->token));
  transfer->deadline.expired = deadline_expired;
  obk_poller_set_timer (http->poller, &transfer->deadline, request->deadline_us);
  http->last_sent_us = obk_clock_boot_us ();

  curl_multi_add_handle (http->multi, transfer->easy);
  drive (http, CURL_SOCKET_TIMEOUT, 0);
  if (transfer->link != NULL) /* curl has written by now: no need to wait for the poller to find out */
    obk_tunnel_step (http->tunnel, transfer->link);
  if ((guint)http->running < http->transfers->len) /* failed already, but not to be heard of before we return */
    obk_poller_set_timer (http->poller, &http->settle_timer, http->last_sent_us);
  return transfer;
}

void
obk_http_cancel (ObkTransfer *transfer)
{
  g_return_if_fail (transfer != NULL);

  detach (transfer);
  obk_transfer_free (transfer);
}

void
obk_http_connections (const ObkHttp *http, guint *idle, guint *busy)
{
  GHashTableIter iter;
  gpointer value = NULL;

  *idle = 0;
  *busy = 0;
  g_hash_table_iter_init (&iter, http->sockets);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Socket *socket = value;

      if (socket->what != 0)
        ++*busy;
      else if (obk_link_stage (socket->link) == OBK_LINK_OPEN)
        ++*idle;
    }
}

/* --- life --- */

static gpointer
start_curl (gpointer data)
{
  /* None of curl's own TLS: it would cost memory, and nothing here uses it. */
  return GINT_TO_POINTER (curl_global_init (CURL_GLOBAL_NOTHING) == CURLE_OK);
}

ObkHttp *
obk_http_new (ObkPoller *poller, ObkTunnel *tunnel, GError **error)
{
  static GOnce curl = G_ONCE_INIT;
  ObkHttp *http = NULL;
  CURLM *multi = NULL;

  g_return_val_if_fail (poller != NULL && tunnel != NULL, NULL);

  if (g_once (&curl, start_curl, NULL) != NULL)
    multi = curl_multi_init ();
  if (multi == NULL)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot start libcurl");
      return NULL;
    }
  http = g_new0 (ObkHttp, 1);
  http->poller = poller;
  http->tunnel = tunnel;
  http->multi = multi;
  http->sockets = g_hash_table_new (NULL, NULL);
  http->transfers = g_ptr_array_new ();
  http->handles = g_ptr_array_new_with_free_func (curl_easy_cleanup);
  http->due_us = OBK_NO_DEADLINE;
  http->due_timer.expired = due_expired;
  http->settle_timer.expired = settle_expired;
  http->trim_timer.expired = trim_expired;
  curl_multi_setopt (multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
  curl_multi_setopt (multi, CURLMOPT_SOCKETDATA, http);
  curl_multi_setopt (multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
  curl_multi_setopt (multi, CURLMOPT_TIMERDATA, http);
  curl_multi_setopt (multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
  curl_multi_setopt (multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
  return http;
}

void
obk_http_free (ObkHttp *http)
{
  if (http == NULL)
    return;
  g_return_if_fail (!http->settling);

  while (http->transfers->len > 0)
    obk_http_cancel (g_ptr_array_index (http->transfers, 0));
  g_ptr_array_unref (http->handles);
  curl_multi_cleanup (http->multi); /* closes the connections by close_socket() */
  obk_poller_cancel_timer (http->poller, &http->due_timer);
  obk_poller_cancel_timer (http->poller, &http->settle_timer);
  obk_poller_cancel_timer (http->poller, &http->trim_timer);
  g_hash_table_unref (http->sockets);
  g_ptr_array_unref (http->transfers);
  obk_secret_unref (http->token);
  obk_secret_unref (http->token_line);
  g_free (http);
}
