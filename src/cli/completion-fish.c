/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for fish. */
#include "cli/completion.h"

#include "base/names.h"

#include <glib/gi18n.h>

#define COMPLETE "complete -c " OBK_PROGRAM

static void
add_option (GString *script, const ObkCommand *command, const GOptionEntry *option)
{
  ObkCompletionKind kind = obk_completion_kind (option);
  g_autofree char *description = g_shell_quote (_ (option->description));
  g_autofree char *choices = kind == OBK_COMPLETION_CHOICE ? obk_completion_choices (option) : NULL;

  g_string_append (script, COMPLETE);
  if (command != NULL)
    g_string_append_printf (script, " -n '__bao_kms_provider_is \"%s\"'", command->name);
  g_string_append_printf (script, " -l %s", option->long_name);
  if (option->short_name != '\0')
    g_string_append_printf (script, " -s %c", option->short_name);
  if (kind == OBK_COMPLETION_FILE)
    g_string_append (script, " -r -F");
  else if (kind == OBK_COMPLETION_CHOICE)
    g_string_append_printf (script, " -x -a '%s'", choices);
  else if (kind == OBK_COMPLETION_TEXT)
    g_string_append (script, " -x");
  g_string_append_printf (script, " -d %s\n", description);
}

static void
add_word (GString *script, const char *before, const char *word, const char *summary)
{
  g_autofree char *description = g_shell_quote (summary != NULL ? summary : "");

  g_string_append_printf (script, COMPLETE " -n '__bao_kms_provider_is \"%s\"' -a %s -d %s\n", before, word,
                          description);
}

char *
obk_completion_fish (void)
{
  g_autofree char *valued = obk_completion_valued (" ");
  GString *script = g_string_new ("# fish completion for " OBK_PROGRAM ", made by \"" OBK_PROGRAM " completion fish\"\n"
                                  "function __bao_kms_provider_is\n"
                                  "    set -l valued");

  g_string_append_printf (script, " %s\n", valued);
  g_string_append (script, "    set -l command\n"
                           "    set -l skip\n"
                           "    for word in (commandline -opc)[2..-1]\n"
                           "        if test -n \"$skip\"\n"
                           "            set skip\n"
                           "        else if contains -- $word $valued\n"
                           "            set skip yes\n"
                           "        else if not string match -q -- '-*' $word\n"
                           "            set -a command $word\n"
                           "        end\n"
                           "    end\n"
                           "    test \"$command\" = \"$argv\"\n"
                           "end\n" COMPLETE " -f\n");
  obk_completion_each_word (script, add_word);
  obk_completion_each_option (script, add_option);
  return g_string_free (script, FALSE);
}
