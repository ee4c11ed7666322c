/* SPDX-License-Identifier: Apache-2.0 */
/* The Transit calls that the provider makes, and no others. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "base/secret.h"
#include "openbao/client.h"

G_BEGIN_DECLS

typedef struct _ObkTransit ObkTransit;

ObkTransit *obk_transit_new (ObkClient *client, const char *mount_path, const char *key_name);
void obk_transit_free (ObkTransit *transit);

/* One that makes the same calls by the same client. */
ObkTransit *obk_transit_copy (const ObkTransit *transit);
/* From now on its calls go where those of @other go. What is under way stays where it is. */
void obk_transit_redirect (ObkTransit *transit, const ObkTransit *other);

/* In each callback exactly one of result and @error is set; the result is borrowed. */
typedef void (*ObkTransitCiphertextDone) (const char *ciphertext, const GError *error, gpointer user_data);
typedef void (*ObkTransitPlaintextDone) (ObkSecret *plaintext, const GError *error, gpointer user_data);
typedef void (*ObkTransitKeyDone) (const ObkKeyMetadata *metadata, const GError *error, gpointer user_data);

/**
 * obk_transit_encrypt:
 * @key_version: the explicit one; the answer is checked to be of it (OBK_ERROR_UNAVAILABLE else)
 * @associated_data_base64: never empty
 * @deadline_us: OBK_NO_DEADLINE: openbao.timeout bounds the call
 */
ObkCall *obk_transit_encrypt (ObkTransit *transit, guint32 key_version, gconstpointer plaintext, gsize length,
                              const char *associated_data_base64, gint64 deadline_us, ObkTransitCiphertextDone done,
                              gpointer user_data);

/* @ciphertext: whole (openbao/transit-ciphertext.h), as the caller has checked */
ObkCall *obk_transit_decrypt (ObkTransit *transit, const char *ciphertext, const char *associated_data_base64,
                              gint64 deadline_us, ObkTransitPlaintextDone done, gpointer user_data);

/* GET keys/KEY. A 404 is OBK_ERROR_KEY_MISSING; disable_upsert of the result is not set. */
ObkCall *obk_transit_read_key (ObkTransit *transit, gint64 deadline_us, ObkTransitKeyDone done, gpointer user_data);

typedef void (*ObkTransitUpsertDone) (gboolean disable_upsert, const GError *error, gpointer user_data);

/* GET config/keys */
ObkCall *obk_transit_read_upsert (ObkTransit *transit, gint64 deadline_us, ObkTransitUpsertDone done,
                                  gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkTransit, obk_transit_free)

G_END_DECLS
