/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the command in the table, parses its options, and runs it. */
#include "cli/command.h"

#include "base/names.h"
#include "base/process.h"
#include "config-build.h"
#include "config/suggestion.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* One a line. */
/* clang-format off */
static const ObkCommand *const commands[] = {
  &obk_command_benchmark,
  &obk_command_completion_bash,
  &obk_command_completion_fish,
  &obk_command_completion_zsh,
  &obk_command_config,
  &obk_command_config_schema,
  &obk_command_doctor,
  &obk_command_init,
  &obk_command_policy_openbao,
  &obk_command_probe,
  &obk_command_probe_apiserver,
  &obk_command_recover_state,
  &obk_command_restore_versions,
  &obk_command_retire_versions,
  &obk_command_rotation_plan,
  &obk_command_schema,
  &obk_command_serve,
  &obk_command_status,
  &obk_command_verify_key,
  &obk_command_verify_rotation,
  &obk_command_version,
};
/* clang-format on */

/* GOption writes to places that outlive its parsing. */
static ObkGlobals globals;
static gboolean want_help;
static gboolean want_version;
static char *output; /* of --output, until it is judged */

static const GOptionEntry global_entries[] = {
  { "config", 0, 0, G_OPTION_ARG_FILENAME, &globals.config_path, N_ ("Configuration file"), N_ ("PATH") },
  { "log-level", 0, 0, G_OPTION_ARG_STRING, &globals.flags.log_level, N_ ("Use it instead of logging.level"),
    "debug|info|warn|error" },
  { "metrics-address", 0, 0, G_OPTION_ARG_STRING, &globals.flags.metrics_address,
    N_ ("Use it instead of server.metricsAddress"), N_ ("ADDRESS") },
  { "health-address", 0, 0, G_OPTION_ARG_STRING, &globals.flags.health_address,
    N_ ("Use it instead of server.healthAddress"), N_ ("ADDRESS") },
  { "help", 'h', 0, G_OPTION_ARG_NONE, &want_help, N_ ("Show this help"), NULL },
  { "version", 0, 0, G_OPTION_ARG_NONE, &want_version, N_ ("Show the version"), NULL },
  G_OPTION_ENTRY_NULL,
};

static const GOptionEntry report_entries[] = {
  { "output", 0, 0, G_OPTION_ARG_STRING, &output, N_ ("Form of the report, text by default"), "text|json" },
  G_OPTION_ENTRY_NULL,
};

void
obk_command_complain (const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (stderr, "%s: %s\n", OBK_PROGRAM, text);
}

void
obk_command_complain_about_config (const GPtrArray *problems, const char *path, const GError *error)
{
  for (guint i = 0; i < problems->len; i++)
    {
      g_autofree char *line = obk_config_problem_format (g_ptr_array_index (problems, i), path);

      fprintf (stderr, "%s\n", line);
    }
  obk_command_complain ("%s", error->message);
}

ObkConfig *
obk_command_load_config (const ObkGlobals *given)
{
  const char *path = obk_config_path (given->config_path);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  ObkConfig *config = obk_config_load (path, &given->flags, &problems, &error);

  if (config == NULL)
    obk_command_complain_about_config (problems, path, error);
  return config;
}

/* @command: %NULL for the program as a whole */
static GOptionContext *
new_context (const ObkCommand *command)
{
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_set_help_enabled (context, FALSE); /* ours also works where the command is missing */
  if (command != NULL && command->options != NULL)
    g_option_context_add_main_entries (context, command->options (), NULL);
  if (command != NULL && command->has_report)
    g_option_context_add_main_entries (context, report_entries, NULL);
  g_option_context_add_main_entries (context, global_entries, NULL);
  g_option_context_set_translation_domain (context, OBK_PROGRAM);
  return context;
}

/* @usage: what stands before "[OPTION…]" */
static void
print_context (GOptionContext *context, const char *usage)
{
  g_autofree char *help = NULL;

  g_set_prgname (usage); /* the only way to have GOption name a command */
  help = g_option_context_get_help (context, TRUE, NULL);
  fputs (help, stdout);
}

static char *
format_example (const char *example)
{
  g_autofree char *files = g_strdup_printf (_ ("The configuration file is that of --config, else of the environment's\n"
                                               "%s, else %s."),
                                            "BAO_KMS_PROVIDER_CONFIG", OBK_DEFAULT_CONFIG);

  return g_strdup_printf ("%s\n\n%s\n  %s", files, _ ("Example:"), example);
}

static void
print_command_help (const ObkCommand *command)
{
  g_autoptr (GOptionContext) context = new_context (command);
  g_autofree char *usage = g_strjoin (" ", OBK_PROGRAM, command->name, NULL);
  g_autofree char *example = format_example (command->example);
  g_autofree char *text = NULL;

  if (command->details != NULL)
    text = g_strconcat (_ (command->summary), "\n\n", _ (command->details), NULL);
  g_option_context_set_summary (context, text != NULL ? text : _ (command->summary));
  g_option_context_set_description (context, example);
  print_context (context, usage);
}

/* Whether @command is named "GROUP SOMETHING" */
static gboolean
is_in_group (const ObkCommand *command, const char *group)
{
  gsize length = strlen (group);

  return strncmp (command->name, group, length) == 0 && command->name[length] == ' ';
}

/* @group: (nullable): list only its commands */
static void
print_overview (const char *group)
{
  g_autoptr (GOptionContext) context = new_context (NULL);
  g_autoptr (GString) list = g_string_new (_ ("Commands:"));
  g_autofree char *usage
      = g_strjoin (" ", OBK_PROGRAM, group != NULL ? group : "COMMAND", group != NULL ? "COMMAND" : NULL, NULL);
  g_autofree char *example = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      if (group != NULL && !is_in_group (commands[i], group))
        continue;
      g_string_append_printf (list, "\n  %-20s %s", commands[i]->name, _ (commands[i]->summary));
      if (example == NULL)
        example = format_example (commands[i]->example);
    }
  g_string_append_printf (list, "\n\n%s", example);
  g_option_context_set_summary (context, _ ("Kubernetes KMS v2 provider for OpenBao Transit."));
  g_option_context_set_description (context, list->str);
  print_context (context, usage);
}

static const ObkCommand *
find_command (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

gboolean
obk_command_is_group (const char *group)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (is_in_group (commands[i], group))
      return TRUE;
  return FALSE;
}

gsize
obk_command_count (void)
{
  return G_N_ELEMENTS (commands);
}

const ObkCommand *
obk_command_at (gsize index)
{
  g_return_val_if_fail (index < G_N_ELEMENTS (commands), NULL);

  return commands[index];
}

static void
add_options (GPtrArray *options, const GOptionEntry *entries)
{
  for (; entries->long_name != NULL; entries++)
    g_ptr_array_add (options, (gpointer)entries);
}

GPtrArray *
obk_command_list_options (const ObkCommand *command)
{
  GPtrArray *options = g_ptr_array_new ();

  if (command != NULL && command->options != NULL)
    add_options (options, command->options ());
  if (command != NULL && command->has_report)
    add_options (options, report_entries);
  add_options (options, global_entries);
  return options;
}

/* Takes the words of the command's name out of @argv. Returns: (nullable): the command */
static const ObkCommand *
take_command (int *argc, char **argv)
{
  g_autofree char *pair = *argc > 2 ? g_strjoin (" ", argv[1], argv[2], NULL) : NULL;
  const ObkCommand *command = pair != NULL ? find_command (pair) : NULL;
  int words = command != NULL ? 2 : 1;

  if (command == NULL)
    command = find_command (argv[1]);
  if (command == NULL)
    return NULL;
  memmove (argv + 1, argv + 1 + words, (gsize)(*argc - words) * sizeof *argv); /* with the NULL at the end */
  *argc -= words;
  return command;
}

static int
complain_about_command (int argc, char **argv)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autofree char *written = NULL;
  const char *nearest = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_ptr_array_add (names, (gpointer)commands[i]->name);
  g_ptr_array_add (names, NULL);

  written = argc > 2 && argv[2][0] != '-' && obk_command_is_group (argv[1]) ? g_strjoin (" ", argv[1], argv[2], NULL)
                                                                            : g_strdup (argv[1]);
  nearest = obk_suggestion (written, (const char *const *)names->pdata);
  if (nearest != NULL)
    obk_command_complain (_ ("unknown command \"%s\"; did you mean \"%s\"?"), written, nearest);
  else if (obk_command_is_group (written))
    obk_command_complain (_ ("\"%s\" needs a subcommand; see \"%s %s --help\""), written, OBK_PROGRAM, written);
  else
    obk_command_complain (_ ("unknown command \"%s\"; see \"%s --help\""), written, OBK_PROGRAM);
  return OBK_EXIT_USAGE;
}

/* Parses what is left of the command line after the command's name. */
static gboolean
parse_options (const ObkCommand *command, int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = new_context (command);
  g_autoptr (GError) error = NULL;

  if (!g_option_context_parse (context, argc, argv, &error))
    obk_command_complain (_ ("%s; see \"%s %s --help\""), error->message, OBK_PROGRAM, command->name);
  else if (!want_help && *argc > 1)
    obk_command_complain (_ ("unexpected argument \"%s\"; see \"%s %s --help\""), (*argv)[1], OBK_PROGRAM,
                          command->name);
  else if (output != NULL && strcmp (output, "text") != 0 && strcmp (output, "json") != 0)
    obk_command_complain (_ ("--output must be \"text\" or \"json\", not \"%s\""), output);
  else
    {
      globals.json = g_strcmp0 (output, "json") == 0;
      return TRUE;
    }
  return FALSE;
}

/* A report that did not reach its reader whole must not look like one that did. */
static int
finish_output (int status)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  obk_command_complain (_ ("cannot write to standard output: %s"), g_strerror (errno));
  return status != OBK_EXIT_OK ? status : OBK_EXIT_FAILED;
}

static int
run_command (int argc, char **argv)
{
  const ObkCommand *command = take_command (&argc, argv);

  if (command == NULL && argc > 2 && obk_command_is_group (argv[1])
      && (strcmp (argv[2], "--help") == 0 || strcmp (argv[2], "-h") == 0))
    {
      print_overview (argv[1]);
      return OBK_EXIT_OK;
    }
  if (command == NULL)
    return complain_about_command (argc, argv);
  if (!parse_options (command, &argc, &argv))
    return OBK_EXIT_USAGE;
  if (want_help)
    {
      print_command_help (command);
      return OBK_EXIT_OK;
    }
  /* JSON and logs are for programs, which know no languages; so are the system's texts in them. */
  if (globals.json || globals.flags.log_level != NULL || command == &obk_command_serve)
    setlocale (LC_MESSAGES, "C");
  return want_version ? obk_command_version.run (&globals) : command->run (&globals);
}

int
obk_command_main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GError) error = NULL;

  if (!obk_process_open_standard_streams ())
    return OBK_EXIT_FAILED;
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C"); /* numbers in logs and reports are for programs too */
  bindtextdomain (OBK_PROGRAM, OBK_LOCALEDIR);
  bind_textdomain_codeset (OBK_PROGRAM, "UTF-8");
  textdomain (OBK_PROGRAM);
  g_set_prgname (OBK_PROGRAM);

  /* Global options before the command; the first word that is no option ends them. */
  context = new_context (NULL);
  g_option_context_set_strict_posix (context, TRUE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      obk_command_complain (_ ("%s; see \"%s --help\""), error->message, OBK_PROGRAM);
      return OBK_EXIT_USAGE;
    }
  if (argc > 1 && !want_version)
    return finish_output (run_command (argc, argv));
  if (want_version)
    return finish_output (obk_command_version.run (&globals));
  if (want_help)
    {
      print_overview (NULL);
      return finish_output (OBK_EXIT_OK);
    }
  obk_command_complain (_ ("a command is missing; see \"%s --help\""), OBK_PROGRAM);
  return OBK_EXIT_USAGE;
}
