/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the provider that runs, through its socket. */
#include "cli/doctor/doctor.h"

#include "base/error.h"
#include "base/names.h"
#include "cli/doctor/exchange.h"
#include "cli/doctor/label.h"
#include "cli/doctor/listener.h"
#include "observe/web-listen.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEMD "systemd"
#define COMM_LENGTH 15 /* to which the kernel cuts a process's name; source: proc_pid_comm(5) */

static void
advise_to_start (const ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autofree char *service = obk_doctor_service_unit (doctor);

  obk_check_remedy (report, _ ("start the provider, and see its log when it does not stay up; before the first start "
                               "run doctor with --before-start"));
  if (doctor->options.lacks_user)
    {
      obk_check_remedy (report, _ ("make its user and group, as the package does"));
      obk_check_command (report, "systemd-sysusers\nsystemctl restart %s", service);
    }
  else if (doctor->options.is_masked)
    obk_check_command (report, "systemctl unmask %s\nsystemctl enable --now %s", doctor->units, doctor->units);
  else
    obk_check_command (report, "systemctl enable --now %s\njournalctl -u %s -n 20", doctor->units, service);
}

/* Of a provider that does not run: whether it could listen. Nothing is left behind. */
static void
check_address (ObkCheckReport *report, const char *field, const char *address)
{
  g_autoptr (GError) error = NULL;

  if (*address == '\0' || obk_web_listen_examine (address, &error))
    return;
  obk_check_fail (report, "%s: %s", field, error->message);
  if (g_str_has_prefix (address, "unix:"))
    {
      obk_check_remedy (report,
                        _ ("name in %s a path in a directory that only root or the service can change, where "
                           "nothing but its socket is"),
                        field);
      return;
    }
  if (strstr (error->message, OBK_WEB_LISTEN_SAYS_IN_USE) == NULL)
    {
      obk_check_remedy (report,
                        _ ("name in %s an address of this machine and a port that the service may take (from "
                           "1024 on)"),
                        field);
      obk_check_command (report, "ip -brief address");
      return;
    }
  obk_check_remedy (report, _ ("end the process that has the address, or name another one in %s; who it is:"), field);
  obk_check_command (report, "ss -ltnp sport = %s", strrchr (address, ':') != NULL ? strrchr (address, ':') : address);
}

/* Returns: (transfer full) (nullable): the process's name, cut by the kernel; of another pid namespace %NULL */
static char *
name_process (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/comm", pid);
  char *name = NULL;

  return pid > 0 && g_file_get_contents (path, &name, NULL, NULL) ? g_strchomp (name) : NULL;
}

static gboolean
is_provider (const char *name)
{
  g_autofree char *ours = g_strndup (OBK_PROGRAM, COMM_LENGTH);

  return strcmp (name, ours) == 0;
}

/* Nobody answers at the socket, and yet the state is in use: by a provider with another socket, or a command. */
static void
check_lock_is_free (const ObkDoctor *doctor, ObkCheckReport *report)
{
  pid_t pid = obk_doctor_lock_holder (doctor);
  g_autofree char *name = name_process (pid);

  if (pid == 0)
    return;
  obk_check_fail (report, _ ("process %d (\"%s\") holds the lock of \"%s\", and does not listen on \"%s\""), pid,
                  name != NULL ? name : "?", doctor->config->state.path, doctor->config->server.socket_path);
  obk_check_remedy (report, _ ("restart it if it is this service with an older configuration, else stop it; two "
                               "providers have a state.path each. Who it is:"));
  obk_check_command (report, "ps -fp %d", pid);
}

/* What would keep it from running: said before that it does not run, which comes of it. */
static void
check_before_start (const ObkDoctor *doctor, ObkCheckReport *report)
{
  if (!doctor->options.is_service)
    return;
  check_lock_is_free (doctor, report);
  check_address (report, "server.healthAddress", doctor->config->server.health_address);
  check_address (report, "server.metricsAddress", doctor->config->server.metrics_address);
}

/* Says so where systemd knows that the service does not run, whatever answers on its socket. */
static gboolean
is_down (const ObkDoctor *doctor, ObkCheckReport *report)
{
  if (doctor->options.outage == NULL)
    return FALSE;
  check_before_start (doctor, report);
  obk_check_fail (report, "%s", doctor->options.outage);
  advise_to_start (doctor, report);
  return TRUE;
}

/* Returns: whether it is the provider that listens, or systemd for it, or nobody knows */
static gboolean
check_listener (ObkCheckReport *report, const char *path)
{
  struct ucred who = { 0 };
  g_autofree char *name = obk_listener_read (path, &who) ? name_process (who.pid) : NULL;

  if (name == NULL || who.pid == 1 || strcmp (name, SYSTEMD) == 0 || is_provider (name))
    return TRUE;
  obk_check_fail (report, _ ("process %d (\"%s\", uid %u) listens on \"%s\", and not the provider"), who.pid, name,
                  who.uid, path);
  obk_check_remedy (report, _ ("stop that process, take its socket away and start the provider"));
  obk_check_command (report, "ps -fp %d\nss -xlp src %s", who.pid, path);
  return FALSE;
}

/* A provider that has this state runs, and nobody can reach it: what is at its socket's path went, or is not its own.
 */
static gboolean
lost_its_socket (const ObkDoctor *doctor, ObkCheckReport *report)
{
  pid_t pid = obk_doctor_lock_holder (doctor);
  g_autofree char *name = name_process (pid);

  if (name == NULL || !is_provider (name))
    return FALSE;
  obk_check_fail (report,
                  _ ("the provider runs (process %d), and nobody can reach it at \"%s\": its socket was taken "
                     "away, or it runs with another configuration"),
                  pid, doctor->config->server.socket_path);
  obk_check_remedy (report, _ ("restart both units, which makes the socket anew. If the process stays, it is another "
                               "provider with the same state.path: stop it, and give each its own. Who it is:"));
  obk_check_command (report, "systemctl restart %s\nps -fp %d", doctor->units, pid);
  return TRUE;
}

static void
refuse_socket (const ObkDoctor *doctor, ObkCheckReport *report, const char *problem)
{
  if (strstr (problem, OBK_KMS_CLIENT_SAYS_DENIED) != NULL && !doctor->options.is_service)
    {
      obk_check_skip (report, "%s", problem);
      return;
    }
  if (is_down (doctor, report))
    return;
  if (lost_its_socket (doctor, report))
    return;
  if (strstr (problem, OBK_KMS_CLIENT_SAYS_DENIED) != NULL)
    {
      obk_check_fail (report, "%s", problem);
      obk_check_remedy (report,
                        _ ("the checks of socket.group and socket.parent above say what keeps the service out"));
      return;
    }
  check_before_start (doctor, report);
  obk_check_fail (report, "%s", problem);
  advise_to_start (doctor, report);
}

/* What runs has its state in memory, and would not come back with it. */
static void
check_state_on_disk (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *path = doctor->config->state.path;
  struct stat status;

  if (obk_doctor_state (doctor) != NULL || doctor->state_error != NULL || lstat (path, &status) == 0 || errno != ENOENT)
    return;
  obk_check_warn (report, _ ("the provider runs with a state, and \"%s\" and its checkpoint are gone"), path);
  obk_check_remedy (report, _ ("before it is restarted, restore both files from a backup or a healthy peer; without "
                               "them plan a new state:"));
  obk_doctor_advise_recovery (doctor, report, "");
}

/* Whether the key_id is one of this node's state, or what the key has now. */
static gboolean
is_known_key_id (ObkDoctor *doctor, const char *key_id)
{
  const ObkState *state = obk_doctor_state (doctor);

  if (state == NULL)
    return TRUE; /* it has made one since, perhaps */
  for (guint i = 0; i < state->snapshots->len; i++)
    if (strcmp (g_array_index (state->snapshots, ObkSnapshot, i).key_id, key_id) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
check_status (ObkDoctor *doctor, ObkCheckReport *report, const ObkKmsStatus *status)
{
  g_autofree char *service = obk_doctor_service_unit (doctor);

  if (strcmp (status->healthz, OBK_HEALTHZ_OK) != 0)
    {
      obk_check_fail (report, _ ("the running provider says of itself \"%s\""), status->healthz);
      obk_check_remedy (report, _ ("if nothing above has failed it is well again within a minute; its log says why it "
                                   "is not"));
      /* A port without its type, for one: what is refused to its domain works for us, so that no other check fails. */
      obk_check_command (report, "journalctl -u %s -n 20%s", service,
                         obk_label_enabled () ? "\nausearch -m avc -ts recent | grep openbao_kms ||"
                                                " journalctl -b _TRANSPORT=audit --grep openbao_kms -n 5"
                                              : "");
      return FALSE;
    }
  check_state_on_disk (doctor, report);
  if (is_known_key_id (doctor, status->key_id))
    return TRUE;
  obk_check_fail (report, _ ("the running provider names a key_id that is not in the state of this configuration"));
  obk_check_remedy (report, _ ("it runs with another configuration or state: restart it"));
  obk_check_command (report, "systemctl restart %s", service);
  return FALSE;
}

static void
advise_on_status (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  g_autofree char *service = obk_doctor_service_unit (doctor);

  if (obk_error_code (error) == OBK_ERROR_TIMEOUT)
    {
      obk_check_remedy (report, _ ("it takes connections and does not answer: it hangs, or was stopped by a signal. "
                                   "Restart it, and see its log"));
      obk_check_command (report, "systemctl restart %s\njournalctl -u %s -n 20", service, service);
      return;
    }
  obk_check_remedy (report,
                    _ ("what listens is no provider, or it refuses this user (server.allowedUids): see who it is, "
                       "and its log"));
  obk_check_command (report, "ss -xlp src %s\njournalctl -u %s -n 20", doctor->config->server.socket_path, service);
}

static void
call (ObkDoctor *doctor, ObkCheckReport *report, ObkKmsClient *client)
{
  g_autofree char *service = obk_doctor_service_unit (doctor);
  g_auto (ObkKmsStatus) status = { 0 };
  g_autoptr (GError) error = NULL;

  if (!obk_kms_client_status (client, OBK_EXCHANGE_TIMEOUT_US, &status, &error))
    {
      if (is_down (doctor, report))
        return;
      obk_check_fail (report, "Status: %s", error->message);
      advise_on_status (doctor, report, error);
      return;
    }
  if (!check_status (doctor, report, &status))
    return;
  if (obk_exchange_run (client, &error))
    {
      obk_check_ok (report, _ ("Status ok; 32 bytes encrypted and decrypted through %s"),
                    doctor->config->server.socket_path);
      return;
    }
  obk_check_fail (report, "%s", error->message);
  obk_check_remedy (report, _ ("the provider's log has the cause"));
  obk_check_command (report, "journalctl -u %s -n 20", service);
}

void
obk_doctor_status_encrypt (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *path = doctor->config->server.socket_path;
  struct ucred who = { 0 };
  g_autoptr (ObkKmsClient) client = NULL;
  g_autoptr (GError) error = NULL;

  if (doctor->options.before_start)
    {
      /* Nobody is connected to, and started by it, but a provider that runs: who has the lock need not be this one. */
      if (doctor->options.would_start || obk_doctor_lock_holder (doctor) == 0 || !obk_listener_read (path, &who))
        check_before_start (doctor, report);
      if (report->findings->len == 0)
        obk_check_pass_over (report, _ ("not looked at before the first start (--before-start)"));
      return;
    }
  if ((doctor->options.would_start && is_down (doctor, report)) || !check_listener (report, path))
    return;
  client = obk_kms_client_new (path, OBK_EXCHANGE_TIMEOUT_US, &error);
  if (client == NULL)
    refuse_socket (doctor, report, error->message);
  else
    call (doctor, report, client);
}
