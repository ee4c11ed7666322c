/* SPDX-License-Identifier: Apache-2.0 */
/* The running kube-apiserver as a process: found, looked at, and stood in for. */
#include "cli/api-server.h"

#include "base/error.h"

#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FOUND 64

static gboolean
has_name (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "comm", NULL);
  g_autofree char *name = NULL;

  return g_file_get_contents (path, &name, NULL, NULL) && strcmp (g_strchomp (name), OBK_API_SERVER_NAME) == 0;
}

GArray *
obk_api_server_find (void)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (pid_t));
  g_autoptr (GDir) processes = g_dir_open ("/proc", 0, NULL);
  const char *name = NULL;

  while (processes != NULL && (name = g_dir_read_name (processes)) != NULL && found->len < MAX_FOUND)
    {
      guint64 number = 0;
      pid_t pid = 0;

      if (!g_ascii_string_to_unsigned (name, 10, 1, G_MAXINT, &number, NULL) || !has_name (name))
        continue;
      pid = (pid_t)number;
      g_array_append_val (found, pid);
    }
  return found;
}

/* Numbers after "NAME:", with white space between. Returns: (transfer full) (nullable): a %NULL-ended list */
static GStrv
read_line (const char *status, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (status, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, name) && (*line)[strlen (name)] == ':')
      {
        g_autofree char *rest = g_strstrip (g_strdelimit (g_strdup (*line + strlen (name) + 1), "\t", ' '));

        return g_strsplit (rest, " ", -1);
      }
  return NULL;
}

/* The second of real, effective, saved, file system */
static gboolean
read_effective (const char *status, const char *name, guint32 *id)
{
  g_auto (GStrv) numbers = read_line (status, name);
  guint64 number = 0;

  if (numbers == NULL || g_strv_length (numbers) < 2
      || !g_ascii_string_to_unsigned (numbers[1], 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *id = (guint32)number;
  return TRUE;
}

static void
read_groups (const char *status, ObkIds *ids)
{
  g_auto (GStrv) numbers = read_line (status, "Groups");

  for (char **number = numbers; number != NULL && *number != NULL && ids->n_groups < OBK_MAX_GROUPS; number++)
    {
      guint64 group = 0;

      if (g_ascii_string_to_unsigned (*number, 10, 0, G_MAXUINT32, &group, NULL))
        ids->groups[ids->n_groups++] = (gid_t)group;
    }
}

gboolean
obk_api_server_read (pid_t pid, ObkApiServer *server, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *status = NULL;
  g_auto (GStrv) capabilities = NULL;

  *server = (ObkApiServer){ .pid = pid };
  if (!g_file_get_contents (path, &status, NULL, NULL) || !read_effective (status, "Uid", &server->ids.uid)
      || !read_effective (status, "Gid", &server->ids.gid))
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "there is no process %d that can be looked at", pid);
      return FALSE;
    }
  read_groups (status, &server->ids);
  capabilities = read_line (status, "CapEff");
  if (capabilities != NULL && capabilities[0] != NULL)
    server->capabilities = g_ascii_strtoull (capabilities[0], NULL, 16);
  return TRUE;
}

/* Standing in for it */

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

static int
open_of (pid_t pid, const char *name, int flags)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", pid, name);

  return open (path, flags | O_CLOEXEC);
}

/* The namespace, and within it the root that the process has, which need not be the namespace's. */
static gboolean
enter (pid_t pid, GError **error)
{
  int namespace = open_of (pid, "ns/mnt", O_RDONLY);
  int root = open_of (pid, "root", O_PATH | O_DIRECTORY);
  gboolean entered = namespace >= 0 && root >= 0 && setns (namespace, CLONE_NEWNS) == 0 && fchdir (root) == 0
                     && chroot (".") == 0 && chdir ("/") == 0;

  if (!entered)
    refuse (error, "cannot enter its mount namespace");
  if (namespace >= 0)
    close (namespace);
  if (root >= 0)
    close (root);
  return entered;
}

/* Root in a container has fewer of them than root here, so that file modes do hold for it. */
static gboolean
limit_capabilities (guint64 effective, GError **error)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = { 0 };

  if (syscall (SYS_capget, &header, now) != 0)
    return refuse (error, "cannot read our capabilities");
  for (guint i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
    {
      now[i].permitted &= (guint32)(effective >> (32 * i));
      now[i].effective = now[i].permitted;
      now[i].inheritable = 0;
    }
  return syscall (SYS_capset, &header, now) == 0 || refuse (error, "cannot give up capabilities");
}

gboolean
obk_api_server_become (const ObkApiServer *server, GError **error)
{
  g_return_val_if_fail (server != NULL, FALSE);

  return enter (server->pid, error) && obk_ids_take (&server->ids, error)
         && limit_capabilities (server->capabilities, error);
}
