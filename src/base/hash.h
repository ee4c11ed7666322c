/* SPDX-License-Identifier: Apache-2.0 */
/* H(s) of spec identity.md: base64url without padding of SHA-256. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_HASH_LENGTH 43 /* characters */

/* Returns: (transfer full): the 43 characters; @length -1 for a string */
char *obk_hash (gconstpointer data, gssize length);

/* Whether @text is exactly 43 base64url characters (the unused bits of the last are not checked). */
gboolean obk_hash_is_valid (const char *text, gsize length);

G_END_DECLS
