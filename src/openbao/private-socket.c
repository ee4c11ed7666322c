/* SPDX-License-Identifier: Apache-2.0 */
/* A listening Unix socket in a directory that only we may enter. */
#include "openbao/private-socket.h"

#include "base/descriptors.h"
#include "base/error.h"
#include "base/process.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DIRECTORY_PREFIX "tunnel-"
#define DIRECTORY_TEMPLATE DIRECTORY_PREFIX "XXXXXX"
#define SOCKET_NAME "socket"
#define MAX_TRIES 100      /* to make one that nobody takes for a stale one */
#define AUTOBOUND_DIGITS 5 /* hexadecimal, after a zero byte; unix(7), "Autobind feature" */

struct _ObkPrivateSocket
{
  char *directory;
  int directory_fd; /* locked as long as we live: how others know that it is in use */
  char *path;
  int fd;
};

static gboolean
refuse (GError **error, const char *what, const char *object)
{
  return obk_refuse (error, obk_descriptors_code (errno, OBK_ERROR_SOCKET_UNAVAILABLE), "cannot %s \"%s\": %s", what,
                     object, g_strerror (errno));
}

/* A directory whose maker has gone without removing it, as only a kill does. */
static void
remove_if_stale (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, SOCKET_NAME, NULL);
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    return;
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    {
      g_unlink (path);
      g_rmdir (directory);
    }
  close (fd);
}

static void
remove_stale (const char *parent)
{
  g_autoptr (GDir) dir = g_dir_open (parent, 0, NULL);

  for (const char *name = NULL; dir != NULL && (name = g_dir_read_name (dir)) != NULL;)
    if (g_str_has_prefix (name, DIRECTORY_PREFIX) && strlen (name) == strlen (DIRECTORY_TEMPLATE))
      {
        g_autofree char *directory = g_build_filename (parent, name, NULL);

        remove_if_stale (directory);
      }
}

static gboolean
fits (const char *parent)
{
  return strlen (parent) + strlen ("/" DIRECTORY_TEMPLATE "/" SOCKET_NAME)
         < sizeof ((struct sockaddr_un){ 0 }).sun_path;
}

/* Returns: (transfer full): where to make the directory */
static char *
choose_parent (gboolean *ours)
{
  g_autofree char *runtime = obk_process_runtime_directory ();

  *ours = runtime != NULL && fits (runtime);
  return *ours ? g_steal_pointer (&runtime) : g_strdup (fits (g_get_tmp_dir ()) ? g_get_tmp_dir () : "/tmp");
}

/* Whether it is still there. */
static gboolean
is_at (int fd, const char *path)
{
  struct stat here, there;

  return fstat (fd, &here) == 0 && lstat (path, &there) == 0 && here.st_dev == there.st_dev
         && here.st_ino == there.st_ino;
}

/* Another one of us, who looks for stale ones, may come between the making and the lock. Returns: -1 then */
static int
lock_directory (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0 && (flock (fd, LOCK_SH | LOCK_NB) != 0 || !is_at (fd, path)))
    {
      int cause = errno;

      close (fd);
      errno = cause;
      fd = -1;
    }
  return fd;
}

static gboolean
make_directory (ObkPrivateSocket *self, GError **error)
{
  gboolean ours = FALSE;
  g_autofree char *parent = choose_parent (&ours);

  if (ours)
    remove_stale (parent);
  for (guint i = 0; self->directory_fd < 0 && i < MAX_TRIES; i++)
    {
      g_free (self->directory);
      self->directory = g_build_filename (parent, DIRECTORY_TEMPLATE, NULL);
      if (g_mkdtemp (self->directory) == NULL) /* mode 0700 */
        {
          g_clear_pointer (&self->directory, g_free);
          return refuse (error, "make a directory in", parent);
        }
      self->directory_fd = lock_directory (self->directory);
    }
  return self->directory_fd >= 0 || refuse (error, "lock", self->directory);
}

static gboolean
make_socket (ObkPrivateSocket *self, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  self->path = g_build_filename (self->directory, SOCKET_NAME, NULL);
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (self->fd < 0 || bind (self->fd, (struct sockaddr *)&address, sizeof address) != 0
      || listen (self->fd, SOMAXCONN) != 0)
    return refuse (error, "listen on", self->path);
  return TRUE;
}

ObkPrivateSocket *
obk_private_socket_new (GError **error)
{
  g_autoptr (ObkPrivateSocket) self = g_new0 (ObkPrivateSocket, 1);

  self->directory_fd = -1;
  self->fd = -1;
  if (!make_directory (self, error) || !make_socket (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
obk_private_socket_free (ObkPrivateSocket *self)
{
  if (self == NULL)
    return;
  if (self->path != NULL)
    g_unlink (self->path);
  if (self->directory != NULL)
    g_rmdir (self->directory);
  if (self->fd >= 0)
    close (self->fd);
  if (self->directory_fd >= 0)
    close (self->directory_fd);
  g_free (self->path);
  g_free (self->directory);
  g_free (self);
}

int
obk_private_socket_fd (const ObkPrivateSocket *self)
{
  return self->fd;
}

const char *
obk_private_socket_path (const ObkPrivateSocket *self)
{
  return self->path;
}

int
obk_private_socket_accept (ObkPrivateSocket *self)
{
  for (;;)
    {
      struct ucred peer = { .pid = 0 };
      socklen_t size = sizeof peer;
      int fd = TEMP_FAILURE_RETRY (accept4 (self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

      if (fd < 0)
        return -1;
      if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == getpid ())
        return fd;
      close (fd);
    }
}

/* Returns: the number that the autobound name is; 0 for another name */
static guint32
name_of (const struct sockaddr_un *address, socklen_t size)
{
  char digits[AUTOBOUND_DIGITS + 1] = "";
  guint64 name = 0;

  if (size != G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + 1 + AUTOBOUND_DIGITS || address->sun_path[0] != '\0')
    return 0;
  memcpy (digits, address->sun_path + 1, AUTOBOUND_DIGITS);
  if (!g_ascii_string_to_unsigned (digits, 16, 0, G_MAXUINT32 - 1, &name, NULL))
    return 0;
  return (guint32)name + 1; /* "00000" is a name, too */
}

int
obk_private_socket_client (guint32 *name, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t size = sizeof address;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  /* A bare family asks for a name that no other socket has. */
  if (fd >= 0 && bind (fd, (struct sockaddr *)&address, sizeof address.sun_family) == 0
      && getsockname (fd, (struct sockaddr *)&address, &size) == 0)
    *name = name_of (&address, size);
  else
    *name = 0;
  if (*name != 0)
    return fd;
  refuse (error, "name", "a socket");
  if (fd >= 0)
    close (fd);
  return -1;
}

guint32
obk_private_socket_peer (int fd)
{
  struct sockaddr_un address = { .sun_family = AF_UNSPEC };
  socklen_t size = sizeof address;

  return getpeername (fd, (struct sockaddr *)&address, &size) == 0 ? name_of (&address, size) : 0;
}
