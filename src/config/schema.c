/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's JSON Schema, made from the field table. */
#include "config/schema.h"

#include "base/canonical-json.h"
#include "config/field.h"
#include "config/value.h"

#include <string.h>

#define DRAFT "https://json-schema.org/draft/2020-12/schema"
#define DURATION "^[+]?(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$"
#define MODE "^(0o)?[0-7]+$"
#define MAX_UID 4294967294

static void
write_pattern (ObkCanonicalJson *json, const ObkConfigField *field)
{
  /* Empty is as good as not there, unless that is never allowed. */
  gboolean may_be_empty
      = field->type == OBK_TYPE_STRING && field->preset == NULL && field->required != OBK_REQUIRED_ALWAYS;
  g_autofree char *pattern = NULL;

  if (field->rule == NULL || field->rule->pattern == NULL)
    return;
  pattern = g_strconcat (may_be_empty ? "^$|" : "", field->rule->pattern, NULL);
  obk_canonical_json_string (json, "pattern", pattern);
}

static void
write_choices (ObkCanonicalJson *json, const ObkConfigField *field)
{
  if (field->choices == NULL)
    return;
  obk_canonical_json_begin_array (json, "enum");
  for (gsize i = 0; field->choices[i] != NULL; i++)
    obk_canonical_json_string (json, NULL, field->choices[i]);
  if (field->preset == NULL && field->required != OBK_REQUIRED_ALWAYS)
    obk_canonical_json_string (json, NULL, "");
  obk_canonical_json_end_array (json);
}

/* What is a string for us, and may be written as a number in YAML. */
static void
write_string_or_integer (ObkCanonicalJson *json)
{
  obk_canonical_json_begin_array (json, "type");
  obk_canonical_json_string (json, NULL, "string");
  obk_canonical_json_string (json, NULL, "integer");
  obk_canonical_json_end_array (json);
}

static void
write_list (ObkCanonicalJson *json, const ObkConfigField *field)
{
  obk_canonical_json_string (json, "type", "array");
  obk_canonical_json_int (json, "maxItems", field->max);
  obk_canonical_json_boolean (json, "uniqueItems", TRUE);
  obk_canonical_json_begin_object (json, "items");
  if (field->type == OBK_TYPE_STRINGS)
    {
      obk_canonical_json_string (json, "type", "string");
      write_pattern (json, field);
    }
  else
    {
      obk_canonical_json_string (json, "type", "integer");
      obk_canonical_json_int (json, "minimum", 0);
      obk_canonical_json_int (json, "maximum", MAX_UID);
    }
  obk_canonical_json_end_object (json);
}

static void
write_type (ObkCanonicalJson *json, const ObkConfigField *field)
{
  switch (field->type)
    {
    case OBK_TYPE_STRING:
    case OBK_TYPE_CHOICE:
      if (field->rule == &obk_rule_group)
        write_string_or_integer (json);
      else
        obk_canonical_json_string (json, "type", "string");
      write_pattern (json, field);
      write_choices (json, field);
      break;
    case OBK_TYPE_INTEGER:
      obk_canonical_json_string (json, "type", "integer");
      obk_canonical_json_int (json, "minimum", field->min);
      obk_canonical_json_int (json, "maximum", field->max);
      break;
    case OBK_TYPE_BOOLEAN:
      obk_canonical_json_string (json, "type", "boolean");
      break;
    case OBK_TYPE_DURATION:
      obk_canonical_json_string (json, "type", "string");
      obk_canonical_json_string (json, "pattern", DURATION);
      break;
    case OBK_TYPE_MODE:
      write_string_or_integer (json);
      obk_canonical_json_string (json, "pattern", MODE);
      break;
    case OBK_TYPE_STRINGS:
    case OBK_TYPE_UIDS:
      write_list (json, field);
      break;
    }
}

static void
write_default (ObkCanonicalJson *json, const ObkConfigField *field, const char *preset)
{
  if (preset == NULL)
    return;
  if (field->type == OBK_TYPE_INTEGER)
    obk_canonical_json_int (json, "default", g_ascii_strtoll (preset, NULL, 10));
  else if (field->type == OBK_TYPE_BOOLEAN)
    obk_canonical_json_boolean (json, "default", strcmp (preset, "true") == 0);
  else
    obk_canonical_json_string (json, "default", preset);
}

static void
write_field (ObkCanonicalJson *json, const char *name, const ObkConfigField *field, gsize end)
{
  const char *suggested = end > obk_config_n_fields () ? field->suggested : NULL;

  obk_canonical_json_begin_object (json, name);
  obk_canonical_json_string (json, "description", field->help);
  write_type (json, field);
  write_default (json, field, suggested != NULL ? suggested : field->preset);
  obk_canonical_json_end_object (json);
}

/* Whether @name is a field, or a section with a field, that is required so. @end: rows of the document */
static gboolean
has_required (const char *name, ObkRequired required, gsize end)
{
  gsize length = strlen (name);
  gboolean values = end > obk_config_n_fields ();

  for (gsize i = 0; i < end; i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];

      if (field->required == required && !(values && field->suggested != NULL)
          && strncmp (field->name, name, length) == 0 && (field->name[length] == '.' || field->name[length] == '\0'))
        return TRUE;
    }
  return FALSE;
}

static void
write_required (ObkCanonicalJson *json, const char *section, ObkRequired required, gsize end)
{
  ObkConfigChildren children = { .section = section, .end = end };

  obk_canonical_json_begin_array (json, "required");
  while (obk_config_children_next (&children))
    if (has_required (children.name, required, end))
      obk_canonical_json_string (json, NULL, children.leaf);
  obk_canonical_json_end_array (json);
}

/* The members of an object with all the fields of @section */
static void
write_section (ObkCanonicalJson *json, const char *section, gsize end)
{
  ObkConfigChildren children = { .section = section, .end = end };

  obk_canonical_json_string (json, "type", "object");
  obk_canonical_json_boolean (json, "additionalProperties", FALSE);
  write_required (json, section, OBK_REQUIRED_ALWAYS, end);
  obk_canonical_json_begin_object (json, "properties");
  while (obk_config_children_next (&children))
    {
      if (children.field != NULL)
        {
          write_field (json, children.leaf, children.field, end);
          continue;
        }
      obk_canonical_json_begin_object (json, children.leaf);
      write_section (json, children.name, end);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_object (json);
}

/* The members of an object that demands what is @required below @section */
static void
write_demand (ObkCanonicalJson *json, const char *section, ObkRequired required, gsize end)
{
  ObkConfigChildren children = { .section = section, .end = end };

  write_required (json, section, required, end);
  obk_canonical_json_begin_object (json, "properties");
  while (obk_config_children_next (&children))
    {
      if (children.field != NULL || !has_required (children.name, required, end))
        continue;
      obk_canonical_json_begin_object (json, children.leaf);
      write_demand (json, children.name, required, end);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_object (json);
}

/* An object that matches where @name has @value. A field that is not there has its default. */
static void
write_equals (ObkCanonicalJson *json, const ObkConfigEquals *equals)
{
  const ObkConfigField *field = obk_config_field_find (equals->name);
  gboolean is_default = g_strcmp0 (field->preset != NULL ? field->preset : "", equals->value) == 0;
  g_auto (GStrv) names = g_strsplit (equals->name, ".", -1);
  gsize n = g_strv_length (names);

  obk_canonical_json_begin_object (json, NULL);
  for (gsize i = 0; i < n; i++)
    {
      if (!is_default)
        {
          obk_canonical_json_begin_array (json, "required");
          obk_canonical_json_string (json, NULL, names[i]);
          obk_canonical_json_end_array (json);
        }
      obk_canonical_json_begin_object (json, "properties");
      obk_canonical_json_begin_object (json, names[i]);
    }
  obk_canonical_json_string (json, "const", equals->value);
  for (gsize i = 0; i < 2 * n + 1; i++)
    obk_canonical_json_end_object (json);
}

static void
write_condition (ObkCanonicalJson *json, ObkRequired required, gsize end)
{
  const ObkFieldCondition *condition = obk_field_condition_get (required);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_begin_object (json, "if");
  obk_canonical_json_begin_array (json, "allOf");
  for (gsize i = 0; i < G_N_ELEMENTS (condition->all); i++)
    if (condition->all[i].name != NULL)
      write_equals (json, &condition->all[i]);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  obk_canonical_json_begin_object (json, "then");
  write_demand (json, "", required, end);
  obk_canonical_json_end_object (json);
  obk_canonical_json_end_object (json);
}

static char *
write_schema (const char *title, gsize end)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "$schema", DRAFT);
  obk_canonical_json_string (json, "title", title);
  write_section (json, "", end);
  obk_canonical_json_begin_array (json, "allOf");
  for (ObkRequired required = OBK_REQUIRED_ALWAYS + 1; required < OBK_REQUIRED_LAST; required++)
    write_condition (json, required, end);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  return g_strconcat (text, "\n", NULL);
}

char *
obk_config_schema (void)
{
  return write_schema ("Configuration of bao-kms-provider", obk_config_n_fields ());
}

char *
obk_config_schema_of_values (void)
{
  return write_schema ("Values for bao-kms-provider init", obk_config_n_fields_of_values ());
}
