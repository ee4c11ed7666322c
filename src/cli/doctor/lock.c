/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the state's lock, by the kernel's word: nothing is locked for the question. */
#include "cli/doctor/lock.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LOCKS "/proc/locks"

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

pid_t
obk_lock_holder_of_file (const char *path)
{
  g_autofree char *locks = NULL;
  struct stat status;

  if (stat (path, &status) != 0 || !g_file_get_contents (LOCKS, &locks, NULL, NULL))
    return 0;
  return obk_lock_holder (locks, status.st_dev, status.st_ino);
}
