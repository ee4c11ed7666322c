/* SPDX-License-Identifier: Apache-2.0 */
/* Root works on the state as the user whose state it is. */
#include "cli/state-owner.h"

#include "cli/ids.h"

#include <sys/stat.h>
#include <unistd.h>

gboolean
obk_state_owner_become (const char *state_path, GError **error)
{
  g_autofree char *directory = NULL;
  struct stat status;
  ObkIds ids;

  g_return_val_if_fail (state_path != NULL, FALSE);

  directory = g_path_get_dirname (state_path);
  if (geteuid () != 0 || lstat (directory, &status) != 0 || !S_ISDIR (status.st_mode) || status.st_uid == 0)
    return TRUE; /* what is wrong with the directory is said by whoever opens it */
  obk_ids_of_uid (status.st_uid, status.st_gid, &ids);
  if (obk_ids_take (&ids, error))
    return TRUE;
  g_prefix_error (error, "\"%s\" is another user's: ", directory);
  return FALSE;
}
