/* SPDX-License-Identifier: Apache-2.0 */
/* Writing YAML that we, and every other reader, read as what was meant. */
#include "config/yaml-text.h"

#include "base/canonical-json.h"
#include "config/field.h"
#include "config/value.h"

#include <string.h>

#define INDENT 2

/* Whether no reader of YAML 1.1 or 1.2 takes it for anything but this text. */
static gboolean
is_plain (const char *text)
{
  static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n", NULL };
  g_autofree char *lower = g_ascii_strdown (text, -1);

  if (!g_ascii_isalpha (text[0]) && text[0] != '/')
    return FALSE;
  for (const char *at = text; *at != '\0'; at++)
    if (!g_ascii_isalnum (*at) && strchr ("-_./@:", *at) == NULL)
      return FALSE;
  return text[strlen (text) - 1] != ':' && !g_strv_contains (words, lower);
}

char *
obk_yaml_text_scalar (const char *text)
{
  g_autoptr (ObkCanonicalJson) json = NULL;

  g_return_val_if_fail (text != NULL, NULL);

  if (is_plain (text))
    return g_strdup (text);
  json = obk_canonical_json_new (0); /* whose escapes YAML has too */
  obk_canonical_json_string (json, NULL, text);
  return obk_canonical_json_steal (json, NULL);
}

/* Whether the value is text, and so may need quotes */
static gboolean
is_text (const ObkConfigField *field)
{
  return field->type == OBK_TYPE_STRING || field->type == OBK_TYPE_STRINGS || field->type == OBK_TYPE_CHOICE;
}

static void
write_list (GString *yaml, const ObkConfigField *field, const ObkConfig *config, guint indent)
{
  g_auto (GStrv) items = obk_value_to_items (field, config);

  g_string_append_c (yaml, '\n');
  for (char **item = items; *item != NULL; item++)
    {
      g_autofree char *scalar = is_text (field) ? obk_yaml_text_scalar (*item) : g_strdup (*item);

      g_string_append_printf (yaml, "%*s- %s\n", (int)indent, "", scalar);
    }
}

static void
write_value (GString *yaml, const ObkConfigField *field, const ObkConfig *config, guint indent)
{
  g_autofree char *text = NULL;
  g_autofree char *scalar = NULL;

  if (obk_config_type_is_list (field->type))
    {
      write_list (yaml, field, config, indent + INDENT);
      return;
    }
  text = obk_value_to_text (field, config);
  if (field->type == OBK_TYPE_MODE)
    scalar = g_strdup_printf ("\"%s\"", text);
  else
    scalar = is_text (field) ? obk_yaml_text_scalar (text) : g_strdup (text);
  g_string_append_printf (yaml, " %s\n", scalar);
}

static gboolean
was_given (const ObkConfigField *field, const ObkConfig *config)
{
  return obk_config_field_origin (field, config) == OBK_ORIGIN_FILE
         && (!obk_value_is_empty (field, config) || field->preset != NULL);
}

static void
write_section (GString *yaml, const char *section, const ObkConfig *config, guint indent)
{
  ObkConfigChildren children = { .section = section };

  while (obk_config_children_next (&children))
    {
      gsize start = yaml->len;
      gsize head = 0;

      if (children.field != NULL && !was_given (children.field, config))
        continue;
      if (indent == 0 && start > 0)
        g_string_append_c (yaml, '\n');
      g_string_append_printf (yaml, "%*s%s:", (int)indent, "", children.leaf);
      if (children.field != NULL)
        {
          write_value (yaml, children.field, config, indent);
          continue;
        }
      g_string_append_c (yaml, '\n');
      head = yaml->len;
      write_section (yaml, children.name, config, indent + INDENT);
      if (yaml->len == head) /* nothing in it */
        g_string_truncate (yaml, start);
    }
}

char *
obk_yaml_text_of_config (const ObkConfig *config)
{
  GString *yaml = NULL;

  g_return_val_if_fail (config != NULL, NULL);

  yaml = g_string_new (NULL);
  write_section (yaml, "", config, 0);
  return g_string_free (yaml, FALSE);
}
