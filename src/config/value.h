/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a field's value into an ObkConfig, and getting it out again, by its row of the table. */
#pragma once

#include <glib.h>

#include "base/canonical-json.h"
#include "config/field.h"

G_BEGIN_DECLS

/**
 * obk_value_set:
 * @field: any but a list
 * @text: as written
 *
 * Returns: (transfer full) (nullable): what is wrong, for people, and @config is as it was; %NULL when it is set
 */
char *obk_value_set (const ObkConfigField *field, ObkConfig *config, const char *text);

/* For lists. @problem: what is wrong with that one item. Nothing is added then. */
char *obk_value_add_item (const ObkConfigField *field, ObkConfig *config, const char *text);

gboolean obk_config_type_is_list (ObkConfigType type);

/* Makes every field empty, and every list that list which has nothing in it; then the defaults. */
void obk_value_init (const ObkConfigField *field, ObkConfig *config);
void obk_value_clear (const ObkConfigField *field, ObkConfig *config);

/* @field: a string. Returns: (transfer none): it */
const char *obk_value_string (const ObkConfigField *field, const ObkConfig *config);
/* Returns: (transfer full): as it would be written in the file; a list as "[a, b]" */
char *obk_value_to_text (const ObkConfigField *field, const ObkConfig *config);
/* Returns: (transfer full): the texts of a list's items */
GStrv obk_value_to_items (const ObkConfigField *field, const ObkConfig *config);
void obk_value_to_json (const ObkConfigField *field, const ObkConfig *config, ObkCanonicalJson *json, const char *name);
/* Whether there is nothing in it: an empty string or list, an integer that was never given */
gboolean obk_value_is_empty (const ObkConfigField *field, const ObkConfig *config);
gboolean obk_value_equal (const ObkConfigField *field, const ObkConfig *a, const ObkConfig *b);

G_END_DECLS
