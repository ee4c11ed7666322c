/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration is taken whole or refused with problems that each are one line of valid UTF-8 with a place. */
#include "fuzz.h"

#include "config/config.h"
#include "config/field.h"
#include "config/value.h"
#include "config/yaml-text.h"

#include <string.h>

#define MAX_LINE 800

/* What was taken is taken for the same when it is written out as a file. */
static void
check_text (const ObkConfig *config)
{
  g_autofree char *text = obk_yaml_text_of_config (config);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) again = obk_config_parse (text, strlen (text), NULL, &problems);

  g_assert_nonnull (again);
  for (gsize i = 0; i < obk_config_n_fields (); i++)
    {
      g_autofree char *before = obk_value_to_text (&obk_config_fields[i], config);
      g_autofree char *after = obk_value_to_text (&obk_config_fields[i], again);

      g_assert_cmpstr (after, ==, before);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) config = obk_config_parse ((const char *)data, size, NULL, &problems);

  g_assert_true ((config != NULL) == (problems->len == 0));
  for (guint i = 0; i < problems->len; i++)
    {
      const ObkConfigProblem *problem = g_ptr_array_index (problems, i);
      g_autofree char *line = obk_config_problem_format (problem, "F");

      g_assert_true (g_utf8_validate (line, -1, NULL));
      g_assert_null (strchr (line, '\n'));
      g_assert_cmpuint (strlen (line), <, MAX_LINE);
      g_assert_cmpuint (problem->line, >, 0);
      g_assert_cmpuint (problem->column, >, 0);
    }
  if (config != NULL)
    check_text (config);
  /* What was taken is taken again when it is written out as "config" shows it. */
  for (gsize i = 0; config != NULL && i < obk_config_n_fields (); i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      g_autofree char *text = obk_value_to_text (field, config);
      g_autofree char *problem = NULL;

      g_assert_true (g_utf8_validate (text, -1, NULL));
      if (!obk_config_type_is_list (field->type) && !obk_value_is_empty (field, config))
        problem = obk_value_set (field, config, text);
      g_assert_cmpstr (problem, ==, NULL);
    }
  return 0;
}
