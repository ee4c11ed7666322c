/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process may open another file or socket: its own lack of them is no fault of anybody else. */
#include "base/descriptors.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

gboolean
obk_descriptors_left (guint n)
{
  int fds[OBK_DESCRIPTORS_MAX_ASKED];
  guint made = 0;
  int cause = 0;

  g_return_val_if_fail (n <= OBK_DESCRIPTORS_MAX_ASKED, FALSE);

  /* A new file each: what the whole system lacks shows, too. */
  while (made < n && (fds[made] = eventfd (0, EFD_CLOEXEC)) >= 0)
    made++;
  cause = errno;
  for (guint i = 0; i < made; i++)
    close (fds[i]);
  errno = cause;
  return made == n;
}

ObkError
obk_descriptors_code (int cause, ObkError otherwise)
{
  return cause == EMFILE || cause == ENFILE ? OBK_ERROR_NO_DESCRIPTORS : otherwise;
}
