/* SPDX-License-Identifier: Apache-2.0 */
/* A field of the configuration in words, in Markdown. Part of the build, not of the product. */
#pragma once

#include "config/field.h"

G_BEGIN_DECLS

const char *field_type_text (const ObkConfigField *field);

/* Returns: (transfer full): all that the field must hold to */
char *field_rules_text (const ObkConfigField *field);

/* Returns: (transfer full): the default, or when the field is required */
char *field_default_text (const ObkConfigField *field);

G_END_DECLS
