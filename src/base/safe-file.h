/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files that matter: opened once, checked on the open descriptor, read from it. */
#pragma once

#include <glib.h>

#include "base/error.h"
#include "base/secret.h"

G_BEGIN_DECLS

#define OBK_FILE_MASK_PRIVATE 0037 /* configuration, JWT, certificate chain, PIN, client secret */
#define OBK_FILE_MASK_PUBLIC 0022  /* CA bundles */

/**
 * obk_safe_file_read:
 * @path: the file. Its last component may be a symlink only below $CREDENTIALS_DIRECTORY
 * @forbidden_mode: permission bits that it must not have
 * @max_size: bytes; more is refused
 * @error: OBK_ERROR_FILE with a text that names the file and what is wrong with it; OBK_ERROR_NO_DESCRIPTORS
 *
 * The file must be regular, owned by root or by the calling user, and hold no more than @max_size.
 *
 * Source: spec configuration.md, "Validation".
 *
 * Returns: (transfer full): its content
 */
ObkSecret *obk_safe_file_read (const char *path, guint forbidden_mode, gsize max_size, GError **error);

/* Of a private file that holds one secret: without its last newline. Else as obk_safe_file_read(). */
ObkSecret *obk_safe_file_read_secret (const char *path, gsize max_size, GError **error);

/* Returns: what the failure to read a secret or a trust is to those who need it: OBK_ERROR_CREDENTIAL_INVALID, except
 * where it says nothing of the file */
ObkError obk_safe_file_secret_failure (const GError *error);

/**
 * obk_credential_path:
 * @reference: an absolute path, or "credential:NAME"
 *
 * Returns: (transfer full): the path to open; for a credential the file in $CREDENTIALS_DIRECTORY.
 *   %NULL with OBK_ERROR_CREDENTIAL_INVALID when there is no such directory or NAME is not a plain file name
 */
char *obk_credential_path (const char *reference, GError **error);

G_END_DECLS
