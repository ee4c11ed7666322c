/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting what is wrong with a configuration. */
#include "config/problem.h"

#include <glib/gi18n.h>

#include <string.h>

#define MAX_TEXT 300

static void
problem_free (gpointer data)
{
  ObkConfigProblem *problem = data;

  g_free (problem->field);
  g_free (problem->source);
  g_free (problem->text);
  g_free (problem);
}

GPtrArray *
obk_config_problems_new (void)
{
  return g_ptr_array_new_with_free_func (problem_free);
}

/* One problem is one line of moderate length, whatever stands in the file. */
static void
make_printable (char *text)
{
  gsize length = strlen (text);

  if (length > MAX_TEXT)
    {
      *g_utf8_find_prev_char (text, text + MAX_TEXT) = '\0';
      length = strlen (text);
    }
  for (gsize i = 0; i < length; i++)
    if (g_ascii_iscntrl (text[i]))
      text[i] = '?';
}

static void
add (GPtrArray *problems, ObkConfigProblem *problem)
{
  make_printable (problem->field);
  make_printable (problem->text);
  if (problems->len == OBK_CONFIG_MAX_PROBLEMS)
    {
      g_free (problem->text);
      problem->text = g_strdup (_ ("there are more problems, which are not listed"));
    }
  if (problems->len > OBK_CONFIG_MAX_PROBLEMS)
    problem_free (problem);
  else
    g_ptr_array_add (problems, problem);
}

void
obk_config_problem_add (GPtrArray *problems, const char *field, guint line, guint column, const char *format, ...)
{
  ObkConfigProblem *problem = g_new0 (ObkConfigProblem, 1);
  va_list arguments;

  va_start (arguments, format);
  problem->text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  problem->field = g_strdup (field);
  problem->line = line;
  problem->column = column;
  add (problems, problem);
}

void
obk_config_problem_add_yaml_feature (GPtrArray *problems, const char *field, guint line, guint column, const char *text)
{
  ObkConfigProblem *problem = g_new0 (ObkConfigProblem, 1);

  problem->kind = OBK_PROBLEM_YAML_FEATURE;
  problem->text = g_strdup (text);
  problem->field = g_strdup (field);
  problem->line = line;
  problem->column = column;
  add (problems, problem);
}

void
obk_config_problem_add_override (GPtrArray *problems, const char *field, const char *source, const char *text)
{
  ObkConfigProblem *problem = g_new0 (ObkConfigProblem, 1);

  problem->field = g_strdup (field);
  problem->source = g_strdup (source);
  problem->text = g_strdup (text);
  add (problems, problem);
}

char *
obk_config_problem_format (const ObkConfigProblem *problem, const char *path)
{
  GString *line = g_string_new (problem->source != NULL ? problem->source : path);

  if (problem->line > 0)
    g_string_append_printf (line, ":%u:%u", problem->line, problem->column);
  if (problem->field[0] != '\0')
    g_string_append_printf (line, ": %s", problem->field);
  g_string_append_printf (line, ": %s", problem->text);
  return g_string_free (line, FALSE);
}
