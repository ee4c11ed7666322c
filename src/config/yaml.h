/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML document as a tree that knows where everything stands. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  OBK_YAML_SCALAR,
  OBK_YAML_SEQUENCE,
  OBK_YAML_MAPPING
} ObkYamlKind;

/**
 * ObkYaml:
 *
 * A node. Lines and columns count from 1, columns in characters.
 */
typedef struct
{
  ObkYamlKind kind;
  guint line;
  guint column;
  char *text;          /* of a scalar */
  gboolean plain;      /* a scalar without quotes, and not a block: YAML gives it a type by its look */
  gboolean refused;    /* what stands here is a problem already, and its value not known */
  GPtrArray *children; /* of ObkYaml; of a sequence or mapping */
  char *key;           /* of a member of a mapping */
  guint key_line;
  guint key_column;
} ObkYaml;

/**
 * obk_yaml_parse:
 * @problems: (element-type ObkConfigProblem): what was wrong is added
 *
 * One document of YAML 1.1, or JSON, in UTF-8. Anchors, aliases, tags, a second document, duplicate keys, keys that are
 * not scalars, and more than 16 levels are problems.
 *
 * Returns: (transfer full) (nullable): the root, also when problems were found that leave a tree; %NULL when none is
 * left
 */
ObkYaml *obk_yaml_parse (const char *text, gsize length, GPtrArray *problems);
void obk_yaml_free (ObkYaml *node);

/* Whether it is a plain scalar that means "nothing here" */
gboolean obk_yaml_is_null (const ObkYaml *node);

/* Returns: (nullable): the member of a mapping */
const ObkYaml *obk_yaml_find (const ObkYaml *mapping, const char *key, gsize key_length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkYaml, obk_yaml_free)

G_END_DECLS
