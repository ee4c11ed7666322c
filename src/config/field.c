/* SPDX-License-Identifier: Apache-2.0 */
/* Finding one's way in the field table. */
#include "config/field.h"

#include "config/pkcs11-uri.h"
#include "config/value.h"

#include <string.h>

static const ObkFieldCondition conditions[OBK_REQUIRED_LAST] = {
  [OBK_REQUIRED_NEVER] = { .text = "" },
  [OBK_REQUIRED_ALWAYS] = { .text = "" },
  [OBK_REQUIRED_JWT] = { { { "auth.method", "jwt" } }, "with auth.method jwt" },
  [OBK_REQUIRED_JWT_FILE]
  = { { { "auth.method", "jwt" }, { "auth.jwt.source", "file" } }, "with auth.jwt.source file" },
  [OBK_REQUIRED_JWT_OAUTH2]
  = { { { "auth.method", "jwt" }, { "auth.jwt.source", "oauth2" } }, "with auth.jwt.source oauth2" },
  [OBK_REQUIRED_CERT] = { { { "auth.method", "cert" } }, "with auth.method cert" },
  [OBK_REQUIRED_CERT_NO_URI]
  = { { { "auth.method", "cert" }, { "auth.cert.pkcs11.uri", "" } }, "with auth.method cert and no uri" },
};

const ObkConfigField *
obk_config_field_find (const char *name)
{
  for (gsize i = 0; i < obk_config_n_fields_of_values (); i++)
    if (strcmp (obk_config_fields[i].name, name) == 0)
      return &obk_config_fields[i];
  return NULL;
}

gsize
obk_config_field_row (const ObkConfigField *field)
{
  return (gsize)(field - obk_config_fields);
}

ObkOrigin
obk_config_field_origin (const ObkConfigField *field, const ObkConfig *config)
{
  return (ObkOrigin)config->origins[obk_config_field_row (field)];
}

GPtrArray *
obk_config_read_files (const ObkConfig *config)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  char *pin_source = obk_pkcs11_uri_get (config->auth.cert.pkcs11.uri, "pin-source");

  for (gsize i = 0; i < obk_config_n_fields (); i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];

      if (field->is_read_file && *obk_value_string (field, config) != '\0')
        g_ptr_array_add (files, g_strdup (obk_value_string (field, config)));
    }
  if (pin_source != NULL)
    g_ptr_array_add (files, pin_source);
  return files;
}

const char *
obk_reload_name (ObkReload reload)
{
  static const char *const names[] = {
    [OBK_RELOAD_AT_ONCE] = "at-once",
    [OBK_RELOAD_WHEN_PROVED] = "when-proved",
    [OBK_RELOAD_REFUSED] = "refused",
  };

  return names[reload];
}

const ObkFieldCondition *
obk_field_condition_get (ObkRequired required)
{
  return &conditions[required];
}

gboolean
obk_field_condition_holds (ObkRequired required, const ObkConfig *config)
{
  if (required == OBK_REQUIRED_NEVER)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (conditions->all); i++)
    {
      const ObkConfigEquals *equals = &conditions[required].all[i];
      g_autofree char *value = NULL;

      if (equals->name == NULL)
        continue;
      value = obk_value_to_text (obk_config_field_find (equals->name), config);
      if (strcmp (value, equals->value) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Returns: (nullable): what stands after "SECTION." in @name; all of it for the top */
static const char *
below (const char *name, const char *section)
{
  gsize length = strlen (section);

  if (length == 0)
    return name;
  return strncmp (name, section, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

gboolean
obk_config_children_next (ObkConfigChildren *children)
{
  gsize end = children->end > 0 ? children->end : obk_config_n_fields ();

  for (; children->row < end; children->row++)
    {
      const ObkConfigField *field = &obk_config_fields[children->row];
      const char *rest = below (field->name, children->section);
      gsize length = rest != NULL ? (gsize)(rest - field->name) + strcspn (rest, ".") : 0;
      gboolean is_leaf = field->name[length] == '\0';

      /* The members of a section stand together: it has been given with the first of them. */
      if (rest == NULL
          || (children->name != NULL && strncmp (children->name, field->name, length) == 0
              && children->name[length] == '\0'))
        continue;
      g_free (children->name);
      children->name = g_strndup (field->name, length);
      children->leaf = children->name + (rest - field->name);
      children->field = is_leaf ? field : NULL;
      children->row++;
      return TRUE;
    }
  g_clear_pointer (&children->name, g_free);
  return FALSE;
}

gboolean
obk_config_is_section (const char *name, gsize end)
{
  for (gsize i = 0; i < end; i++)
    if (below (obk_config_fields[i].name, name) != NULL)
      return TRUE;
  return FALSE;
}
