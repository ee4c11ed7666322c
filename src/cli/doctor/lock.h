/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the state's lock, by the kernel's word: nothing is locked for the question. */
#pragma once

#include <glib.h>

#include <sys/types.h>

G_BEGIN_DECLS

/**
 * obk_lock_holder:
 * @locks: as /proc/locks has them
 *
 * Returns: who has flock()ed that file; 0 when nobody has, or one that this process cannot see
 */
pid_t obk_lock_holder (const char *locks, dev_t device, ino_t inode);

/**
 * obk_lock_find_device:
 * @mounts: as /proc/self/mountinfo has them
 * @mount: the id of one
 * @device: (out): what /proc/locks calls the device of its files
 *
 * Returns: FALSE when there is no such mount
 */
gboolean obk_lock_find_device (const char *mounts, guint64 mount, dev_t *device) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: the same of the file, 0 also when it is not there */
pid_t obk_lock_holder_of_file (const char *path);

G_END_DECLS
