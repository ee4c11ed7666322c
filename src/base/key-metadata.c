/* SPDX-License-Identifier: Apache-2.0 */
/* What Transit says of a key. */
#include "base/key-metadata.h"

ObkKeyMetadata *
obk_key_metadata_new (void)
{
  ObkKeyMetadata *metadata = g_new0 (ObkKeyMetadata, 1);

  metadata->versions = g_array_new (FALSE, FALSE, sizeof (ObkKeyVersion));
  return metadata;
}

ObkKeyMetadata *
obk_key_metadata_copy (const ObkKeyMetadata *metadata)
{
  ObkKeyMetadata *copy = NULL;

  g_return_val_if_fail (metadata != NULL, NULL);

  copy = g_memdup2 (metadata, sizeof *metadata);
  copy->type = g_strdup (metadata->type);
  copy->versions = g_array_copy (metadata->versions);
  return copy;
}

void
obk_key_metadata_free (ObkKeyMetadata *metadata)
{
  if (metadata == NULL)
    return;
  g_free (metadata->type);
  g_array_unref (metadata->versions);
  g_free (metadata);
}

static gint
compare_versions (gconstpointer a, gconstpointer b)
{
  guint32 x = ((const ObkKeyVersion *)a)->version;
  guint32 y = ((const ObkKeyVersion *)b)->version;

  return (x > y) - (x < y);
}

gint64
obk_key_metadata_created_at (const ObkKeyMetadata *metadata, guint32 version)
{
  const ObkKeyVersion wanted = { .version = version };
  guint i = 0;

  g_return_val_if_fail (metadata != NULL, 0);

  if (!g_array_binary_search (metadata->versions, &wanted, compare_versions, &i))
    return 0;
  return g_array_index (metadata->versions, ObkKeyVersion, i).created_at_unix;
}
