/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for zsh. */
#include "cli/completion.h"

#include "base/names.h"

#include <glib/gi18n.h>

static void
add_value_case (GString *script, const ObkCommand *command, const GOptionEntry *option)
{
  ObkCompletionKind kind = obk_completion_kind (option);
  g_autofree char *choices = NULL;

  if (kind == OBK_COMPLETION_NOTHING)
    return;
  if (kind == OBK_COMPLETION_CHOICE)
    choices = obk_completion_choices (option);
  if (command != NULL)
    g_string_append_printf (script, "    '%s --%s') ", command->name, option->long_name);
  else
    g_string_append_printf (script, "    *' --%s') ", option->long_name);
  if (kind == OBK_COMPLETION_FILE)
    g_string_append (script, "_files; return ;;\n");
  else if (kind == OBK_COMPLETION_CHOICE)
    g_string_append_printf (script, "compadd -- %s; return ;;\n", choices);
  else
    g_string_append (script, "_message value; return ;;\n");
}

/* "NAME:DESCRIPTION" in quotes, as _describe takes it. @description: (nullable) */
static char *
quote (const char *prefix, const char *name, const char *description)
{
  g_autofree char *entry
      = g_strconcat (prefix, name, description != NULL ? ":" : "", description != NULL ? description : "", NULL);

  return g_shell_quote (entry);
}

static void
add_option (GString *script, const ObkCommand *command, const GOptionEntry *option)
{
  g_autofree char *entry = quote ("--", option->long_name, _ (option->description));

  if (command != NULL)
    g_string_append_printf (script, "  [[ $command == '%s' ]] && options+=(%s)\n", command->name, entry);
  else
    g_string_append_printf (script, "  options+=(%s)\n", entry);
}

static void
add_word (GString *script, const char *before, const char *word, const char *summary)
{
  g_autofree char *entry = quote ("", word, summary);

  g_string_append_printf (script, "  [[ $command == '%s' ]] && commands+=(%s)\n", before, entry);
}

char *
obk_completion_zsh (void)
{
  g_autofree char *valued = obk_completion_valued ("|");
  GString *script = g_string_new ("#compdef " OBK_PROGRAM "\n# made by \"" OBK_PROGRAM " completion zsh\"\n");

  g_string_append (script, "_bao-kms-provider() {\n"
                           "  local command= option=$words[CURRENT-1] i\n"
                           "  local -a commands options\n"
                           "  for ((i = 2; i < CURRENT; i++)); do\n"
                           "    case $words[i] in\n");
  g_string_append_printf (script, "      (%s) ((i++)) ;;\n", valued);
  g_string_append (script, "      (-*) ;;\n"
                           "      (*) command+=${command:+ }$words[i] ;;\n"
                           "    esac\n"
                           "  done\n"
                           "  if [[ $words[CURRENT] == --*=* ]]; then\n"
                           "    option=${words[CURRENT]%%=*}\n"
                           "    compset -P '*='\n"
                           "  fi\n"
                           "  case \"$command $option\" in\n");
  obk_completion_each_option (script, add_value_case);
  g_string_append (script, "  esac\n");
  obk_completion_each_option (script, add_option);
  obk_completion_each_word (script, add_word);
  g_string_append (script, "  if [[ $PREFIX == -* ]] || (( ! $#commands )); then\n"
                           "    _describe -o option options\n"
                           "  else\n"
                           "    _describe command commands\n"
                           "  fi\n"
                           "}\n"
                           "if [[ $funcstack[1] == _bao-kms-provider ]]; then\n"
                           "  _bao-kms-provider \"$@\"\n"
                           "else\n"
                           "  compdef _bao-kms-provider " OBK_PROGRAM "\n"
                           "fi\n");
  return g_string_free (script, FALSE);
}
