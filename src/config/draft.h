/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration that is being read: values, where each was found, and what is wrong so far. */
#pragma once

#include <glib.h>

#include "config/field.h"
#include "config/yaml.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_DRAFT_UNSET, /* the default, or nothing */
  OBK_DRAFT_SET,
  OBK_DRAFT_INVALID /* what was written is wrong, and already a problem */
} ObkDraftState;

typedef struct
{
  ObkDraftState state;
  guint line; /* of the value in the file; 0 when it is not there */
  guint column;
  const char *source; /* (nullable): the flag or variable that won */
} ObkDraftRow;

typedef struct
{
  ObkConfig *config;
  const ObkYaml *root; /* (nullable) */
  GPtrArray *problems;
  gsize n_rows;      /* of the document that is read: the configuration, or a values file */
  ObkDraftRow *rows; /* one for each field */
} ObkDraft;

/* Goes over the whole tree by the field table: unknown, mistyped and wrong fields (walk.c). */
void obk_draft_read_tree (ObkDraft *draft);

/* What the environment, and then the flags, say instead (override.c). */
void obk_draft_read_overrides (ObkDraft *draft, const ObkConfigFlags *flags);

/* Missing fields, and the rules that go beyond one field (check.c). */
void obk_draft_check (ObkDraft *draft);

/* Adds a problem at @field's value, else at the innermost section that is there. */
void obk_draft_complain (ObkDraft *draft, const char *field, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
