/* SPDX-License-Identifier: Apache-2.0 */
/* A field of the configuration in words, in Markdown. Part of the build, not of the product. */
#include "field-text.h"

#include <string.h>

const char *
field_type_text (const ObkConfigField *field)
{
  static const char *const names[] = {
    [OBK_TYPE_STRING] = "string",     [OBK_TYPE_STRINGS] = "list of strings", [OBK_TYPE_UIDS] = "list of uids",
    [OBK_TYPE_INTEGER] = "number",    [OBK_TYPE_BOOLEAN] = "boolean",         [OBK_TYPE_DURATION] = "duration",
    [OBK_TYPE_CHOICE] = "one of few", [OBK_TYPE_MODE] = "octal mode",
  };

  return names[field->type];
}

static void
add (GPtrArray *parts, char *part)
{
  g_ptr_array_add (parts, part);
}

char *
field_rules_text (const ObkConfigField *field)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);
  gboolean is_list = field->type == OBK_TYPE_STRINGS || field->type == OBK_TYPE_UIDS;

  if (field->choices != NULL)
    {
      g_autofree char *choices = g_strjoinv ("`, `", (GStrv)field->choices);

      add (parts, g_strdup_printf ("`%s`", choices));
    }
  if (field->rule != NULL)
    add (parts, g_strdup_printf ("%s%s", is_list ? "each: " : "", field->rule->text));
  if (field->type == OBK_TYPE_MODE)
    add (parts, g_strdup ("no world access, no execute bit"));
  if (field->type == OBK_TYPE_DURATION)
    add (parts, g_strdup (field->min > 0 ? "> 0" : ">= 0"));
  if (field->type == OBK_TYPE_INTEGER && field->max == G_MAXINT32)
    add (parts, g_strdup_printf (">= %" G_GINT64_FORMAT, field->min));
  else if (field->type == OBK_TYPE_INTEGER)
    add (parts, g_strdup_printf ("%" G_GINT64_FORMAT "..%" G_GINT64_FORMAT, field->min, field->max));
  if (is_list)
    add (parts, g_strdup_printf ("at most %" G_GINT64_FORMAT, field->max));
  if (field->note != NULL)
    add (parts, g_strdup (field->note));
  g_ptr_array_add (parts, NULL);
  return g_strjoinv ("; ", (GStrv)parts->pdata);
}

char *
field_default_text (const ObkConfigField *field)
{
  if (field->preset != NULL)
    return g_strdup_printf ("`%s`", field->preset);
  if (field->required == OBK_REQUIRED_NEVER)
    return g_strdup ("none");
  if (field->required == OBK_REQUIRED_ALWAYS)
    return g_strdup ("required");
  return g_strdup_printf ("required %s", obk_field_condition_get (field->required)->text);
}
