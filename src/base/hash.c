/* SPDX-License-Identifier: Apache-2.0 */
/* H(s) of spec identity.md: base64url without padding of SHA-256. */
#include "base/hash.h"

#include <string.h>

#define SHA256_LENGTH 32

char *
obk_hash (gconstpointer data, gssize length)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[SHA256_LENGTH];
  gsize digest_length = sizeof digest;
  char *text = NULL;

  g_return_val_if_fail (data != NULL || length == 0, NULL);

  if (length != 0)
    g_checksum_update (checksum, data, length);
  g_checksum_get_digest (checksum, digest, &digest_length);
  text = g_base64_encode (digest, sizeof digest);
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[OBK_HASH_LENGTH] = '\0'; /* the one padding character */
  return text;
}

gboolean
obk_hash_is_valid (const char *text, gsize length)
{
  if (length != OBK_HASH_LENGTH)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
      return FALSE;
  return TRUE;
}
