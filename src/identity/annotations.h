/* SPDX-License-Identifier: Apache-2.0 */
/* The annotations of a KMS v2 answer, and the form that a request's must have. */
#pragma once

#include <glib.h>

#include "identity/scope.h"

G_BEGIN_DECLS

/* One entry; the bytes are borrowed and @value need not end in a zero byte. */
typedef struct
{
  const char *key; /* zero-terminated */
  const char *value;
  gsize value_length;
} ObkAnnotation;

/* Returns: (nullable): the entry; of a key that comes twice the last counts, as protobuf says of maps */
const ObkAnnotation *obk_annotations_find (const ObkAnnotation *annotations, gsize n, const char *key);

/* Whether there is one (not %NULL) with exactly this value. */
gboolean obk_annotation_is (const ObkAnnotation *annotation, const char *value);

/**
 * obk_annotations_check_limits:
 * @error: OBK_ERROR_REQUEST_LIMIT
 *
 * The protocol's limits (spec kms-v2.md, "Limits"): keys are FQDNs, values UTF-8, the sum of all is capped.
 */
gboolean obk_annotations_check_limits (const ObkAnnotation *annotations, gsize n,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_annotations_check_form:
 * @scope: says whether a namespace hash must be there
 * @error: OBK_ERROR_ANNOTATION_INVALID when one that is needed is missing, empty or malformed;
 *   OBK_ERROR_AAD_MISMATCH for a namespace hash where the scope has no namespace
 *
 * Malformed is what can belong to no key at all: another provider marker or aad-version, a hash that
 * is no hash, a version that is not written as we write it (a sign, a leading zero, a space, more
 * than 32 bits). What has the form but is another key's is left to obk_key_identity_check().
 */
gboolean obk_annotations_check_form (const ObkAnnotation *annotations, gsize n, const ObkScope *scope,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_annotations_are_of_scope:
 * @annotations: of good form
 * @key_id: well formed
 *
 * Whether provider marker, mount, key, namespace and key-id hashes are ours, as discovery demands.
 */
gboolean obk_annotations_are_of_scope (const ObkAnnotation *annotations, gsize n, const ObkScope *scope,
                                       const char *key_id);

/* Returns: the key version that annotations of good form name, > 0 */
guint32 obk_annotations_key_version (const ObkAnnotation *annotations, gsize n);

G_END_DECLS
