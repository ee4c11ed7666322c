/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/web.h"

#include "base/error.h"
#include "base/log.h"
#include "base/names.h"

#include <glib/gstdio.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_SECONDS 20
#define CROWD 200 /* connections that do nothing */

typedef struct
{
  ObkPoller *poller;
  ObkWeb *web;
  char *directory;
  char *path;     /* of a Unix socket */
  char *address;  /* as last logged */
  guint warnings; /* logged */
  guint made;     /* pages */
  char *accept;   /* of the last page's request */
} Fixture;

static void
take_down (const ObkLogRecord *record, gpointer user_data)
{
  Fixture *f = user_data;

  f->warnings += strcmp (record->event, OBK_EVENT_WARNING) == 0;
  if (strcmp (record->event, OBK_EVENT_SOCKET_LISTENING) != 0)
    return;
  for (guint i = 0; i < record->n_fields; i++)
    if (strcmp (record->fields[i].name, OBK_FIELD_ADDRESS) == 0)
      {
        g_free (f->address);
        f->address = g_strdup (record->fields[i].value.string);
      }
}

static void
make_page (const ObkWebRequest *request, ObkWebAnswer *answer, gpointer user_data)
{
  Fixture *f = user_data;

  f->made++;
  g_free (f->accept);
  f->accept = g_strdup (request->accept);
  answer->content_type = "text/x-page";
  answer->body = g_strdup ("here it is\n");
  answer->length = strlen (answer->body);
}

static const ObkWebPage pages[] = { { "/page", make_page }, { NULL, NULL } };

static void
set_up (Fixture *f, gconstpointer data)
{
  obk_log_set_sink (take_down, f);
  f->directory = g_dir_make_tmp ("obk-web-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "web.sock", NULL);
  f->poller = obk_poller_new (NULL, NULL);
  g_assert_nonnull (f->poller);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_web_free (f->web);
  obk_poller_free (f->poller);
  obk_log_set_sink (NULL, NULL);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0); /* the socket has gone */
  g_free (f->directory);
  g_free (f->path);
  g_free (f->address);
  g_free (f->accept);
}

static void
expect_web (Fixture *f, const char *address)
{
  g_autoptr (GError) error = NULL;

  f->web = obk_web_new (f->poller, address, pages, f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (f->web);
}

static int
connect_to (const char *address)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  gboolean is_unix = g_str_has_prefix (address, "unix:");
  int fd = socket (is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (is_unix)
    g_strlcpy (un.sun_path, address + 5, sizeof un.sun_path);
  else
    in.sin_port = htons ((guint16)g_ascii_strtoull (strrchr (address, ':') + 1, NULL, 10));
  g_assert_cmpint (
      connect (fd, is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in, is_unix ? sizeof un : sizeof in), ==, 0);
  return fd;
}

static gboolean
lose_patience (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* Turns the main loop until the server has ended the connection. Returns: (transfer full): all that it sent */
static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  gboolean impatient = FALSE;
  guint source = g_timeout_add_seconds (PATIENCE_SECONDS, lose_patience, &impatient);
  guint tick = g_timeout_add (5, lose_patience, &(gboolean){ 0 });
  char bytes[4096];
  ssize_t n = 0;

  while (!impatient && (n = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT)) != 0)
    if (n > 0)
      g_string_append_len (text, bytes, n);
    else if (errno == EAGAIN)
      g_main_context_iteration (NULL, TRUE);
    else
      break;
  g_assert_false (impatient);
  g_source_remove (source);
  g_source_remove (tick);
  return g_string_free (text, FALSE);
}

/* Returns: (transfer full): the whole answer to @request, and the end of the connection after it */
static char *
ask (const char *address, const char *request)
{
  int fd = connect_to (address);
  char *answer = NULL;

  g_assert_cmpint (send (fd, request, strlen (request), MSG_NOSIGNAL), ==, strlen (request));
  answer = read_all (fd);
  close (fd);
  return answer;
}

static void
expect (Fixture *f, const char *request, const char *status, const char *end)
{
  g_autofree char *answer = ask (f->address, request);

  g_test_message ("%s", answer);
  g_assert_true (g_str_has_prefix (answer, status));
  g_assert_true (g_str_has_suffix (answer, end));
}

static void
test_pages (Fixture *f, gconstpointer data)
{
  expect_web (f, "127.0.0.1:0");
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\nAccept: a/b\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nhere it is\n");
  g_assert_cmpstr (f->accept, ==, "a/b");
  expect (f, "GET /page?x=y HTTP/1.0\r\n\r\n", "HTTP/1.", "\r\n\r\nhere it is\n");
  g_assert_null (f->accept);
  expect (f, "HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\n");
  g_assert_cmpuint (f->made, ==, 3);
  expect (f, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", "no such page\n");
  expect (f, "GET /page/ HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", "no such page\n");
  expect (f, "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.1 405 ", "only GET and HEAD\n");
  expect (f, "DELETE /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ", "only GET and HEAD\n");
  g_assert_cmpuint (f->made, ==, 3);
  g_assert_cmpuint (f->warnings, ==, 0);
}

static void
test_headers (Fixture *f, gconstpointer data)
{
  g_autofree char *answer = NULL;
  g_autofree char *refusal = NULL;

  expect_web (f, "127.0.0.1:0");
  answer = ask (f->address, "HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n");
  g_assert_nonnull (strstr (answer, "\r\nContent-Type: text/x-page\r\n"));
  g_assert_nonnull (strstr (answer, "\r\nContent-Length: 11\r\n"));
  g_assert_nonnull (strstr (answer, "\r\nCache-Control: no-store\r\n"));
  refusal = ask (f->address, "PUT /page HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  g_assert_nonnull (strstr (refusal, "\r\nAllow: GET, HEAD\r\n"));
}

/* A head beyond the limit is refused, and the connection ended; so is one that is no HTTP. */
static void
test_oversized (Fixture *f, gconstpointer data)
{
  g_autofree char *padding = g_strnfill (20000, 'x');
  g_autofree char *request = g_strdup_printf ("GET /page HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n", padding);
  g_autofree char *answer = NULL;

  expect_web (f, "127.0.0.1:0");
  answer = ask (f->address, request);
  g_assert_true (*answer == '\0' || g_str_has_prefix (answer, "HTTP/1.1 4"));
  g_free (g_steal_pointer (&answer));
  answer = ask (f->address, "\x16\x03\x01 this is no HTTP\r\n\r\n");
  g_assert_true (*answer == '\0' || strstr (answer, " 400 ") != NULL);
  g_assert_cmpuint (f->made, ==, 0);
}

/* One that sends a byte from time to time has no more time than one that sends nothing. */
static void
test_slow (Fixture *f, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();
  gint64 took_us = 0;
  int fd = -1;
  g_autofree char *answer = NULL;

  expect_web (f, "127.0.0.1:0");
  fd = connect_to (f->address);
  while (took_us < 4 * G_USEC_PER_SEC)
    {
      g_assert_cmpint (send (fd, "G", 1, MSG_NOSIGNAL), ==, 1);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_usleep (200 * 1000);
      took_us = g_get_monotonic_time () - start_us;
    }
  answer = read_all (fd);
  took_us = g_get_monotonic_time () - start_us;
  g_assert_cmpint (took_us, <, 7 * G_USEC_PER_SEC);
  close (fd);
}

/* However many sit there, the next one is served; and the server holds but a few of them. */
static void
test_crowd (Fixture *f, gconstpointer data)
{
  int crowd[CROWD];
  guint ended = 0;

  expect_web (f, "127.0.0.1:0");
  for (guint i = 0; i < CROWD; i++)
    {
      crowd[i] = connect_to (f->address);
      g_assert_cmpint (send (crowd[i], "GET /pa", i % 7, MSG_NOSIGNAL), ==, i % 7);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
  for (guint i = 0; i < CROWD; i++)
    {
      char byte = 0;

      ended += recv (crowd[i], &byte, 1, MSG_DONTWAIT) == 0;
      close (crowd[i]);
    }
  g_assert_cmpuint (ended, >=, CROWD - 40);
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
}

static void
test_unix (Fixture *f, gconstpointer data)
{
  g_autofree char *address = g_strconcat ("unix:", f->path, NULL);
  struct stat status;

  expect_web (f, address);
  g_assert_cmpstr (f->address, ==, address);
  g_assert_cmpint (stat (f->path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0666);
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
  g_clear_pointer (&f->web, obk_web_free);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
}

/* Connections that are under way go with the server. */
static void
test_freed_in_use (Fixture *f, gconstpointer data)
{
  int fd = -1;
  g_autofree char *answer = NULL;

  expect_web (f, "127.0.0.1:0");
  fd = connect_to (f->address);
  g_assert_cmpint (send (fd, "GET", 3, MSG_NOSIGNAL), ==, 3);
  for (guint i = 0; i < 10; i++)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  g_clear_pointer (&f->web, obk_web_free);
  answer = read_all (fd);
  g_assert_cmpstr (answer, ==, "");
  close (fd);
}

static gboolean
connects_to_ipv6 (const char *address)
{
  struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean connected = FALSE;

  in.sin6_port = htons ((guint16)g_ascii_strtoull (strrchr (address, ':') + 1, NULL, 10));
  connected = fd >= 0 && connect (fd, (struct sockaddr *)&in, sizeof in) == 0;
  if (fd >= 0)
    close (fd);
  return connected;
}

static gboolean
has_ipv6 (void)
{
  struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean has = fd >= 0 && bind (fd, (struct sockaddr *)&in, sizeof in) == 0;

  if (fd >= 0)
    close (fd);
  return has;
}

/* Both loopback families at one port. */
static void
test_localhost (Fixture *f, gconstpointer data)
{
  g_autofree char *address = NULL;

  expect_web (f, "127.0.0.1:0"); /* finds a port */
  address = g_strconcat ("localhost", strrchr (f->address, ':'), NULL);
  g_clear_pointer (&f->web, obk_web_free);
  expect_web (f, address);
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
  g_assert_cmpint (connects_to_ipv6 (f->address), ==, has_ipv6 ());
  g_assert_cmpuint (f->warnings, ==, 0);
}

static void
test_other_pages (Fixture *f, gconstpointer data)
{
  static const ObkWebPage others[] = { { "/other", make_page }, { NULL, NULL } };

  expect_web (f, "127.0.0.1:0");
  obk_web_set_pages (f->web, others);
  expect (f, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", "no such page\n");
}

static void
test_public_is_warned_of (Fixture *f, gconstpointer data)
{
  expect_web (f, "0.0.0.0:0");
  g_assert_cmpuint (f->warnings, ==, 1);
  expect (f, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 ", "here it is\n");
}

static void
expect_refused (Fixture *f, const char *address, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (obk_web_new (f->poller, address, pages, f, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_refusals (Fixture *f, gconstpointer data)
{
  g_autofree char *taken = NULL;

  expect_web (f, "127.0.0.1:0");
  taken = g_strdup (f->address);
  expect_refused (f, taken, "Address already in use");
  expect_refused (f, "192.0.2.1:9", "Cannot assign requested address");
  /* One that the resolver would know: it is not asked. */
  expect_refused (f, "LOCALHOST:0", "cannot listen on \"LOCALHOST:0\"");
  expect_refused (f, "unix:/nonexistent/web.sock", "\"/nonexistent\" is missing");
  expect_refused (f, "unix:/tmp/web.sock", "writable by group or world");
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/web/pages", test_pages);
  TEST ("/web/headers", test_headers);
  TEST ("/web/oversized", test_oversized);
  TEST ("/web/slow", test_slow);
  TEST ("/web/crowd", test_crowd);
  TEST ("/web/unix", test_unix);
  TEST ("/web/freed-in-use", test_freed_in_use);
  TEST ("/web/localhost", test_localhost);
  TEST ("/web/other-pages", test_other_pages);
  TEST ("/web/public-is-warned-of", test_public_is_warned_of);
  TEST ("/web/refusals", test_refusals);
  return g_test_run ();
}
