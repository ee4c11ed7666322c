/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the API servers' configuration files, read as whoever has called. */
#include "cli/doctor/doctor.h"
#include "cli/doctor/encryption-config.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file need not be as ours are: it is the API server's. */
static char *
read_file (const char *path, gsize *length, struct stat *status, GError **error)
{
  g_autofree char *text = NULL;

  if (stat (path, status) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s", g_strerror (errno));
      return NULL;
    }
  if (!S_ISREG (status->st_mode) || status->st_size > OBK_ENCRYPTION_CONFIG_MAX_BYTES)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, _ ("not a regular file of at most %d bytes"),
                   OBK_ENCRYPTION_CONFIG_MAX_BYTES);
      return NULL;
    }
  return g_file_get_contents (path, &text, length, error) ? g_steal_pointer (&text) : NULL;
}

static void
check_file (ObkDoctor *doctor, ObkCheckReport *report, const char *path)
{
  const ObkConfig *config = doctor->config;
  ObkEncryptionQuestion question = {
    .provider_name = config->transit.scope.provider_name,
    .socket_path = config->server.socket_path,
    .openbao_timeout_us = config->openbao.timeout_us,
  };
  g_autofree char *quoted = obk_doctor_quote (path);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  struct stat status = { 0 };
  gsize length = 0;

  text = read_file (path, &length, &status, &error);
  if (text == NULL)
    {
      gboolean unreadable = g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_ACCES) && !doctor->options.is_root;
      g_autofree char *hint = obk_doctor_run_as_root (doctor);

      if (unreadable)
        obk_check_skip (report, "%s: %s", path, error->message);
      else
        obk_check_fail (report, "%s: %s", path, error->message);
      obk_check_remedy (report, "%s", unreadable ? hint : _ ("name the file of --encryption-provider-config"));
      return;
    }
  obk_encryption_config_judge (text, length, path, &question, report);
  if ((status.st_mode & (S_IRWXO | S_IWGRP)) == 0)
    return;
  obk_check_warn (report, _ ("%s has mode %04o: it may hold keys, and whoever writes it switches encryption off"), path,
                  status.st_mode & 07777);
  obk_check_command (report, "chmod 0600 %s", quoted);
}

void
obk_doctor_encryption_config (ObkDoctor *doctor, ObkCheckReport *report)
{
  if (doctor->options.encryption_configs == NULL || doctor->options.encryption_configs[0] == NULL)
    {
      obk_check_pass_over (report, _ ("no file was named (--encryption-config)"));
      return;
    }
  for (const char *const *path = doctor->options.encryption_configs; *path != NULL; path++)
    check_file (doctor, report, *path);
}
