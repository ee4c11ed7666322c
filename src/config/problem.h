/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting what is wrong with a configuration. */
#pragma once

#include <glib.h>

#include "config/config.h"

G_BEGIN_DECLS

/* Past this many there is one more that says so, and no further ones. */
#define OBK_CONFIG_MAX_PROBLEMS 100

/* Returns: (transfer full) (element-type ObkConfigProblem): empty, owning its elements */
GPtrArray *obk_config_problems_new (void);

/* @field: "" for the file as a whole; @line, @column: from 1, or 0 */
void obk_config_problem_add (GPtrArray *problems, const char *field, guint line, guint column, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/* Of an anchor or an alias: OBK_PROBLEM_YAML_FEATURE */
void obk_config_problem_add_yaml_feature (GPtrArray *problems, const char *field, guint line, guint column,
                                          const char *text);

/* @source: the flag or variable whose value is wrong */
void obk_config_problem_add_override (GPtrArray *problems, const char *field, const char *source, const char *text);

G_END_DECLS
