/* SPDX-License-Identifier: Apache-2.0 */
/* The state and checkpoint documents, byte for byte (spec registry.md, "Files"). */
#pragma once

#include <glib.h>

#include "registry/state.h"

G_BEGIN_DECLS

#define OBK_STATE_SCHEMA "keyregistry.openbao-kms/v1alpha1"
#define OBK_CHECKPOINT_SCHEMA "keyregistry.openbao-kms/checkpoint/v1alpha1"
#define OBK_STATE_MAX_SIZE (16 * 1024 * 1024)
#define OBK_STATE_WARN_SIZE (12 * 1024 * 1024)

typedef struct
{
  guint64 generation;
  char *current_hash;
} ObkCheckpoint;

/* Returns: (transfer full): the file's text; computes and sets @state's current_hash */
char *obk_document_write_state (ObkState *state, gsize *length);
char *obk_document_write_checkpoint (const ObkState *state, gsize *length);

/**
 * obk_document_read_state:
 * @scope: the configuration's; a snapshot of another one is refused
 * @error: OBK_ERROR_STATE_REFUSED, one message a cause (spec registry.md, "Loading")
 */
ObkState *obk_document_read_state (const char *text, gsize length, const ObkScope *scope, GError **error);
gboolean obk_document_read_checkpoint (const char *text, gsize length, ObkCheckpoint *checkpoint, GError **error);
void obk_checkpoint_clear (ObkCheckpoint *checkpoint);

G_END_DECLS
