/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two configurations, by the field table. Pure. */
#pragma once

#include <glib.h>

#include "config/field.h"

G_BEGIN_DECLS

/**
 * obk_config_changes:
 *
 * Returns: (transfer container) (element-type ObkConfigField): the rows whose values differ, in the table's order;
 * where a value came from makes no difference
 */
GPtrArray *obk_config_changes (const ObkConfig *before, const ObkConfig *after);

/* Returns: whether one of @changes is of that kind */
gboolean obk_config_changes_have (const GPtrArray *changes, ObkReload reload);

/* Returns: whether one of @changes is @name, or below it when @name ends with a dot */
gboolean obk_config_changes_touch (const GPtrArray *changes, const char *name);

/* Returns: (transfer full): their names, with commas; "" for none */
char *obk_config_changes_names (const GPtrArray *changes);

G_END_DECLS
