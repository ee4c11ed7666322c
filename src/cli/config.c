/* SPDX-License-Identifier: Apache-2.0 */
/* "config": the resolved configuration, and where each value comes from. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/names.h"
#include "config/field.h"
#include "config/value.h"
#include "provider/scope.h"

#include <glib/gi18n.h>

#include <stdio.h>

#define FIELD_WIDTH 40
#define VALUE_WIDTH 44

static const char *
origin_name (ObkOrigin origin)
{
  static const char *const names[] = {
    [OBK_ORIGIN_DEFAULT] = "default",
    [OBK_ORIGIN_FILE] = "file",
    [OBK_ORIGIN_ENVIRONMENT] = "environment",
    [OBK_ORIGIN_FLAG] = "flag",
  };

  return names[origin];
}

/* Fields that nobody has set and that have no default say nothing. */
static void
print_text (const ObkConfig *config, const char *path, const char *fingerprint)
{
  printf (_ ("configuration  %s\n"), path);
  printf (_ ("fingerprint    %s\n\n"), fingerprint);
  for (gsize i = 0; i < obk_config_n_fields (); i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      ObkOrigin origin = obk_config_field_origin (field, config);
      g_autofree char *value = obk_value_to_text (field, config);

      if (origin == OBK_ORIGIN_DEFAULT && obk_value_is_empty (field, config))
        continue;
      printf ("%-*s  %-*s  %s\n", FIELD_WIDTH, field->name, VALUE_WIDTH, value[0] != '\0' ? value : "\"\"",
              origin_name (origin));
    }
}

static void
print_json (const ObkConfig *config, const char *path, const char *fingerprint)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *valid_path = g_utf8_make_valid (path, -1);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "configFile", valid_path);
  obk_canonical_json_string (json, "fingerprint", fingerprint);
  obk_canonical_json_begin_object (json, "fields");
  for (gsize i = 0; i < obk_config_n_fields (); i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];

      obk_canonical_json_begin_object (json, field->name);
      obk_value_to_json (field, config, json, "value");
      obk_canonical_json_string (json, "origin", origin_name (obk_config_field_origin (field, config)));
      obk_canonical_json_string (json, "reload", obk_reload_name (field->reload));
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_object (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autoptr (ObkConfig) config = obk_command_load_config (globals);
  const char *path = obk_config_path (globals->config_path);
  g_autofree char *fingerprint = NULL;

  if (config == NULL)
    return OBK_EXIT_CONFIG;
  fingerprint = obk_config_fingerprint (config);
  if (globals->json)
    print_json (config, path, fingerprint);
  else
    print_text (config, path, fingerprint);
  return OBK_EXIT_OK;
}

const ObkCommand obk_command_config = {
  .name = "config",
  .summary = N_ ("Check the configuration; show every value with its origin, and the fingerprint."),
  .example = OBK_PROGRAM " config --config /etc/openbao-kms/config.yaml",
  .run = run,
  .has_report = TRUE,
};
