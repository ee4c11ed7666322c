/* SPDX-License-Identifier: Apache-2.0 */
/* The two reads of a metadata probe, as one. */
#pragma once

#include <glib.h>

#include "openbao/transit.h"

G_BEGIN_DECLS

/* Valid until its callback has run or it is cancelled. */
typedef struct _ObkMetadataRead ObkMetadataRead;

/**
 * ObkMetadataReadDone:
 * @metadata: (nullable): with disable_upsert; borrowed
 * @reason: static: what /ready says of @error: "auth_failed", "metadata_read_failed", "upsert_check_failed"; a key or
 *   mount that is missing is definite: "profile_invalid"
 * @error: (nullable)
 */
typedef void (*ObkMetadataReadDone) (const ObkKeyMetadata *metadata, const char *reason, const GError *error,
                                     gpointer user_data);

/* Bounded by openbao.timeout. The callback never runs from within this function. */
ObkMetadataRead *obk_metadata_read_start (ObkTransit *transit, ObkMetadataReadDone done, gpointer user_data);
void obk_metadata_read_cancel (ObkMetadataRead *read);

/* Returns: static: "auth_failed" for what has to do with the token, else @otherwise */
const char *obk_metadata_read_reason (const GError *error, const char *otherwise);

G_END_DECLS
