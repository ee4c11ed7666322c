/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of every node at every moment, whatever has happened. */
#include "invariants.h"

#include "registry/document.h"

static char *
check_valid (const ObkState *state)
{
  g_autoptr (GError) error = NULL;

  return obk_state_validate (state, &error) ? NULL : g_strdup_printf ("it would not load: %s", error->message);
}

static char *
check_document (const ObkState *state)
{
  g_autoptr (ObkState) written = obk_state_copy (state);
  g_autoptr (ObkState) read = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *again = NULL;
  gsize length = 0;

  if (written->generation == 0)
    written->generation = 1;
  text = obk_document_write_state (written, &length);
  read = obk_document_read_state (text, length, &cluster_scope, &error);
  if (read == NULL)
    return g_strdup_printf ("what is written is not read: %s", error->message);
  again = obk_document_write_state (read, &length);
  if (!obk_state_same_content (read, state) || !g_str_equal (text, again))
    return g_strdup ("what is read is not what was written");
  return NULL;
}

/* The key_id that every node must give to that version: derived from what OpenBao says, not from the state. */
static char *
check_key_ids (const ObkState *state, const OpenBao *bao)
{
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      gint64 created_at_unix = obk_key_metadata_created_at (bao->key, snapshot->version);
      g_autofree char *key_id = NULL;

      if (!obk_snapshot_is_retained (snapshot))
        continue;
      if (created_at_unix == 0)
        return g_strdup_printf ("version %u decrypts, but OpenBao does not have it", snapshot->version);
      key_id = obk_key_id_derive (&cluster_scope, snapshot->version, created_at_unix);
      if (!g_str_equal (key_id, snapshot->key_id))
        return g_strdup_printf ("version %u has another key_id than on other nodes", snapshot->version);
    }
  return NULL;
}

static char *
check_active (Node *node, guint32 retired_below)
{
  const ObkSnapshot *active = obk_state_active (node->state);

  if (active->version < node->active_before)
    return g_strdup_printf ("the active version goes back from %u to %u", node->active_before, active->version);
  if (node->running && !node->catching_up && active->version < retired_below)
    return g_strdup_printf ("version %u serves, but is retired elsewhere below %u", active->version, retired_below);
  node->active_before = active->version;
  g_hash_table_insert (node->served, g_strdup (active->key_id), GUINT_TO_POINTER (active->version));
  return NULL;
}

static char *
check_served (const Node *node)
{
  g_autoptr (GHashTable) retained = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer key_id = NULL;
  gpointer version = NULL;

  for (guint i = 0; i < node->state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (node->state->snapshots, ObkSnapshot, i);

      if (obk_snapshot_is_retained (snapshot))
        g_hash_table_add (retained, (gpointer)snapshot->key_id);
    }
  g_hash_table_iter_init (&iter, node->served);
  while (g_hash_table_iter_next (&iter, &key_id, &version))
    if (!g_hash_table_contains (retained, key_id))
      return g_strdup_printf ("version %u was served and does not decrypt", GPOINTER_TO_UINT (version));
  return NULL;
}

/* What depends on the state alone, and takes its time. */
static char *
check_changed (Node *node)
{
  char *fault = NULL;

  if (node->checked != NULL && obk_state_same_content (node->checked, node->state))
    return NULL;
  fault = check_valid (node->state);
  if (fault == NULL)
    fault = check_document (node->state);
  obk_state_free (node->checked);
  node->checked = obk_state_copy (node->state);
  return fault;
}

char *
invariants_check (Node *node, const OpenBao *bao, guint32 retired_below)
{
  char *fault = check_changed (node);

  if (fault == NULL)
    fault = check_key_ids (node->state, bao);
  if (fault == NULL)
    fault = check_active (node, retired_below);
  if (fault == NULL)
    fault = check_served (node);
  return fault;
}
