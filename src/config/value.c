/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a field's value into an ObkConfig, and getting it out again, by its row of the table. */
#include "config/value.h"

#include "base/duration.h"
#include "config/suggestion.h"

#include <glib/gi18n.h>

#include <string.h>

#define FORBIDDEN_MODE_BITS 07117 /* special bits, execution, and all of the world's */
#define MAX_UID 4294967294        /* the last one means "none" */

static gpointer
place (const ObkConfigField *field, const ObkConfig *config)
{
  return (char *)config + field->offset;
}

gboolean
obk_config_type_is_list (ObkConfigType type)
{
  return type == OBK_TYPE_STRINGS || type == OBK_TYPE_UIDS;
}

/* Returns: (transfer full): "must be a, b or c; did you mean b?" */
static char *
wrong_choice (const char *const *choices, const char *text)
{
  GString *problem = g_string_new (_ ("must be "));
  const char *nearest = obk_suggestion (text, choices);

  for (gsize i = 0; choices[i] != NULL; i++)
    {
      const char *separator = i == 0 ? "" : choices[i + 1] != NULL ? ", " : _ (" or ");

      g_string_append_printf (problem, "%s\"%s\"", separator, choices[i]);
    }
  if (nearest != NULL && choices[1] != NULL)
    g_string_append_printf (problem, _ ("; did you mean \"%s\"?"), nearest);
  return g_string_free (problem, FALSE);
}

/* The one value that has its own reason. */
static const char *
special_refusal (const ObkConfigField *field, const char *text)
{
  if (strcmp (field->name, "auth.cert.source") == 0 && strcmp (text, "spiffe") == 0)
    return _ ("\"spiffe\" is not supported: its agent is not there yet when the API server needs us to start; keep the "
              "key in a PKCS#11 token (\"pkcs11\")");
  return NULL;
}

static char *
check_string (const ObkConfigField *field, const char *text)
{
  const char *problem = special_refusal (field, text);

  if (text[0] == '\0' && field->preset == NULL)
    return NULL; /* as if it were not there; whether it must be is another question */
  if (problem == NULL && field->choices != NULL && !g_strv_contains (field->choices, text))
    return wrong_choice (field->choices, text);
  if (problem == NULL && field->rule != NULL)
    problem = field->rule->check (text);
  return g_strdup (problem);
}

static char *
set_string (const ObkConfigField *field, char **value, const char *text)
{
  char *problem = check_string (field, text);

  if (problem != NULL)
    return problem;
  g_free (*value);
  *value = g_strdup (text);
  return NULL;
}

static char *
set_integer (const ObkConfigField *field, guint *value, const char *text)
{
  gint64 number = 0;

  if (text[0] == '+' || (text[0] == '0' && text[1] != '\0')
      || !g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return g_strdup (_ ("must be a whole number in decimal digits"));
  if (number < field->min || number > field->max)
    return g_strdup_printf (_ ("must be from %d to %d"), (int)field->min, (int)field->max);
  *value = (guint)number;
  return NULL;
}

/* What YAML 1.1 takes for a boolean, but for the single letters. */
static char *
set_boolean (gboolean *value, const char *text)
{
  static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL };
  static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL };

  if (!g_strv_contains (yes, text) && !g_strv_contains (no, text))
    return g_strdup (_ ("must be true or false"));
  *value = g_strv_contains (yes, text);
  return NULL;
}

static char *
set_duration (const ObkConfigField *field, gint64 *value, const char *text)
{
  g_autoptr (GError) error = NULL;
  gint64 us = 0;

  if (!obk_duration_parse (text, &us, &error))
    return g_strdup (error->message);
  if (us < field->min)
    return g_strdup (_ ("must be more than 0s"));
  *value = us;
  return NULL;
}

static char *
set_choice (const ObkConfigField *field, int *value, const char *text)
{
  for (int i = 0; field->choices[i] != NULL; i++)
    if (strcmp (field->choices[i], text) == 0)
      {
        *value = i;
        return NULL;
      }
  return wrong_choice (field->choices, text);
}

static char *
set_mode (guint *value, const char *text)
{
  guint64 mode = 0;
  const char *digits = g_str_has_prefix (text, "0o") ? text + 2 : text; /* Go and YAML 1.2 write octal so */

  if (!g_ascii_string_to_unsigned (digits, 8, 0, 07777, &mode, NULL))
    return g_strdup (_ ("must be an octal mode like \"0660\""));
  if ((mode & FORBIDDEN_MODE_BITS) != 0)
    return g_strdup (_ ("must not give access to the world, nor have execute or special bits"));
  *value = (guint)mode;
  return NULL;
}

char *
obk_value_set (const ObkConfigField *field, ObkConfig *config, const char *text)
{
  gpointer at = place (field, config);

  switch (field->type)
    {
    case OBK_TYPE_STRING:
      return set_string (field, at, text);
    case OBK_TYPE_INTEGER:
      return set_integer (field, at, text);
    case OBK_TYPE_BOOLEAN:
      return set_boolean (at, text);
    case OBK_TYPE_DURATION:
      return set_duration (field, at, text);
    case OBK_TYPE_CHOICE:
      return set_choice (field, at, text);
    case OBK_TYPE_MODE:
      return set_mode (at, text);
    case OBK_TYPE_STRINGS:
    case OBK_TYPE_UIDS:
      break;
    }
  g_return_val_if_reached (NULL);
}

static char *
add_string (const ObkConfigField *field, GStrv *list, const char *text)
{
  const char *problem = text[0] == '\0' ? _ ("must not be empty") : field->rule->check (text);
  guint n = g_strv_length (*list);

  if (problem == NULL && g_strv_contains ((const char *const *)*list, text))
    problem = _ ("stands in the list twice");
  if (problem != NULL)
    return g_strdup (problem);
  *list = g_renew (char *, *list, n + 2);
  (*list)[n] = g_strdup (text);
  (*list)[n + 1] = NULL;
  return NULL;
}

static char *
add_uid (GArray *list, const char *text)
{
  guint64 number = 0;
  guint32 uid = 0;

  if ((text[0] == '0' && text[1] != '\0') || !g_ascii_string_to_unsigned (text, 10, 0, MAX_UID, &number, NULL))
    return g_strdup (_ ("must be a user's number in decimal digits"));
  uid = (guint32)number;
  for (guint i = 0; i < list->len; i++)
    if (g_array_index (list, guint32, i) == uid)
      return g_strdup (_ ("stands in the list twice"));
  g_array_append_val (list, uid);
  return NULL;
}

char *
obk_value_add_item (const ObkConfigField *field, ObkConfig *config, const char *text)
{
  gpointer at = place (field, config);

  g_return_val_if_fail (obk_config_type_is_list (field->type), NULL);

  return field->type == OBK_TYPE_UIDS ? add_uid (*(GArray **)at, text) : add_string (field, at, text);
}

void
obk_value_init (const ObkConfigField *field, ObkConfig *config)
{
  gpointer at = place (field, config);
  g_autofree char *problem = NULL;

  if (field->type == OBK_TYPE_STRING)
    *(char **)at = g_strdup ("");
  else if (field->type == OBK_TYPE_STRINGS)
    *(GStrv *)at = g_new0 (char *, 1);
  else if (field->type == OBK_TYPE_UIDS)
    *(GArray **)at = g_array_new (FALSE, FALSE, sizeof (guint32));
  if (field->preset == NULL)
    return;
  problem = obk_value_set (field, config, field->preset);
  g_return_if_fail (problem == NULL);
}

void
obk_value_clear (const ObkConfigField *field, ObkConfig *config)
{
  gpointer at = place (field, config);

  if (field->type == OBK_TYPE_STRING)
    g_clear_pointer ((char **)at, g_free);
  else if (field->type == OBK_TYPE_STRINGS)
    g_clear_pointer ((GStrv *)at, g_strfreev);
  else if (field->type == OBK_TYPE_UIDS)
    g_clear_pointer ((GArray **)at, g_array_unref);
}

GStrv
obk_value_to_items (const ObkConfigField *field, const ObkConfig *config)
{
  gconstpointer at = place (field, config);
  const GArray *uids = NULL;
  GStrv items = NULL;

  g_return_val_if_fail (obk_config_type_is_list (field->type), NULL);

  if (field->type == OBK_TYPE_STRINGS)
    return g_strdupv (*(const GStrv *)at);
  uids = *(GArray *const *)at;
  items = g_new0 (char *, uids->len + 1);
  for (guint i = 0; i < uids->len; i++)
    items[i] = g_strdup_printf ("%u", g_array_index (uids, guint32, i));
  return items;
}

static char *
list_text (const ObkConfigField *field, const ObkConfig *config)
{
  g_auto (GStrv) items = obk_value_to_items (field, config);
  g_autofree char *joined = g_strjoinv (", ", items);

  return g_strdup_printf ("[%s]", joined);
}

const char *
obk_value_string (const ObkConfigField *field, const ObkConfig *config)
{
  g_return_val_if_fail (field->type == OBK_TYPE_STRING, NULL);

  return *(char *const *)place (field, config);
}

char *
obk_value_to_text (const ObkConfigField *field, const ObkConfig *config)
{
  gconstpointer at = place (field, config);

  switch (field->type)
    {
    case OBK_TYPE_STRING:
      return g_strdup (*(char *const *)at);
    case OBK_TYPE_INTEGER:
      return g_strdup_printf ("%u", *(const guint *)at);
    case OBK_TYPE_BOOLEAN:
      return g_strdup (*(const gboolean *)at ? "true" : "false");
    case OBK_TYPE_DURATION:
      return obk_duration_format (*(const gint64 *)at);
    case OBK_TYPE_CHOICE:
      return g_strdup (field->choices[*(const int *)at]);
    case OBK_TYPE_MODE:
      return g_strdup_printf ("%04o", *(const guint *)at);
    case OBK_TYPE_STRINGS:
    case OBK_TYPE_UIDS:
      return list_text (field, config);
    }
  g_return_val_if_reached (NULL);
}

static void
list_to_json (const ObkConfigField *field, gconstpointer at, ObkCanonicalJson *json, const char *name)
{
  obk_canonical_json_begin_array (json, name);
  if (field->type == OBK_TYPE_STRINGS)
    for (char *const *item = *(const GStrv *)at; *item != NULL; item++)
      obk_canonical_json_string (json, NULL, *item);
  else
    for (guint i = 0; i < (*(GArray *const *)at)->len; i++)
      obk_canonical_json_int (json, NULL, g_array_index (*(GArray *const *)at, guint32, i));
  obk_canonical_json_end_array (json);
}

void
obk_value_to_json (const ObkConfigField *field, const ObkConfig *config, ObkCanonicalJson *json, const char *name)
{
  gconstpointer at = place (field, config);
  g_autofree char *text = NULL;

  if (obk_config_type_is_list (field->type))
    list_to_json (field, at, json, name);
  else if (field->type == OBK_TYPE_INTEGER)
    obk_canonical_json_int (json, name, *(const guint *)at);
  else if (field->type == OBK_TYPE_BOOLEAN)
    obk_canonical_json_boolean (json, name, *(const gboolean *)at);
  else
    {
      text = obk_value_to_text (field, config);
      obk_canonical_json_string (json, name, text);
    }
}

gboolean
obk_value_is_empty (const ObkConfigField *field, const ObkConfig *config)
{
  gconstpointer at = place (field, config);

  switch (field->type)
    {
    case OBK_TYPE_STRING:
      return (*(char *const *)at)[0] == '\0';
    case OBK_TYPE_STRINGS:
      return (*(const GStrv *)at)[0] == NULL;
    case OBK_TYPE_UIDS:
      return (*(GArray *const *)at)->len == 0;
    case OBK_TYPE_INTEGER:
      return field->preset == NULL && *(const guint *)at == 0;
    default:
      return FALSE;
    }
}

static gboolean
uids_equal (const GArray *a, const GArray *b)
{
  return a->len == b->len && (a->len == 0 || memcmp (a->data, b->data, a->len * sizeof (guint32)) == 0);
}

gboolean
obk_value_equal (const ObkConfigField *field, const ObkConfig *a, const ObkConfig *b)
{
  gconstpointer x = place (field, a);
  gconstpointer y = place (field, b);

  switch (field->type)
    {
    case OBK_TYPE_STRING:
      return strcmp (*(char *const *)x, *(char *const *)y) == 0;
    case OBK_TYPE_STRINGS:
      return g_strv_equal (*(const char *const *const *)x, *(const char *const *const *)y);
    case OBK_TYPE_UIDS:
      return uids_equal (*(GArray *const *)x, *(GArray *const *)y);
    case OBK_TYPE_DURATION:
      return *(const gint64 *)x == *(const gint64 *)y;
    case OBK_TYPE_INTEGER:
    case OBK_TYPE_BOOLEAN:
    case OBK_TYPE_CHOICE:
    case OBK_TYPE_MODE:
      return *(const guint *)x == *(const guint *)y;
    }
  g_return_val_if_reached (FALSE);
}
