/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the state's lock, by the kernel's word: nothing is locked for the question. */
#include "cli/doctor/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LOCKS "/proc/locks"
#define MOUNTS "/proc/self/mountinfo"

/* Source: proc_locks(5) */
pid_t
obk_lock_holder (const char *locks, dev_t device, ino_t inode)
{
  g_auto (GStrv) lines = g_strsplit (locks, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      unsigned int line_major = 0, line_minor = 0;
      unsigned long line_inode = 0;
      int pid = 0;

      if (sscanf (*line, "%*u: FLOCK %*s %*s %d %x:%x:%lu", &pid, &line_major, &line_minor, &line_inode) == 4
          && makedev (line_major, line_minor) == device && line_inode == inode && pid > 0)
        return pid;
    }
  return 0;
}

/* Source: proc_pid_mountinfo(5) */
gboolean
obk_lock_find_device (const char *mounts, guint64 mount, dev_t *device)
{
  g_auto (GStrv) lines = g_strsplit (mounts, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      unsigned long id = 0;
      unsigned int line_major = 0, line_minor = 0;

      if (sscanf (*line, "%lu %*u %u:%u ", &id, &line_major, &line_minor) == 3 && id == mount)
        {
          *device = makedev (line_major, line_minor);
          return TRUE;
        }
    }
  return FALSE;
}

/* A file's own number of its device is another one on btrfs and overlayfs. */
pid_t
obk_lock_holder_of_file (const char *path)
{
  g_autofree char *locks = NULL;
  g_autofree char *mounts = NULL;
  struct statx status;
  dev_t device = 0;

  if (statx (AT_FDCWD, path, 0, STATX_INO | STATX_MNT_ID, &status) != 0
      || !g_file_get_contents (LOCKS, &locks, NULL, NULL))
    return 0;
  if ((status.stx_mask & STATX_MNT_ID) == 0 || !g_file_get_contents (MOUNTS, &mounts, NULL, NULL)
      || !obk_lock_find_device (mounts, status.stx_mnt_id, &device))
    device = makedev (status.stx_dev_major, status.stx_dev_minor);
  return obk_lock_holder (locks, device, status.stx_ino);
}
