/* SPDX-License-Identifier: Apache-2.0 */
/* Tells when the file at a path has been changed or replaced. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ObkFileWatch:
 *
 * Looks at what the path leads to at last: replacement by rename is seen, and so is a change of a symbolic link
 * on the way, which is how Kubernetes and systemd swap whole directories. By inotify at once, and without it (its
 * instances are limited, and network file systems have none) within %OBK_FILE_WATCH_POLL_SECONDS.
 */
typedef struct _ObkFileWatch ObkFileWatch;

#define OBK_FILE_WATCH_POLL_SECONDS 10

/**
 * obk_file_watch_new:
 * @path: need not exist
 * @changed: called from the thread-default main context, shortly after a change, and again for those that
 *   come later; the file may be gone
 */
ObkFileWatch *obk_file_watch_new (const char *path, void (*changed) (gpointer user_data), gpointer user_data);
void obk_file_watch_free (ObkFileWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkFileWatch, obk_file_watch_free)

G_END_DECLS
