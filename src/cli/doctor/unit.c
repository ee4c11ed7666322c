/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd says of units, read and judged. */
#include "cli/doctor/unit.h"

#include "base/error.h"
#include "base/names.h"
#include "cli/ids.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define EXIT_OF_GROUP 216
#define EXIT_OF_USER 217
#define KUBELET "kubelet.service"
#define ARGUMENTS "argv[]="
#define PROPERTIES                                                                                                     \
  "--property=LoadState,ActiveState,SubState,UnitFileState,Before,After,NeedDaemonReload,Result,Listen,SocketMode,"    \
  "SocketGroup,User,SupplementaryGroups,MainPID,NRestarts,ExecMainCode,ExecMainStatus,ExecStart"

ObkUnit *
obk_unit_parse (const char *text)
{
  ObkUnit *unit = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      const char *equals = strchr (*line, '=');

      if (equals != NULL)
        g_hash_table_insert (unit, g_strndup (*line, (gsize)(equals - *line)), g_strdup (equals + 1));
    }
  return unit;
}

const char *
obk_unit_get (const ObkUnit *unit, const char *property)
{
  const char *value = unit != NULL ? g_hash_table_lookup ((ObkUnit *)unit, property) : NULL;

  return value != NULL ? value : "";
}

/* Without a thread, as GSubprocess would start one: doctor forks after it has asked, and in the new process GLib would
 * hand lookups of names to a thread that is not there. */
ObkUnit *
obk_unit_read (const char *name, GError **error)
{
  const char *command[] = { "systemctl", "--no-pager", "show", PROPERTIES, "--", name, NULL };
  g_auto (GStrv) environment = g_get_environ ();
  g_autofree char *out = NULL;
  g_autofree char *complaint = NULL;
  int status = 0;

  environment = g_environ_setenv (environment, "LC_ALL", "C", TRUE);
  environment = g_environ_setenv (environment, "SYSTEMD_PAGER", "", TRUE);
  if (!g_spawn_sync (NULL, (char **)command, environment, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &complaint, &status,
                     error))
    return NULL;
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return obk_unit_parse (out);
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "systemctl show: %s", g_strchomp (complaint));
  return NULL;
}

static gboolean
is_loaded (const ObkUnit *unit)
{
  return strcmp (obk_unit_get (unit, "LoadState"), "loaded") == 0;
}

gboolean
obk_unit_is_active (const ObkUnit *unit)
{
  return strcmp (obk_unit_get (unit, "ActiveState"), "active") == 0;
}

static gboolean
starts_at_boot (const ObkUnit *unit)
{
  const char *state = obk_unit_get (unit, "UnitFileState");

  return g_str_has_prefix (state, "enabled") || strcmp (state, "alias") == 0 || strcmp (state, "generated") == 0;
}

gboolean
obk_unit_is_masked (const ObkUnit *unit)
{
  return strcmp (obk_unit_get (unit, "LoadState"), "masked") == 0;
}

/* With Restart=always and no limit a service that cannot start is never "failed": it waits for its next try. */
static gboolean
is_in_crash_loop (const ObkUnit *unit)
{
  return strcmp (obk_unit_get (unit, "ActiveState"), "activating") == 0
         && (g_str_has_prefix (obk_unit_get (unit, "SubState"), "auto-restart")
             || strtoul (obk_unit_get (unit, "NRestarts"), NULL, 10) > 0);
}

/* Of a program that systemd could not even start. Source: systemd.exec(5), "Process Exit Codes" */
static const char *
describe_setup (guint64 status)
{
  switch (status)
    {
    case 203:
      return _ ("its program cannot be run");
    case EXIT_OF_GROUP:
      return _ ("its group does not exist");
    case EXIT_OF_USER:
      return _ ("its user does not exist");
    case 226:
      return _ ("a directory that its unit names is not there");
    case 238:
      return _ ("its state's directory cannot be made");
    case 243:
      return _ ("a credential that its unit names cannot be read");
    default:
      return NULL;
    }
}

/* Returns: (transfer full): how it ended; systemd has the codes of waitid(2), 1 for an exit */
static char *
describe_end (const ObkUnit *unit)
{
  const char *status = obk_unit_get (unit, "ExecMainStatus");
  const char *setup = describe_setup (strtoul (status, NULL, 10));

  if (setup != NULL && strtoul (obk_unit_get (unit, "ExecMainCode"), NULL, 10) <= 1)
    return g_strdup_printf (_ ("exit code %s: %s"), status, setup);
  return strtoul (obk_unit_get (unit, "ExecMainCode"), NULL, 10) > 1 ? g_strdup_printf (_ ("signal %s"), status)
                                                                     : g_strdup_printf (_ ("exit code %s"), status);
}

gboolean
obk_unit_lacks_user (const ObkUnit *unit)
{
  guint64 status = strtoul (obk_unit_get (unit, "ExecMainStatus"), NULL, 10);

  return status == EXIT_OF_USER || status == EXIT_OF_GROUP;
}

char *
obk_unit_describe_outage (const char *name, const ObkUnit *service)
{
  const char *state = obk_unit_get (service, "ActiveState");
  g_autofree char *end = describe_end (service);

  if (obk_unit_is_masked (service))
    return g_strdup_printf (_ ("%s is masked: systemd does not start it"), name);
  if (!is_loaded (service))
    return NULL;
  if (is_in_crash_loop (service))
    return g_strdup_printf (_ ("%s does not run: it ends as soon as it is started, %s times so far (%s, %s)"), name,
                            obk_unit_get (service, "NRestarts"), obk_unit_get (service, "Result"), end);
  if (strcmp (state, "failed") == 0)
    return g_strdup_printf (_ ("%s does not run: it has failed (%s, %s)"), name, obk_unit_get (service, "Result"), end);
  if (strcmp (state, "inactive") == 0)
    return g_strdup_printf (_ ("%s does not run"), name);
  if (obk_unit_is_active (service) && strcmp (obk_unit_get (service, "MainPID"), "0") == 0)
    return g_strdup_printf (_ ("%s is active without a process"), name);
  return NULL;
}

/* A list of units, with spaces between. */
static gboolean
names (const char *list, const char *unit)
{
  g_auto (GStrv) words = g_strsplit (list, " ", -1);

  return g_strv_contains ((const char *const *)words, unit);
}

static void
judge_order (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  if (is_loaded (question->kubelet) && !names (obk_unit_get (question->service, "Before"), KUBELET))
    {
      obk_check_fail (report, _ ("%s is not ordered before %s: after a boot the API server may be started first"),
                      question->service_name, KUBELET);
      obk_check_remedy (report, _ ("add Before=%s to its [Unit]"), KUBELET);
      obk_check_command (report, "systemctl edit %s", question->service_name);
    }
  if (!names (obk_unit_get (question->service, "After"), "network-online.target"))
    {
      obk_check_warn (report, _ ("%s is not ordered after network-online.target"), question->service_name);
      obk_check_remedy (report, _ ("add After=network-online.target and Wants=network-online.target to its [Unit]"));
      obk_check_command (report, "systemctl edit %s", question->service_name);
    }
}

/* Returns: (transfer full) (nullable): what the unit starts, as systemd prints it: "{ path=… ; argv[]=A B ; … }" */
static char *
read_command_line (const ObkUnit *unit)
{
  const char *from = strstr (obk_unit_get (unit, "ExecStart"), ARGUMENTS);
  const char *to = from != NULL ? strstr (from, " ;") : NULL;

  return to != NULL ? g_strndup (from + strlen (ARGUMENTS), (gsize)(to - from) - strlen (ARGUMENTS)) : NULL;
}

/* A drop-in may have it start with another file than the one that is judged. */
static void
judge_command_line (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  g_autofree char *line = read_command_line (question->service);
  g_autofree char *option = g_strconcat ("--config=", question->config_path, NULL);

  if (line == NULL || names (line, question->config_path) || names (line, option))
    return;
  obk_check_warn (report, _ ("%s starts \"%s\", and what is judged here is \"%s\""), question->service_name, line,
                  question->config_path);
  obk_check_remedy (report, _ ("run doctor with the --config of the unit, or correct its ExecStart="));
  obk_check_command (report, "systemctl cat %s", question->service_name);
}

/* By name or number */
static gboolean
is_same_group (const char *a, const char *b)
{
  gid_t gid = 0, other = 0;

  return strcmp (a, b) == 0 || (obk_group_find (a, &gid) && obk_group_find (b, &other) && gid == other);
}

static void
judge_socket_unit (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  const char *listen = obk_unit_get (question->socket, "Listen");
  g_autofree char *wanted = g_strdup_printf ("%s (Stream)", question->socket_path);
  guint64 mode = g_ascii_strtoull (obk_unit_get (question->socket, "SocketMode"), NULL, 8);
  const char *group = obk_unit_get (question->socket, "SocketGroup");

  if (strcmp (listen, wanted) != 0)
    {
      obk_check_fail (report, _ ("%s listens on \"%s\", and server.socketPath is \"%s\""), question->socket_name,
                      listen, question->socket_path);
      obk_check_remedy (report, _ ("set ListenStream= in it likewise (an empty one before it clears the old)"));
      obk_check_command (report, "systemctl edit %s", question->socket_name);
    }
  if (mode != question->socket_mode || !is_same_group (group, question->socket_group))
    {
      obk_check_warn (report, _ ("%s has SocketMode=%04o and SocketGroup=%s; the configuration says %04o and %s"),
                      question->socket_name, (guint)mode, group, question->socket_mode, question->socket_group);
      obk_check_remedy (report, _ ("set them alike; with the socket unit it is the unit's that count"));
      obk_check_command (report, "systemctl edit %s", question->socket_name);
    }
}

/* Whether it runs. Before the first start it need not, but what has tried and ended is worth a word then, too. */
static void
judge_life (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  g_autofree char *outage = obk_unit_describe_outage (question->service_name, question->service);
  gboolean inactive = strcmp (obk_unit_get (question->service, "ActiveState"), "inactive") == 0;

  if (outage == NULL || (question->before_start && inactive))
    return;
  obk_check_fail (report, "%s", outage);
  if (obk_unit_lacks_user (question->service))
    {
      obk_check_remedy (report, _ ("make its user and group, as the package does"));
      obk_check_command (report, "systemd-sysusers\nsystemctl restart %s", question->service_name);
    }
  else if (inactive)
    {
      obk_check_remedy (report, _ ("start it, and see its log when it does not stay up"));
      obk_check_command (report, "systemctl start %s\njournalctl -u %s -n 20", question->service_name,
                         question->service_name);
    }
  else
    {
      obk_check_remedy (report, _ ("its log says why"));
      obk_check_command (report, "journalctl -u %s -n 20", question->service_name);
    }
}

static gboolean
judge_mask (const char *name, const ObkUnit *unit, ObkCheckReport *report)
{
  if (!obk_unit_is_masked (unit))
    return FALSE;
  obk_check_fail (report, _ ("%s is masked: systemd does not start it"), name);
  obk_check_remedy (report, _ ("allow systemd to start it"));
  obk_check_command (report, "systemctl unmask %s", name);
  return TRUE;
}

static void
judge_start (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  judge_life (question, report);
  if (!question->before_start && !starts_at_boot (question->service) && !starts_at_boot (question->socket))
    {
      obk_check_fail (report, _ ("neither unit is enabled: nothing starts the provider at boot"));
      obk_check_command (report, "systemctl enable %s %s", question->socket_name, question->service_name);
    }
  if (strcmp (obk_unit_get (question->service, "NeedDaemonReload"), "yes") == 0)
    {
      obk_check_warn (report, _ ("the unit's files have changed since systemd has read them"));
      obk_check_command (report, "systemctl daemon-reload");
    }
}

/* As it is to be beside a static pod */
static gboolean
is_off (const ObkUnit *unit)
{
  return strcmp (obk_unit_get (unit, "ActiveState"), "inactive") == 0 && !starts_at_boot (unit);
}

void
obk_unit_judge (const ObkUnitQuestion *question, ObkCheckReport *report)
{
  gboolean with_socket
      = is_loaded (question->socket) && (obk_unit_is_active (question->socket) || starts_at_boot (question->socket));

  g_return_if_fail (question != NULL && report != NULL);

  if (question->runs_without && is_off (question->service) && is_off (question->socket))
    {
      obk_check_pass_over (report, _ ("%s is off, and the provider runs without it (a static pod?)"),
                           question->service_name);
      return;
    }
  if (judge_mask (question->service_name, question->service, report))
    return;
  (void)judge_mask (question->socket_name, question->socket, report);
  if (!is_loaded (question->service))
    {
      obk_check_pass_over (report, _ ("systemd knows no %s (a static pod?)"), question->service_name);
      return;
    }
  judge_start (question, report);
  judge_order (question, report);
  judge_command_line (question, report);
  if (with_socket)
    judge_socket_unit (question, report);
  if (report->findings->len > 0)
    return;
  obk_check_ok (report,
                question->before_start ? _ ("%s is %s%s")
                : with_socket          ? _ ("%s is %s, behind its socket unit%s")
                                       : _ ("%s is %s, without its socket unit: calls fail while it restarts%s"),
                question->service_name, obk_unit_get (question->service, "ActiveState"),
                is_loaded (question->kubelet) ? _ (", before the kubelet") : "");
}
