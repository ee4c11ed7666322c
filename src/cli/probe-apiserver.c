/* SPDX-License-Identifier: Apache-2.0 */
/* "probe-apiserver": Status, Encrypt and Decrypt as the running kube-apiserver would: its files, its ids, its label. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/names.h"
#include "base/process.h"
#include "cli/api-server.h"
#include "cli/doctor/exchange.h"
#include "cli/doctor/label.h"
#include "cli/doctor/listener.h"
#include "cli/doctor/peer.h"
#include "cli/doctor/report.h"
#include "cli/registry-command.h"
#include "kms/client.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char *socket_path = NULL;
static gint given_pid = 0;

/* What both sides know. */
typedef struct
{
  ObkApiServer server;
  const char *socket; /* as it is named on this machine and, by the mount, in the API server's namespace */
  struct stat host;   /* of the socket here */
  struct stat host_directory;
  gboolean host_is_there;
  const ObkConfig *config;   /* (nullable) */
  const char *units;         /* as doctor names them */
  const char *config_option; /* for another command of this program */
} Subject;

typedef enum
{
  STEP_PROCESS,
  STEP_MOUNT,
  STEP_ACCESS,
  STEP_CALLS,
  STEP_SELINUX,
  N_STEPS
} Step;

static const char *const step_ids[N_STEPS]
    = { "apiserver.process", "apiserver.mount", "apiserver.access", "apiserver.calls", "apiserver.selinux" };

/* As the API server */

static void
advise_on_mount (ObkCheckReport *report, const char *directory)
{
  obk_check_remedy (report,
                    _ ("mount the directory (never the socket file) into the API server's pod: in "
                       "/etc/kubernetes/manifests/kube-apiserver.yaml a volume {name: kms, hostPath: {path: %s, type: "
                       "Directory}} and a mount {name: kms, mountPath: %s} of its container"),
                    directory, directory);
}

static gboolean
is_same (const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static void
check_mount (const Subject *subject, ObkCheckReport *report)
{
  g_autofree char *directory = g_path_get_dirname (subject->socket);
  gboolean same_directory = FALSE;
  struct stat status;

  if (!subject->host_is_there)
    {
      obk_check_fail (report, _ ("there is no socket \"%s\" on this machine"), subject->socket);
      obk_check_remedy (report, _ ("start the provider"));
      obk_check_command (report, "systemctl enable --now %s", subject->units);
      return;
    }
  if (stat (directory, &status) != 0)
    {
      obk_check_fail (report, _ ("the API server does not see \"%s\": %s"), directory, g_strerror (errno));
      if (errno == ENOENT)
        advise_on_mount (report, directory);
      return;
    }
  same_directory = is_same (&status, &subject->host_directory);
  if (lstat (subject->socket, &status) != 0 && errno == EACCES && same_directory)
    obk_check_ok (report, _ ("it sees \"%s\" as it is on this machine"), directory);
  else if (lstat (subject->socket, &status) != 0)
    {
      obk_check_fail (report,
                      _ ("the API server sees another directory at \"%s\" than this machine has, without a "
                         "socket"),
                      directory);
      advise_on_mount (report, directory);
    }
  else if (!is_same (&status, &subject->host))
    {
      obk_check_fail (report,
                      _ ("the API server sees another socket at \"%s\" than this machine has: an older one, if "
                         "the file itself is mounted"),
                      subject->socket);
      advise_on_mount (report, directory);
    }
  else if (!same_directory)
    {
      obk_check_warn (report, _ ("\"%s\" is mounted as a file: the next restart of the provider makes another one"),
                      subject->socket);
      advise_on_mount (report, directory);
    }
  else
    obk_check_ok (report, _ ("it sees \"%s\" as it is on this machine"), subject->socket);
}

static void
advise_on_group (const Subject *subject, ObkCheckReport *report)
{
  g_autofree char *user = obk_ids_describe (&subject->server.ids);

  obk_check_remedy (report,
                    _ ("in a pod: add %u to spec.securityContext.supplementalGroups of the API server's manifest; as a "
                       "service of this machine: SupplementaryGroups=%u in its unit, or make %s a member of the group; "
                       "then restart it"),
                    subject->host.st_gid, subject->host.st_gid, user);
}

static void
check_access (const Subject *subject, ObkCheckReport *report)
{
  g_autofree char *directory = g_path_get_dirname (subject->socket);
  g_autofree char *user = obk_ids_describe (&subject->server.ids);

  if (access (directory, X_OK) != 0)
    {
      obk_check_fail (report, _ ("%s may not pass through \"%s\" (group %u, mode %04o): %s"), user, directory,
                      subject->host_directory.st_gid, subject->host_directory.st_mode & 07777, g_strerror (errno));
      advise_on_group (subject, report);
    }
  else if (access (subject->socket, W_OK) != 0)
    {
      obk_check_fail (report, _ ("%s may not write to \"%s\" (group %u, mode %04o): %s"), user, subject->socket,
                      subject->host.st_gid, subject->host.st_mode & 07777, g_strerror (errno));
      advise_on_group (subject, report);
    }
  else
    obk_check_ok (report, _ ("%s may connect by the file's mode"), user);
}

static void
refuse_call (const Subject *subject, ObkCheckReport *report, const GError *error)
{
  obk_check_fail (report, "%s", error->message);
  if (obk_error_code (error) == OBK_ERROR_UNAVAILABLE && subject->config != NULL
      && subject->config->server.allowed_uids->len > 0)
    obk_check_remedy (report, _ ("the provider has closed the connection: add uid %u to server.allowedUids"),
                      subject->server.ids.uid);
  else if (obk_error_code (error) == OBK_ERROR_UNAVAILABLE)
    {
      obk_check_remedy (report,
                        _ ("the provider has closed the connection, since uid %u is not a member of the "
                           "socket's group for it"),
                        subject->server.ids.uid);
      advise_on_group (subject, report);
    }
  else
    {
      obk_check_remedy (report, _ ("run doctor, which looks at the provider itself"));
      obk_check_command (report, OBK_PROGRAM " doctor%s", subject->config_option);
    }
}

static void
check_calls (const Subject *subject, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkKmsClient) client = obk_kms_client_new (subject->socket, OBK_EXCHANGE_TIMEOUT_US, &error);
  g_auto (ObkKmsStatus) status = { 0 };

  if (client == NULL || !obk_kms_client_status (client, OBK_EXCHANGE_TIMEOUT_US, &status, &error))
    {
      refuse_call (subject, report, error);
      return;
    }
  if (strcmp (status.healthz, OBK_HEALTHZ_OK) != 0)
    {
      obk_check_fail (report, _ ("the provider says of itself \"%s\""), status.healthz);
      obk_check_remedy (report, _ ("run doctor, which finds out why"));
      obk_check_command (report, OBK_PROGRAM " doctor%s", subject->config_option);
    }
  else if (!obk_exchange_run (client, &error))
    refuse_call (subject, report, error);
  else
    obk_check_ok (report, _ ("Status ok, Encrypt and Decrypt of random bytes"));
}

/* In a process of its own. Tells the reports of STEP_MOUNT to STEP_CALLS. */
static gboolean
be_api_server (const Subject *subject, int fd)
{
  static void (*const checks[]) (const Subject *, ObkCheckReport *)
      = { [STEP_MOUNT] = check_mount, [STEP_ACCESS] = check_access, [STEP_CALLS] = check_calls };
  g_autoptr (GError) error = NULL;
  gboolean became = obk_api_server_become (&subject->server, &error);
  gboolean blocked = FALSE;

  for (Step step = STEP_MOUNT; step <= STEP_CALLS; step++)
    {
      g_autoptr (ObkCheckReport) report = obk_check_report_new ();

      if (!became)
        obk_check_fail (report, "%s", error->message);
      else if (blocked)
        obk_check_skip (report, _ ("needs %s"), step_ids[step - 1]);
      else
        checks[step](subject, report);
      blocked = blocked || report->blocks;
      if (!obk_check_report_send (report, fd))
        return FALSE;
    }
  return TRUE;
}

/* As root */

static void
check_process (const Subject *subject, ObkCheckReport *report)
{
  g_autofree char *user = obk_ids_describe (&subject->server.ids);
  g_autofree char *label = obk_label_enabled () ? obk_label_of_process (subject->server.pid) : NULL;
  g_autoptr (GString) groups = g_string_new (NULL);

  for (gsize i = 0; i < subject->server.ids.n_groups; i++)
    g_string_append_printf (groups, "%s%u", i > 0 ? "," : "", subject->server.ids.groups[i]);
  obk_check_ok (report, _ ("process %d, %s, gid %u, groups %s%s%s"), subject->server.pid, user, subject->server.ids.gid,
                groups->len > 0 ? groups->str : _ ("none"), label != NULL ? ", " : "", label != NULL ? label : "");
}

static gboolean
allowed (ObkCheckReport *report, const char *source, const char *target, const char *class, const char *permission)
{
  g_autoptr (GError) error = NULL;

  if (target == NULL
      || obk_label_allows (
          &(ObkLabelAccess){ .source = source, .target = target, .object_class = class, .permission = permission },
          &error))
    return TRUE;
  obk_check_fail (report, "%s", error->message);
  obk_check_remedy (report,
                    _ ("install the policy of the package %s; label the files anew; if the API server's domain "
                       "is one that it does not know, add a rule"),
                    OBK_SELINUX_PACKAGE);
  obk_check_command (report, "restorecon -Rv /run/openbao-kms\nausearch -m avc -ts recent | audit2allow");
  return FALSE;
}

/* The policy is asked what its label may; in permissive mode too, since that may end. */
static void
check_selinux (const Subject *subject, ObkCheckReport *report)
{
  g_autofree char *directory = g_path_get_dirname (subject->socket);
  g_autofree char *source = NULL;
  g_autofree char *file = NULL;
  g_autofree char *parent = NULL;
  g_autofree char *listener = NULL;

  if (!obk_label_enabled ())
    {
      obk_check_pass_over (report, _ ("SELinux is off"));
      return;
    }
  source = obk_label_of_process (subject->server.pid);
  file = obk_label_of_file (subject->socket);
  parent = obk_label_of_file (directory);
  listener = obk_listener_label (subject->socket);
  if (source == NULL)
    obk_check_skip (report, _ ("the API server's label cannot be read"));
  else if (allowed (report, source, parent, "dir", "search") && allowed (report, source, file, "sock_file", "write")
           && allowed (report, source, listener, "unix_stream_socket", "connectto"))
    obk_check_ok (report, _ ("%s may connect to %s"), source, listener != NULL ? listener : file);
}

/* The command */

static gboolean
choose_process (pid_t *pid, ObkExit *exit)
{
  g_autoptr (GArray) found = obk_api_server_find ();
  g_autoptr (GString) list = g_string_new (NULL);

  *exit = OBK_EXIT_CHECK;
  *pid = (pid_t)given_pid;
  if (given_pid != 0)
    return TRUE;
  for (guint i = 0; i < found->len; i++)
    g_string_append_printf (list, "%s%d", i > 0 ? ", " : "", g_array_index (found, pid_t, i));
  if (found->len == 1)
    *pid = g_array_index (found, pid_t, 0);
  else if (found->len == 0)
    obk_command_complain (_ ("no process \"%s\" runs here; name the one that has the API server in it by --pid"),
                          OBK_API_SERVER_NAME);
  else
    {
      obk_command_complain (_ ("several processes are named \"%s\": choose by --pid among %s"), OBK_API_SERVER_NAME,
                            list->str);
      *exit = OBK_EXIT_USAGE;
    }
  return found->len == 1;
}

static void
look_at_host (Subject *subject)
{
  g_autofree char *directory = g_path_get_dirname (subject->socket);

  subject->host_is_there = stat (directory, &subject->host_directory) == 0
                           && lstat (subject->socket, &subject->host) == 0 && S_ISSOCK (subject->host.st_mode);
}

static void
print_json (const Subject *subject, const GPtrArray *reports, gboolean passed)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *path = g_utf8_make_valid (subject->socket, -1);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "passed", passed);
  obk_canonical_json_string (json, "socket", path);
  obk_canonical_json_int (json, "pid", subject->server.pid);
  obk_canonical_json_int (json, "uid", subject->server.ids.uid);
  obk_canonical_json_int (json, "gid", subject->server.ids.gid);
  obk_canonical_json_begin_array (json, "groups");
  for (gsize i = 0; i < subject->server.ids.n_groups; i++)
    obk_canonical_json_int (json, NULL, subject->server.ids.groups[i]);
  obk_canonical_json_end_array (json);
  obk_canonical_json_begin_array (json, "checks");
  for (guint i = 0; i < reports->len; i++)
    obk_doctor_report_add_json (json, step_ids[i], g_ptr_array_index (reports, i), FALSE);
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

static ObkExit
report_all (const Subject *subject, ObkCheckPeer *peer, gboolean as_json)
{
  g_autoptr (GPtrArray) reports = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_check_report_free);
  ObkDoctorStyle style = obk_doctor_style ();
  gboolean passed = TRUE;

  for (Step step = 0; step < N_STEPS; step++)
    {
      ObkCheckReport *report = NULL;
      g_autofree char *text = NULL;

      if (step >= STEP_MOUNT && step <= STEP_CALLS)
        report = obk_check_peer_next (peer, step_ids[step]);
      else
        {
          report = obk_check_report_new ();
          (step == STEP_PROCESS ? check_process : check_selinux) (subject, report);
        }
      g_ptr_array_add (reports, report);
      passed = passed && obk_check_report_result (report) != OBK_CHECK_FAIL;
      text = obk_doctor_report_text (step_ids[step], report, &style);
      if (!as_json)
        fputs (text, stdout);
    }
  if (as_json)
    print_json (subject, reports, passed);
  return passed ? OBK_EXIT_OK : OBK_EXIT_CHECK;
}

/* The path of --socket, else the configuration's. */
static gboolean
find_socket (Subject *subject, ObkConfig **config, const ObkGlobals *globals)
{
  g_autoptr (GPtrArray) problems = NULL;

  if (socket_path == NULL)
    *config = obk_command_load_config (globals);
  else
    *config = obk_config_load (globals->config_path, &globals->flags, &problems, NULL); /* it need not be there */
  subject->config = *config;
  subject->socket = socket_path != NULL ? socket_path : *config != NULL ? (*config)->server.socket_path : NULL;
  return subject->socket != NULL;
}

static ObkExit
run_on (Subject *subject, gboolean as_json)
{
  g_autoptr (ObkCheckPeer) peer = NULL;
  g_autoptr (GError) error = NULL;
  int fd = -1;

  if (!obk_api_server_read (subject->server.pid, &subject->server, &error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_CHECK;
    }
  look_at_host (subject);
  fflush (stdout);
  peer = obk_check_peer_start (&fd, &error);
  if (fd >= 0)
    {
      gboolean told = be_api_server (subject, fd);

      close (fd);
      return told ? OBK_EXIT_OK : OBK_EXIT_FAILED;
    }
  if (peer != NULL)
    return report_all (subject, peer, as_json);
  obk_command_complain ("%s", error->message);
  return OBK_EXIT_FAILED;
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autofree char *units = obk_registry_command_name_units (obk_config_path (globals->config_path));
  g_autofree char *option = obk_registry_command_config_option (globals->config_path);
  Subject subject = { .units = units, .config_option = option };
  g_autoptr (ObkConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_FAILED;

  if (geteuid () != 0)
    {
      obk_command_complain (_ ("only root can act as the API server; any user may run \"%s probe\""), OBK_PROGRAM);
      return OBK_EXIT_USAGE;
    }
  if (!obk_process_harden (&error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_FAILED;
    }
  if (!find_socket (&subject, &config, globals))
    return OBK_EXIT_CONFIG;
  if (!choose_process (&subject.server.pid, &exit))
    return exit;
  return run_on (&subject, globals->json);
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path,
      N_ ("Socket of the running provider, by default the configuration's"), N_ ("PATH") },
    { "pid", 0, 0, G_OPTION_ARG_INT, &given_pid, N_ ("The API server's process, when it cannot be told by its name"),
      N_ ("PID") },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_probe_apiserver = {
  .name = "probe-apiserver",
  .summary = N_ ("As root, ask the running provider as the running kube-apiserver would: its files, ids and label."),
  .details = N_ ("A process of its own goes into the mount namespace of the API server, takes its user and groups, and "
                 "calls: that shows a mount, a group or a mode that is missing. Whether SELinux would let it connect, "
                 "the loaded policy is asked. The API server itself is left alone. On a machine without a running one "
                 "there is nothing to ask."),
  .example = OBK_PROGRAM " probe-apiserver",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
