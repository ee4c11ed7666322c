/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets of server.metricsAddress and server.healthAddress. */
#include "observe/web-listen.h"

#include "base/error.h"
#include "base/socket-file.h"

#include <gio/gio.h>

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
#define UNIX_MODE 0666
#define LOCALHOST "localhost"
#define BACKLOG 64

struct _ObkWebListen
{
  char *address; /* as configured */
  GArray *fds;   /* of int */
  ObkSocketFile *file;
  gboolean is_public;
};

static gboolean
listen_unix (ObkWebListen *listen, const char *path, GError **error)
{
  const ObkSocketFileOptions options = { .path = path, .mode = UNIX_MODE, .everyone = TRUE, .group = getegid () };
  gboolean stale_removed = FALSE;
  int fd = -1;

  listen->file = obk_socket_file_new (&options, &stale_removed, error);
  if (listen->file == NULL)
    return FALSE;
  fd = obk_socket_file_fd (listen->file);
  g_array_append_val (listen->fds, fd);
  return TRUE;
}

/* No resolver is asked: it could hold up the main loop. Returns: (transfer full) (nullable): of one address */
static struct addrinfo *
parse (const char *host, const char *port, int *failure)
{
  const struct addrinfo hints
      = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
  struct addrinfo *found = NULL;

  *failure = getaddrinfo (host, port, &hints, &found);
  return *failure == 0 ? found : NULL;
}

/* Returns: the descriptor, or -1 with errno */
static int
listen_on (const struct addrinfo *at)
{
  int fd = socket (at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
  int yes = 1;
  int failure = 0;

  if (fd < 0)
    return -1;
  if (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 && bind (fd, at->ai_addr, at->ai_addrlen) == 0
      && listen (fd, BACKLOG) == 0)
    return fd;
  failure = errno;
  close (fd);
  errno = failure;
  return -1;
}

/* Whether this machine has no such address, as [::1] where there is no IPv6. */
static gboolean
is_absent (int failure)
{
  return failure == EADDRNOTAVAIL || failure == EAFNOSUPPORT;
}

static gboolean
is_loopback (const struct addrinfo *at)
{
  g_autoptr (GSocketAddress) address = g_socket_address_new_from_native (at->ai_addr, at->ai_addrlen);

  return G_IS_INET_SOCKET_ADDRESS (address)
         && g_inet_address_get_is_loopback (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
}

/* @failure: (inout): errno of the first address that could not be listened on, an absent one only if no other could */
static gboolean
listen_host (ObkWebListen *listen, const char *host, const char *port, int *failure, GError **error)
{
  int bad = 0;
  struct addrinfo *at = parse (host, port, &bad);
  int fd = -1;

  if (at == NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot listen on \"%s\": %s", listen->address,
                   gai_strerror (bad));
      return FALSE;
    }
  fd = listen_on (at);
  if (fd >= 0)
    {
      g_array_append_val (listen->fds, fd);
      listen->is_public |= !is_loopback (at);
    }
  else if (*failure == 0 || is_absent (*failure))
    *failure = errno;
  freeaddrinfo (at);
  return TRUE;
}

static gboolean
listen_inet (ObkWebListen *listen, GError **error)
{
  const char *colon = strrchr (listen->address, ':');
  g_autofree char *host = NULL;
  gsize length = 0;
  int failure = 0;
  gboolean is_number = FALSE;

  g_return_val_if_fail (colon != NULL, FALSE);

  host = g_strndup (listen->address, (gsize)(colon - listen->address));
  length = strlen (host);
  if (length > 1 && host[0] == '[')
    {
      memmove (host, host + 1, length);
      host[length - 2] = '\0';
    }
  if (strcmp (host, LOCALHOST) == 0)
    is_number = listen_host (listen, "127.0.0.1", colon + 1, &failure, error)
                && listen_host (listen, "::1", colon + 1, &failure, error);
  else
    is_number = listen_host (listen, host, colon + 1, &failure, error);
  if (!is_number)
    return FALSE;
  if (failure == 0 || (is_absent (failure) && listen->fds->len > 0))
    return TRUE;
  g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot listen on \"%s\": %s", listen->address,
               failure == EADDRINUSE ? OBK_WEB_LISTEN_SAYS_IN_USE : g_strerror (failure));
  return FALSE;
}

ObkWebListen *
obk_web_listen_new (const char *address, GError **error)
{
  g_autoptr (ObkWebListen) listen = NULL;
  gboolean ok = FALSE;

  g_return_val_if_fail (address != NULL, NULL);

  listen = g_new0 (ObkWebListen, 1);
  listen->address = g_strdup (address);
  listen->fds = g_array_new (FALSE, FALSE, sizeof (int));
  if (g_str_has_prefix (address, UNIX_PREFIX))
    ok = listen_unix (listen, address + strlen (UNIX_PREFIX), error);
  else
    ok = listen_inet (listen, error);
  return ok ? g_steal_pointer (&listen) : NULL;
}

gboolean
obk_web_listen_examine (const char *address, GError **error)
{
  g_autoptr (ObkWebListen) listen = NULL;

  g_return_val_if_fail (address != NULL, FALSE);

  if (g_str_has_prefix (address, UNIX_PREFIX))
    return obk_socket_file_examine (address + strlen (UNIX_PREFIX), error);
  listen = obk_web_listen_new (address, error);
  return listen != NULL;
}

void
obk_web_listen_free (ObkWebListen *listen)
{
  if (listen == NULL)
    return;
  for (guint i = 0; i < listen->fds->len && listen->file == NULL; i++)
    close (g_array_index (listen->fds, int, i));
  obk_socket_file_free (listen->file);
  g_array_unref (listen->fds);
  g_free (listen->address);
  g_free (listen);
}

const GArray *
obk_web_listen_fds (const ObkWebListen *listen)
{
  return listen->fds;
}

gboolean
obk_web_listen_is_public (const ObkWebListen *listen)
{
  return listen->is_public;
}

char *
obk_web_listen_describe (const ObkWebListen *listen)
{
  struct sockaddr_storage own;
  socklen_t length = sizeof own;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];

  if (listen->file != NULL || getsockname (g_array_index (listen->fds, int, 0), (struct sockaddr *)&own, &length) != 0
      || getnameinfo ((struct sockaddr *)&own, length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV)
             != 0)
    return g_strdup (listen->address);
  return g_strdup_printf (own.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
