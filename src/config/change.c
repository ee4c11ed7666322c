/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two configurations, by the field table. Pure. */
#include "config/change.h"

#include "config/value.h"

#include <string.h>

GPtrArray *
obk_config_changes (const ObkConfig *before, const ObkConfig *after)
{
  GPtrArray *changes = g_ptr_array_new ();

  g_return_val_if_fail (before != NULL && after != NULL, changes);

  for (gsize i = 0; i < obk_config_n_fields (); i++)
    if (!obk_value_equal (&obk_config_fields[i], before, after))
      g_ptr_array_add (changes, (gpointer)&obk_config_fields[i]);
  return changes;
}

gboolean
obk_config_changes_have (const GPtrArray *changes, ObkReload reload)
{
  for (guint i = 0; i < changes->len; i++)
    if (((const ObkConfigField *)changes->pdata[i])->reload == reload)
      return TRUE;
  return FALSE;
}

gboolean
obk_config_changes_touch (const GPtrArray *changes, const char *name)
{
  for (guint i = 0; i < changes->len; i++)
    {
      const ObkConfigField *field = changes->pdata[i];

      if (g_str_has_suffix (name, ".") ? g_str_has_prefix (field->name, name) : strcmp (field->name, name) == 0)
        return TRUE;
    }
  return FALSE;
}

char *
obk_config_changes_names (const GPtrArray *changes)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < changes->len; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", ((const ObkConfigField *)changes->pdata[i])->name);
  return g_string_free (names, FALSE);
}
