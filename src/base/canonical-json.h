/* SPDX-License-Identifier: Apache-2.0 */
/* The one JSON encoder: members in the order given, strings escaped as Go's encoding/json does. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ObkCanonicalJson:
 *
 * Writes associated data, the fingerprint, the state hash and the state file (spec identity.md,
 * "Associated data"). With an indent it writes one member or element a line, as Go's MarshalIndent
 * with that many spaces does (empty arrays and objects stay on one line).
 * Strings must be valid UTF-8 (callers have validated; anything else is a programmer error).
 */
typedef struct _ObkCanonicalJson ObkCanonicalJson;

ObkCanonicalJson *obk_canonical_json_new (guint indent);
void obk_canonical_json_free (ObkCanonicalJson *json);

/* @name: the member's name inside an object; %NULL inside an array and at the top */
void obk_canonical_json_begin_object (ObkCanonicalJson *json, const char *name);
void obk_canonical_json_end_object (ObkCanonicalJson *json);
void obk_canonical_json_begin_array (ObkCanonicalJson *json, const char *name);
void obk_canonical_json_end_array (ObkCanonicalJson *json);
void obk_canonical_json_string (ObkCanonicalJson *json, const char *name, const char *value);
void obk_canonical_json_int (ObkCanonicalJson *json, const char *name, gint64 value);
void obk_canonical_json_double (ObkCanonicalJson *json, const char *name, double value); /* logs only */
void obk_canonical_json_boolean (ObkCanonicalJson *json, const char *name, gboolean value);
void obk_canonical_json_null (ObkCanonicalJson *json, const char *name);

/* Returns: (transfer full): the text; the writer is empty afterwards */
char *obk_canonical_json_steal (ObkCanonicalJson *json, gsize *length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCanonicalJson, obk_canonical_json_free)

G_END_DECLS
