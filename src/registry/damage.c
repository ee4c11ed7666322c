/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a state that may not be loaded, and from where a new one goes on. */
#include "registry/damage.h"

#include "base/error.h"
#include "registry/document.h"
#include "registry/state-directory.h"

void
obk_damage_clear (ObkDamage *damage)
{
  g_clear_pointer (&damage->state, obk_state_free);
  g_clear_pointer (&damage->current_hash, g_free);
  g_clear_pointer (&damage->hash, g_free);
  damage->generation = 0;
}

/* Returns: (transfer full) (nullable): the state, when its file is safe and whole */
static ObkState *
read_state (ObkStateDirectory *directory, const ObkScope *scope)
{
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!obk_state_directory_read (directory, OBK_STATE_FILE_STATE, &text, &length, NULL) || text == NULL)
    return NULL;
  return obk_document_read_state (text, length, scope, NULL);
}

/* @checkpoint: generation 0 when there is none to be trusted */
static void
read_checkpoint (ObkStateDirectory *directory, ObkCheckpoint *checkpoint)
{
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!obk_state_directory_read (directory, OBK_STATE_FILE_CHECKPOINT, &text, &length, NULL) || text == NULL
      || !obk_document_read_checkpoint (text, length, checkpoint, NULL)
      || checkpoint->generation >= G_MAXINT64) /* no other could follow it */
    obk_checkpoint_clear (checkpoint);
}

static char *
name_damage (const ObkStateDirectory *directory, const ObkState *state, const ObkCheckpoint *checkpoint)
{
  g_autofree char *digest = NULL;

  if (state != NULL)
    return g_strdup (state->current_hash);
  digest = obk_state_directory_digest (directory, OBK_STATE_FILE_STATE);
  if (digest == NULL && checkpoint->generation > 0)
    return g_strdup (checkpoint->current_hash);
  if (digest == NULL)
    digest = obk_state_directory_digest (directory, OBK_STATE_FILE_CHECKPOINT);
  return digest != NULL ? g_strconcat (OBK_STATE_HASH_PREFIX, digest, NULL) : NULL;
}

gboolean
obk_damage_read (const char *path, const ObkScope *scope, ObkDamage *damage, GError **error)
{
  g_autoptr (ObkStateDirectory) directory = NULL;
  g_auto (ObkCheckpoint) checkpoint = { 0 };

  g_return_val_if_fail (path != NULL && scope != NULL && damage != NULL, FALSE);

  *damage = (ObkDamage){ 0 };
  directory = obk_state_directory_open (path, error);
  if (directory == NULL)
    return FALSE;
  damage->state = read_state (directory, scope);
  read_checkpoint (directory, &checkpoint);
  damage->hash = name_damage (directory, damage->state, &checkpoint);
  if (damage->hash == NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED, "there is neither state nor checkpoint at \"%s\"", path);
      return FALSE;
    }
  damage->generation = checkpoint.generation;
  damage->current_hash = g_steal_pointer (&checkpoint.current_hash);
  if (damage->state != NULL && damage->state->generation > damage->generation && damage->state->generation < G_MAXINT64)
    {
      g_free (damage->current_hash);
      damage->generation = damage->state->generation;
      damage->current_hash = g_strdup (damage->state->current_hash);
    }
  return TRUE;
}
