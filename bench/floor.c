/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: one request sent to OpenBao again and again by HTTPS, with as little between as can be.
 *
 * One thread, one epoll set, one kept-alive TLS connection for each caller. An answer is read far enough to know
 * that it is whole and that it is the one that was expected; nothing is parsed. */
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CALLERS 1024
#define MAX_ANSWER 16384

typedef struct
{
  SSL *ssl;
  gint64 sent_ns;
  gsize length;
  char answer[MAX_ANSWER + 1];
} Caller;

typedef struct
{
  ObkSamples samples;
  GString *request; /* head and body, sent in one write */
  char *expect;     /* what a right answer contains */
  guint busy;
} Floor;

static char *arg_host = NULL;
static int arg_port = 8200;
static char *arg_ca = NULL;
static char *arg_server_name = NULL;
static char *arg_path = NULL;
static char *arg_expect = NULL;
static char *arg_out = NULL;
static int arg_callers = 1;
static int arg_calls = 10000;
static int arg_warmup = 500;

static const GOptionEntry arguments[] = {
  { "host", 0, 0, G_OPTION_ARG_STRING, &arg_host, "IPv4 address of OpenBao", "ADDRESS" },
  { "port", 0, 0, G_OPTION_ARG_INT, &arg_port, "port of OpenBao", "PORT" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &arg_ca, "the CA that OpenBao's certificate is verified with", "FILE" },
  { "server-name", 0, 0, G_OPTION_ARG_STRING, &arg_server_name, "the name in that certificate", "NAME" },
  { "path", 0, 0, G_OPTION_ARG_STRING, &arg_path, "where to POST; the body is read from standard input", "PATH" },
  { "expect", 0, 0, G_OPTION_ARG_STRING, &arg_expect, "what every answer must contain", "TEXT" },
  { "out", 0, 0, G_OPTION_ARG_FILENAME, &arg_out, "file for the latencies", "FILE" },
  { "callers", 0, 0, G_OPTION_ARG_INT, &arg_callers, "connections with one call in flight each", "N" },
  { "calls", 0, 0, G_OPTION_ARG_INT, &arg_calls, "calls to count", "N" },
  { "warmup", 0, 0, G_OPTION_ARG_INT, &arg_warmup, "calls before those", "N" },
  G_OPTION_ENTRY_NULL,
};

static GQuark
floor_error (void)
{
  return g_quark_from_static_string ("floor");
}

static GString *
floor_request_new (void)
{
  GString *request = g_string_new (NULL);
  g_autoptr (GString) body = g_string_new (NULL);
  char chunk[4096];
  ssize_t n;

  while ((n = read (STDIN_FILENO, chunk, sizeof chunk)) > 0)
    g_string_append_len (body, chunk, n);
  g_string_printf (request,
                   "POST %s HTTP/1.1\r\nHost: %s:%d\r\nX-Vault-Request: true\r\nX-Vault-Token: %s\r\n"
                   "Content-Type: application/json\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
                   arg_path, arg_server_name, arg_port, g_getenv ("BAO_TOKEN") ?: "", body->len);
  g_string_append_len (request, body->str, (gssize)body->len);
  return request;
}

static gboolean
caller_connect (Caller *caller, SSL_CTX *tls, int epoll, GError **error)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((guint16)arg_port) };
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = caller };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;

  if (fd < 0 || inet_pton (AF_INET, arg_host, &address.sin_addr) != 1
      || connect (fd, (struct sockaddr *)&address, sizeof address) != 0)
    {
      g_set_error (error, floor_error (), 0, "cannot connect to \"%s:%d\": %s", arg_host, arg_port, g_strerror (errno));
      return FALSE;
    }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

  caller->ssl = SSL_new (tls);
  SSL_set_fd (caller->ssl, fd);
  SSL_set_tlsext_host_name (caller->ssl, arg_server_name);
  SSL_set1_host (caller->ssl, arg_server_name);
  if (SSL_connect (caller->ssl) != 1)
    {
      g_set_error (error, floor_error (), 0, "TLS handshake failed: %s", ERR_reason_error_string (ERR_get_error ()));
      return FALSE;
    }
  if (!g_unix_set_fd_nonblocking (fd, TRUE, error))
    return FALSE;
  epoll_ctl (epoll, EPOLL_CTL_ADD, fd, &event);
  return TRUE;
}

static gboolean
caller_send (Caller *caller, Floor *floor, GError **error)
{
  if (!obk_samples_start (&floor->samples))
    return TRUE;
  caller->length = 0;
  caller->sent_ns = obk_samples_now_ns ();
  if (SSL_write (caller->ssl, floor->request->str, (int)floor->request->len) != (int)floor->request->len)
    {
      g_set_error (error, floor_error (), 0, "cannot send: %s", ERR_reason_error_string (ERR_get_error ()));
      return FALSE;
    }
  floor->busy++;
  return TRUE;
}

/* Whether the answer is whole; one without a Content-Length (OpenBao sends it with small answers) is an error. */
static gboolean
caller_is_complete (Caller *caller, gboolean *complete, GError **error)
{
  const char *end = NULL;
  const char *field = NULL;

  caller->answer[caller->length] = '\0';
  *complete = FALSE;
  end = strstr (caller->answer, "\r\n\r\n");
  if (end == NULL)
    return TRUE;
  field = strcasestr (caller->answer, "\r\nContent-Length:");
  if (field == NULL || field > end)
    {
      g_set_error (error, floor_error (), 0, "answer without Content-Length");
      return FALSE;
    }
  *complete = caller->length >= (gsize)(end + 4 - caller->answer) + g_ascii_strtoull (field + 17, NULL, 10);
  return TRUE;
}

static gboolean
caller_receive (Caller *caller, Floor *floor, GError **error)
{
  gboolean complete = FALSE;

  while (!complete)
    {
      int n = SSL_read (caller->ssl, caller->answer + caller->length, (int)(MAX_ANSWER - caller->length));

      if (n <= 0)
        {
          if (SSL_get_error (caller->ssl, n) == SSL_ERROR_WANT_READ)
            return TRUE;
          g_set_error (error, floor_error (), 0, "OpenBao closed the connection");
          return FALSE;
        }
      caller->length += (gsize)n;
      if (!caller_is_complete (caller, &complete, error))
        return FALSE;
    }
  floor->busy--;
  if (!g_str_has_prefix (caller->answer, "HTTP/1.1 200 ") || strstr (caller->answer, floor->expect) == NULL)
    {
      g_set_error (error, floor_error (), 0, "not the expected answer: %.20s", caller->answer);
      return FALSE;
    }
  obk_samples_finish (&floor->samples, caller->sent_ns, TRUE);
  return caller_send (caller, floor, error);
}

static gboolean
floor_run (Floor *floor, GError **error)
{
  SSL_CTX *tls = SSL_CTX_new (TLS_client_method ());
  Caller *callers = g_new0 (Caller, arg_callers);
  int epoll = epoll_create1 (EPOLL_CLOEXEC);
  struct epoll_event events[64];

  SSL_CTX_set_verify (tls, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_read_ahead (tls, 1); /* a record in one system call instead of two */
  if (SSL_CTX_load_verify_locations (tls, arg_ca, NULL) != 1)
    {
      g_set_error (error, floor_error (), 0, "cannot read \"%s\"", arg_ca);
      return FALSE;
    }
  for (int i = 0; i < arg_callers; i++)
    if (!caller_connect (&callers[i], tls, epoll, error))
      return FALSE;
  for (int i = 0; i < arg_callers; i++)
    if (!caller_send (&callers[i], floor, error))
      return FALSE;
  while (floor->busy > 0)
    {
      int n = epoll_wait (epoll, events, G_N_ELEMENTS (events), 10000);

      if (n == 0)
        {
          g_set_error (error, floor_error (), 0, "no answer in 10 s");
          return FALSE;
        }
      for (int i = 0; i < n; i++)
        if (!caller_receive (events[i].data.ptr, floor, error))
          return FALSE;
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- measure OpenBao asked directly; token in $BAO_TOKEN");
  g_autoptr (GError) error = NULL;
  Floor floor = { 0 };

  g_option_context_add_main_entries (context, arguments, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    goto failed;
  if (arg_host == NULL || arg_ca == NULL || arg_server_name == NULL || arg_path == NULL || arg_expect == NULL
      || arg_callers < 1 || arg_callers > MAX_CALLERS || arg_calls < 1 || arg_warmup < 0)
    {
      g_printerr ("bench-floor: --host, --ca, --server-name, --path and --expect are needed, numbers in range\n");
      return 2;
    }
  floor.request = floor_request_new ();
  floor.expect = arg_expect;
  obk_samples_init (&floor.samples, (guint64)arg_warmup, (guint64)arg_calls, 0);
  if (!floor_run (&floor, &error) || !samples_report (&floor.samples, arg_out, &error))
    goto failed;
  return 0;

failed:
  g_printerr ("bench-floor: %s\n", error->message);
  return 1;
}
