/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the tree, by the field table: unknown, mistyped and wrong fields, all of them. */
#include "config/draft.h"

#include "config/problem.h"
#include "config/suggestion.h"
#include "config/value.h"

#include <glib/gi18n.h>

#include <string.h>

static void
complain_at (ObkDraft *draft, const char *field, const ObkYaml *node, const char *text)
{
  obk_config_problem_add (draft->problems, field, node->line, node->column, "%s", text);
}

/* The names next to @written first, then fields of that last name anywhere. */
static void
complain_unknown (ObkDraft *draft, const char *section, const char *path, const ObkYaml *node)
{
  g_autoptr (GPtrArray) near = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) advice = g_string_new (NULL);
  ObkConfigChildren children = { .section = section, .end = draft->n_rows };
  const char *nearest = NULL;

  while (obk_config_children_next (&children))
    g_ptr_array_add (near, g_strdup (children.leaf));
  g_ptr_array_add (near, NULL);
  nearest = obk_suggestion (node->key, (const char *const *)near->pdata);
  if (nearest != NULL)
    g_string_printf (advice, _ ("; did you mean \"%s%s%s\"?"), section, section[0] != '\0' ? "." : "", nearest);
  for (gsize i = 0; i < draft->n_rows && nearest == NULL; i++)
    {
      const char *const leaf[] = { strrchr (obk_config_fields[i].name, '.'), NULL };

      nearest = leaf[0] != NULL && g_ascii_strcasecmp (leaf[0] + 1, node->key) == 0 ? obk_config_fields[i].name : NULL;
      if (nearest != NULL)
        g_string_printf (advice, _ ("; did you mean \"%s\"?"), nearest);
    }
  obk_config_problem_add (draft->problems, path, node->key_line, node->key_column, _ ("unknown field%s"), advice->str);
}

/* Whether YAML 1.1 takes this plain scalar for a number, and not every reader takes it for the same text. */
static gboolean
is_ambiguous_number (const char *text)
{
  const char *at = text[0] == '-' || text[0] == '+' ? text + 1 : text;
  gsize length = strlen (at);
  gsize digits = strspn (at, "0123456789");

  if (length == 0)
    return FALSE;
  if (digits == length) /* decimal without a leading zero is the same text for everyone */
    return at != text ? text[0] == '+' : at[0] == '0' && length > 1;
  if (at[0] == '0' && (at[1] == 'x' || at[1] == 'o' || at[1] == 'b'))
    return strspn (at + 2, "0123456789abcdefABCDEF_") == length - 2 && length > 2;
  if (at[0] == '.' && (g_ascii_strcasecmp (at, ".inf") == 0 || g_ascii_strcasecmp (at, ".nan") == 0))
    return TRUE;
  return g_regex_match_simple ("^([0-9][0-9_]*(\\.[0-9_]*)?|\\.[0-9_]+)([eE][-+]?[0-9]+)?$", at, 0, 0)
         || g_regex_match_simple ("^[0-9][0-9_]*(:[0-5]?[0-9])+(\\.[0-9_]*)?$", at, 0, 0);
}

static gboolean
is_boolean_word (const char *text)
{
  static const char *const words[] = { "true", "false", "yes", "no", "on", "off", NULL };
  g_autofree char *lower = g_ascii_strdown (text, -1);

  return g_strv_contains (words, lower);
}

/* Returns: (nullable): what is wrong with the form in which a scalar is written */
static const char *
check_form (const ObkConfigField *field, const ObkYaml *node)
{
  switch (field->type)
    {
    case OBK_TYPE_INTEGER:
    case OBK_TYPE_UIDS:
      return node->plain ? NULL : _ ("must be a number, without quotes");
    case OBK_TYPE_BOOLEAN:
      return node->plain ? NULL : _ ("must be true or false, without quotes");
    case OBK_TYPE_STRING:
    case OBK_TYPE_STRINGS:
      if (node->plain && field->choices == NULL && (is_boolean_word (node->text) || is_ambiguous_number (node->text)))
        return _ ("must be a string; put it in quotes");
      return NULL;
    case OBK_TYPE_DURATION:
    case OBK_TYPE_CHOICE: /* here "on" is a word like others */
    case OBK_TYPE_MODE:   /* always octal, as written */
      return NULL;
    }
  g_return_val_if_reached (NULL);
}

static void
read_list (ObkDraft *draft, const ObkConfigField *field, const ObkYaml *node, ObkDraftRow *row)
{
  if (node->kind != OBK_YAML_SEQUENCE)
    {
      complain_at (draft, field->name, node, _ ("must be a list"));
      row->state = OBK_DRAFT_INVALID;
      return;
    }
  if (node->children->len > (guint64)field->max)
    {
      obk_config_problem_add (draft->problems, field->name, node->line, node->column,
                              _ ("must not hold more than %d entries"), (int)field->max);
      row->state = OBK_DRAFT_INVALID;
      return;
    }
  for (guint i = 0; i < node->children->len; i++)
    {
      const ObkYaml *item = g_ptr_array_index (node->children, i);
      g_autofree char *name = g_strdup_printf ("%s[%u]", field->name, i);
      g_autofree char *problem = NULL;

      if (item->refused)
        {
          row->state = OBK_DRAFT_INVALID;
          continue;
        }
      if (item->kind != OBK_YAML_SCALAR || obk_yaml_is_null (item))
        problem = g_strdup (_ ("must be a single value"));
      else
        problem = g_strdup (check_form (field, item));
      if (problem == NULL)
        problem = obk_value_add_item (field, draft->config, item->text);
      if (problem == NULL)
        continue;
      complain_at (draft, name, item, problem);
      row->state = OBK_DRAFT_INVALID;
    }
}

static void
read_scalar (ObkDraft *draft, const ObkConfigField *field, const ObkYaml *node, ObkDraftRow *row)
{
  g_autofree char *problem = NULL;

  if (node->kind != OBK_YAML_SCALAR)
    problem = g_strdup (_ ("must be a single value, not a list or a section"));
  else
    problem = g_strdup (check_form (field, node));
  if (problem == NULL)
    problem = obk_value_set (field, draft->config, node->text);
  if (problem == NULL)
    return;
  complain_at (draft, field->name, node, problem);
  row->state = OBK_DRAFT_INVALID;
}

static void
read_field (ObkDraft *draft, const ObkConfigField *field, const ObkYaml *node)
{
  ObkDraftRow *row = &draft->rows[obk_config_field_row (field)];

  row->line = node->line;
  row->column = node->column;
  if (obk_yaml_is_null (node)) /* as if it were not there */
    return;
  row->state = node->refused ? OBK_DRAFT_INVALID : OBK_DRAFT_SET;
  if (node->refused)
    return;
  draft->config->origins[obk_config_field_row (field)] = OBK_ORIGIN_FILE;
  if (obk_config_type_is_list (field->type))
    read_list (draft, field, node, row);
  else
    read_scalar (draft, field, node, row);
}

/* Nothing is known about its fields: that they are missing, too, would be no news. */
static void
refuse_section (ObkDraft *draft, const char *section, const ObkYaml *node)
{
  gsize length = strlen (section);

  if (!node->refused)
    complain_at (draft, section, node, _ ("must be a section with fields"));
  for (gsize i = 0; i < draft->n_rows; i++)
    if (length == 0
        || (strncmp (obk_config_fields[i].name, section, length) == 0 && obk_config_fields[i].name[length] == '.'))
      draft->rows[i].state = OBK_DRAFT_INVALID;
}

/* Returns: (nullable): the row, if it is of the document that is read */
static const ObkConfigField *
find_field (const ObkDraft *draft, const char *path)
{
  const ObkConfigField *field = obk_config_field_find (path);

  return field != NULL && obk_config_field_row (field) < draft->n_rows ? field : NULL;
}

static void
read_section (ObkDraft *draft, const char *section, const ObkYaml *node)
{
  if (obk_yaml_is_null (node))
    return;
  if (node->kind != OBK_YAML_MAPPING)
    {
      refuse_section (draft, section, node);
      return;
    }
  for (guint i = 0; i < node->children->len; i++)
    {
      const ObkYaml *child = g_ptr_array_index (node->children, i);
      g_autofree char *path = g_strconcat (section, section[0] != '\0' ? "." : "", child->key, NULL);
      const ObkConfigField *field = strchr (child->key, '.') == NULL ? find_field (draft, path) : NULL;

      if (field != NULL)
        read_field (draft, field, child);
      else if (strchr (child->key, '.') == NULL && obk_config_is_section (path, draft->n_rows))
        read_section (draft, path, child);
      else
        complain_unknown (draft, section, path, child);
    }
}

void
obk_draft_read_tree (ObkDraft *draft)
{
  read_section (draft, "", draft->root);
}

/* The place of the innermost section on the way to @field that is in the file. */
static void
locate (const ObkDraft *draft, const char *field, guint *line, guint *column)
{
  const ObkYaml *node = draft->root;
  const char *at = field;

  while (node != NULL)
    {
      gsize length = strcspn (at, ".");

      *line = node->key != NULL ? node->key_line : node->line;
      *column = node->key != NULL ? node->key_column : node->column;
      node = node->kind == OBK_YAML_MAPPING ? obk_yaml_find (node, at, length) : NULL;
      at += length + (at[length] == '.');
    }
}

void
obk_draft_complain (ObkDraft *draft, const char *field, const char *format, ...)
{
  const ObkDraftRow *row = &draft->rows[obk_config_field_row (obk_config_field_find (field))];
  g_autofree char *text = NULL;
  va_list arguments;
  guint line = row->line, column = row->column;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (row->source != NULL)
    {
      obk_config_problem_add_override (draft->problems, field, row->source, text);
      return;
    }
  if (line == 0)
    locate (draft, field, &line, &column);
  obk_config_problem_add (draft->problems, field, line, column, "%s", text);
}
