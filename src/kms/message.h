/* SPDX-License-Identifier: Apache-2.0 */
/* KMS v2 messages: requests are read in place, answers are packed. */
#pragma once

#include <glib.h>

#include "base/secret.h"
#include "identity/key-identity.h"

G_BEGIN_DECLS

#define OBK_MAX_MESSAGE 65536 /* bytes, either way (spec kms-v2.md, "Limits") */

/* What of a request counts; everything is borrowed from the bytes that it was read from. */
typedef struct
{
  gconstpointer plaintext;
  gsize plaintext_length;
  const char *uid; /* (nullable): what the API server calls the request */
  gsize uid_length;
} ObkEncryptMessage;

typedef struct
{
  gconstpointer ciphertext;
  gsize ciphertext_length;
  const char *key_id;
  gsize key_id_length;
  GArray *annotations; /* of ObkAnnotation, as they came: a key may come twice */
  const char *uid;     /* (nullable) */
  gsize uid_length;
} ObkDecryptMessage;

/*
 * Each takes the bytes of one message, which it may change, and which must live as long as what it finds.
 * @error: OBK_ERROR_UNKNOWN for what is no such message: cut short, a field of another type, a group, a string
 *   that is not UTF-8. Unknown fields are skipped.
 */
gboolean obk_status_message_read (char *bytes, gsize length, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean obk_encrypt_message_read (char *bytes, gsize length, ObkEncryptMessage *message,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean obk_decrypt_message_read (char *bytes, gsize length, ObkDecryptMessage *message,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void obk_decrypt_message_clear (ObkDecryptMessage *message);

/* The answers, packed. @key_id: "" when not healthy */
ObkSecret *obk_status_answer_pack (const char *healthz, const char *key_id);
ObkSecret *obk_encrypt_answer_pack (const char *ciphertext, const ObkKeyIdentity *identity);
ObkSecret *obk_decrypt_answer_pack (const ObkSecret *plaintext);

/* Returns: the bytes that an answer with so much plaintext takes */
gsize obk_decrypt_answer_size (gsize plaintext_length);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkDecryptMessage, obk_decrypt_message_clear)

G_END_DECLS
