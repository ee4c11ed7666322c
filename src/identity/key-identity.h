/* SPDX-License-Identifier: Apache-2.0 */
/* All that one key version's identity gives: key_id, annotations, associated data. Immutable. */
#pragma once

#include <glib.h>

#include "identity/annotations.h"
#include "identity/scope.h"

G_BEGIN_DECLS

/**
 * ObkKeyIdentity:
 *
 * Reference-counted, immutable, for any thread; computed once a snapshot, so that a request only
 * compares and copies. Strings are borrowed from it.
 */
typedef struct _ObkKeyIdentity ObkKeyIdentity;

ObkKeyIdentity *obk_key_identity_new (const ObkScope *scope, guint32 version, gint64 created_at_unix);
ObkKeyIdentity *obk_key_identity_ref (ObkKeyIdentity *identity);
void obk_key_identity_unref (ObkKeyIdentity *identity);

guint32 obk_key_identity_version (const ObkKeyIdentity *identity);
const char *obk_key_identity_key_id (const ObkKeyIdentity *identity);
const char *obk_key_identity_key_id_hash (const ObkKeyIdentity *identity);
/* The JSON object of spec identity.md, "Associated data", and its standard padded base64 */
const char *obk_key_identity_associated_data (const ObkKeyIdentity *identity);
const char *obk_key_identity_associated_data_base64 (const ObkKeyIdentity *identity);
/* What Encrypt answers, plugin-version included */
const ObkAnnotation *obk_key_identity_annotations (const ObkKeyIdentity *identity, gsize *n);

/**
 * obk_key_identity_check:
 * @annotations: a request's, already through obk_annotations_check_form()
 * @error: OBK_ERROR_AAD_MISMATCH
 *
 * Whether they equal what this identity demands: all but plugin-version.
 */
gboolean obk_key_identity_check (const ObkKeyIdentity *identity, const ObkAnnotation *annotations, gsize n,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkKeyIdentity, obk_key_identity_unref)

G_END_DECLS
