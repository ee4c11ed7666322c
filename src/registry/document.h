/* SPDX-License-Identifier: Apache-2.0 */
/* The state and checkpoint documents, byte for byte (spec registry.md, "Files"). */
#pragma once

#include <glib.h>

#include "registry/state.h"

G_BEGIN_DECLS

#define OBK_STATE_SCHEMA "keyregistry.openbao-kms/v1alpha1"
#define OBK_CHECKPOINT_SCHEMA "keyregistry.openbao-kms/checkpoint/v1alpha1"
#define OBK_STATE_HASH_PREFIX "krs1."
/* Said of a state whose scope is not that of the configuration */
#define OBK_STATE_OTHER_SCOPE "of another identity scope"
#define OBK_STATE_OTHER_FORMAT "its schemaVersion is not" /* Said of a state or checkpoint of another release */
#define OBK_STATE_MAX_SIZE (16 * 1024 * 1024)
#define OBK_STATE_WARN_SIZE (12 * 1024 * 1024)

/* A plain value; obk_checkpoint_clear() empties it. */
typedef struct
{
  guint64 generation;
  char *current_hash;
} ObkCheckpoint;

/* @state: valid. Returns: (transfer full): the file's text; computes and sets @state's current_hash */
char *obk_document_write_state (ObkState *state, gsize *length);
char *obk_document_write_checkpoint (guint64 generation, const char *current_hash, gsize *length);

/**
 * obk_document_read_state:
 * @scope: the configuration's; a snapshot of another one is refused
 * @error: OBK_ERROR_STATE_REFUSED, one message a cause (spec registry.md, "Loading"): what is wrong, without the file
 *
 * Strict: what the format does not name is refused.
 */
ObkState *obk_document_read_state (const char *text, gsize length, const ObkScope *scope, GError **error);
gboolean obk_document_read_checkpoint (const char *text, gsize length, ObkCheckpoint *checkpoint,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
void obk_checkpoint_clear (ObkCheckpoint *checkpoint);

/* Whether @hash is "krs1." and H of something */
gboolean obk_document_is_hash (const char *hash);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkCheckpoint, obk_checkpoint_clear)

G_END_DECLS
