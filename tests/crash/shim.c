/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before the system calls that change files: counts them, dies or fails at one, and writes down what was done.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 64
#define NO_FILE G_MAXUINT

static ShimLog *armed = NULL;
static ShimFate fate;
static guint step = 0;
static guint files[MAX_DESCRIPTORS]; /* what each descriptor that was made here writes to */

ShimLog *
shim_log_new (void)
{
  ShimLog *log = mmap (NULL, sizeof *log, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  g_assert_true (log != MAP_FAILED);
  return log;
}

void
shim_log_clear (ShimLog *log)
{
  log->n_operations = 0;
  log->n_files = 0;
  log->n_bytes = 0;
  log->promised = 0;
}

void
shim_arm (ShimLog *log, ShimFate what)
{
  for (guint i = 0; i < MAX_DESCRIPTORS; i++)
    files[i] = NO_FILE;
  fate = what;
  step = 0;
  armed = log;
}

guint
shim_disarm (void)
{
  armed = NULL;
  return step;
}

static ShimOperation *
add (ShimKind kind, const char *name, guint file)
{
  ShimOperation *operation = &armed->operations[armed->n_operations];

  g_assert_cmpuint (armed->n_operations, <, SHIM_MAX_OPERATIONS);
  operation->kind = kind;
  operation->file = file;
  operation->offset = 0;
  operation->length = 0;
  g_assert_cmpuint (g_strlcpy (operation->name, name, SHIM_MAX_NAME), <, SHIM_MAX_NAME);
  operation->new_name[0] = '\0';
  armed->n_operations++;
  return operation;
}

static guint
file_of (int fd)
{
  return fd >= 0 && fd < MAX_DESCRIPTORS ? files[fd] : NO_FILE;
}

/* Every step comes through here. Returns: whether it is the one to fail */
static gboolean
take_step (void)
{
  guint now = step++;

  if (now == fate.die_at)
    raise (SIGKILL);
  return now == fate.fail_at;
}

/* Whether the call is to be done, and what is then told of it. */
#define STEP(failing, result, call)                                                                                    \
  do                                                                                                                   \
    {                                                                                                                  \
      if (!(failing) || fate.fail_after)                                                                               \
        result = call;                                                                                                 \
    }                                                                                                                  \
  while (0)

static int
told (gboolean failing, int result)
{
  if (!failing)
    return result;
  errno = fate.fail_with;
  return -1;
}

/* The names that the library's objects call, whatever the headers make of them. */
int shim_openat (int directory, const char *name, int flags, ...) __asm__("openat64");
ssize_t shim_write (int fd, const void *data, size_t length) __asm__("write");
int shim_fsync (int fd) __asm__("fsync");
int shim_close (int fd) __asm__("close");
int shim_fchmod (int fd, mode_t mode) __asm__("fchmod");
int shim_fchown (int fd, uid_t uid, gid_t gid) __asm__("fchown");
int shim_renameat (int old_directory, const char *name, int new_directory, const char *new_name) __asm__("renameat");
int shim_unlinkat (int directory, const char *name, int flags) __asm__("unlinkat");
int shim_linkat (int old_directory, const char *name, int new_directory, const char *new_name,
                 int flags) __asm__("linkat");

int
shim_openat (int directory, const char *name, int flags, ...)
{
  mode_t mode = 0;
  va_list arguments;
  int fd = -1;
  gboolean failing = FALSE;

  va_start (arguments, flags);
  if ((flags & (O_CREAT | O_TMPFILE)) != 0)
    mode = va_arg (arguments, mode_t);
  va_end (arguments);
  if (armed == NULL || (flags & O_CREAT) == 0)
    return (int)syscall (SYS_openat, directory, name, flags, mode);
  failing = take_step ();
  if (failing)
    return told (TRUE, -1); /* a descriptor that nobody gets would only be lost */
  fd = (int)syscall (SYS_openat, directory, name, flags, mode);
  if (fd >= 0)
    {
      g_assert_cmpint (fd, <, MAX_DESCRIPTORS);
      g_assert_true ((flags & O_EXCL) != 0);
      files[fd] = armed->n_files++;
      add (SHIM_CREATE, name, files[fd]);
    }
  return fd;
}

static ssize_t
write_piece (int fd, const void *data, size_t length)
{
  ssize_t n = syscall (SYS_write, fd, data, length);

  if (n > 0)
    {
      ShimOperation *operation = add (SHIM_WRITE, "", file_of (fd));

      g_assert_cmpuint (armed->n_bytes + (gsize)n, <=, SHIM_MAX_BYTES);
      operation->offset = armed->n_bytes;
      operation->length = (gsize)n;
      memcpy (armed->bytes + armed->n_bytes, data, (gsize)n);
      armed->n_bytes += (gsize)n;
    }
  return n;
}

ssize_t
shim_write (int fd, const void *data, size_t length)
{
  size_t half = length / 2;
  ssize_t n = 0;

  if (armed == NULL || file_of (fd) == NO_FILE)
    return syscall (SYS_write, fd, data, length);
  if (take_step ())
    {
      errno = fate.fail_with;
      return -1;
    }
  n = write_piece (fd, data, half);
  if (n != (ssize_t)half)
    return n;
  if (take_step ()) /* what was written before is told, the rest fails when it is tried again */
    return n;
  n = write_piece (fd, (const char *)data + half, length - half);
  return n < 0 ? (ssize_t)half : n + (ssize_t)half;
}

int
shim_fsync (int fd)
{
  struct stat status;
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return 0; /* the real disk is not what is tested, and slow */
  failing = take_step ();
  STEP (failing, result, 0);
  if (result == 0 && fstat (fd, &status) == 0)
    {
      if (S_ISDIR (status.st_mode))
        add (SHIM_SYNC_DIRECTORY, "", NO_FILE);
      else if (file_of (fd) != NO_FILE)
        add (SHIM_SYNC, "", file_of (fd));
    }
  return told (failing, result);
}

int
shim_close (int fd)
{
  gboolean failing = FALSE;

  if (armed == NULL || file_of (fd) == NO_FILE)
    return (int)syscall (SYS_close, fd);
  failing = take_step ();
  files[fd] = NO_FILE;
  return told (failing, (int)syscall (SYS_close, fd)); /* a close that fails has closed */
}

int
shim_fchmod (int fd, mode_t mode)
{
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return (int)syscall (SYS_fchmod, fd, mode);
  failing = take_step ();
  STEP (failing, result, (int)syscall (SYS_fchmod, fd, mode));
  return told (failing, result);
}

int
shim_fchown (int fd, uid_t uid, gid_t gid)
{
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return (int)syscall (SYS_fchown, fd, uid, gid);
  failing = take_step ();
  STEP (failing, result, (int)syscall (SYS_fchown, fd, uid, gid));
  return told (failing, result);
}

int
shim_renameat (int old_directory, const char *name, int new_directory, const char *new_name)
{
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return (int)syscall (SYS_renameat, old_directory, name, new_directory, new_name);
  failing = take_step ();
  STEP (failing, result, (int)syscall (SYS_renameat, old_directory, name, new_directory, new_name));
  if (result == 0)
    g_strlcpy (add (SHIM_RENAME, name, NO_FILE)->new_name, new_name, SHIM_MAX_NAME);
  return told (failing, result);
}

int
shim_unlinkat (int directory, const char *name, int flags)
{
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return (int)syscall (SYS_unlinkat, directory, name, flags);
  failing = take_step ();
  STEP (failing, result, (int)syscall (SYS_unlinkat, directory, name, flags));
  if (result == 0)
    add (SHIM_UNLINK, name, NO_FILE);
  return told (failing, result);
}

int
shim_linkat (int old_directory, const char *name, int new_directory, const char *new_name, int flags)
{
  gboolean failing = FALSE;
  int result = -1;

  if (armed == NULL)
    return (int)syscall (SYS_linkat, old_directory, name, new_directory, new_name, flags);
  failing = take_step ();
  STEP (failing, result, (int)syscall (SYS_linkat, old_directory, name, new_directory, new_name, flags));
  if (result == 0)
    g_strlcpy (add (SHIM_LINK, name, NO_FILE)->new_name, new_name, SHIM_MAX_NAME);
  return told (failing, result);
}
