/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a manual page in mdoc, made from the tables that --help and the parser go by: manual-page 5|8.
 *
 * Part of the build, not of the product. */
#include "field-text.h"

#include "base/names.h"
#include "cli/command.h"
#include "config-build.h"

#include <stdio.h>
#include <string.h>

#define PAGE_5 OBK_PROGRAM ".yaml"

#define WIDTH 78

/* A word in which nothing is a request or an escape; the marks of Markdown go. */
static char *
escape (const char *word)
{
  g_auto (GStrv) parts = g_strsplit (word, "\\", -1);
  g_autofree char *escaped = g_strjoinv ("\\e", parts);
  g_auto (GStrv) plain = g_strsplit (escaped, "`", -1);

  return g_strjoinv ("", plain);
}

/* Lines of text: short ones, and each sentence on a line of its own. */
static void
print_text (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  gsize column = 0;

  for (char **at = words; *at != NULL; at++)
    {
      g_autofree char *word = escape (*at);

      if (column > 0 && column + strlen (word) >= WIDTH)
        {
          putchar ('\n');
          column = 0;
        }
      printf ("%s%s%s", column > 0 ? " " : "", column == 0 && (*word == '.' || *word == '\'') ? "\\&" : "", word);
      column += strlen (word) + 1;
      if (g_str_has_suffix (word, ".") && at[1] != NULL)
        {
          putchar ('\n');
          column = 0;
        }
    }
  putchar ('\n');
}

G_GNUC_PRINTF (1, 2)
static void
print_sentence (const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  print_text (text);
}

/* Returns: (transfer full): of the build; that of SOURCE_DATE_EPOCH where builds are to be the same */
static char *
build_date (void)
{
  const char *epoch = g_getenv ("SOURCE_DATE_EPOCH");
  g_autoptr (GDateTime) date
      = epoch != NULL ? g_date_time_new_from_unix_utc (g_ascii_strtoll (epoch, NULL, 10)) : g_date_time_new_now_utc ();

  return g_date_time_format (date, "%B %-d, %Y");
}

static void
print_head (const char *name, const char *section, const char *what)
{
  g_autofree char *title = g_ascii_strup (name, -1);
  g_autofree char *date = build_date ();

  printf (".\\\" Made from the program's own tables.\n.Dd %s\n.Dt %s %s\n.Os %s %s\n.Sh NAME\n.Nm %s\n.Nd %s\n", date,
          title, section, OBK_PROGRAM, OBK_VERSION, name, what);
}

/* An argument of a macro, in quotes */
static void
print_argument (const char *text)
{
  g_autofree char *escaped = escape (text);

  printf (" \"%s\"", escaped);
}

static void
print_option (const GOptionEntry *option)
{
  printf (".It Fl -%s", option->long_name);
  if (option->arg != G_OPTION_ARG_NONE)
    {
      printf (" Ns = Ns Ar");
      print_argument (option->arg_description != NULL ? option->arg_description : "VALUE");
    }
  if (option->short_name != '\0')
    printf (" , Fl %c", option->short_name);
  putchar ('\n');
  print_sentence ("%s.", option->description);
}

static void
print_options (const GPtrArray *options, guint n)
{
  if (n == 0)
    return;
  puts (".Bl -tag -width Ds");
  for (guint i = 0; i < n; i++)
    print_option (g_ptr_array_index (options, i));
  puts (".El");
}

static void
print_command (const ObkCommand *command, guint n_shared)
{
  g_autoptr (GPtrArray) options = obk_command_list_options (command);

  printf (".Ss %s\n", command->name);
  print_text (command->summary);
  if (command->details != NULL)
    {
      puts (".Pp");
      print_text (command->details);
    }
  print_options (options, options->len - n_shared);
  puts (".Pp\nExample:");
  printf (".Dl %s\n", command->example);
}

static const char exit_codes[] = ".Sh EXIT STATUS\n"
                                 ".Bl -tag -width Ds\n"
                                 ".It 0\nAll is well.\n"
                                 ".It 1\nSomething failed that has no number of its own.\n"
                                 ".It 2\nThe command line is wrong.\n"
                                 ".It 3\nThe configuration is wrong.\n"
                                 ".It 4\nA check failed.\n"
                                 ".It 5\nThe service cannot go on: state, socket or lock must be mended here.\n"
                                 ".El\n";

static void
print_commands_page (void)
{
  g_autoptr (GPtrArray) shared = obk_command_list_options (NULL);

  print_head (OBK_PROGRAM, "8", "Kubernetes KMS v2 provider for OpenBao Transit");
  puts (".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTIONS\n.Sh DESCRIPTION\n.Nm\n"
        "lets a Kubernetes API server have the Secrets that it stores encrypted by a\n"
        "key in OpenBao's Transit engine.\n"
        "The API server asks it over a Unix socket; it asks OpenBao.\n"
        ".Ic serve\nis the service; the other commands prepare it, look at it and mend it.\n"
        "These options are those of every command, and may stand before it:");
  print_options (shared, shared->len);
  puts (".Sh COMMANDS");
  for (gsize i = 0; i < obk_command_count (); i++)
    print_command (obk_command_at (i), shared->len);
  puts (".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
        ".It Ev BAO_KMS_PROVIDER_CONFIG\nThe configuration file, where\n.Fl -config\nis not given.\n"
        ".It Ev BAO_KMS_PROVIDER_LOG_LEVEL\nInstead of logging.level.\n"
        ".It Ev BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS\nInstead of server.metricsAddress.\n"
        ".It Ev BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS\nInstead of server.healthAddress.\n"
        ".It Ev LANGUAGE , LC_ALL , LC_MESSAGES , LANG\n"
        "The language of what is said to people; logs and JSON do not depend on it.\n.El");
  printf (".Sh FILES\n.Bl -tag -width Ds\n.It Pa %s\nThe configuration.\n.It Pa %s\nThe socket.\n"
          ".It Pa /var/lib/openbao-kms/state\nWhat this node knows of the key's versions.\nBack it up.\n.El\n",
          OBK_DEFAULT_CONFIG, OBK_DEFAULT_SOCKET);
  fputs (exit_codes, stdout);
  printf (".Sh SEE ALSO\n.Xr systemctl 1 ,\n.Xr %s 5\n", PAGE_5);
}

static gsize
section_length (const char *name)
{
  const char *dot = strrchr (name, '.');

  return dot != NULL ? (gsize)(dot - name) : 0;
}

static void
print_field (const ObkConfigField *field)
{
  g_autofree char *preset = field_default_text (field);
  g_autofree char *rules = field_rules_text (field);

  printf (".It Ic %s\n", field->name);
  print_text (field->help);
  puts (".br");
  print_sentence ("Type: %s.", field_type_text (field));
  print_sentence ("%s%s.", g_str_has_prefix (preset, "required") ? "It is " : "Default: ", preset);
  if (rules[0] != '\0')
    print_sentence ("Rule: %s.", rules);
}

static void
print_fields (gsize row, gsize end)
{
  const char *last = NULL;

  for (gsize i = row; i < end; i++)
    {
      const char *name = obk_config_fields[i].name;
      gsize length = section_length (name);

      if (last == NULL || section_length (last) != length || strncmp (last, name, length) != 0)
        printf ("%s.Ss %.*s\n.Bl -tag -width Ds\n", last != NULL ? ".El\n" : "", length > 0 ? (int)length : 3,
                length > 0 ? name : "Top");
      print_field (&obk_config_fields[i]);
      last = name;
    }
  puts (".El");
}

static void
print_configuration_page (void)
{
  print_head (PAGE_5, "5", "configuration of " OBK_PROGRAM);
  printf (".Sh DESCRIPTION\n.Xr %s 8\nreads one YAML file,\n.Pa %s\nunless\n.Fl -config\nor\n"
          ".Ev BAO_KMS_PROVIDER_CONFIG\nnames another one.\n",
          OBK_PROGRAM, OBK_DEFAULT_CONFIG);
  print_text (
      "It belongs to root or to the service's user, is no symbolic link, and nobody but its owner may write it, "
      "nor anyone outside its group read it. "
      "Unknown and duplicate fields, anchors, aliases, tags and further documents are refused. "
      "Durations are written like 90s, 1h30m, 500ms, 0s. "
      "credential:NAME in place of a path stands for the systemd credential of that name.");
  puts (".Sh CONFIGURATION");
  print_fields (0, obk_config_n_fields ());
  puts (".Sh VALUES FOR INIT\nThe file that\n.Ic init\nmakes a configuration from has the same fields, and these:");
  print_fields (obk_config_n_fields (), obk_config_n_fields_of_values ());
  printf (".Sh SEE ALSO\n.Xr %s 8\n", OBK_PROGRAM);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && strcmp (argv[1], "8") == 0)
    print_commands_page ();
  else if (argc == 2 && strcmp (argv[1], "5") == 0)
    print_configuration_page ();
  else
    return 2;
  return fflush (stdout) == 0 ? 0 : 1;
}
