/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of foreign JSON, by jansson, and shape checks that give good error texts. */
#include "base/json.h"

#include "base/error.h"
#include "base/secret.h"

#include <string.h>

#define MAX_SHOWN_NAME 64 /* bytes of a foreign member's name in an error text */

/* jansson's own texts quote the input, which may hold a secret. */
static const char *
problem_text (enum json_error_code code)
{
  switch (code)
    {
    case json_error_premature_end_of_input:
      return "it ends too early";
    case json_error_end_of_input_expected:
      return "something follows the value";
    case json_error_invalid_utf8:
      return "not UTF-8";
    case json_error_duplicate_key:
      return "a member appears twice";
    case json_error_numeric_overflow:
      return "a number is out of range";
    case json_error_null_byte_in_key:
    case json_error_null_character:
      return "a string holds U+0000";
    case json_error_stack_overflow:
      return "nested too deep";
    default:
      return "syntax error";
    }
}

json_t *
obk_json_parse (const char *text, gsize length, GError **error)
{
  json_error_t problem;
  json_t *value = NULL;

  g_return_val_if_fail (text != NULL, NULL);

  /* jansson skips one that follows a number. */
  if (memchr (text, '\0', length) != NULL)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_JSON, "not valid JSON: it holds a zero byte");
      return NULL;
    }
  value = json_loadb (text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
  if (value == NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "not valid JSON at line %d, column %d: %s", problem.line,
                   problem.column, problem_text (json_error_code (&problem)));
      obk_wipe (&problem, sizeof problem);
    }
  return value;
}

static gboolean
get_member (const json_t *object, const char *name, const json_t **member, GError **error)
{
  *member = json_object_get (object, name); /* %NULL too when it is no object */
  if (*member == NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "\"%s\" is missing", name);
  return *member != NULL;
}

static gboolean
get_typed_member (const json_t *object, const char *name, json_type type, const char *type_name, const json_t **member,
                  GError **error)
{
  if (!get_member (object, name, member, error))
    return FALSE;
  if (json_typeof (*member) != type)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "\"%s\" is not %s", name, type_name);
      return FALSE;
    }
  return TRUE;
}

gboolean
obk_json_get_string (const json_t *object, const char *name, const char **value, GError **error)
{
  const json_t *member = NULL;

  if (!get_typed_member (object, name, JSON_STRING, "a string", &member, error))
    return FALSE;
  *value = json_string_value (member);
  return TRUE;
}

gboolean
obk_json_get_int (const json_t *object, const char *name, gint64 *value, GError **error)
{
  const json_t *member = NULL;

  if (!get_typed_member (object, name, JSON_INTEGER, "an integer", &member, error))
    return FALSE;
  *value = json_integer_value (member);
  return TRUE;
}

gboolean
obk_json_get_boolean (const json_t *object, const char *name, gboolean *value, GError **error)
{
  const json_t *member = NULL;

  if (!get_member (object, name, &member, error))
    return FALSE;
  if (!json_is_boolean (member))
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "\"%s\" is not a boolean", name);
      return FALSE;
    }
  *value = json_is_true (member);
  return TRUE;
}

gboolean
obk_json_get_object (const json_t *object, const char *name, const json_t **value, GError **error)
{
  const json_t *member = NULL;

  if (!get_typed_member (object, name, JSON_OBJECT, "an object", &member, error))
    return FALSE;
  *value = member;
  return TRUE;
}

gboolean
obk_json_get_array (const json_t *object, const char *name, const json_t **value, GError **error)
{
  const json_t *member = NULL;

  if (!get_typed_member (object, name, JSON_ARRAY, "an array", &member, error))
    return FALSE;
  *value = member;
  return TRUE;
}

gboolean
obk_json_only (const json_t *object, const char *const *names, GError **error)
{
  const char *name = NULL;
  json_t *member = NULL;

  json_object_foreach ((json_t *)object, name, member)
    if (!g_strv_contains (names, name))
      {
        g_autofree char *shown = g_utf8_substring (name, 0, MIN (g_utf8_strlen (name, -1), MAX_SHOWN_NAME));
        g_autofree char *escaped = g_strescape (shown, NULL);

        g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "unknown member \"%s\"", escaped);
        return FALSE;
      }
  return TRUE;
}
