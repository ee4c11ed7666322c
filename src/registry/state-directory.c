/* SPDX-License-Identifier: Apache-2.0 */
/* The state's directory on disk: checked, locked, read, and written so that a crash leaves old or new. */
#include "registry/state-directory.h"

#include "base/error.h"
#include "base/hash.h"
#include "registry/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_SUFFIX ".lock"
#define TEMPORARY_SUFFIX ".tmp" /* fixed: whoever holds the lock is the only writer */
#define N_FILES 2
#define FILE_MODE 0640
#define LOCK_MODE 0600
#define KEPT_SUFFIX ".damaged-"
#define MAX_KEPT 100      /* of one second */
#define MAX_LOCK_TRIES 16 /* against others that delete and make lock files at the same time */
#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK) /* O_NONBLOCK: no FIFO holds us up */

struct _ObkStateDirectory
{
  char *path;
  int fd;
  uid_t uid; /* the files get these */
  gid_t gid;
  int lock_fd; /* -1 while not locked */
  char *lock_path;
  char *paths[N_FILES];
  char *temporary_paths[N_FILES];
};

/* Relative to the directory's descriptor. */
static const char *
name_of (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash != NULL ? slash + 1 : path;
}

static gboolean
refuse_directory (const char *path, int cause, GError **error)
{
  struct stat status;

  if (lstat (path, &status) == 0 && S_ISLNK (status.st_mode))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the state directory \"%s\" is a symbolic link: put a directory there or name its target in "
                       "state.path, then if need be " OBK_STATE_WAY_OUT,
                       path);
  if (cause == ENOENT)
    return obk_refuse (
        error, OBK_ERROR_STATE_REFUSED,
        "the state directory \"%s\" is missing: make it (mode 0750, of the service's user), and if this node "
        "had a state " OBK_STATE_WAY_OUT,
        path);
  if (cause == ENOTDIR)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the state directory \"%s\" is not a directory: put one there, and if this node had a "
                       "state " OBK_STATE_WAY_OUT,
                       path);
  return obk_refuse (
      error, OBK_ERROR_STATE_REFUSED,
      "cannot open the state directory \"%s\": %s: mend that, and if this cannot be done " OBK_STATE_WAY_OUT, path,
      g_strerror (cause));
}

static gboolean
open_directory (ObkStateDirectory *directory, GError **error)
{
  struct stat status;

  directory->fd = TEMP_FAILURE_RETRY (open (directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (directory->fd < 0 || fstat (directory->fd, &status) != 0)
    return refuse_directory (directory->path, errno, error);
  if ((status.st_mode & S_ISVTX) != 0 && (status.st_mode & OBK_STATE_UNSAFE_DIRECTORY_MODE) != 0)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "the state directory \"%s\" is one that others write to (mode %04o): name one of the service's "
                       "own in state.path",
                       directory->path, status.st_mode & 07777);
  if ((status.st_mode & OBK_STATE_UNSAFE_DIRECTORY_MODE) != 0)
    return obk_refuse (
        error, OBK_ERROR_STATE_REFUSED,
        "the state directory \"%s\" has mode %04o, so that others can write to it: set it to 0750, and if the "
        "state may have been changed " OBK_STATE_WAY_OUT,
        directory->path, status.st_mode & 07777);
  directory->uid = status.st_uid;
  directory->gid = status.st_gid;
  return TRUE;
}

ObkStateDirectory *
obk_state_directory_open (const char *state_path, GError **error)
{
  g_autoptr (ObkStateDirectory) directory = NULL;

  g_return_val_if_fail (state_path != NULL && name_of (state_path)[0] != '\0', NULL);

  directory = g_new0 (ObkStateDirectory, 1);
  directory->fd = -1;
  directory->lock_fd = -1;
  directory->path = g_path_get_dirname (state_path);
  directory->lock_path = g_strconcat (state_path, LOCK_SUFFIX, NULL);
  directory->paths[OBK_STATE_FILE_STATE] = g_strdup (state_path);
  directory->paths[OBK_STATE_FILE_CHECKPOINT] = g_strconcat (state_path, OBK_STATE_CHECKPOINT_SUFFIX, NULL);
  for (guint i = 0; i < N_FILES; i++)
    directory->temporary_paths[i] = g_strconcat (directory->paths[i], TEMPORARY_SUFFIX, NULL);
  return open_directory (directory, error) ? g_steal_pointer (&directory) : NULL;
}

void
obk_state_directory_free (ObkStateDirectory *directory)
{
  if (directory == NULL)
    return;
  if (directory->lock_fd >= 0)
    close (directory->lock_fd); /* which gives the lock back */
  if (directory->fd >= 0)
    close (directory->fd);
  for (guint i = 0; i < N_FILES; i++)
    {
      g_free (directory->paths[i]);
      g_free (directory->temporary_paths[i]);
    }
  g_free (directory->lock_path);
  g_free (directory->path);
  g_free (directory);
}

const char *
obk_state_directory_path (const ObkStateDirectory *directory, ObkStateFile file)
{
  g_return_val_if_fail (directory != NULL, NULL);

  return directory->paths[file];
}

const char *
obk_state_directory_lock_path (const ObkStateDirectory *directory)
{
  g_return_val_if_fail (directory != NULL, NULL);

  return directory->lock_path;
}

/* A user other than root can give a file away only to a group of its own: what it cannot, it leaves. */
static gboolean
give_to_owner (const ObkStateDirectory *directory, int fd)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    return FALSE;
  if (status.st_uid == directory->uid && status.st_gid == directory->gid)
    return TRUE;
  return fchown (fd, directory->uid, directory->gid) == 0 || (errno == EPERM && geteuid () != 0);
}

/* Only for reading: flock() asks no more, and a file system can be made read-only meanwhile. Returns: -1 with errno */
static int
open_or_make_lock (const ObkStateDirectory *directory)
{
  const char *name = name_of (directory->lock_path);
  int fd = TEMP_FAILURE_RETRY (openat (directory->fd, name, O_RDONLY | OPEN_FLAGS));

  if (fd >= 0 || errno != ENOENT)
    return fd;
  fd = TEMP_FAILURE_RETRY (openat (directory->fd, name, O_RDONLY | O_CREAT | O_EXCL | OPEN_FLAGS, LOCK_MODE));
  if (fd >= 0 && (!give_to_owner (directory, fd) || fchmod (fd, LOCK_MODE) != 0))
    {
      int cause = errno;

      close (fd);
      errno = cause;
      return -1;
    }
  return fd;
}

static gboolean
refuse_lock (const ObkStateDirectory *directory, const char *what, GError **error)
{
  return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                     "the lock file \"%s\" %s: remove it while no " OBK_PROGRAM
                     " runs with this state; if the state may have been changed " OBK_STATE_WAY_OUT,
                     directory->lock_path, what);
}

static gboolean
check_lock_file (const ObkStateDirectory *directory, int fd, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    return refuse_lock (directory, "cannot be examined", error);
  if (!S_ISREG (status.st_mode))
    return refuse_lock (directory, "is not a regular file", error);
  if ((status.st_mode & 07777) != LOCK_MODE)
    return refuse_lock (directory, "has another mode than 0600", error);
  if (status.st_nlink > 1)
    return refuse_lock (directory, "has more than one link", error);
  return TRUE;
}

/* Whether the name still leads to the open file. */
static gboolean
is_in_place (int directory_fd, const char *name, int fd)
{
  struct stat open_file;
  struct stat named;

  return fstat (fd, &open_file) == 0 && fstatat (directory_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0
         && open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

static gboolean
refuse_unopened_lock (const ObkStateDirectory *directory, int cause, GError **error)
{
  struct stat status;

  if (fstatat (directory->fd, name_of (directory->lock_path), &status, AT_SYMLINK_NOFOLLOW) == 0
      && !S_ISREG (status.st_mode))
    return refuse_lock (directory, S_ISLNK (status.st_mode) ? "is a symbolic link" : "is not a regular file", error);
  return obk_refuse (
      error, OBK_ERROR_STATE_REFUSED,
      "cannot open the lock file \"%s\": %s: mend that (it must belong to the owner of its directory); if the "
      "state is lost " OBK_STATE_WAY_OUT,
      directory->lock_path, g_strerror (cause));
}

gboolean
obk_state_directory_examine_lock (const ObkStateDirectory *directory, GError **error)
{
  int fd = -1;
  gboolean ok = FALSE;

  g_return_val_if_fail (directory != NULL, FALSE);

  fd = TEMP_FAILURE_RETRY (openat (directory->fd, name_of (directory->lock_path), O_RDONLY | OPEN_FLAGS));
  if (fd < 0)
    return errno == ENOENT || refuse_unopened_lock (directory, errno, error);
  ok = check_lock_file (directory, fd, error);
  close (fd);
  return ok;
}

/* Returns: a locked descriptor whose file is in its place; -1 with @error; -2 when it was not and must be tried anew */
static int
try_lock (const ObkStateDirectory *directory, GError **error)
{
  int fd = open_or_make_lock (directory);

  if (fd < 0 && errno == EEXIST)
    return -2;
  if (fd < 0)
    {
      refuse_unopened_lock (directory, errno, error);
      return -1;
    }
  if (!check_lock_file (directory, fd, error))
    goto refused;
  if (TEMP_FAILURE_RETRY (flock (fd, LOCK_EX | LOCK_NB)) != 0)
    {
      if (errno == EWOULDBLOCK)
        obk_refuse (error, OBK_ERROR_STATE_LOCKED,
                    "the state lock \"%s\" is held by another process: stop " OBK_PROGRAM ".service and " OBK_PROGRAM
                    ".socket, or wait until the other command ends",
                    directory->lock_path);
      else
        refuse_lock (directory, "cannot be locked", error);
      goto refused;
    }
  if (is_in_place (directory->fd, name_of (directory->lock_path), fd))
    return fd;
  close (fd);
  return -2;
refused:
  close (fd);
  return -1;
}

gboolean
obk_state_directory_lock (ObkStateDirectory *directory, GError **error)
{
  g_return_val_if_fail (directory != NULL && directory->lock_fd < 0, FALSE);

  for (guint i = 0; i < MAX_LOCK_TRIES; i++)
    {
      int fd = try_lock (directory, error);

      if (fd == -1)
        return FALSE;
      if (fd < 0)
        continue;
      directory->lock_fd = fd;
      obk_state_directory_discard (directory);
      if (geteuid () == 0 && !give_to_owner (directory, fd))
        return refuse_lock (directory, "cannot be given to its directory's owner", error);
      return TRUE;
    }
  return refuse_lock (directory, "keeps being replaced", error);
}

gboolean
obk_state_directory_check_lock (ObkStateDirectory *directory, GError **error)
{
  g_return_val_if_fail (directory != NULL && directory->lock_fd >= 0, FALSE);

  if (is_in_place (directory->fd, name_of (directory->lock_path), directory->lock_fd)
      && is_in_place (AT_FDCWD, directory->path, directory->fd))
    return TRUE;
  return obk_refuse (
      error, OBK_ERROR_STATE_LOCKED,
      "the state lock \"%s\" was removed or replaced, so that another process may use the state: end all that "
      "use it, then start one",
      directory->lock_path);
}

static gboolean
refuse_file (const char *path, const char *what, GError **error)
{
  return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "\"%s\" %s: " OBK_STATE_WAY_OUT, path, what);
}

static gboolean
refuse_unopened_file (const ObkStateDirectory *directory, const char *path, int cause, GError **error)
{
  g_autofree char *what = NULL;
  struct stat status;

  if (fstatat (directory->fd, name_of (path), &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG (status.st_mode))
    return refuse_file (path, S_ISLNK (status.st_mode) ? "is a symbolic link" : "is not a regular file", error);
  what = g_strdup_printf ("cannot be opened: %s", g_strerror (cause));
  return refuse_file (path, what, error);
}

static gboolean
check_file (int fd, const char *path, gsize *size, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    return refuse_file (path, "cannot be examined", error);
  if (!S_ISREG (status.st_mode))
    return refuse_file (path, "is not a regular file", error);
  if ((status.st_mode & OBK_STATE_UNSAFE_FILE_MODE) != 0)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "\"%s\" has mode %04o: set it to 0640, and if it may have been changed " OBK_STATE_WAY_OUT, path,
                       status.st_mode & 07777);
  if (status.st_size > OBK_STATE_MAX_SIZE)
    return refuse_file (path, "is larger than 16 MiB", error);
  *size = (gsize)status.st_size;
  return TRUE;
}

/* @size: what it had when it was checked; one that changes while it is read is of no use */
static char *
read_all (int fd, const char *path, gsize size, GError **error)
{
  g_autofree char *text = g_malloc (size + 1);
  gsize length = 0;

  while (length <= size)
    {
      ssize_t n = TEMP_FAILURE_RETRY (read (fd, text + length, size + 1 - length));

      if (n < 0)
        {
          g_autofree char *what = g_strdup_printf ("cannot be read: %s", g_strerror (errno));

          refuse_file (path, what, error);
          return NULL;
        }
      if (n == 0)
        break;
      length += (gsize)n;
    }
  if (length != size)
    {
      refuse_file (path, "changed while it was read", error);
      return NULL;
    }
  text[size] = '\0';
  return g_steal_pointer (&text);
}

gboolean
obk_state_directory_read (ObkStateDirectory *directory, ObkStateFile file, char **text, gsize *length, GError **error)
{
  const char *path = NULL;
  int fd = -1;

  g_return_val_if_fail (directory != NULL && text != NULL && length != NULL, FALSE);

  path = directory->paths[file];
  *text = NULL;
  fd = TEMP_FAILURE_RETRY (openat (directory->fd, name_of (path), O_RDONLY | OPEN_FLAGS));
  if (fd < 0)
    return errno == ENOENT || refuse_unopened_file (directory, path, errno, error);
  if (check_file (fd, path, length, error))
    *text = read_all (fd, path, *length, error);
  close (fd);
  return *text != NULL;
}

static gboolean
write_all (int fd, const char *text, gsize length)
{
  while (length > 0)
    {
      ssize_t n = TEMP_FAILURE_RETRY (write (fd, text, length));

      if (n < 0)
        return FALSE;
      text += n;
      length -= (gsize)n;
    }
  return TRUE;
}

/* A quota or a remote disk may tell of a failure only here. */
static gboolean
close_checked (int fd)
{
  return close (fd) == 0 || errno == EINTR;
}

gboolean
obk_state_directory_prepare (ObkStateDirectory *directory, ObkStateFile file, const char *text, gsize length,
                             GError **error)
{
  const char *path = NULL;
  int fd = -1;
  int cause = 0;
  gboolean written = FALSE;

  g_return_val_if_fail (directory != NULL && directory->lock_fd >= 0 && text != NULL, FALSE);

  path = directory->temporary_paths[file];
  unlinkat (directory->fd, name_of (path), 0); /* only ours: nobody else writes here while we hold the lock */
  fd = TEMP_FAILURE_RETRY (openat (directory->fd, name_of (path), O_WRONLY | O_CREAT | O_EXCL | OPEN_FLAGS, LOCK_MODE));
  if (fd < 0)
    return obk_refuse (error, OBK_ERROR_STATE_NOT_SAVED, "cannot make \"%s\": %s", path, g_strerror (errno));
  written = give_to_owner (directory, fd) && fchmod (fd, FILE_MODE) == 0 && write_all (fd, text, length)
            && TEMP_FAILURE_RETRY (fsync (fd)) == 0;
  cause = errno;
  if (!close_checked (fd) && written)
    {
      cause = errno;
      written = FALSE;
    }
  return written || obk_refuse (error, OBK_ERROR_STATE_NOT_SAVED, "cannot write \"%s\": %s", path, g_strerror (cause));
}

gboolean
obk_state_directory_commit (ObkStateDirectory *directory, ObkStateFile file, GError **error)
{
  const char *path = NULL;

  g_return_val_if_fail (directory != NULL && directory->lock_fd >= 0, FALSE);

  path = directory->paths[file];
  if (renameat (directory->fd, name_of (directory->temporary_paths[file]), directory->fd, name_of (path)) != 0)
    return obk_refuse (error, OBK_ERROR_STATE_NOT_SAVED, "cannot replace \"%s\": %s", path, g_strerror (errno));
  return obk_state_directory_sync (directory, error);
}

gboolean
obk_state_directory_sync (ObkStateDirectory *directory, GError **error)
{
  g_return_val_if_fail (directory != NULL, FALSE);

  return TEMP_FAILURE_RETRY (fsync (directory->fd)) == 0
         || obk_refuse (error, OBK_ERROR_STATE_NOT_SAVED, "cannot sync the state directory \"%s\": %s", directory->path,
                        g_strerror (errno));
}

void
obk_state_directory_discard (ObkStateDirectory *directory)
{
  g_return_if_fail (directory != NULL && directory->lock_fd >= 0);

  for (guint i = 0; i < N_FILES; i++)
    unlinkat (directory->fd, name_of (directory->temporary_paths[i]), 0);
}

gboolean
obk_state_directory_keep (ObkStateDirectory *directory, ObkStateFile file, gint64 now_unix, char **kept, GError **error)
{
  const char *path = NULL;

  g_return_val_if_fail (directory != NULL && directory->lock_fd >= 0 && kept != NULL, FALSE);

  path = directory->paths[file];
  *kept = NULL;
  for (guint i = 0; i < MAX_KEPT; i++)
    {
      g_autofree char *number = i > 0 ? g_strdup_printf ("-%u", i) : g_strdup ("");
      g_autofree char *aside = g_strdup_printf ("%s" KEPT_SUFFIX "%" G_GINT64_FORMAT "%s", path, now_unix, number);

      if (linkat (directory->fd, name_of (path), directory->fd, name_of (aside), 0) == 0)
        {
          *kept = g_steal_pointer (&aside);
          return TRUE;
        }
      if (errno == ENOENT)
        return TRUE;
      if (errno != EEXIST)
        break;
    }
  return obk_refuse (error, OBK_ERROR_STATE_NOT_SAVED,
                     "cannot give \"%s\" a second name to keep it: %s: move it away by hand, then plan again", path,
                     g_strerror (errno));
}

/* What tells something that cannot be read from what may be there the next time. */
static char *
describe (const struct stat *status)
{
  return g_strdup_printf ("%o %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld", status->st_mode,
                          (guint64)status->st_ino, (gint64)status->st_size, (gint64)status->st_mtim.tv_sec,
                          status->st_mtim.tv_nsec);
}

char *
obk_state_directory_digest (const ObkStateDirectory *directory, ObkStateFile file)
{
  g_autofree char *text = NULL;
  const char *name = NULL;
  struct stat status;
  gssize length = -1;
  int fd = -1;

  g_return_val_if_fail (directory != NULL, NULL);

  name = name_of (directory->paths[file]);
  if (fstatat (directory->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return NULL;
  fd = TEMP_FAILURE_RETRY (openat (directory->fd, name, O_RDONLY | OPEN_FLAGS));
  if (fd >= 0)
    {
      if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && status.st_size <= OBK_STATE_MAX_SIZE)
        {
          text = read_all (fd, directory->paths[file], (gsize)status.st_size, NULL);
          length = (gssize)status.st_size;
        }
      close (fd);
    }
  if (text == NULL)
    {
      text = describe (&status);
      length = -1;
    }
  return obk_hash (text, length);
}
