/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/advice.h"
#include "cli/doctor/report.h"

#include <string.h>

/* What is shown, and what passes from one process to the other. */

static ObkCheckReport *
make_report (void)
{
  ObkCheckReport *report = obk_check_report_new ();

  obk_check_fail (report, "an encrypt call for a key that is missing would make a new one, which nobody has asked for");
  obk_check_remedy (report, "switch that off for the mount, which is one command for whoever administers OpenBao");
  obk_check_command (report, "bao write <mount>/config/keys disable_upsert=true");
  obk_check_warn (report, "the other");
  obk_check_command (report, "chgrp a /b\nchmod 2750 /b");
  return report;
}

static void
assert_text (const ObkDoctorStyle *style, const char *expected)
{
  g_autoptr (ObkCheckReport) report = make_report ();
  g_autofree char *text = obk_doctor_report_text ("transit.disable_upsert", report, style);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_pipe (void)
{
  assert_text (&(ObkDoctorStyle){ .mount = "transit" },
               "[fail] transit.disable_upsert        an encrypt call for a key that is missing would make a new one, "
               "which nobody has asked for\n"
               "       fix: switch that off for the mount, which is one command for whoever administers OpenBao\n"
               "              bao write transit/config/keys disable_upsert=true\n"
               "[warn] transit.disable_upsert        the other\n"
               "       fix: chgrp a /b\n"
               "            chmod 2750 /b\n");
}

static void
test_narrow (void)
{
  assert_text (&(ObkDoctorStyle){ .width = 80, .mount = "transit" },
               "[fail] transit.disable_upsert        an encrypt call for a key that is missing\n"
               "         would make a new one, which nobody has asked for\n"
               "       fix: switch that off for the mount, which is one command for whoever\n"
               "            administers OpenBao\n"
               "              bao write transit/config/keys disable_upsert=true\n"
               "[warn] transit.disable_upsert        the other\n"
               "       fix: chgrp a /b\n"
               "            chmod 2750 /b\n");
}

static void
test_wide (void)
{
  assert_text (
      &(ObkDoctorStyle){ .width = 110, .mount = "transit" },
      "[fail] transit.disable_upsert        an encrypt call for a key that is missing would make a new one, which\n"
      "                                     nobody has asked for\n"
      "       fix: switch that off for the mount, which is one command for whoever administers OpenBao\n"
      "              bao write transit/config/keys disable_upsert=true\n"
      "[warn] transit.disable_upsert        the other\n"
      "       fix: chgrp a /b\n"
      "            chmod 2750 /b\n");
}

static void
test_colour (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autofree char *text = NULL;

  obk_check_ok (report, "fine");
  text = obk_doctor_report_text ("a", report, &(ObkDoctorStyle){ .width = 80, .colour = TRUE });
  g_assert_cmpstr (text, ==, "\033[32m[ok]\033[0m   a                             fine\n");
}

/* What a server says must not reach the terminal as it is, nor may an odd name end a command's word. */
static void
test_hostile (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autofree char *text = NULL;

  obk_check_fail (report, "\033[2Ja\nb\xff");
  obk_check_command (report, "bao read <mount>/keys/<key>\nx | bao write\n" OBK_ADVICE_IN_ROOT_NAMESPACE
                             "bao namespace unlock <namespace>");
  text = obk_doctor_report_text ("a", report,
                                 &(ObkDoctorStyle){ .mount = "a b; rm", .key = "k", .namespace = "team/a b" });
  g_assert_cmpstr (text, ==,
                   "[fail] a                             ?[2Ja b\xef\xbf\xbd\n"
                   "       fix: BAO_NAMESPACE='team/a b' bao read 'a b; rm'/keys/k\n"
                   "            x | BAO_NAMESPACE='team/a b' bao write\n"
                   "            BAO_NAMESPACE= bao namespace unlock 'team/a b'\n");
}

static void
test_wide_characters (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autofree char *text = NULL;

  obk_check_ok (report, "\xe9\x8d\xb5\xe9\x8d\xb5 b"); /* two of two columns each */
  text = obk_doctor_report_text ("a", report, &(ObkDoctorStyle){ .width = 42 });
  g_assert_cmpstr (text, ==, "[ok]   a                             \xe9\x8d\xb5\xe9\x8d\xb5\n         b\n");
}

/* No failure is without a way out. */
static void
test_remedies (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  const ObkCheckFinding *const *findings = NULL;

  obk_check_fail (report, "shares");
  obk_check_fail (report, "its own");
  obk_check_command (report, "true");
  obk_check_fail (report, "none");
  obk_check_ok (report, "well");
  obk_check_report_complete (report, "in general");
  findings = (const ObkCheckFinding *const *)report->findings->pdata;
  g_assert_null (findings[0]->remedy);
  g_assert_null (findings[1]->remedy);
  g_assert_cmpstr (findings[2]->remedy, ==, "in general");
  g_assert_null (findings[3]->remedy);
  for (gsize i = 0; i < obk_n_checks (); i++)
    g_assert_true (obk_checks[i].remedy != NULL && *obk_checks[i].remedy != '\0');
}

static void
test_transport (void)
{
  g_autoptr (ObkCheckReport) report = make_report ();
  g_autoptr (GBytes) bytes = obk_check_report_write (report);
  g_autoptr (ObkCheckReport) back = obk_check_report_read (bytes);
  const ObkCheckFinding *finding = NULL;

  g_assert_nonnull (back);
  g_assert_true (back->blocks);
  g_assert_cmpuint (back->findings->len, ==, 2);
  finding = g_ptr_array_index (back->findings, 1);
  g_assert_cmpint (finding->result, ==, OBK_CHECK_WARN);
  g_assert_cmpstr (finding->text, ==, "the other");
  g_assert_null (finding->remedy);
  g_assert_cmpstr (finding->command, ==, "chgrp a /b\nchmod 2750 /b");
}

/* The process that checks has fewer rights than the one that reads: each prefix and each changed byte is survived. */
static void
test_transport_of_anything (void)
{
  g_autoptr (ObkCheckReport) report = make_report ();
  g_autoptr (GBytes) bytes = obk_check_report_write (report);
  gsize size = 0;
  const char *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i++)
    {
      g_autoptr (GBytes) prefix = g_bytes_new (data, i);
      g_autoptr (ObkCheckReport) cut = obk_check_report_read (prefix);
      g_autofree char *copy = g_memdup2 (data, size);
      g_autoptr (GBytes) changed = NULL;
      g_autoptr (ObkCheckReport) other = NULL;

      copy[i] = (char)(copy[i] ^ 0x55);
      changed = g_bytes_new (copy, size);
      other = obk_check_report_read (changed);
      g_assert_true (cut == NULL || cut->findings->len > 0);
      g_assert_true (other == NULL || other->findings->len > 0);
    }
}

static void
test_result (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();

  obk_check_pass_over (report, "nothing");
  g_assert_cmpint (obk_check_report_result (report), ==, OBK_CHECK_SKIP);
  g_assert_false (report->blocks);
  obk_check_ok (report, "a");
  g_assert_cmpint (obk_check_report_result (report), ==, OBK_CHECK_OK);
  obk_check_warn (report, "b");
  obk_check_ok (report, "c");
  g_assert_cmpint (obk_check_report_result (report), ==, OBK_CHECK_WARN);
  g_assert_false (report->blocks);
  obk_check_fail (report, "d");
  obk_check_warn (report, "e");
  g_assert_cmpint (obk_check_report_result (report), ==, OBK_CHECK_FAIL);
  g_assert_true (report->blocks);
}

static void
test_table (void)
{
  for (gsize i = 0; i < obk_n_checks (); i++)
    {
      const ObkCheck *check = &obk_checks[i];

      g_assert_true (check->meaning != NULL && check->remedy != NULL && check->run != NULL);
      for (gsize n = 0; n < OBK_MAX_PREREQUISITES && check->needs[n] != NULL; n++)
        {
          gsize at = 0;

          while (at < i && strcmp (obk_checks[at].id, check->needs[n]) != 0)
            at++;
          g_assert_cmpuint (at, <, i);                                      /* before it */
          g_assert_cmpint (obk_checks[at].place, ==, OBK_CHECK_AS_SERVICE); /* known where it is asked for */
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor-report/pipe", test_pipe);
  g_test_add_func ("/doctor-report/narrow", test_narrow);
  g_test_add_func ("/doctor-report/wide", test_wide);
  g_test_add_func ("/doctor-report/colour", test_colour);
  g_test_add_func ("/doctor-report/hostile", test_hostile);
  g_test_add_func ("/doctor-report/wide-characters", test_wide_characters);
  g_test_add_func ("/doctor-report/remedies", test_remedies);
  g_test_add_func ("/doctor-report/transport", test_transport);
  g_test_add_func ("/doctor-report/transport-of-anything", test_transport_of_anything);
  g_test_add_func ("/doctor-report/result", test_result);
  g_test_add_func ("/doctor-report/table", test_table);
  return g_test_run ();
}
