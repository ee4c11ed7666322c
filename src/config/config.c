/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to an ObkConfig, or to everything that is wrong with it. */
#include "config/config.h"

#include "base/error.h"
#include "base/safe-file.h"
#include "config/draft.h"
#include "config/problem.h"
#include "config/value.h"

#include <glib/gi18n.h>

#define MAX_SIZE (256 * 1024)

static ObkConfig *
config_new (void)
{
  ObkConfig *config = g_new0 (ObkConfig, 1);

  config->origins = g_new0 (guint8, obk_config_n_fields_of_values ());
  for (gsize i = 0; i < obk_config_n_fields_of_values (); i++)
    obk_value_init (&obk_config_fields[i], config);
  return config;
}

void
obk_config_free (ObkConfig *config)
{
  if (config == NULL)
    return;
  for (gsize i = 0; i < obk_config_n_fields_of_values (); i++)
    obk_value_clear (&obk_config_fields[i], config);
  g_free (config->origins);
  g_free (config);
}

/* By place in the file: a walk, then rules, would give them in another order than people read. */
static gint
compare_problems (gconstpointer a, gconstpointer b)
{
  const ObkConfigProblem *x = *(const ObkConfigProblem *const *)a;
  const ObkConfigProblem *y = *(const ObkConfigProblem *const *)b;

  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return x->column < y->column ? -1 : x->column > y->column;
}

/* Takes over what is not given in a values file, and need not be. */
static void
suggest (ObkDraft *draft)
{
  for (gsize i = 0; i < draft->n_rows; i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      g_autofree char *problem = NULL;

      if (field->suggested == NULL || draft->rows[i].state != OBK_DRAFT_UNSET
          || !obk_field_condition_holds (field->required, draft->config))
        continue;
      problem = obk_value_set (field, draft->config, field->suggested);
      draft->config->origins[i] = OBK_ORIGIN_FILE; /* it goes into the configuration as if it had been written */
      g_warn_if_fail (problem == NULL);
    }
}

/* @values: whether it is a values file; @flags: (nullable): of a configuration */
static ObkConfig *
parse (const char *text, gsize length, gboolean values, const ObkConfigFlags *flags, GPtrArray **problems)
{
  g_autoptr (ObkYaml) root = NULL;
  g_autoptr (ObkConfig) config = config_new ();
  g_autofree ObkDraftRow *rows = g_new0 (ObkDraftRow, obk_config_n_fields_of_values ());
  ObkDraft draft = { .config = config, .rows = rows };

  *problems = obk_config_problems_new ();
  draft.problems = *problems;
  draft.n_rows = values ? obk_config_n_fields_of_values () : obk_config_n_fields ();
  root = obk_yaml_parse (text, length, draft.problems);
  if (root == NULL)
    return NULL;
  draft.root = root;
  obk_draft_read_tree (&draft);
  if (values)
    suggest (&draft);
  else
    obk_draft_read_overrides (&draft, flags);
  obk_draft_check (&draft);
  if (draft.problems->len == 0)
    return g_steal_pointer (&config);
  g_ptr_array_sort (draft.problems, compare_problems);
  return NULL;
}

ObkConfig *
obk_config_parse (const char *text, gsize length, const ObkConfigFlags *flags, GPtrArray **problems)
{
  g_return_val_if_fail (text != NULL && problems != NULL, NULL);

  return parse (text, length, FALSE, flags, problems);
}

/* @forbidden_mode: permission bits that the file must not have */
static ObkConfig *
load (const char *path, guint forbidden_mode, gboolean values, const ObkConfigFlags *flags, GPtrArray **problems,
      GError **error)
{
  g_autoptr (ObkSecret) content = NULL; /* no secret, but this is how files are read */
  g_autoptr (GError) cause = NULL;
  ObkConfig *config = NULL;

  content = obk_safe_file_read (path, forbidden_mode, MAX_SIZE, &cause);
  if (content == NULL)
    {
      *problems = obk_config_problems_new ();
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "%s", cause->message);
      return NULL;
    }
  config = parse (obk_secret_data (content), obk_secret_length (content), values, flags, problems);
  if (config == NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID,
                 ngettext ("%u problem in \"%s\"", "%u problems in \"%s\"", (*problems)->len), (*problems)->len, path);
  return config;
}

ObkConfig *
obk_config_load (const char *path, const ObkConfigFlags *flags, GPtrArray **problems, GError **error)
{
  g_return_val_if_fail (problems != NULL, NULL);

  return load (obk_config_path (path), OBK_FILE_MASK_PRIVATE, FALSE, flags, problems, error);
}

ObkConfig *
obk_config_load_values (const char *path, GPtrArray **problems, GError **error)
{
  g_return_val_if_fail (path != NULL && problems != NULL, NULL);

  return load (path, OBK_FILE_MASK_PUBLIC, TRUE, NULL, problems, error);
}
