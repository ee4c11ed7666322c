/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for plaintext, JWTs, tokens and PINs: locked, left out of core dumps, wiped. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ObkSecret:
 *
 * A reference-counted buffer in memory that is mlock()ed (as far as the limit allows; a warning
 * once), marked MADV_DONTDUMP and wiped when the last reference goes. Buffers come from a pool of
 * such pages, so that one costs no system call. Safe to use from any thread.
 */
typedef struct _ObkSecret ObkSecret;

/* @capacity: bytes it can hold without moving; length is 0. A zero byte always follows the content. */
ObkSecret *obk_secret_new (gsize capacity);
ObkSecret *obk_secret_new_copy (gconstpointer data, gsize length);
ObkSecret *obk_secret_ref (ObkSecret *secret);
void obk_secret_unref (ObkSecret *secret);

/* Borrowed, valid until the secret is appended to, set or freed. Never log it. */
const char *obk_secret_data (const ObkSecret *secret);
char *obk_secret_writable (ObkSecret *secret);
gsize obk_secret_length (const ObkSecret *secret);
gsize obk_secret_capacity (const ObkSecret *secret);
void obk_secret_set_length (ObkSecret *secret, gsize length); /* at most the capacity; a rest is wiped */

/* These grow the buffer when needed; the old place is wiped. @data is not the secret's own. */
void obk_secret_append (ObkSecret *secret, gconstpointer data, gsize length);
void obk_secret_append_base64 (ObkSecret *secret, gconstpointer data, gsize length);

/**
 * obk_secret_decode_base64:
 *
 * Strict standard base64 with padding.
 * Returns: (transfer full) (nullable): the bytes, or %NULL when @text is not base64
 */
ObkSecret *obk_secret_decode_base64 (const char *text, gsize length);

/* explicit_bzero for memory that is not ours to keep (message buffers of libraries). */
void obk_wipe (gpointer data, gsize length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkSecret, obk_secret_unref)

G_END_DECLS
