/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for shells, made from the table of commands. */
#pragma once

#include <glib.h>

#include "cli/command.h"

G_BEGIN_DECLS

/* What may stand after an option. */
typedef enum
{
  OBK_COMPLETION_NOTHING, /* the option has no value */
  OBK_COMPLETION_TEXT,    /* nobody can say */
  OBK_COMPLETION_FILE,
  OBK_COMPLETION_CHOICE /* one of few */
} ObkCompletionKind;

ObkCompletionKind obk_completion_kind (const GOptionEntry *option);
/* Returns: (transfer full): of a choice, with spaces between */
char *obk_completion_choices (const GOptionEntry *option);

/* Returns: (transfer full): "--config", "--output" and all others that have a value, each once */
char *obk_completion_valued (const char *separator);

/* Calls @visit for each option of each command, once with @command %NULL for those that every command has. */
typedef void (*ObkCompletionVisit) (GString *script, const ObkCommand *command, const GOptionEntry *option);
void obk_completion_each_option (GString *script, ObkCompletionVisit visit);

/* Calls @visit for each word that may come next in a command's name: "" then "policy", "policy" then "openbao".
 * @summary: (nullable): what it does; %NULL when it is the name of a group alone */
typedef void (*ObkCompletionWord) (GString *script, const char *before, const char *word, const char *summary);
void obk_completion_each_word (GString *script, ObkCompletionWord visit);

/* The scripts. Returns: (transfer full) */
char *obk_completion_bash (void);
char *obk_completion_fish (void);
char *obk_completion_zsh (void);

G_END_DECLS
