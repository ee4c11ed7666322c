/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken as JSON is so by the strictest rules; what is not is told of without being quoted. */
#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

/* Everything that a value holds, each read in every way. */
static void
walk (const json_t *value)
{
  static const char *const none[] = { NULL };
  const char *name = NULL;
  json_t *member = NULL;
  size_t i = 0;

  if (json_is_string (value))
    {
      g_assert_cmpuint (strlen (json_string_value (value)), ==, json_string_length (value));
      g_assert_true (g_utf8_validate (json_string_value (value), -1, NULL));
    }
  json_array_foreach (value, i, member)
    walk (member);
  if (json_object_size (value) > 0)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (obk_json_only (value, none, &error));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
  json_object_foreach ((json_t *)value, name, member)
    {
      const char *string = NULL;
      const json_t *inner = NULL;
      gint64 integer = 0;
      gboolean boolean = FALSE;
      guint n = 0;

      n += obk_json_get_string (value, name, &string, NULL);
      n += obk_json_get_int (value, name, &integer, NULL);
      n += obk_json_get_boolean (value, name, &boolean, NULL);
      n += obk_json_get_object (value, name, &inner, NULL);
      n += obk_json_get_array (value, name, &inner, NULL);
      g_assert_cmpuint (n, ==, json_is_null (member) || json_is_real (member) ? 0 : 1);
      walk (member);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) value = obk_json_parse ((const char *)data, size, &error);

  if (value != NULL)
    {
      g_assert_null (error);
      g_assert_null (memchr (data, '\0', size));
      g_assert_true (g_utf8_validate ((const char *)data, (gssize)size, NULL));
      walk (value);
    }
  else
    {
      g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
      g_assert_true (g_str_has_prefix (error->message, "not valid JSON"));
      g_assert_true (g_str_is_ascii (error->message));
      g_assert_cmpuint (strlen (error->message), <, 100);
    }
  return 0;
}
