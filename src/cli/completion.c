/* SPDX-License-Identifier: Apache-2.0 */
/* "completion bash", "fish" and "zsh": a script for the shell, made from the table of commands. */
#include "cli/completion.h"

#include "base/names.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>

ObkCompletionKind
obk_completion_kind (const GOptionEntry *option)
{
  if (option->arg == G_OPTION_ARG_NONE || (option->flags & G_OPTION_FLAG_NO_ARG) != 0)
    return OBK_COMPLETION_NOTHING;
  if (option->arg_description != NULL && strchr (option->arg_description, '|') != NULL)
    return OBK_COMPLETION_CHOICE;
  return option->arg == G_OPTION_ARG_FILENAME || option->arg == G_OPTION_ARG_FILENAME_ARRAY ? OBK_COMPLETION_FILE
                                                                                            : OBK_COMPLETION_TEXT;
}

char *
obk_completion_choices (const GOptionEntry *option)
{
  return g_strdelimit (g_strdup (option->arg_description), "|", ' ');
}

void
obk_completion_each_option (GString *script, ObkCompletionVisit visit)
{
  g_autoptr (GPtrArray) shared = obk_command_list_options (NULL);

  for (gsize i = 0; i < obk_command_count (); i++)
    {
      const ObkCommand *command = obk_command_at (i);
      g_autoptr (GPtrArray) options = obk_command_list_options (command);

      for (guint j = 0; j + shared->len < options->len; j++)
        visit (script, command, g_ptr_array_index (options, j));
    }
  for (guint i = 0; i < shared->len; i++)
    visit (script, NULL, g_ptr_array_index (shared, i));
}

static void
add_valued (GString *names, const ObkCommand *command, const GOptionEntry *option)
{
  g_auto (GStrv) seen = g_strsplit (names->str, " ", -1);
  g_autofree char *name = g_strconcat ("--", option->long_name, NULL);

  if (obk_completion_kind (option) == OBK_COMPLETION_NOTHING || g_strv_contains ((const char *const *)seen, name))
    return;
  g_string_append_printf (names, "%s%s", names->len > 0 ? " " : "", name);
}

char *
obk_completion_valued (const char *separator)
{
  g_autoptr (GString) names = g_string_new (NULL);
  g_auto (GStrv) list = NULL;

  obk_completion_each_option (names, add_valued);
  list = g_strsplit (names->str, " ", -1);
  return g_strjoinv (separator, list);
}

static gboolean
is_command (const char *name)
{
  for (gsize i = 0; i < obk_command_count (); i++)
    if (strcmp (obk_command_at (i)->name, name) == 0)
      return TRUE;
  return FALSE;
}

void
obk_completion_each_word (GString *script, ObkCompletionWord visit)
{
  g_autofree char *last_group = NULL;

  for (gsize i = 0; i < obk_command_count (); i++)
    {
      const ObkCommand *command = obk_command_at (i);
      const char *space = strchr (command->name, ' ');
      g_autofree char *group = space != NULL ? g_strndup (command->name, (gsize)(space - command->name)) : NULL;

      if (group == NULL)
        visit (script, "", command->name, _ (command->summary));
      else
        {
          if (g_strcmp0 (last_group, group) != 0 && !is_command (group))
            visit (script, "", group, NULL);
          visit (script, group, space + 1, _ (command->summary));
          g_free (last_group);
          last_group = g_steal_pointer (&group);
        }
    }
}

static ObkExit
print (char *script)
{
  fputs (script, stdout);
  g_free (script);
  return OBK_EXIT_OK;
}

static ObkExit
run_bash (const ObkGlobals *globals)
{
  return print (obk_completion_bash ());
}

static ObkExit
run_fish (const ObkGlobals *globals)
{
  return print (obk_completion_fish ());
}

static ObkExit
run_zsh (const ObkGlobals *globals)
{
  return print (obk_completion_zsh ());
}

const ObkCommand obk_command_completion_bash = {
  .name = "completion bash",
  .summary = N_ ("Show the completion script for bash."),
  .example = OBK_PROGRAM " completion bash > /etc/bash_completion.d/" OBK_PROGRAM,
  .run = run_bash,
};

const ObkCommand obk_command_completion_fish = {
  .name = "completion fish",
  .summary = N_ ("Show the completion script for fish."),
  .example = OBK_PROGRAM " completion fish > ~/.config/fish/completions/" OBK_PROGRAM ".fish",
  .run = run_fish,
};

const ObkCommand obk_command_completion_zsh = {
  .name = "completion zsh",
  .summary = N_ ("Show the completion script for zsh."),
  .example = OBK_PROGRAM " completion zsh > /usr/local/share/zsh/site-functions/_" OBK_PROGRAM,
  .run = run_zsh,
};
