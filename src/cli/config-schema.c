/* SPDX-License-Identifier: Apache-2.0 */
/* "config schema": the configuration's JSON Schema. */
#include "cli/command.h"

#include "base/names.h"
#include "config/schema.h"

#include <glib/gi18n.h>

#include <stdio.h>

static ObkExit
run (const ObkGlobals *globals)
{
  g_autofree char *schema = obk_config_schema ();

  fputs (schema, stdout);
  return OBK_EXIT_OK;
}

const ObkCommand obk_command_config_schema = {
  .name = "config schema",
  .summary = N_ ("Show the JSON Schema of the configuration file."),
  .example = OBK_PROGRAM " config schema > config.schema.json",
  .run = run,
};
