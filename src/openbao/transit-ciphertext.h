/* SPDX-License-Identifier: Apache-2.0 */
/* What a ciphertext of Transit's looks like: "vault:v<version>:" and text. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether the bytes begin as all ciphertexts of this very version do. */
gboolean obk_transit_ciphertext_is_of_version (const char *bytes, gsize length, guint32 key_version);

/* Whether they are of this version and something follows, all in characters that JSON carries as they are. */
gboolean obk_transit_ciphertext_is_whole (const char *bytes, gsize length, guint32 key_version);

G_END_DECLS
