/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenBao of one Transit key: rotated, trimmed, restored, and read by way of standbys that lag. */
#pragma once

#include "base/key-metadata.h"

G_BEGIN_DECLS

/* Its clock is the true time, in Unix seconds; nobody else's need be. */
typedef struct
{
  gint64 now;
  ObkKeyMetadata *key; /* with every version that it still has */
  GPtrArray *views;    /* what it was, from when on: for the standbys */
} OpenBao;

OpenBao *openbao_new (gint64 now);
void openbao_free (OpenBao *bao);

void openbao_rotate (OpenBao *bao);
void openbao_set_minimum_encryption (OpenBao *bao, guint32 version);
void openbao_set_minimum (OpenBao *bao, guint32 decryption, guint32 available);
/* From a backup of before: nothing is left of what came after @latest, and no standby remembers it */
void openbao_restore (OpenBao *bao, guint32 latest);

/* Returns: (transfer full): the answer of a standby that is @lag seconds behind, 0 for the active node's */
ObkKeyMetadata *openbao_read (const OpenBao *bao, gint64 lag);

G_END_DECLS
