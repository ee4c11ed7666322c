/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files that matter: opened once, checked on the open descriptor, read from it. */
#include "base/safe-file.h"

#include "base/descriptors.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDENTIAL_PREFIX "credential:"
#define CREDENTIALS_DIRECTORY "CREDENTIALS_DIRECTORY"
#define READ_STEP 4096

/* systemd and the kubelet may put credentials there as links to the current generation of them. */
static gboolean
may_be_symlink (const char *path)
{
  const char *directory = g_getenv (CREDENTIALS_DIRECTORY);
  gsize length = directory != NULL ? strlen (directory) : 0;

  if (length == 0 || directory[0] != '/')
    return FALSE;
  while (length > 1 && directory[length - 1] == '/')
    length--;
  if (strncmp (path, directory, length) != 0 || path[length] != '/')
    return FALSE;
  return strstr (path, "/../") == NULL && !g_str_has_suffix (path, "/..");
}

static int
open_file (const char *path, GError **error)
{
  /* O_NONBLOCK: a FIFO must not hold us up before it is refused. */
  int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (may_be_symlink (path) ? 0 : O_NOFOLLOW);
  int fd = TEMP_FAILURE_RETRY (open (path, flags));
  int cause = errno;
  struct stat status;

  if (fd >= 0)
    return fd;
  if (cause == ELOOP && lstat (path, &status) == 0 && S_ISLNK (status.st_mode) && (flags & O_NOFOLLOW) != 0)
    obk_refuse (error, OBK_ERROR_FILE, "\"%s\" is a symbolic link", path);
  else
    obk_refuse (error, obk_descriptors_code (cause, OBK_ERROR_FILE), "cannot open \"%s\": %s", path,
                g_strerror (cause));
  return -1;
}

static gboolean
check_file (int fd, const char *path, guint forbidden_mode, gsize max_size, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    return obk_refuse (error, OBK_ERROR_FILE, "cannot examine \"%s\": %s", path, g_strerror (errno));
  if (!S_ISREG (status.st_mode))
    return obk_refuse (error, OBK_ERROR_FILE, "\"%s\" is not a regular file", path);
  if (status.st_uid != 0 && status.st_uid != geteuid ())
    return obk_refuse (error, OBK_ERROR_FILE, "\"%s\" belongs to uid %u; it must belong to root or to uid %u", path,
                       status.st_uid, geteuid ());
  if ((status.st_mode & forbidden_mode) != 0)
    return obk_refuse (error, OBK_ERROR_FILE, "\"%s\" has mode %04o, of which %04o must be off", path,
                       status.st_mode & 07777, status.st_mode & forbidden_mode);
  if ((guint64)status.st_size > max_size)
    return obk_refuse (error, OBK_ERROR_FILE, "\"%s\" is larger than %" G_GSIZE_FORMAT " bytes", path, max_size);
  return TRUE;
}

/* To the end and not to the size that was seen: a file in /proc has none, and a growing file is refused. */
static gboolean
read_file (int fd, const char *path, gsize max_size, ObkSecret *content, GError **error)
{
  char step[READ_STEP];
  gboolean ok = TRUE;

  for (;;)
    {
      ssize_t n = TEMP_FAILURE_RETRY (read (fd, step, sizeof step));

      if (n < 0)
        ok = obk_refuse (error, OBK_ERROR_FILE, "cannot read \"%s\": %s", path, g_strerror (errno));
      else if ((gsize)n > max_size - obk_secret_length (content))
        ok = obk_refuse (error, OBK_ERROR_FILE, "\"%s\" is larger than %" G_GSIZE_FORMAT " bytes", path, max_size);
      if (!ok || n == 0)
        break;
      obk_secret_append (content, step, (gsize)n);
    }
  obk_wipe (step, sizeof step);
  return ok;
}

ObkSecret *
obk_safe_file_read (const char *path, guint forbidden_mode, gsize max_size, GError **error)
{
  g_autoptr (ObkSecret) content = NULL;
  int fd = -1;
  gboolean ok = FALSE;

  g_return_val_if_fail (path != NULL, NULL);

  fd = open_file (path, error);
  if (fd < 0)
    return NULL;
  content = obk_secret_new (READ_STEP - 1);
  ok = check_file (fd, path, forbidden_mode, max_size, error) && read_file (fd, path, max_size, content, error);
  close (fd);
  return ok ? g_steal_pointer (&content) : NULL;
}

ObkSecret *
obk_safe_file_read_secret (const char *path, gsize max_size, GError **error)
{
  ObkSecret *secret = obk_safe_file_read (path, OBK_FILE_MASK_PRIVATE, max_size, error);
  gsize length = secret != NULL ? obk_secret_length (secret) : 0;

  if (length > 0 && obk_secret_data (secret)[length - 1] == '\n')
    obk_secret_set_length (secret, length - 1);
  return secret;
}

ObkError
obk_safe_file_secret_failure (const GError *error)
{
  return obk_error_code (error) == OBK_ERROR_NO_DESCRIPTORS ? OBK_ERROR_NO_DESCRIPTORS : OBK_ERROR_CREDENTIAL_INVALID;
}

/* What systemd takes as a credential's name, which is also what is safe to append to a path. */
static gboolean
is_credential_name (const char *name)
{
  gsize length = strlen (name);

  if (length == 0 || length > NAME_MAX || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (name[i]) || name[i] == '/' || name[i] == ':')
      return FALSE;
  return TRUE;
}

char *
obk_credential_path (const char *reference, GError **error)
{
  const char *directory = NULL;
  const char *name = NULL;

  g_return_val_if_fail (reference != NULL, NULL);

  if (!g_str_has_prefix (reference, CREDENTIAL_PREFIX))
    return g_strdup (reference);
  name = reference + strlen (CREDENTIAL_PREFIX);
  if (!is_credential_name (name))
    {
      obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" does not name a credential", reference);
      return NULL;
    }
  directory = g_getenv (CREDENTIALS_DIRECTORY);
  if (directory == NULL || directory[0] != '/')
    {
      obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "there is no $" CREDENTIALS_DIRECTORY " that could hold \"%s\"",
                  reference);
      return NULL;
    }
  return g_build_filename (directory, name, NULL);
}
