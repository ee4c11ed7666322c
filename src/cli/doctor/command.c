/* SPDX-License-Identifier: Apache-2.0 */
/* "doctor": everything that the provider needs, checked as it would run; nothing is changed. */
#include "cli/command.h"

#include "base/error.h"
#include "base/log.h"
#include "base/names.h"
#include "base/process.h"
#include "cli/doctor/peer.h"
#include "cli/doctor/report.h"
#include "cli/doctor/unit.h"

#include "cli/registry-command.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_USER "openbao-kms"

static GStrv encryption_configs = NULL;
static char *user_text = NULL;
static gboolean before_start = FALSE;

/* Whom the provider runs as */

static gboolean
find_in_unit (const ObkUnit *unit, ObkIds *ids)
{
  const char *user = obk_unit_get (unit, "User");
  g_auto (GStrv) groups = g_strsplit (obk_unit_get (unit, "SupplementaryGroups"), " ", -1);
  gid_t gid = 0;

  if (*user == '\0' || !obk_ids_parse (user, ids, NULL))
    return FALSE;
  for (char **group = groups; *group != NULL && ids->n_groups < OBK_MAX_GROUPS; group++)
    if (obk_group_find (*group, &gid))
      ids->groups[ids->n_groups++] = gid;
  return TRUE;
}

/* Who owns the state: in a static pod nobody whom the user database knows, whoever else is in it. */
static gboolean
find_in_state (const ObkDoctor *doctor, ObkIds *ids)
{
  g_autofree char *directory = doctor->config != NULL ? g_path_get_dirname (doctor->config->state.path) : NULL;
  struct stat status;
  gid_t gid = 0;

  if (directory == NULL || lstat (directory, &status) != 0 || status.st_uid == 0)
    return FALSE;
  obk_ids_of_uid (status.st_uid, status.st_gid, ids);
  if (ids->n_groups == 1 && obk_group_find (doctor->config->server.socket_group, &gid))
    ids->groups[ids->n_groups++] = gid;
  return TRUE;
}

static gboolean
may_read (const ObkIds *ids, const char *path)
{
  struct stat status;

  if (stat (path, &status) != 0)
    return FALSE;
  if (status.st_uid == ids->uid)
    return (status.st_mode & S_IRUSR) != 0;
  return (status.st_mode & (obk_ids_have_group (ids, status.st_gid) ? S_IRGRP : S_IROTH)) != 0;
}

/* A state that went to a third one by mistake: he cannot read the configuration, which is there for the package's user.
 * All that is made for him would be refused, or taken from the service by what is said to mend it. */
static gboolean
is_third_one (const ObkDoctor *doctor, const ObkIds *owner)
{
  const char *path = obk_config_path (doctor->options.config_path);
  ObkIds package;

  return obk_ids_parse (SERVICE_USER, &package, NULL) && may_read (&package, path) && !may_read (owner, path);
}

/* One whom nothing names is root's: what another caller may not do is not judged then. */
static gboolean
find_service (const ObkDoctor *doctor, const ObkUnit *unit, ObkIds *ids, GError **error)
{
  if (user_text != NULL)
    return obk_ids_parse (user_text, ids, error);
  if (find_in_unit (unit, ids) || (find_in_state (doctor, ids) && !is_third_one (doctor, ids)))
    return TRUE;
  if (!obk_ids_parse (SERVICE_USER, ids, NULL))
    obk_ids_of_uid (0, 0, ids);
  return TRUE;
}

/* Running them */

/* Both sides load it: the worker to see whether the service can, this one for what root alone may look at. */
static gboolean
prepare (ObkDoctor *doctor, const ObkGlobals *globals, GError **error)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GHashTable) unit = NULL;
  g_autoptr (GHashTable) socket = NULL;
  g_autofree char *name = NULL;
  g_autofree char *socket_name = NULL;

  doctor->options = (ObkDoctorOptions){
    .config_path = globals->config_path,
    .flags = &globals->flags,
    .encryption_configs = (const char *const *)encryption_configs,
    .before_start = before_start,
    .is_root = geteuid () == 0,
  };
  doctor->config = obk_config_load (globals->config_path, &globals->flags, &problems, NULL);
  doctor->units = obk_registry_command_name_units (obk_config_path (globals->config_path));
  name = obk_doctor_service_unit (doctor);
  socket_name = obk_doctor_socket_unit (doctor);
  /* Here, since the unit names whom the checks are made as. */
  if (g_file_test (OBK_SYSTEMD_RUNS, G_FILE_TEST_IS_DIR))
    {
      unit = obk_unit_read (name, NULL);
      socket = obk_unit_read (socket_name, NULL);
    }
  doctor->outage = obk_unit_describe_outage (name, unit);
  if (!find_service (doctor, unit, &doctor->options.service, error))
    return FALSE;
  doctor->options.outage = doctor->outage;
  doctor->options.would_start = doctor->outage != NULL && obk_unit_is_active (socket);
  doctor->options.is_masked = obk_unit_is_masked (unit) || obk_unit_is_masked (socket);
  doctor->options.lacks_user = obk_unit_lacks_user (unit);
  doctor->options.is_service = doctor->options.is_root || geteuid () == doctor->options.service.uid;
  return TRUE;
}

static void
say_who (const ObkDoctor *doctor, const char *service, const ObkDoctorStyle *style)
{
  if (!doctor->options.is_service)
    obk_command_complain (_ ("note: run by uid %u; what only %s may see is not judged. Run it as root"), geteuid (),
                          service);
  else if (style->width > 0)
    printf (_ ("Checked as %s\n"), service);
}

/* An error's own text says what went wrong. */
static void
drop_record (const ObkLogRecord *record, gpointer user_data)
{
}

static void
run_as_service (const ObkDoctorOptions *options, int fd)
{
  g_auto (ObkDoctor) doctor = { .options = *options };
  g_autoptr (GPtrArray) reports = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_check_report_free);

  obk_log_set_sink (drop_record, NULL);
  doctor.units = obk_registry_command_name_units (obk_config_path (options->config_path));
  for (gsize i = 0; i < obk_n_checks (); i++)
    {
      gboolean here = obk_checks[i].place == OBK_CHECK_AS_SERVICE;

      g_ptr_array_add (reports, here ? obk_check_run (i, reports, &doctor) : obk_check_report_new ());
      if (here && !obk_check_report_send (g_ptr_array_index (reports, i), fd))
        return;
    }
}

/* In a process of its own. */
static ObkExit
be_service (const ObkDoctorOptions *options, int fd)
{
  g_autoptr (ObkCheckReport) refusal = NULL;
  g_autoptr (GError) error = NULL;

  if (!options->is_root || options->service.uid == 0 || obk_ids_take (&options->service, &error))
    {
      run_as_service (options, fd);
      return OBK_EXIT_OK;
    }
  refusal = obk_check_report_new ();
  obk_check_fail (refusal, "%s", error->message);
  obk_check_remedy (refusal, _ ("run doctor with CAP_SETUID and CAP_SETGID, or as the service's user"));
  return obk_check_report_send (refusal, fd) ? OBK_EXIT_OK : OBK_EXIT_FAILED;
}

/* What this one runs itself needs the configuration, which the service's user may not be able to read. */
static ObkCheckReport *
run_here (ObkDoctor *doctor, gsize i, const GPtrArray *reports)
{
  ObkCheckReport *report = NULL;

  if (doctor->config != NULL)
    return obk_check_run (i, reports, doctor);
  report = obk_check_report_new ();
  obk_check_skip (report, _ ("needs %s"), "config.validate");
  return report;
}

/* The first two checks are of the configuration. */
static ObkExit
judge (const GPtrArray *reports)
{
  for (guint i = 0; i < reports->len; i++)
    if (obk_check_report_has_failed (g_ptr_array_index (reports, i)))
      return g_str_has_prefix (obk_checks[i].id, "config.") ? OBK_EXIT_CONFIG : OBK_EXIT_CHECK;
  return OBK_EXIT_OK;
}

static ObkExit
run_checks (ObkDoctor *doctor, ObkCheckPeer *peer, gboolean json)
{
  g_autoptr (GPtrArray) reports = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_check_report_free);
  g_autofree char *service = obk_ids_describe (&doctor->options.service);
  g_autofree char *text = NULL;
  ObkDoctorStyle style = obk_doctor_style ();
  ObkExit exit = OBK_EXIT_OK;

  if (doctor->config != NULL)
    obk_doctor_style_set_config (&style, doctor->config);
  if (!json)
    say_who (doctor, service, &style);
  for (gsize i = 0; i < obk_n_checks (); i++)
    {
      gboolean here = obk_checks[i].place == OBK_CHECK_AS_CALLER;
      g_autofree char *lines = NULL;

      g_ptr_array_add (reports, here ? run_here (doctor, i, reports) : obk_check_peer_next (peer, obk_checks[i].id));
      lines = obk_doctor_report_text (obk_checks[i].id, g_ptr_array_index (reports, i), &style);
      if (!json)
        fputs (lines, stdout);
      fflush (stdout);
    }
  exit = judge (reports);
  if (json)
    text = obk_doctor_report_json (reports, &(ObkDoctorSummary){
                                                .config_path = obk_config_path (doctor->options.config_path),
                                                .service = service,
                                                .is_service = doctor->options.is_service,
                                                .in_namespace = style.namespace != NULL,
                                                .passed = exit == OBK_EXIT_OK,
                                            });
  else
    text = obk_doctor_summary_text (reports);
  printf ("%s%s", text, json ? "\n" : "");
  return exit;
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_auto (ObkDoctor) doctor = { .options = { .is_root = FALSE } };
  g_autoptr (ObkCheckPeer) peer = NULL;
  g_autoptr (GError) error = NULL;
  int fd = -1;

  if (!obk_process_harden (&error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_FAILED;
    }
  if (!prepare (&doctor, globals, &error))
    {
      obk_command_complain ("--user: %s", error->message);
      return OBK_EXIT_USAGE;
    }
  peer = obk_check_peer_start (&fd, &error);
  if (fd >= 0)
    return be_service (&doctor.options, fd);
  if (peer != NULL)
    return run_checks (&doctor, peer, globals->json);
  obk_command_complain ("%s", error->message);
  return OBK_EXIT_FAILED;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "encryption-config", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &encryption_configs,
      N_ ("The API server's EncryptionConfiguration; may be given several times"), N_ ("FILE") },
    { "user", 0, 0, G_OPTION_ARG_STRING, &user_text,
      N_ ("Check as this user, when run by root; by default the one of the service"), N_ ("USER[:GROUP]") },
    { "before-start", 0, 0, G_OPTION_ARG_NONE, &before_start, N_ ("The provider need not run, nor be enabled, yet"),
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_doctor = {
  .name = "doctor",
  .summary = N_ ("Check everything that the provider needs, as it would run; say what to do about what is wrong."),
  .details
  = N_ ("Run it as root: it then works as the service's user would, from the files to OpenBao. It changes "
        "nothing; in OpenBao it logs in, and encrypts and decrypts bytes of its own. The first [fail] is where "
        "to begin, with what to do below it; what depends on it is skipped. Exit code 3 is the "
        "configuration's, 4 another check's. Names of mount, key, auth method and role stand in the text, and "
        "not in the JSON."),
  .example = OBK_PROGRAM " doctor --encryption-config /etc/kubernetes/encryption.yaml",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
