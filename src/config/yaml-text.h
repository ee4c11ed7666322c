/* SPDX-License-Identifier: Apache-2.0 */
/* Writing YAML that we, and every other reader, read as what was meant. */
#pragma once

#include <glib.h>

#include "config/config.h"

G_BEGIN_DECLS

/* Returns: (transfer full): @text as a scalar: as it is when nobody can mistake it, else in double quotes */
char *obk_yaml_text_scalar (const char *text);

/**
 * obk_yaml_text_of_config:
 *
 * Everything that was set in the file that @config is from, in the order of the field table, without the section
 * "setup". obk_config_parse() makes the same configuration of it.
 *
 * Returns: (transfer full): YAML with a newline at the end
 */
char *obk_yaml_text_of_config (const ObkConfig *config);

G_END_DECLS
