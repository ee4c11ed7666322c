/* SPDX-License-Identifier: Apache-2.0 */
/* "schema": the JSON Schemas of the reports, as they are in the package's data/schemas. */
#include "cli/command.h"

#include "base/names.h"
#include "schemas.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>

#define FOLDER "/schemas"
#define SUFFIX ".schema.json"

static char *report_name = NULL;
static gboolean want_list = FALSE;

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Returns: (transfer full): the commands that have one, sorted, %NULL-ended */
static GStrv
list_names (void)
{
  g_auto (GStrv) files
      = g_resource_enumerate_children (obk_schemas_get_resource (), FOLDER, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  GPtrArray *names = g_ptr_array_new ();

  for (char **file = files; file != NULL && *file != NULL; file++)
    if (g_str_has_suffix (*file, SUFFIX))
      g_ptr_array_add (names, g_strndup (*file, strlen (*file) - strlen (SUFFIX)));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (GStrv)g_ptr_array_free (names, FALSE);
}

/* Without the newline at the end. Returns: (transfer full) (nullable): %NULL when there is no such one */
static char *
find_schema (const char *name)
{
  g_autofree char *path = g_strconcat (FOLDER "/", name, SUFFIX, NULL);
  g_autoptr (GBytes) bytes
      = g_resource_lookup_data (obk_schemas_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  gsize length = 0;
  const char *text = bytes != NULL ? g_bytes_get_data (bytes, &length) : NULL;

  return text != NULL ? g_strchomp (g_strndup (text, length)) : NULL;
}

static void
print_list (void)
{
  g_auto (GStrv) names = list_names ();

  for (char **name = names; *name != NULL; name++)
    printf ("%s\n", *name);
}

/* One document: the command's name to its report's schema. */
static void
print_all (void)
{
  g_auto (GStrv) names = list_names ();

  printf ("{");
  for (char **name = names; *name != NULL; name++)
    {
      g_autofree char *schema = find_schema (*name);

      printf ("%s\n\"%s\": %s", name == names ? "" : ",", *name, schema);
    }
  printf ("\n}\n");
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autofree char *schema = report_name != NULL ? find_schema (report_name) : NULL;

  if (report_name != NULL && schema == NULL)
    {
      obk_command_complain (_ ("--report: there is no report \"%s\"; --list shows them"), report_name);
      return OBK_EXIT_USAGE;
    }
  if (schema != NULL)
    puts (schema);
  else if (want_list)
    print_list ();
  else
    print_all ();
  return OBK_EXIT_OK;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "report", 0, 0, G_OPTION_ARG_STRING, &report_name, N_ ("Show the schema of this command's report alone"),
      N_ ("COMMAND") },
    { "list", 0, 0, G_OPTION_ARG_NONE, &want_list, N_ ("Show for which commands there is one"), NULL },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_schema = {
  .name = "schema",
  .summary = N_ ("Show the JSON Schemas of the reports (--output json)."),
  .example = OBK_PROGRAM " schema --report rotation-plan > rotation-plan.schema.json",
  .options = options,
  .run = run,
};
