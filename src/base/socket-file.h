/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket of our own in the file system: made whole before it is seen, removed if it is still ours. */
#pragma once

#include <glib.h>

#include <sys/types.h>

G_BEGIN_DECLS

typedef struct _ObkSocketFile ObkSocketFile;

typedef struct
{
  const char *path;
  const char *const *directories; /* (nullable): %NULL-ended: @path must lie below one of them */
  guint mode;                     /* nothing but reading and writing, and none of it for the world */
  gboolean everyone;              /* but for this: its directory alone decides who comes to it */
  gid_t group;
} ObkSocketFileOptions;

/**
 * obk_socket_file_new:
 * @stale_removed: (out): whether a dead socket was in its place
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE, one message a cause (spec kms-v2.md, "Who may connect")
 */
ObkSocketFile *obk_socket_file_new (const ObkSocketFileOptions *options, gboolean *stale_removed, GError **error);

/* Whether one can be made at @path, in any directory; nothing is made or taken away. */
gboolean obk_socket_file_examine (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Closes it; the file goes too unless another one is in its place by now. */
void obk_socket_file_free (ObkSocketFile *file);

/* Returns: the listening descriptor, non-blocking; the object's */
int obk_socket_file_fd (const ObkSocketFile *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkSocketFile, obk_socket_file_free)

G_END_DECLS
