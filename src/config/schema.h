/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's JSON Schema, made from the field table. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_config_schema:
 *
 * JSON Schema, draft 2020-12. It knows what stands in the field table: names, types, defaults, patterns, limits, and
 * what is required when. Rules between fields (obk_draft_check()) are beyond it, so that it accepts a little more than
 * we do.
 *
 * Returns: (transfer full): the schema, indented, with a newline at the end
 */
char *obk_config_schema (void);

/* The same of the values file of `init`: fields that have a default there are not required. */
char *obk_config_schema_of_values (void);

G_END_DECLS
