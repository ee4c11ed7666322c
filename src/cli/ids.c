/* SPDX-License-Identifier: Apache-2.0 */
/* A user's ids: looked up, and taken by root for good. */
#include "cli/ids.h"

#include "base/error.h"
#include "base/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define LARGEST_ID (G_MAXUINT32 - 1) /* the next one means "no change" */

void
obk_ids_of_uid (uid_t uid, gid_t gid, ObkIds *ids)
{
  const struct passwd *user = getpwuid (uid);
  int n = OBK_MAX_GROUPS;

  *ids = (ObkIds){ .uid = uid, .gid = gid, .groups = { gid }, .n_groups = 1 };
  if (user != NULL && getgrouplist (user->pw_name, gid, ids->groups, &n) > 0)
    ids->n_groups = (gsize)n;
}

gboolean
obk_group_find (const char *group, gid_t *gid)
{
  guint64 number = 0;
  const struct group *entry = NULL;

  g_return_val_if_fail (group != NULL && gid != NULL, FALSE);

  if (g_ascii_string_to_unsigned (group, 10, 0, LARGEST_ID, &number, NULL))
    *gid = (gid_t)number;
  else if ((entry = getgrnam (group)) != NULL)
    *gid = entry->gr_gid;
  else
    return FALSE;
  return TRUE;
}

/* Of a number that the database does not know the group is the same number. */
static gboolean
find_user (const char *name, uid_t *uid, gid_t *gid)
{
  guint64 number = 0;
  const struct passwd *user = NULL;

  if (g_ascii_string_to_unsigned (name, 10, 0, LARGEST_ID, &number, NULL))
    {
      user = getpwuid ((uid_t)number);
      *uid = (uid_t)number;
      *gid = user != NULL ? user->pw_gid : (gid_t)number;
      return TRUE;
    }
  user = getpwnam (name);
  if (user == NULL)
    return FALSE;
  *uid = user->pw_uid;
  *gid = user->pw_gid;
  return TRUE;
}

gboolean
obk_ids_parse (const char *text, ObkIds *ids, GError **error)
{
  g_auto (GStrv) parts = NULL;
  uid_t uid = 0;
  gid_t gid = 0;

  g_return_val_if_fail (text != NULL && ids != NULL, FALSE);

  parts = g_strsplit (text, ":", 2);
  if (parts[0] == NULL || !find_user (parts[0], &uid, &gid))
    g_set_error (error, OBK_ERROR, OBK_ERROR_USAGE, "there is no user \"%s\"", parts[0] != NULL ? parts[0] : "");
  else if (parts[1] != NULL && !obk_group_find (parts[1], &gid))
    g_set_error (error, OBK_ERROR, OBK_ERROR_USAGE, "there is no group \"%s\"", parts[1]);
  else
    {
      obk_ids_of_uid (uid, gid, ids);
      return TRUE;
    }
  return FALSE;
}

char *
obk_ids_describe (const ObkIds *ids)
{
  const struct passwd *user = getpwuid (ids->uid);

  return user != NULL ? g_strdup_printf ("%s (uid %u)", user->pw_name, ids->uid) : g_strdup_printf ("uid %u", ids->uid);
}

gboolean
obk_ids_have_group (const ObkIds *ids, gid_t group)
{
  for (gsize i = 0; i < ids->n_groups; i++)
    if (ids->groups[i] == group)
      return TRUE;
  return ids->gid == group;
}

gboolean
obk_ids_take (const ObkIds *ids, GError **error)
{
  g_return_val_if_fail (ids != NULL, FALSE);

  if (setgroups (ids->n_groups, ids->groups) != 0 || setresgid (ids->gid, ids->gid, ids->gid) != 0
      || setresuid (ids->uid, ids->uid, ids->uid) != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot take the ids of uid %u: %s", ids->uid,
                   g_strerror (errno));
      return FALSE;
    }
  g_unsetenv ("TMPDIR");
  return obk_process_harden (error);
}
