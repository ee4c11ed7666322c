/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a state that may not be loaded, and from where a new one goes on. */
#pragma once

#include <glib.h>

#include "registry/state.h"

G_BEGIN_DECLS

/* A plain value; obk_damage_clear() empties it. */
typedef struct
{
  ObkState *state;    /* (nullable): the state file, when it is whole: then it is the pair that may not be loaded */
  guint64 generation; /* the highest that state and checkpoint prove; 0 when they prove none */
  char *current_hash; /* (nullable): the hash of that generation */
  char *hash;         /* names what is there: the state's own hash, else "krs1." and H of its file; without a state file
                         the same of the checkpoint */
} ObkDamage;

/**
 * obk_damage_read:
 * @path: state.path
 * @scope: the configuration's
 * @damage: (out caller-allocates)
 * @error: OBK_ERROR_STATE_REFUSED: the directory is missing or unsafe, or holds neither state nor checkpoint
 *
 * Changes nothing and needs no lock. Which history is trusted: a state that obk_document_read_state() takes, of
 * whatever checkpoint. Which generation: the higher one of what can be read.
 */
gboolean obk_damage_read (const char *path, const ObkScope *scope, ObkDamage *damage,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
void obk_damage_clear (ObkDamage *damage);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkDamage, obk_damage_clear)

G_END_DECLS
