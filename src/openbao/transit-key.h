/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to GET keys/KEY, read strictly. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/key-metadata.h"

G_BEGIN_DECLS

#define OBK_TRANSIT_MAX_VERSIONS 100000

/**
 * obk_transit_key_read:
 * @data: the answer's "data"
 * @error: OBK_ERROR_JSON, naming the member that is missing or wrong
 *
 * What the profile depends on must be there; minima, and what older releases do not say, may be missing. Creation
 * times are Unix seconds, RFC 3339 texts, or objects with "creation_time", as keys have that cannot encrypt.
 */
ObkKeyMetadata *obk_transit_key_read (const json_t *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
