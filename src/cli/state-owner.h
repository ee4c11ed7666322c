/* SPDX-License-Identifier: Apache-2.0 */
/* Root works on the state as the user whose state it is. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_state_owner_become:
 * @state_path: state.path
 * @error: OBK_ERROR_UNKNOWN, when the kernel forbids it
 *
 * Run by root, takes the ids of the owner of @state_path's directory for good, with the groups that the user database
 * gives that user; else, and where the directory is root's or is not there, does nothing. The process is hardened anew,
 * since the kernel takes that back with the ids. Before there are threads, and before anything asks for the temporary
 * directory: root's own is out of reach then.
 *
 * Source: spec registry.md, "Saving".
 */
gboolean obk_state_owner_become (const char *state_path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
