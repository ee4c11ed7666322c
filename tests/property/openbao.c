/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenBao of one Transit key: rotated, trimmed, restored, and read by way of standbys that lag. */
#include "openbao.h"

#include "registry/profile.h"

typedef struct
{
  gint64 since;
  ObkKeyMetadata *key;
} View;

static void
view_free (gpointer data)
{
  View *view = data;

  obk_key_metadata_free (view->key);
  g_free (view);
}

static void
remember (OpenBao *bao)
{
  View *view = g_new0 (View, 1);

  view->since = bao->now;
  view->key = obk_key_metadata_copy (bao->key);
  g_ptr_array_add (bao->views, view);
}

OpenBao *
openbao_new (gint64 now)
{
  OpenBao *bao = g_new0 (OpenBao, 1);

  bao->now = now;
  bao->views = g_ptr_array_new_with_free_func (view_free);
  bao->key = obk_key_metadata_new ();
  bao->key->type = g_strdup ("aes256-gcm96");
  bao->key->supports_encryption = TRUE;
  bao->key->supports_decryption = TRUE;
  bao->key->disable_upsert = TRUE;
  bao->key->min_decryption_version = 1;
  openbao_rotate (bao);
  return bao;
}

void
openbao_free (OpenBao *bao)
{
  obk_key_metadata_free (bao->key);
  g_ptr_array_unref (bao->views);
  g_free (bao);
}

void
openbao_rotate (OpenBao *bao)
{
  const ObkKeyVersion entry = { .version = bao->key->latest_version + 1, .created_at_unix = bao->now };

  g_array_append_val (bao->key->versions, entry);
  bao->key->latest_version = entry.version;
  remember (bao);
}

void
openbao_set_minimum_encryption (OpenBao *bao, guint32 version)
{
  bao->key->min_encryption_version = version;
  remember (bao);
}

void
openbao_set_minimum (OpenBao *bao, guint32 decryption, guint32 available)
{
  bao->key->min_decryption_version = decryption;
  bao->key->min_available_version = available;
  remember (bao);
}

void
openbao_restore (OpenBao *bao, guint32 latest)
{
  g_ptr_array_set_size (bao->views, 0);
  bao->key->latest_version = latest;
  bao->key->min_encryption_version = MIN (bao->key->min_encryption_version, latest);
  for (guint i = bao->key->versions->len; i > 0; i--)
    if (g_array_index (bao->key->versions, ObkKeyVersion, i - 1).version > latest)
      g_array_remove_index (bao->key->versions, i - 1);
  remember (bao);
}

/* What lies below the minimum is not among the answer's versions. */
static void
hide_unavailable (ObkKeyMetadata *metadata)
{
  guint32 first = obk_profile_first_available (metadata);

  while (metadata->versions->len > 0 && g_array_index (metadata->versions, ObkKeyVersion, 0).version < first)
    g_array_remove_index (metadata->versions, 0);
}

ObkKeyMetadata *
openbao_read (const OpenBao *bao, gint64 lag)
{
  const View *view = NULL;
  ObkKeyMetadata *metadata = NULL;
  guint i = bao->views->len - 1;

  while (i > 0 && ((const View *)bao->views->pdata[i])->since > bao->now - lag)
    i--;
  view = bao->views->pdata[i];
  metadata = obk_key_metadata_copy (view->key);
  metadata->server_date_unix = bao->now;
  hide_unavailable (metadata);
  return metadata;
}
