/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document as a tree that knows where everything stands. */
#include "config/yaml.h"

#include "config/problem.h"

#include <glib/gi18n.h>
#include <yaml.h>

#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define MAX_DEPTH 16
#define MAX_CHILDREN 1024 /* of one mapping or sequence: duplicates are found by comparing all */

typedef struct
{
  yaml_parser_t parser;
  yaml_event_t event; /* the one that is looked at */
  GPtrArray *problems;
  GString *path;    /* dotted name of the place that is being read */
  const char *text; /* all of it */
} Reader;

void
obk_yaml_free (ObkYaml *node)
{
  if (node == NULL)
    return;
  g_free (node->text);
  g_free (node->key);
  if (node->children != NULL)
    g_ptr_array_unref (node->children);
  g_free (node);
}

static void
free_child (gpointer data)
{
  obk_yaml_free (data);
}

static ObkYaml *
new_node (ObkYamlKind kind, yaml_mark_t mark)
{
  ObkYaml *node = g_new0 (ObkYaml, 1);

  node->kind = kind;
  node->line = (guint)mark.line + 1;
  node->column = (guint)mark.column + 1;
  if (kind != OBK_YAML_SCALAR)
    node->children = g_ptr_array_new_with_free_func (free_child);
  return node;
}

gboolean
obk_yaml_is_null (const ObkYaml *node)
{
  static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };

  return node->kind == OBK_YAML_SCALAR && node->plain && g_strv_contains (nulls, node->text);
}

const ObkYaml *
obk_yaml_find (const ObkYaml *mapping, const char *key, gsize key_length)
{
  for (guint i = 0; i < mapping->children->len; i++)
    {
      const ObkYaml *child = g_ptr_array_index (mapping->children, i);

      if (strlen (child->key) == key_length && strncmp (child->key, key, key_length) == 0)
        return child;
    }
  return NULL;
}

/* A problem at the event that is looked at */
static void
complain (Reader *reader, const char *text)
{
  obk_config_problem_add (reader->problems, reader->path->str, (guint)reader->event.start_mark.line + 1,
                          (guint)reader->event.start_mark.column + 1, "%s", text);
}

/* YAML that is good, and that is not read here */
static void
refuse_feature (Reader *reader, const char *text)
{
  obk_config_problem_add_yaml_feature (reader->problems, reader->path->str, (guint)reader->event.start_mark.line + 1,
                                       (guint)reader->event.start_mark.column + 1, text);
}

/* A problem at a byte of the text */
static void
complain_at_byte (GPtrArray *problems, const char *text, const char *at, const char *problem)
{
  const char *line_start = text;
  guint line = 1;

  for (const char *c = text; c < at; c++)
    if (*c == '\n')
      {
        line++;
        line_start = c + 1;
      }
  obk_config_problem_add (problems, "", line, (guint)g_utf8_strlen (line_start, at - line_start) + 1, "%s", problem);
}

/* What the parser says of itself. A character that YAML does not allow comes without a mark, but with an offset. */
static void
complain_of_parser (Reader *reader)
{
  const yaml_parser_t *parser = &reader->parser;
  const char *problem = parser->problem != NULL ? parser->problem : _ ("out of memory");

  if (parser->error == YAML_READER_ERROR)
    complain_at_byte (reader->problems, reader->text, reader->text + parser->problem_offset, problem);
  else
    obk_config_problem_add (
        reader->problems, "", (guint)parser->problem_mark.line + 1, (guint)parser->problem_mark.column + 1, "%s%s%s",
        parser->context != NULL ? parser->context : "", parser->context != NULL ? ": " : "", problem);
}

/* Returns: FALSE, with a problem, when the text is not YAML */
static gboolean
next_event (Reader *reader)
{
  yaml_event_delete (&reader->event);
  if (yaml_parser_parse (&reader->parser, &reader->event))
    return TRUE;
  memset (&reader->event, 0, sizeof reader->event);
  complain_of_parser (reader);
  return FALSE;
}

static void
refuse_properties (Reader *reader, const yaml_char_t *anchor, const yaml_char_t *tag)
{
  if (anchor != NULL)
    refuse_feature (reader, _ ("anchors are not allowed; write the value out"));
  if (tag != NULL)
    complain (reader, _ ("tags are not allowed; write the value without"));
}

static ObkYaml *read_node (Reader *reader, guint depth);

static ObkYaml *
read_scalar (Reader *reader)
{
  ObkYaml *node = new_node (OBK_YAML_SCALAR, reader->event.start_mark);
  const char *value = (const char *)reader->event.data.scalar.value;
  gsize length = reader->event.data.scalar.length;

  refuse_properties (reader, reader->event.data.scalar.anchor, reader->event.data.scalar.tag);
  if (memchr (value, '\0', length) != NULL)
    complain (reader, _ ("a zero character is not allowed"));
  node->text = g_strndup (value, length);
  node->plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  return node;
}

static gboolean
has_room (Reader *reader, const ObkYaml *node)
{
  if (node->children->len < MAX_CHILDREN)
    return TRUE;
  complain (reader, _ ("too many entries"));
  return FALSE;
}

static ObkYaml *
read_sequence (Reader *reader, guint depth)
{
  g_autoptr (ObkYaml) node = new_node (OBK_YAML_SEQUENCE, reader->event.start_mark);
  gsize path_length = reader->path->len;

  refuse_properties (reader, reader->event.data.sequence_start.anchor, reader->event.data.sequence_start.tag);
  for (;;)
    {
      ObkYaml *child = NULL;

      if (!next_event (reader))
        return NULL;
      if (reader->event.type == YAML_SEQUENCE_END_EVENT)
        return g_steal_pointer (&node);
      if (!has_room (reader, node))
        return NULL;
      g_string_append_printf (reader->path, "[%u]", node->children->len);
      child = read_node (reader, depth);
      g_string_truncate (reader->path, path_length);
      if (child == NULL)
        return NULL;
      g_ptr_array_add (node->children, child);
    }
}

/* The key that the event at hand is. Returns: FALSE when the rest cannot be read */
static gboolean
read_key (Reader *reader, ObkYaml *key)
{
  const char *value = NULL;
  gsize length = 0;

  key->key_line = (guint)reader->event.start_mark.line + 1;
  key->key_column = (guint)reader->event.start_mark.column + 1;
  if (reader->event.type != YAML_SCALAR_EVENT)
    {
      complain (reader, _ ("a field name must be a plain word"));
      return FALSE;
    }
  refuse_properties (reader, reader->event.data.scalar.anchor, reader->event.data.scalar.tag);
  value = (const char *)reader->event.data.scalar.value;
  length = reader->event.data.scalar.length;
  if (memchr (value, '\0', length) != NULL)
    complain (reader, _ ("a zero character is not allowed"));
  key->key = g_strndup (value, length);
  return TRUE;
}

static ObkYaml *
read_mapping (Reader *reader, guint depth)
{
  g_autoptr (ObkYaml) node = new_node (OBK_YAML_MAPPING, reader->event.start_mark);
  gsize path_length = reader->path->len;

  refuse_properties (reader, reader->event.data.mapping_start.anchor, reader->event.data.mapping_start.tag);
  for (;;)
    {
      g_autoptr (ObkYaml) child = NULL;
      ObkYaml key = { 0 };
      const ObkYaml *first = NULL;

      if (!next_event (reader))
        return NULL;
      if (reader->event.type == YAML_MAPPING_END_EVENT)
        return g_steal_pointer (&node);
      if (!has_room (reader, node) || !read_key (reader, &key))
        return NULL;
      g_string_append_printf (reader->path, "%s%s", path_length > 0 ? "." : "", key.key);
      first = obk_yaml_find (node, key.key, strlen (key.key));
      if (first != NULL)
        obk_config_problem_add (reader->problems, reader->path->str, key.key_line, key.key_column,
                                _ ("stands here for a second time; the first is in line %u"), first->key_line);
      child = next_event (reader) ? read_node (reader, depth) : NULL;
      g_string_truncate (reader->path, path_length);
      if (child == NULL)
        {
          g_free (key.key);
          return NULL;
        }
      child->key = key.key;
      child->key_line = key.key_line;
      child->key_column = key.key_column;
      if (first == NULL)
        g_ptr_array_add (node->children, g_steal_pointer (&child));
    }
}

/* The node that the event at hand begins. Returns: (nullable): %NULL when the rest cannot be read */
static ObkYaml *
read_node (Reader *reader, guint depth)
{
  ObkYaml *node = NULL;

  if (depth == MAX_DEPTH)
    {
      complain (reader, _ ("nested too deeply"));
      return NULL;
    }
  switch (reader->event.type)
    {
    case YAML_SCALAR_EVENT:
      return read_scalar (reader);
    case YAML_SEQUENCE_START_EVENT:
      return read_sequence (reader, depth + 1);
    case YAML_MAPPING_START_EVENT:
      return read_mapping (reader, depth + 1);
    default: /* an alias is the only other thing that may stand here */
      refuse_feature (reader, _ ("aliases are not allowed; write the value out"));
      node = new_node (OBK_YAML_SCALAR, reader->event.start_mark);
      node->text = g_strdup ("");
      node->refused = TRUE;
      return node;
    }
}

static ObkYaml *
read_stream (Reader *reader)
{
  g_autoptr (ObkYaml) root = NULL;

  if (!next_event (reader) /* the stream's start */ || !next_event (reader))
    return NULL;
  if (reader->event.type == YAML_STREAM_END_EVENT)
    {
      complain (reader, _ ("the file is empty"));
      return NULL;
    }
  if (!next_event (reader))
    return NULL;
  root = read_node (reader, 0);
  if (root == NULL || !next_event (reader) /* the document's end */ || !next_event (reader))
    return NULL;
  if (reader->event.type != YAML_STREAM_END_EVENT)
    complain (reader, _ ("a second document is not allowed"));
  return g_steal_pointer (&root);
}

ObkYaml *
obk_yaml_parse (const char *text, gsize length, GPtrArray *problems)
{
  Reader reader = { .problems = problems };
  ObkYaml *root = NULL;
  const char *end = NULL;

  g_return_val_if_fail (text != NULL && problems != NULL, NULL);

  if (!g_utf8_validate (text, (gssize)length, &end)) /* libyaml tells less of it */
    {
      complain_at_byte (problems, text, end, _ ("the file is not UTF-8 here"));
      return NULL;
    }
  if (length >= strlen (BYTE_ORDER_MARK) && memcmp (text, BYTE_ORDER_MARK, strlen (BYTE_ORDER_MARK)) == 0)
    {
      text += strlen (BYTE_ORDER_MARK); /* else it would count as a column */
      length -= strlen (BYTE_ORDER_MARK);
    }
  if (!yaml_parser_initialize (&reader.parser))
    {
      obk_config_problem_add (problems, "", 0, 0, "%s", _ ("out of memory"));
      return NULL;
    }
  yaml_parser_set_encoding (&reader.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (&reader.parser, (const unsigned char *)text, length);
  reader.text = text;
  reader.path = g_string_new (NULL);
  root = read_stream (&reader);
  g_string_free (reader.path, TRUE);
  yaml_event_delete (&reader.event);
  yaml_parser_delete (&reader.parser);
  return root;
}
