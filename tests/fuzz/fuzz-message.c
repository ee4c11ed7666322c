/* SPDX-License-Identifier: Apache-2.0 */
/* A KMS request that is taken is one to protobuf-c too, with the same content; and all of it lies in what came. */
#include "fuzz.h"

#include "kms/message.h"
#include "proto/kms.pb-c.h"

#include <string.h>

static void
assert_inside (gconstpointer bytes, gsize length, const char *copy, size_t size)
{
  const char *start = bytes;

  if (length > 0)
    g_assert_true (start >= copy && length <= size && start <= copy + size - length);
}

static void
check_encrypt (const uint8_t *data, size_t size)
{
  g_autofree char *copy = g_memdup2 (size > 0 ? data : (const uint8_t *)"", MAX (size, 1));
  ObkEncryptMessage message = { 0 };
  V2__EncryptRequest *other = NULL;

  if (!obk_encrypt_message_read (copy, size, &message, NULL))
    return;
  assert_inside (message.plaintext, message.plaintext_length, copy, size);
  other = v2__encrypt_request__unpack (NULL, size, data);
  g_assert_nonnull (other);
  g_assert_cmpmem (message.plaintext, message.plaintext_length, other->plaintext.data, other->plaintext.len);
  v2__encrypt_request__free_unpacked (other, NULL);
}

static void
check_decrypt (const uint8_t *data, size_t size)
{
  g_autofree char *copy = g_memdup2 (size > 0 ? data : (const uint8_t *)"", MAX (size, 1));
  g_auto (ObkDecryptMessage) message = { 0 };
  V2__DecryptRequest *other = NULL;

  if (!obk_decrypt_message_read (copy, size, &message, NULL))
    return;
  assert_inside (message.ciphertext, message.ciphertext_length, copy, size);
  assert_inside (message.key_id, message.key_id_length, copy, size);
  other = v2__decrypt_request__unpack (NULL, size, data);
  g_assert_nonnull (other);
  g_assert_cmpmem (message.ciphertext, message.ciphertext_length, other->ciphertext.data, other->ciphertext.len);
  /* protobuf-c's strings end at a zero byte */
  if (message.key_id_length == 0 || memchr (message.key_id, '\0', message.key_id_length) == NULL)
    g_assert_cmpmem (message.key_id, message.key_id_length, other->key_id, strlen (other->key_id));
  g_assert_cmpuint (message.annotations != NULL ? message.annotations->len : 0, ==, other->n_annotations);
  v2__decrypt_request__free_unpacked (other, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *copy = g_memdup2 (size > 0 ? data : (const uint8_t *)"", MAX (size, 1));

  (void)!obk_status_message_read (copy, size, NULL);
  check_encrypt (data, size);
  check_decrypt (data, size);
  return 0;
}
