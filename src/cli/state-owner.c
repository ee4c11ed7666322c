/* SPDX-License-Identifier: Apache-2.0 */
/* Root works on the state as the user whose state it is. */
#include "cli/state-owner.h"

#include "base/error.h"
#include "base/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_GROUPS 256

/* @groups: of MAX_GROUPS. Returns: how many there are; at least @gid */
static gsize
find_groups (uid_t uid, gid_t gid, gid_t *groups)
{
  const struct passwd *user = getpwuid (uid);
  int n = MAX_GROUPS;

  if (user != NULL && getgrouplist (user->pw_name, gid, groups, &n) > 0)
    return (gsize)n;
  groups[0] = gid;
  return 1;
}

static gboolean
take_ids (uid_t uid, gid_t gid)
{
  gid_t groups[MAX_GROUPS];
  gsize n = find_groups (uid, gid, groups);

  return setgroups (n, groups) == 0 && setresgid (gid, gid, gid) == 0 && setresuid (uid, uid, uid) == 0;
}

gboolean
obk_state_owner_become (const char *state_path, GError **error)
{
  g_autofree char *directory = NULL;
  struct stat status;

  g_return_val_if_fail (state_path != NULL, FALSE);

  directory = g_path_get_dirname (state_path);
  if (geteuid () != 0 || lstat (directory, &status) != 0 || !S_ISDIR (status.st_mode) || status.st_uid == 0)
    return TRUE; /* what is wrong with the directory is said by whoever opens it */
  if (!take_ids (status.st_uid, status.st_gid))
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN,
                   "cannot take the ids of the owner of \"%s\": %s: run the command as uid %u", directory,
                   g_strerror (errno), status.st_uid);
      return FALSE;
    }
  g_unsetenv ("TMPDIR");
  return obk_process_harden (error);
}
