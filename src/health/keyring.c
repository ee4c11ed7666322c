/* SPDX-License-Identifier: Apache-2.0 */
/* The key versions that may decrypt, looked up by key_id, and the one that encrypts. Immutable. */
#include "health/keyring.h"

struct _ObkKeyring
{
  gatomicrefcount references;
  GHashTable *by_key_id; /* borrowed key_id -> ObkKeyIdentity */
  const ObkKeyIdentity *active;
};

static ObkKeyIdentity *
identity_of (const ObkState *state, const ObkSnapshot *snapshot, const ObkKeyring *previous)
{
  ObkKeyIdentity *known = previous ? g_hash_table_lookup (previous->by_key_id, snapshot->key_id) : NULL;

  return known ? obk_key_identity_ref (known)
               : obk_key_identity_new (state->scope, snapshot->version, snapshot->created_at_unix);
}

ObkKeyring *
obk_keyring_new (const ObkState *state, guint32 serving, const ObkKeyring *previous)
{
  ObkKeyring *keyring = NULL;

  g_return_val_if_fail (state != NULL && serving > 0, NULL);

  keyring = g_new0 (ObkKeyring, 1);
  g_atomic_ref_count_init (&keyring->references);
  keyring->by_key_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)obk_key_identity_unref);
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);
      ObkKeyIdentity *identity = NULL;

      if (!obk_snapshot_is_retained (snapshot))
        continue;
      identity = identity_of (state, snapshot, previous);
      g_hash_table_insert (keyring->by_key_id, (gpointer)obk_key_identity_key_id (identity), identity);
      if (snapshot->version == serving)
        keyring->active = identity;
    }
  g_warn_if_fail (keyring->active != NULL);
  return keyring;
}

ObkKeyring *
obk_keyring_ref (ObkKeyring *keyring)
{
  g_atomic_ref_count_inc (&keyring->references);
  return keyring;
}

void
obk_keyring_unref (ObkKeyring *keyring)
{
  if (!g_atomic_ref_count_dec (&keyring->references))
    return;
  g_hash_table_unref (keyring->by_key_id);
  g_free (keyring);
}

const ObkKeyIdentity *
obk_keyring_active (const ObkKeyring *keyring)
{
  return keyring->active;
}

const ObkKeyIdentity *
obk_keyring_find (const ObkKeyring *keyring, const char *key_id)
{
  return g_hash_table_lookup (keyring->by_key_id, key_id);
}
