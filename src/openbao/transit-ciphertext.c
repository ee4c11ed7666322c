/* SPDX-License-Identifier: Apache-2.0 */
/* What a ciphertext of Transit's looks like: "vault:v<version>:" and text. */
#include "openbao/transit-ciphertext.h"

#include <string.h>

#define MAX_PREFIX sizeof "vault:v4294967295:"

/* Returns: its length */
static gsize
make_prefix (char *prefix, guint32 key_version)
{
  return (gsize)g_snprintf (prefix, MAX_PREFIX, "vault:v%" G_GUINT32_FORMAT ":", key_version);
}

gboolean
obk_transit_ciphertext_is_of_version (const char *bytes, gsize length, guint32 key_version)
{
  char prefix[MAX_PREFIX];
  gsize prefix_length = make_prefix (prefix, key_version);

  return length >= prefix_length && memcmp (bytes, prefix, prefix_length) == 0;
}

gboolean
obk_transit_ciphertext_is_whole (const char *bytes, gsize length, guint32 key_version)
{
  char prefix[MAX_PREFIX];

  if (!obk_transit_ciphertext_is_of_version (bytes, length, key_version) || length == make_prefix (prefix, key_version))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (bytes[i]))
      return FALSE;
  return TRUE;
}
