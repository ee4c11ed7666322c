/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket of our own in the file system: made whole before it is seen, removed if it is still ours. */
#include "base/socket-file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PATH_LENGTH (sizeof ((struct sockaddr_un *)NULL)->sun_path - 1)
#define ALLOWED_MODE 0660
#define EVERYONES_MODE 0666
#define MAX_TEMPORARY_NAMES 100
#define TEMPORARY_NAME_LENGTH 8 /* at most: it must fit where the name itself fits */

#define refuse(error, ...) obk_refuse (error, OBK_ERROR_SOCKET_UNAVAILABLE, __VA_ARGS__)

struct _ObkSocketFile
{
  char *path;
  int fd;
  dev_t device; /* of the file, to know it again */
  ino_t inode;
};

/* Every segment means what it says. */
static gboolean
is_plain (const char *path)
{
  g_auto (GStrv) segments = g_strsplit (path + 1, "/", -1);

  for (guint i = 0; segments[i] != NULL; i++)
    if (*segments[i] == '\0' || strcmp (segments[i], ".") == 0 || strcmp (segments[i], "..") == 0)
      return FALSE;
  return TRUE;
}

static gboolean
is_below (const char *path, const char *directory)
{
  gsize length = strlen (directory);

  return length > 0 && strncmp (path, directory, length) == 0 && path[length] == '/';
}

static gboolean
check_path (const ObkSocketFileOptions *options, GError **error)
{
  g_autofree char *approved = NULL;

  if (!g_path_is_absolute (options->path))
    return refuse (error, "socket path \"%s\" is not absolute", options->path);
  if (strlen (options->path) > MAX_PATH_LENGTH)
    return refuse (error, "socket path \"%s\" is longer than %" G_GSIZE_FORMAT " bytes", options->path,
                   MAX_PATH_LENGTH);
  if (!is_plain (options->path))
    return refuse (error, "socket path \"%s\" has an empty, \".\" or \"..\" segment", options->path);
  if (options->directories == NULL)
    return TRUE;
  for (guint i = 0; options->directories[i] != NULL; i++)
    if (is_below (options->path, options->directories[i]))
      return TRUE;
  approved = g_strjoinv (", ", (char **)options->directories);
  return refuse (error, "socket path \"%s\" is not below an approved directory (%s)", options->path, approved);
}

/* Others than root and us must not be able to change what is in it. */
static gboolean
check_parent (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  struct stat status;

  if (lstat (parent, &status) != 0)
    return errno == ENOENT ? refuse (error, "socket directory \"%s\" is missing", parent)
                           : refuse (error, "cannot look at socket directory \"%s\": %s", parent, g_strerror (errno));
  if (S_ISLNK (status.st_mode))
    return refuse (error, "socket directory \"%s\" is a symbolic link", parent);
  if (!S_ISDIR (status.st_mode))
    return refuse (error, "socket directory \"%s\" is not a directory", parent);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse (error, "socket directory \"%s\" is writable by group or world (mode %04o)", parent,
                   (guint)status.st_mode & 07777);
  if (status.st_uid != 0 && status.st_uid != geteuid ())
    return refuse (error, "socket directory \"%s\" is owned by uid %u, not by root or us (uid %u)", parent,
                   status.st_uid, geteuid ());
  return TRUE;
}

static struct sockaddr_un
make_address (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  return address;
}

static int
new_socket (GError **error)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0)
    refuse (error, "cannot make a socket: %s", g_strerror (errno));
  return fd;
}

/* Whether nobody listens on the socket at @at. @path: what it is called in messages */
static gboolean
check_dead (const char *at, const char *path, GError **error)
{
  struct sockaddr_un address = make_address (at);
  int fd = new_socket (error);
  int failure = 0;

  if (fd < 0)
    return FALSE;
  if (connect (fd, (const struct sockaddr *)&address, sizeof address) != 0)
    failure = errno;
  close (fd);
  switch (failure)
    {
    case ECONNREFUSED:
    case ENOENT: /* it has just gone */
      return TRUE;
    case 0:
    case EAGAIN: /* it listens and is busy */
      return refuse (error, "a running process listens on socket \"%s\"", path);
    case EPROTOTYPE:
      return refuse (error, "socket \"%s\" is a running process' socket of another type", path);
    default:
      return refuse (error, "cannot find out whether somebody listens on socket \"%s\": %s", path,
                     g_strerror (failure));
    }
}

/* Whether nothing is at @at, or a dead socket. */
static gboolean
check_place (const char *at, const char *path, gboolean *is_empty, GError **error)
{
  struct stat status;

  *is_empty = lstat (at, &status) != 0;
  if (*is_empty)
    return errno == ENOENT || refuse (error, "cannot look at \"%s\": %s", path, g_strerror (errno));
  if (S_ISLNK (status.st_mode))
    return refuse (error, "\"%s\" is a symbolic link, where the socket should go", path);
  if (S_ISREG (status.st_mode))
    return refuse (error, "\"%s\" is a regular file, where the socket should go", path);
  if (!S_ISSOCK (status.st_mode))
    return refuse (error, "\"%s\" is not a socket", path);
  return check_dead (at, path, error);
}

gboolean
obk_socket_file_examine (const char *path, GError **error)
{
  const ObkSocketFileOptions options = { .path = path };
  g_autofree char *parent = g_path_get_dirname (path);
  gboolean is_empty = FALSE;

  if (!check_path (&options, error) || !check_parent (path, error) || !check_place (path, path, &is_empty, error))
    return FALSE;
  return access (parent, W_OK | X_OK) == 0
         || refuse (error, "cannot make a socket in \"%s\": %s", parent, g_strerror (errno));
}

/* Returns: (transfer full): another path beside @path, no longer than that */
static char *
make_temporary_path (const char *path)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  gsize length = MIN (strlen (name), TEMPORARY_NAME_LENGTH);

  do
    {
      for (gsize i = 0; i < length; i++)
        name[i] = i == 0 && length > 1 ? '.' : letters[g_random_int_range (0, sizeof letters - 1)];
      name[length] = '\0';
    }
  while (g_str_has_suffix (path, name) && path[strlen (path) - length - 1] == '/');
  return g_build_filename (parent, name, NULL);
}

/* @aside: (out) (transfer full): where it is now; %NULL when it has gone */
static gboolean
move_aside (const char *path, char **aside, GError **error)
{
  int failure = EEXIST;

  *aside = NULL;
  for (guint i = 0; failure == EEXIST && i < MAX_TEMPORARY_NAMES; i++)
    {
      g_free (*aside);
      *aside = make_temporary_path (path);
      failure = renameat2 (AT_FDCWD, path, AT_FDCWD, *aside, RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
  if (failure == 0)
    return TRUE;
  g_clear_pointer (aside, g_free);
  return failure == ENOENT || refuse (error, "cannot remove the dead socket \"%s\": %s", path, g_strerror (failure));
}

/*
 * Another process may do the same, and a live socket of its may have come where a dead one was a moment ago. So what is
 * there is moved first, looked at again where nobody else looks for it, and put back unless it is dead.
 */
static gboolean
clear_place (const char *path, gboolean *stale_removed, GError **error)
{
  g_autofree char *aside = NULL;
  gboolean is_empty = FALSE;

  if (!check_place (path, path, &is_empty, error))
    return FALSE;
  if (is_empty)
    return TRUE;
  if (!move_aside (path, &aside, error))
    return FALSE;
  if (aside == NULL)
    return TRUE;
  if (!check_place (aside, path, &is_empty, error))
    {
      renameat2 (AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE);
      return FALSE;
    }
  if (unlink (aside) != 0)
    return refuse (error, "cannot remove the dead socket \"%s\": %s", path, g_strerror (errno));
  *stale_removed = TRUE;
  return TRUE;
}

/* Returns: (transfer full): where it was bound to */
static char *
bind_somewhere (int fd, const char *path, GError **error)
{
  /* A socket's own mode is what its file starts with: nobody but us, whatever the umask. */
  if (fchmod (fd, S_IRUSR | S_IWUSR) != 0)
    {
      refuse (error, "cannot set the mode of a socket: %s", g_strerror (errno));
      return NULL;
    }
  for (guint i = 0; i < MAX_TEMPORARY_NAMES; i++)
    {
      g_autofree char *temporary = make_temporary_path (path);
      struct sockaddr_un address = make_address (temporary);

      if (bind (fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return g_steal_pointer (&temporary);
      if (errno != EADDRINUSE)
        break;
    }
  refuse (error, "cannot make a socket beside \"%s\": %s", path, g_strerror (errno));
  return NULL;
}

static gboolean
set_up (ObkSocketFile *file, const char *temporary, const ObkSocketFileOptions *options, GError **error)
{
  struct stat status;

  if (lchown (temporary, (uid_t)-1, options->group) != 0)
    return errno == EPERM ? refuse (error, "cannot give socket \"%s\" to group %u: neither root nor a member of it",
                                    file->path, options->group)
                          : refuse (error, "cannot give socket \"%s\" to group %u: %s", file->path, options->group,
                                    g_strerror (errno));
  if (chmod (temporary, options->mode) != 0)
    return refuse (error, "cannot set the mode of socket \"%s\": %s", file->path, g_strerror (errno));
  if (lstat (temporary, &status) != 0)
    return refuse (error, "cannot look at the new socket \"%s\": %s", file->path, g_strerror (errno));
  file->device = status.st_dev;
  file->inode = status.st_ino;
  if (listen (file->fd, SOMAXCONN) != 0)
    return refuse (error, "cannot listen on socket \"%s\": %s", file->path, g_strerror (errno));
  if (renameat2 (AT_FDCWD, temporary, AT_FDCWD, file->path, RENAME_NOREPLACE) != 0)
    return errno == EEXIST
               ? refuse (error, "somebody else has just made \"%s\"", file->path)
               : refuse (error, "cannot rename the new socket to \"%s\": %s", file->path, g_strerror (errno));
  return TRUE;
}

ObkSocketFile *
obk_socket_file_new (const ObkSocketFileOptions *options, gboolean *stale_removed, GError **error)
{
  g_autoptr (ObkSocketFile) file = g_new0 (ObkSocketFile, 1);
  g_autofree char *temporary = NULL;

  g_return_val_if_fail (options != NULL && stale_removed != NULL, NULL);

  *stale_removed = FALSE;
  file->path = g_strdup (options->path);
  file->fd = -1;
  if ((options->mode & ~(guint)(options->everyone ? EVERYONES_MODE : ALLOWED_MODE)) != 0)
    {
      refuse (error, "socket mode %04o gives more than reading and writing to owner and group", options->mode);
      return NULL;
    }
  if (!check_path (options, error) || !check_parent (options->path, error)
      || !clear_place (options->path, stale_removed, error))
    return NULL;
  file->fd = new_socket (error);
  if (file->fd < 0)
    return NULL;
  temporary = bind_somewhere (file->fd, options->path, error);
  if (temporary == NULL)
    return NULL;
  if (set_up (file, temporary, options, error))
    return g_steal_pointer (&file);
  unlink (temporary);
  return NULL;
}

void
obk_socket_file_free (ObkSocketFile *file)
{
  struct stat status;

  if (file == NULL)
    return;
  if (file->inode != 0 && lstat (file->path, &status) == 0 && status.st_dev == file->device
      && status.st_ino == file->inode)
    unlink (file->path);
  if (file->fd >= 0)
    close (file->fd);
  g_free (file->path);
  g_free (file);
}

int
obk_socket_file_fd (const ObkSocketFile *file)
{
  return file->fd;
}
