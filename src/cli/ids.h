/* SPDX-License-Identifier: Apache-2.0 */
/* A user's ids: looked up, and taken by root for good. */
#pragma once

#include <glib.h>

#include <sys/types.h>

G_BEGIN_DECLS

#define OBK_MAX_GROUPS 256

/* A plain value. */
typedef struct
{
  uid_t uid;
  gid_t gid;
  gid_t groups[OBK_MAX_GROUPS]; /* supplementary ones */
  gsize n_groups;
} ObkIds;

/* Those of @uid, with the groups that the user database gives that user; @gid alone for a user whom it does not know.
 */
void obk_ids_of_uid (uid_t uid, gid_t gid, ObkIds *ids);

/**
 * obk_ids_parse:
 * @text: USER or UID, and perhaps ":" and GROUP or GID
 *
 * Returns: FALSE with OBK_ERROR_USAGE for one whom the user database does not know; of a number it need not
 */
gboolean obk_ids_parse (const char *text, ObkIds *ids, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full): "NAME (uid N)", or "uid N" */
char *obk_ids_describe (const ObkIds *ids);
gboolean obk_ids_have_group (const ObkIds *ids, gid_t group);

/**
 * obk_group_find:
 * @group: name or decimal gid
 *
 * Returns: FALSE when there is no such group
 */
gboolean obk_group_find (const char *group, gid_t *gid) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_ids_take:
 * @error: OBK_ERROR_UNKNOWN, when the kernel forbids it
 *
 * By root alone, and before there are threads. All capabilities go. The process is hardened anew, since the kernel
 * takes that back with the ids; root's own temporary directory is forgotten, being out of reach then.
 */
gboolean obk_ids_take (const ObkIds *ids, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
