/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for bash. It needs nothing but bash. */
#include "cli/completion.h"

#include "base/names.h"

#define FUNCTION "_bao_kms_provider"

/* A case of "COMMAND --option" */
static void
add_value_case (GString *script, const ObkCommand *command, const GOptionEntry *option)
{
  ObkCompletionKind kind = obk_completion_kind (option);

  if (kind == OBK_COMPLETION_NOTHING)
    return;
  if (command != NULL)
    g_string_append_printf (script, "    '%s --%s')\n", command->name, option->long_name);
  else
    g_string_append_printf (script, "    *' --%s')\n", option->long_name);
  if (kind == OBK_COMPLETION_FILE)
    g_string_append (script, "      compopt -o filenames 2>/dev/null\n"
                             "      mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n");
  if (kind == OBK_COMPLETION_CHOICE)
    {
      g_autofree char *choices = obk_completion_choices (option);

      g_string_append_printf (script, "      mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\")\n", choices);
    }
  g_string_append (script, "      return\n      ;;\n");
}

static void
add_option_case (GString *script, const ObkCommand *command, const GOptionEntry *option)
{
  if (command != NULL)
    g_string_append_printf (script, "    '%s') words+=' --%s' ;;&\n", command->name, option->long_name);
  else
    g_string_append_printf (script, "    *) words+=' --%s' ;;&\n", option->long_name);
}

static void
add_word_case (GString *script, const char *before, const char *word, const char *summary)
{
  g_string_append_printf (script, "    '%s') words+=' %s' ;;&\n", before, word);
}

char *
obk_completion_bash (void)
{
  g_autofree char *valued = obk_completion_valued (" | ");
  GString *script
      = g_string_new ("# bash completion for " OBK_PROGRAM ", made by \"" OBK_PROGRAM " completion bash\"\n");

  g_string_append (script, FUNCTION "()\n{\n"
                                    "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                                    "  local option=$prev command='' words='' i\n"
                                    "  COMPREPLY=()\n"
                                    "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                                    "    case ${COMP_WORDS[i]} in\n");
  g_string_append_printf (script, "      %s)\n", valued);
  g_string_append (script, "        [[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1))\n"
                           "        i=$((i + 1))\n"
                           "        ;;\n"
                           "      -* | =) ;;\n"
                           "      *) command+=${command:+ }${COMP_WORDS[i]} ;;\n"
                           "    esac\n"
                           "  done\n"
                           "  if [[ $cur == = ]]; then\n"
                           "    cur=\n"
                           "  elif [[ $prev == = ]]; then\n"
                           "    option=${COMP_WORDS[COMP_CWORD - 2]}\n"
                           "  fi\n"
                           "  case \"$command $option\" in\n");
  obk_completion_each_option (script, add_value_case);
  g_string_append (script, "  esac\n"
                           "  if [[ $cur == -* ]]; then\n"
                           "    case $command in\n");
  obk_completion_each_option (script, add_option_case);
  g_string_append (script, "    esac\n"
                           "  else\n"
                           "    case $command in\n");
  obk_completion_each_word (script, add_word_case);
  g_string_append (script, "    esac\n"
                           "  fi\n"
                           "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                           "}\n"
                           "complete -F " FUNCTION " " OBK_PROGRAM "\n");
  return g_string_free (script, FALSE);
}
