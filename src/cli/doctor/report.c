/* SPDX-License-Identifier: Apache-2.0 */
/* How doctor's findings are shown: text for people, JSON for programs, and what it is at meanwhile. */
#include "cli/doctor/report.h"

#include "base/clock.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LABEL_WIDTH 7 /* "[fail] " */
#define ID_WIDTH 30
#define WIDE 100       /* from here on the text keeps to its column; else it goes on below the check's id */
#define LEAST_WIDTH 40 /* less is treated as this */
#define FIX "fix: "
#define FIX_INDENT 12 /* with it */
#define PROGRESS_AFTER_US 300000

/* Styles */

static gboolean
wants_colour (void)
{
  const char *no_colour = g_getenv ("NO_COLOR");
  const char *term = g_getenv ("TERM");

  return (no_colour == NULL || *no_colour == '\0') && term != NULL && strcmp (term, "dumb") != 0;
}

ObkDoctorStyle
obk_doctor_style (void)
{
  struct winsize size = { .ws_col = 0 };

  if (!isatty (STDOUT_FILENO))
    return (ObkDoctorStyle){ .width = 0 };
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    size.ws_col = 80;
  return (ObkDoctorStyle){ .width = MAX (size.ws_col, LEAST_WIDTH), .colour = wants_colour () };
}

void
obk_doctor_style_set_config (ObkDoctorStyle *style, const ObkConfig *config)
{
  style->mount = config->transit.mount_path;
  style->key = config->transit.key_name;
  style->auth = config->auth.method == OBK_AUTH_JWT ? config->auth.jwt.mount_path : config->auth.cert.mount_path;
  style->role = config->auth.method == OBK_AUTH_JWT ? config->auth.jwt.role : config->auth.cert.name;
  style->namespace = config->openbao.namespace[0] != '\0' ? config->openbao.namespace : NULL;
}

/* Text */

/* What comes from files and servers must not move a terminal's cursor. */
static char *
printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) safe = g_string_new (NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '\n')
        g_string_append_c (safe, ' ');
      else if (g_unichar_isprint (c))
        g_string_append_unichar (safe, c);
      else
        g_string_append (safe, "?");
    }
  return g_string_free (g_steal_pointer (&safe), FALSE);
}

/* How many columns it takes. */
static guint
columns_of (const char *text, gsize bytes)
{
  guint columns = 0;

  for (const char *at = text; at < text + bytes; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      columns += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
    }
  return columns;
}

/* Appends @text, whose first line begins in column @column, broken at spaces; later lines begin in @indent. */
static void
append_wrapped (GString *out, const char *text, guint column, guint indent, guint width)
{
  const char *word = text;

  while (*word != '\0')
    {
      gsize bytes = strcspn (word, " ");
      guint columns = columns_of (word, bytes);
      gboolean first = word == text;

      if (!first && width > 0 && column + 1 + columns > width)
        {
          g_string_append_printf (out, "\n%*s", (int)indent, "");
          column = indent;
          first = TRUE;
        }
      if (!first)
        {
          g_string_append_c (out, ' ');
          column++;
        }
      g_string_append_len (out, word, (gssize)bytes);
      column += columns;
      word += bytes + strspn (word + bytes, " ");
    }
}

static void
append_label (GString *out, ObkCheckResult result, const ObkDoctorStyle *style)
{
  static const char *const colours[] = {
    [OBK_CHECK_OK] = "\033[32m",
    [OBK_CHECK_WARN] = "\033[33m",
    [OBK_CHECK_FAIL] = "\033[1;31m",
    [OBK_CHECK_SKIP] = "\033[2m",
  };
  g_autofree char *label = g_strdup_printf ("[%s]", obk_check_result_name (result));

  if (style->colour)
    g_string_append_printf (out, "%s%s\033[0m%*s", colours[result], label, (int)(LABEL_WIDTH - strlen (label)), "");
  else
    g_string_append_printf (out, "%-*s", LABEL_WIDTH, label);
}

/* What the placeholder stands for, as a part of a shell's word. */
static void
fill_in (GString *command, const char *placeholder, const char *value)
{
  g_autofree char *quoted = value != NULL && *value != '\0' ? obk_doctor_quote (value) : NULL;

  if (quoted != NULL)
    g_string_replace (command, placeholder, quoted, 0);
}

/* @namespace: a shell's word */
static void
tell_namespace (GString *command, const char *namespace)
{
  g_autofree char *told = g_strdup_printf ("BAO_NAMESPACE=%s bao ", namespace);
  g_autofree char *piped = g_strdup_printf ("| %s", told);

  if (g_str_has_prefix (command->str, "bao "))
    g_string_replace (command, "bao ", told, 1);
  g_string_replace (command, "| bao ", piped, 0);
}

/* Returns: (transfer full): as it can be given to a shell */
static char *
complete_command (const char *line, const ObkDoctorStyle *style)
{
  g_autofree char *safe = printable (line);
  GString *command = g_string_new (safe);

  fill_in (command, "<mount>", style->mount);
  fill_in (command, "<key>", style->key);
  fill_in (command, "<auth>", style->auth);
  fill_in (command, "<role>", style->role);
  fill_in (command, "<namespace>", style->namespace);
  if (style->namespace != NULL)
    {
      g_autofree char *quoted = obk_doctor_quote (style->namespace);

      tell_namespace (command, quoted);
    }
  return g_string_free (command, FALSE);
}

/* Commands are never broken, so that they can be copied; each has a line of its own. */
static void
append_remedy (GString *out, const ObkCheckFinding *finding, const ObkDoctorStyle *style)
{
  g_autofree char *remedy = finding->remedy != NULL ? printable (finding->remedy) : NULL;
  g_auto (GStrv) commands = g_strsplit (finding->command != NULL ? finding->command : "", "\n", -1);

  if (remedy != NULL)
    {
      g_string_append_printf (out, "%*s", FIX_INDENT, FIX);
      append_wrapped (out, remedy, FIX_INDENT, FIX_INDENT, style->width);
      g_string_append_c (out, '\n');
    }
  for (char **line = commands; *line != NULL; line++)
    {
      g_autofree char *command = complete_command (*line, style);

      g_string_append_printf (out, "%*s%s%s\n", FIX_INDENT, remedy == NULL && line == commands ? FIX : "",
                              remedy != NULL ? "  " : "", command);
    }
}

char *
obk_doctor_report_text (const char *id, const ObkCheckReport *report, const ObkDoctorStyle *style)
{
  guint column = LABEL_WIDTH + ID_WIDTH;
  guint indent = style->width >= WIDE ? column : LABEL_WIDTH + 2;
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);
      g_autofree char *text = printable (finding->text);

      append_label (out, finding->result, style);
      g_string_append_printf (out, "%-*s", ID_WIDTH, id);
      append_wrapped (out, text, column, indent, style->width);
      g_string_append_c (out, '\n');
      append_remedy (out, finding, style);
    }
  return g_string_free (out, FALSE);
}

char *
obk_doctor_summary_text (const GPtrArray *reports)
{
  guint counts[OBK_CHECK_SKIP + 1] = { 0 };

  for (guint i = 0; i < reports->len; i++)
    counts[obk_check_report_result (g_ptr_array_index (reports, i))]++;
  return g_strdup_printf (_ ("%u checks: %u ok, %u warned, %u failed, %u skipped\n"), reports->len,
                          counts[OBK_CHECK_OK], counts[OBK_CHECK_WARN], counts[OBK_CHECK_FAIL], counts[OBK_CHECK_SKIP]);
}

/* JSON */

static void
add_string (ObkCanonicalJson *json, const char *name, const char *value)
{
  g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

  if (valid != NULL)
    obk_canonical_json_string (json, name, valid);
}

static void
add_commands (ObkCanonicalJson *json, const char *lines, gboolean in_namespace)
{
  g_auto (GStrv) commands = g_strsplit (lines, "\n", -1);

  obk_canonical_json_begin_array (json, "commands");
  for (char **line = commands; *line != NULL; line++)
    {
      g_autoptr (GString) command = g_string_new (*line);

      if (in_namespace)
        tell_namespace (command, "<namespace>");
      add_string (json, NULL, command->str);
    }
  obk_canonical_json_end_array (json);
}

void
obk_doctor_report_add_finding (ObkCanonicalJson *json, const ObkCheckFinding *finding, gboolean in_namespace)
{
  obk_canonical_json_string (json, "result", obk_check_result_name (finding->result));
  add_string (json, "text", finding->text);
  add_string (json, "remedy", finding->remedy);
  if (finding->command != NULL)
    add_commands (json, finding->command, in_namespace);
}

void
obk_doctor_report_add_json (ObkCanonicalJson *json, const char *id, const ObkCheckReport *report, gboolean in_namespace)
{
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "id", id);
  obk_canonical_json_string (json, "result", obk_check_result_name (obk_check_report_result (report)));
  obk_canonical_json_begin_array (json, "findings");
  for (guint i = 0; i < report->findings->len; i++)
    {
      obk_canonical_json_begin_object (json, NULL);
      obk_doctor_report_add_finding (json, g_ptr_array_index (report->findings, i), in_namespace);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
}

char *
obk_doctor_report_json (const GPtrArray *reports, const ObkDoctorSummary *summary)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "passed", summary->passed);
  add_string (json, "configFile", summary->config_path);
  add_string (json, "user", summary->service);
  obk_canonical_json_boolean (json, "asService", summary->is_service);
  obk_canonical_json_begin_array (json, "checks");
  for (guint i = 0; i < reports->len; i++)
    obk_doctor_report_add_json (json, obk_checks[i].id, g_ptr_array_index (reports, i), summary->in_namespace);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  return obk_canonical_json_steal (json, NULL);
}

/* Progress */

void
obk_doctor_show_progress (const char *id, gint64 since_us)
{
  static gboolean shown = FALSE;
  gint64 waited_us = obk_clock_boot_us () - since_us;

  if (!isatty (STDERR_FILENO))
    return;
  if (id == NULL && shown)
    fputs ("\r\033[K", stderr);
  else if (id != NULL && waited_us >= PROGRESS_AFTER_US)
    fprintf (stderr, "\r\033[K       %s ... %" G_GINT64_FORMAT " s", id, waited_us / G_USEC_PER_SEC);
  shown = id != NULL && waited_us >= PROGRESS_AFTER_US;
  fflush (stderr);
}
