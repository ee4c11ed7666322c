/* SPDX-License-Identifier: Apache-2.0 */
/* What one check of doctor is, and what it has found. */
#include "cli/doctor/check.h"

#include <glib/gi18n.h>

#include <string.h>

#define FINDING "(umsmsms)" /* result, text, remedy, command */
#define FINDINGS "a" FINDING
#define MAX_FINDINGS 200 /* of one check; an EncryptionConfiguration may have many faults */

static void
finding_free (gpointer data)
{
  ObkCheckFinding *finding = data;

  g_free (finding->text);
  g_free (finding->remedy);
  g_free (finding->command);
  g_free (finding);
}

const char *
obk_check_result_name (ObkCheckResult result)
{
  static const char *const names[] = {
    [OBK_CHECK_OK] = "ok",
    [OBK_CHECK_WARN] = "warn",
    [OBK_CHECK_FAIL] = "fail",
    [OBK_CHECK_SKIP] = "skip",
  };

  return names[result];
}

ObkCheckReport *
obk_check_report_new (void)
{
  ObkCheckReport *report = g_new0 (ObkCheckReport, 1);

  report->findings = g_ptr_array_new_with_free_func (finding_free);
  return report;
}

void
obk_check_report_free (ObkCheckReport *report)
{
  if (report == NULL)
    return;
  g_ptr_array_unref (report->findings);
  g_free (report);
}

/* Findings */

G_GNUC_PRINTF (3, 0)
static void
add (ObkCheckReport *report, ObkCheckResult result, const char *format, va_list arguments)
{
  ObkCheckFinding *finding = NULL;

  if (report->findings->len >= MAX_FINDINGS)
    return;
  finding = g_new0 (ObkCheckFinding, 1);
  finding->result = result;
  finding->text = g_strdup_vprintf (format, arguments);
  g_ptr_array_add (report->findings, finding);
}

void
obk_check_ok (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add (report, OBK_CHECK_OK, format, arguments);
  va_end (arguments);
}

void
obk_check_warn (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add (report, OBK_CHECK_WARN, format, arguments);
  va_end (arguments);
}

void
obk_check_fail (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add (report, OBK_CHECK_FAIL, format, arguments);
  va_end (arguments);
  report->blocks = TRUE;
}

void
obk_check_skip (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add (report, OBK_CHECK_SKIP, format, arguments);
  va_end (arguments);
  report->blocks = TRUE;
}

void
obk_check_pass_over (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  add (report, OBK_CHECK_SKIP, format, arguments);
  va_end (arguments);
}

static ObkCheckFinding *
last_finding (ObkCheckReport *report)
{
  return g_ptr_array_index (report->findings, report->findings->len - 1);
}

void
obk_check_remedy (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  g_return_if_fail (report->findings->len > 0);

  va_start (arguments, format);
  g_free (last_finding (report)->remedy);
  last_finding (report)->remedy = g_strdup_vprintf (format, arguments);
  va_end (arguments);
}

void
obk_check_command (ObkCheckReport *report, const char *format, ...)
{
  va_list arguments;

  g_return_if_fail (report->findings->len > 0);

  va_start (arguments, format);
  g_free (last_finding (report)->command);
  last_finding (report)->command = g_strdup_vprintf (format, arguments);
  va_end (arguments);
}

void
obk_check_report_complete (ObkCheckReport *report, const char *remedy)
{
  for (guint i = report->findings->len; i > 0; i--)
    {
      ObkCheckFinding *finding = g_ptr_array_index (report->findings, i - 1);

      if (finding->result != OBK_CHECK_FAIL)
        continue;
      if (finding->remedy != NULL || finding->command != NULL)
        return;
      finding->remedy = g_strdup (remedy);
    }
}

ObkCheckResult
obk_check_report_result (const ObkCheckReport *report)
{
  static const guint rank[] = { [OBK_CHECK_SKIP] = 0, [OBK_CHECK_OK] = 1, [OBK_CHECK_WARN] = 2, [OBK_CHECK_FAIL] = 3 };
  ObkCheckResult worst = OBK_CHECK_SKIP;

  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);

      if (rank[finding->result] > rank[worst])
        worst = finding->result;
    }
  return worst;
}

gboolean
obk_check_report_has_failed (const ObkCheckReport *report)
{
  return obk_check_report_result (report) == OBK_CHECK_FAIL;
}

/* Between processes */

/* A text that GVariant takes: what comes from files and servers need not be UTF-8. */
static char *
valid (const char *text)
{
  return text != NULL ? g_utf8_make_valid (text, -1) : NULL;
}

GBytes *
obk_check_report_write (const ObkCheckReport *report)
{
  g_autoptr (GVariant) value = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (FINDINGS));
  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);
      g_autofree char *text = valid (finding->text);
      g_autofree char *remedy = valid (finding->remedy);
      g_autofree char *command = valid (finding->command);

      g_variant_builder_add (&builder, FINDING, finding->result, text, remedy, command);
    }
  value = g_variant_ref_sink (g_variant_new ("(b" FINDINGS ")", report->blocks, &builder));
  return g_variant_get_data_as_bytes (value);
}

ObkCheckReport *
obk_check_report_read (GBytes *bytes)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariantIter) findings = NULL;
  guint result = 0;
  char *text = NULL, *remedy = NULL, *command = NULL;

  g_return_val_if_fail (bytes != NULL, NULL);

  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE ("(b" FINDINGS ")"), bytes, FALSE));
  if (!g_variant_is_normal_form (value))
    return NULL;
  g_variant_get (value, "(b" FINDINGS ")", &report->blocks, &findings);
  while (g_variant_iter_next (findings, FINDING, &result, &text, &remedy, &command))
    {
      ObkCheckFinding *finding = g_new0 (ObkCheckFinding, 1);

      finding->result = MIN (result, OBK_CHECK_SKIP);
      finding->text = text != NULL ? text : g_strdup ("");
      finding->remedy = remedy;
      finding->command = command;
      g_ptr_array_add (report->findings, finding);
    }
  return report->findings->len > 0 && report->findings->len <= MAX_FINDINGS ? g_steal_pointer (&report) : NULL;
}

/* Running one */

const ObkCheck *
obk_check_find (const char *id)
{
  for (gsize i = 0; i < obk_n_checks (); i++)
    if (strcmp (obk_checks[i].id, id) == 0)
      return &obk_checks[i];
  return NULL;
}

ObkCheckReport *
obk_check_run (gsize index, const GPtrArray *reports, struct _ObkDoctor *doctor)
{
  const ObkCheck *check = NULL;
  ObkCheckReport *report = NULL;

  g_return_val_if_fail (index < obk_n_checks () && index <= reports->len, NULL);

  check = &obk_checks[index];
  report = obk_check_report_new ();
  for (gsize i = 0; i < OBK_MAX_PREREQUISITES && check->needs[i] != NULL; i++)
    {
      const ObkCheck *found = obk_check_find (check->needs[i]);
      gsize needed = found != NULL ? (gsize)(found - obk_checks) : index;

      g_return_val_if_fail (needed < index, report);
      if (!((const ObkCheckReport *)g_ptr_array_index (reports, needed))->blocks)
        continue;
      obk_check_skip (report, _ ("needs %s"), check->needs[i]);
      return report;
    }
  check->run (doctor, report);
  obk_check_report_complete (report, _ (check->remedy));
  return report;
}
