/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens on a socket, by the kernel's word: who has called listen(), and in which SELinux context. */
#include "cli/doctor/listener.h"

#include <selinux/selinux.h>

#include <sys/un.h>
#include <unistd.h>

/* Returns: a connection; -1 without one */
static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (fd < 0 || connect (fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

gboolean
obk_listener_read (const char *path, struct ucred *who)
{
  socklen_t size = sizeof *who;
  int fd = connect_to (path);
  gboolean known = FALSE;

  if (fd < 0)
    return FALSE;
  known = getsockopt (fd, SOL_SOCKET, SO_PEERCRED, who, &size) == 0;
  close (fd);
  return known;
}

char *
obk_listener_label (const char *path)
{
  int fd = connect_to (path);
  char *context = NULL;
  char *label = NULL;

  if (fd < 0)
    return NULL;
  if (getpeercon (fd, &context) == 0)
    label = g_strdup (context);
  freecon (context);
  close (fd);
  return label;
}
