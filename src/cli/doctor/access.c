/* SPDX-License-Identifier: Apache-2.0 */
/* Why the service cannot get at a file, and what opens it: the directories on the way first, then the file. */
#include "cli/doctor/access.h"

#include "base/safe-file.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
obk_doctor_closed_directory (const char *path)
{
  const char *slash = path;

  while ((slash = strchr (slash, '/')) != NULL)
    {
      g_autofree char *directory = g_strndup (path, (gsize)MAX (slash - path, 1));

      if (access (directory, X_OK) != 0)
        return errno == EACCES ? g_steal_pointer (&directory) : NULL;
      slash++;
    }
  return NULL;
}

/* The narrowest that lets the service through and shuts out nobody who was let in. */
static char *
opening_command (const ObkIds *service, const char *directory)
{
  g_autofree char *quoted = obk_doctor_quote (directory);
  struct stat status;

  if (stat (directory, &status) != 0)
    return g_strdup_printf ("ls -ld %s", quoted);
  if (status.st_uid == service->uid)
    return g_strdup_printf ("chmod u+x %s", quoted);
  if (obk_ids_have_group (service, status.st_gid))
    return g_strdup_printf ("chmod g+x %s", quoted);
  if ((status.st_mode & S_IRWXG) == 0)
    return g_strdup_printf ("chgrp %u %s\nchmod g+x %s", service->gid, quoted, quoted);
  return g_strdup_printf ("chmod o+x %s", quoted);
}

gboolean
obk_doctor_advise_on_way (ObkDoctor *doctor, ObkCheckReport *report, const char *path)
{
  g_autofree char *closed = obk_doctor_closed_directory (path);
  g_autofree char *command = NULL;

  if (closed == NULL)
    return FALSE;
  command = opening_command (&doctor->options.service, closed);
  obk_check_remedy (report, _ ("the directory \"%s\" on the way is closed to the service: let it through"), closed);
  obk_check_command (report, "%s", command);
  return TRUE;
}

/* Whether it is not for its owner or mode that it was refused. */
static gboolean
is_open_to_service (const ObkDoctor *doctor, const char *path, const struct stat *status, ObkFileKind kind)
{
  mode_t forbidden = kind == OBK_FILE_PUBLIC ? OBK_FILE_MASK_PUBLIC : OBK_FILE_MASK_PRIVATE;

  return (status->st_uid == 0 || status->st_uid == doctor->options.service.uid) && (status->st_mode & forbidden) == 0
         && access (path, R_OK) == 0;
}

void
obk_doctor_advise_on_file (ObkDoctor *doctor, ObkCheckReport *report, const char *path, ObkFileKind kind)
{
  g_autofree char *quoted = obk_doctor_quote (path);
  struct stat status;

  if (!doctor->options.is_root && !doctor->options.is_service)
    {
      g_autofree char *hint = obk_doctor_run_as_root (doctor);

      obk_check_remedy (report, "%s", hint);
      return;
    }
  if (obk_doctor_advise_on_way (doctor, report, path) || lstat (path, &status) != 0)
    return;
  if (S_ISLNK (status.st_mode))
    obk_check_remedy (report, _ ("put a regular file there: what renews it writes a new one beside it and renames that "
                                 "over it"));
  else if (!S_ISREG (status.st_mode))
    obk_check_remedy (report, _ ("put a regular file there"));
  else if (is_open_to_service (doctor, path, &status, kind))
    obk_check_remedy (report, _ ("see whether it is the right file: its owner and mode are in order"));
  else if (kind == OBK_FILE_PUBLIC)
    {
      obk_check_remedy (report, _ ("give the file to root, readable by all and writable by nobody else"));
      obk_check_command (report, "chown root:root %s\nchmod 0644 %s", quoted, quoted);
    }
  else
    {
      obk_check_remedy (report, _ ("give the file to root and the service's group, readable by nobody else"));
      obk_check_command (report, "chown root:%u %s\nchmod 0640 %s", doctor->options.service.gid, quoted, quoted);
    }
}
