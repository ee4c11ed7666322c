/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the machine around the provider: systemd's units, SELinux. */
#include "cli/doctor/doctor.h"
#include "cli/doctor/label.h"
#include "cli/doctor/unit.h"
#include "config/field.h"

#include <glib/gi18n.h>

#include <stdlib.h>

void
obk_doctor_systemd (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autofree char *service_name = obk_doctor_service_unit (doctor);
  g_autofree char *socket_name = obk_doctor_socket_unit (doctor);
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) service = NULL;
  g_autoptr (GHashTable) socket = NULL;
  g_autoptr (GHashTable) kubelet = NULL;

  if (!g_file_test (OBK_SYSTEMD_RUNS, G_FILE_TEST_IS_DIR))
    {
      obk_check_pass_over (report, _ ("this machine is not run by systemd"));
      return;
    }
  service = obk_unit_read (service_name, &error);
  socket = service != NULL ? obk_unit_read (socket_name, &error) : NULL;
  kubelet = socket != NULL ? obk_unit_read ("kubelet.service", &error) : NULL;
  if (kubelet == NULL)
    {
      obk_check_skip (report, "%s", error->message);
      return;
    }
  obk_unit_judge (
      &(ObkUnitQuestion){
          .service_name = service_name,
          .socket_name = socket_name,
          .service = service,
          .socket = socket,
          .kubelet = kubelet,
          .config_path = obk_config_path (doctor->options.config_path),
          .socket_path = config->server.socket_path,
          .socket_mode = config->server.socket_mode,
          .socket_group = config->server.socket_group,
          .before_start = doctor->options.before_start,
          .runs_without = obk_doctor_lock_holder (doctor) != 0,
      },
      report);
}

/* What the policy's file contexts are asked about. */
static void
add_path (GPtrArray *paths, const char *path)
{
  if (path != NULL && path[0] == '/')
    g_ptr_array_add (paths, g_strdup (path));
}

/* Not by who listens: a connection to ask that would start a stopped service, and root may be refused. */
static pid_t
main_process (const char *service)
{
  g_autoptr (GHashTable) unit
      = g_file_test (OBK_SYSTEMD_RUNS, G_FILE_TEST_IS_DIR) ? obk_unit_read (service, NULL) : NULL;

  return (pid_t)strtoul (obk_unit_get (unit, "MainPID"), NULL, 10);
}

void
obk_doctor_selinux (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autofree char *state = g_path_get_dirname (config->state.path);
  g_autofree char *socket = g_path_get_dirname (config->server.socket_path);
  g_autofree char *service = obk_doctor_service_unit (doctor);
  g_autoptr (GPtrArray) files = obk_config_read_files (config);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  add_path (paths, obk_config_path (doctor->options.config_path));
  for (guint i = 0; i < files->len; i++)
    add_path (paths, files->pdata[i]);
  add_path (paths, state);
  add_path (paths, config->state.path);
  add_path (paths, socket);
  add_path (paths, config->server.socket_path);
  g_ptr_array_add (paths, NULL);
  obk_label_judge ((const char *const *)paths->pdata, main_process (service), service,
                   config->auth.method == OBK_AUTH_CERT ? OBK_SELINUX_TOKENS : NULL, report);
}
