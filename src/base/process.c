/* SPDX-License-Identifier: Apache-2.0 */
/* What the process as a whole owes its secrets. */
#include "base/process.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

gboolean
obk_process_harden (GError **error)
{
  const struct rlimit no_core = { 0, 0 };

  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot make the process undumpable: %s", g_strerror (errno));
      return FALSE;
    }
  if (setrlimit (RLIMIT_CORE, &no_core) != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot set the core limit: %s", g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

void
obk_process_raise_descriptors (void)
{
  struct rlimit limit = { 0, 0 };

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit (RLIMIT_NOFILE, &limit);
}

char *
obk_process_runtime_directory (void)
{
  const char *runtime = g_getenv ("RUNTIME_DIRECTORY");
  g_autofree char *first = runtime != NULL ? g_strndup (runtime, strcspn (runtime, ":")) : NULL;

  return first != NULL && g_path_is_absolute (first) ? g_steal_pointer (&first) : NULL;
}

gboolean
obk_process_open_standard_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDONLY) != fd)
      return FALSE;
  return TRUE;
}

double
obk_random_unit (void)
{
  return g_random_double ();
}
