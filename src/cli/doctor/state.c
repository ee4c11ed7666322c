/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: this node's memory of the key, and what follows from it. */
#include "cli/doctor/access.h"

#include "base/hash.h"
#include "base/names.h"
#include "cli/registry-command.h"
#include "identity/key-id.h"
#include "registry/document.h"
#include "registry/state-directory.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define OWN_DIRECTORY "/var/lib/openbao-kms/state" /* the package's, and of state.path's default */
#define LEAST_FREE_BYTES (4 * 1024 * 1024)         /* both files, twice */
#define LEAST_FREE_FILES 4                         /* the lock, and a temporary one of each */

/* Of others, too, who would be shut out of it: one that all write to, as /tmp, or that has more than files in it. */
static gboolean
is_shared (const char *directory)
{
  g_autoptr (GDir) entries = NULL;
  const char *name = NULL;
  struct stat status;

  if (lstat (directory, &status) != 0 || !S_ISDIR (status.st_mode))
    return FALSE;
  if ((status.st_mode & S_ISVTX) != 0)
    return TRUE;
  entries = g_dir_open (directory, 0, NULL);
  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (strcmp (name, "lost+found") != 0 && lstat (path, &status) == 0 && S_ISDIR (status.st_mode))
        return TRUE;
    }
  return FALSE;
}

static void
advise_on_shared_directory (ObkDoctor *doctor, ObkCheckReport *report, const char *directory)
{
  obk_check_remedy (report,
                    _ ("\"%s\" is not the service's alone: name in state.path a file in a directory that is, as "
                       "%s/key-registry.json, and move this state's files there, if there are any"),
                    directory, OWN_DIRECTORY);
  obk_check_command (report, "install -d -m 0750 -o %u -g %u %s", doctor->options.service.uid,
                     doctor->options.service.gid, OWN_DIRECTORY);
}

/* @cause: the errno */
static void
refuse_directory (ObkDoctor *doctor, ObkCheckReport *report, const char *directory, int cause)
{
  const ObkIds *service = &doctor->options.service;
  g_autofree char *quoted = obk_doctor_quote (directory);
  struct stat status;

  if (stat (directory, &status) == 0 && !S_ISDIR (status.st_mode))
    {
      obk_check_fail (report, _ ("\"%s\" is %s"), directory, _ ("not a directory"));
      obk_check_remedy (report, _ ("move it away and make the directory; if this node had a state, restore both files "
                                   "into it from a backup or a healthy peer"));
      obk_check_command (report, "mv %s %s.away\ninstall -d -m 0750 -o %u -g %u %s", quoted, quoted, service->uid,
                         service->gid, quoted);
      return;
    }
  obk_check_fail (report, _ ("the service may not write into \"%s\": %s"), directory, g_strerror (cause));
  if (cause == EROFS)
    obk_check_remedy (report, _ ("mount that file system for writing, or name another place in state.path"));
  else if (is_shared (directory))
    advise_on_shared_directory (doctor, report, directory);
  else if (!obk_doctor_advise_on_way (doctor, report, directory))
    {
      obk_check_remedy (report, cause == ENOENT ? _ ("make it for the service") : _ ("give it to the service"));
      obk_check_command (report, "install -d -m 0750 -o %u -g %u %s", service->uid, service->gid, quoted);
    }
}

/* Whether the service can save. */
static void
check_directory (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autofree char *directory = g_path_get_dirname (doctor->config->state.path);
  g_autofree char *quoted = obk_doctor_quote (directory);
  struct statvfs space;

  if (doctor->options.is_service && access (directory, W_OK | X_OK) != 0)
    refuse_directory (doctor, report, directory, errno);
  else if (statvfs (directory, &space) != 0)
    return;
  else if ((guint64)space.f_bavail * space.f_frsize < LEAST_FREE_BYTES)
    {
      obk_check_fail (report, _ ("the file system of \"%s\" is full"), directory);
      obk_check_remedy (report, _ ("make room on it"));
      obk_check_command (report, "df -h %s", quoted);
    }
  else if (space.f_files > 0 && space.f_favail < LEAST_FREE_FILES)
    {
      obk_check_fail (report, _ ("the file system of \"%s\" has no room for more files (inodes)"), directory);
      obk_check_remedy (report, _ ("take files away on it"));
      obk_check_command (report, "df -i %s", quoted);
    }
}

/* The lock file, which doctor does not take, and without which the provider does not start. */
static void
check_lock (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (ObkStateDirectory) directory = obk_state_directory_open (doctor->config->state.path, NULL);
  const char *path = directory != NULL ? obk_state_directory_lock_path (directory) : NULL;
  const ObkIds *service = &doctor->options.service;
  g_autofree char *quoted = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_directory = FALSE;
  struct stat status;

  if (!doctor->options.is_service || directory == NULL || obk_state_directory_examine_lock (directory, &error))
    return;
  quoted = obk_doctor_quote (path);
  obk_check_fail (report, "%s", error->message);
  is_directory = lstat (path, &status) == 0 && S_ISDIR (status.st_mode);
  if (lstat (path, &status) == 0 && S_ISREG (status.st_mode) && status.st_nlink == 1)
    {
      obk_check_remedy (report, _ ("give it to the service, readable by nobody else"));
      obk_check_command (report, "chown %u:%u %s\nchmod 0600 %s", service->uid, service->gid, quoted, quoted);
    }
  else
    {
      obk_check_remedy (report,
                        _ ("take it away while no provider runs with this state; the next start makes it anew"));
      obk_check_command (report, "%s %s", is_directory ? "rmdir" : "rm", quoted);
    }
}

/* Returns: whether the file is there and the service may not read it, which was said */
static gboolean
refuse_unreadable (ObkDoctor *doctor, ObkCheckReport *report, const char *path)
{
  const ObkIds *service = &doctor->options.service;
  g_autofree char *quoted = obk_doctor_quote (path);
  struct stat status;

  if (lstat (path, &status) != 0 || !S_ISREG (status.st_mode) || access (path, R_OK) == 0)
    return FALSE;
  obk_check_fail (report, _ ("the service may not read \"%s\" (uid %u, gid %u, mode %04o)"), path, status.st_uid,
                  status.st_gid, status.st_mode & 07777);
  obk_check_remedy (report, _ ("give it to the service; what is in it stays as it is"));
  obk_check_command (report, "chown %u:%u %s\nchmod 0640 %s", service->uid, service->gid, quoted, quoted);
  return TRUE;
}

static gboolean
has_unsafe_mode (const char *path, mode_t type, mode_t unsafe)
{
  struct stat status;

  return lstat (path, &status) == 0 && (status.st_mode & S_IFMT) == type && (status.st_mode & unsafe) != 0;
}

/* What lies in the place of a file and is none. Returns: (nullable): @state or @checkpoint */
static const char *
find_other_than_file (const char *state, const char *checkpoint)
{
  const char *const paths[] = { state, checkpoint };
  struct stat status;

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (lstat (paths[i], &status) == 0 && !S_ISREG (status.st_mode))
      return paths[i];
  return NULL;
}

void
obk_doctor_advise_recovery (const ObkDoctor *doctor, ObkCheckReport *report, const char *option)
{
  g_autofree char *config = obk_registry_command_config_option (doctor->options.config_path);

  obk_check_command (report, OBK_PROGRAM " recover-state%s%s", option, config);
}

/* What to do about a state that can be read and may not be used. */
static void
advise_on_state (ObkDoctor *doctor, ObkCheckReport *report, const char *checkpoint)
{
  const char *state = doctor->config->state.path;
  g_autofree char *directory = g_path_get_dirname (state);
  gboolean open_directory = has_unsafe_mode (directory, S_IFDIR, OBK_STATE_UNSAFE_DIRECTORY_MODE);
  gboolean open_state = has_unsafe_mode (state, S_IFREG, OBK_STATE_UNSAFE_FILE_MODE);
  const char *other = find_other_than_file (state, checkpoint);
  const char *open = open_directory ? directory : open_state ? state : checkpoint;
  g_autofree char *quoted = obk_doctor_quote (open);

  if (open_directory && is_shared (directory))
    advise_on_shared_directory (doctor, report, directory);
  else if (open_directory || open_state || has_unsafe_mode (checkpoint, S_IFREG, OBK_STATE_UNSAFE_FILE_MODE))
    {
      obk_check_remedy (report,
                        _ ("shut others out; if what is in it may have been changed, restore it from a backup"));
      obk_check_command (report, "chmod %s %s", open_directory ? "0750" : "0640", quoted);
    }
  else if (other != NULL)
    {
      g_autofree char *quoted_other = obk_doctor_quote (other);

      obk_check_remedy (report,
                        _ ("move away what is there, and put the file itself in its place: what a link points to, "
                           "or both files from a backup or a healthy peer"));
      obk_check_command (report, "ls -ld %s", quoted_other);
    }
  else if (strstr (doctor->state_error->message, OBK_STATE_OTHER_SCOPE) != NULL)
    {
      obk_check_remedy (report,
                        _ ("set that field of the configuration back to what it was when the state was made, or name "
                           "this configuration's own state in state.path. Only if the files are another cluster's: "
                           "restore this node's own from a backup, or plan a new state, which changes nothing yet:"));
      obk_doctor_advise_recovery (doctor, report, " --replace");
    }
  else
    {
      if (strstr (doctor->state_error->message, OBK_STATE_OTHER_FORMAT) != NULL)
        obk_check_remedy (report, _ ("if a newer release of the provider has written it, install that one again; else "
                                     "restore both files from a backup of this node, or plan a new state, which "
                                     "changes nothing yet:"));
      else
        obk_check_remedy (report, _ ("restore both files from a backup of this node, or plan a new state, which "
                                     "changes nothing yet:"));
      obk_doctor_advise_recovery (doctor, report, " --replace");
    }
}

static void
refuse_state (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *problem = doctor->state_error->message;
  g_autofree char *checkpoint = g_strconcat (doctor->config->state.path, OBK_STATE_CHECKPOINT_SUFFIX, NULL);
  gboolean unreadable = FALSE;

  if (!doctor->options.is_service && obk_doctor_may_not_read (doctor->config->state.path))
    {
      g_autofree char *hint = obk_doctor_run_as_root (doctor);

      obk_check_skip (report, "%s", problem);
      obk_check_remedy (report, "%s", hint);
      return;
    }
  check_directory (doctor, report);
  if (report->findings->len > 0)
    return;
  unreadable = refuse_unreadable (doctor, report, doctor->config->state.path);
  if (refuse_unreadable (doctor, report, checkpoint) || unreadable)
    return;
  obk_check_fail (report, "%s", problem);
  advise_on_state (doctor, report, checkpoint);
}

/* Without a state a start makes the first one, if that can be right. */
static void
judge_absence (ObkDoctor *doctor, ObkCheckReport *report)
{
  check_directory (doctor, report);
  if (report->findings->len > 0)
    return;
  if (doctor->metadata != NULL && doctor->metadata->latest_version > 1)
    {
      obk_check_fail (report,
                      _ ("there is no state, and the key was rotated already (latest version %u): the provider "
                         "will not start"),
                      doctor->metadata->latest_version);
      obk_check_remedy (report,
                        _ ("restore the state from a backup of this node, or plan a new one, which changes nothing "
                           "yet:"));
      obk_doctor_advise_recovery (doctor, report, "");
    }
  else
    obk_check_ok (report, _ ("there is none yet; the provider makes the first one when it starts"));
}

void
obk_doctor_registry_state (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkState *state = obk_doctor_state (doctor);
  const ObkSnapshot *pending = NULL;
  g_autofree char *candidate = NULL;

  check_lock (doctor, report);
  if (doctor->state_error != NULL)
    {
      refuse_state (doctor, report);
      return;
    }
  if (state == NULL)
    {
      judge_absence (doctor, report);
      return;
    }
  check_directory (doctor, report);
  pending = obk_state_pending (state);
  if (pending != NULL)
    candidate = g_strdup_printf (_ (", version %u is waiting"), pending->version);
  if (doctor->checkpoint == OBK_CHECKPOINT_MISSING)
    {
      obk_check_warn (report, _ ("the checkpoint is missing"));
      obk_check_remedy (report, _ ("the provider writes it with its next start; if nobody has taken it away, look at "
                                   "the disk"));
    }
  obk_check_ok (report, _ ("generation %llu, version %u active%s, checkpoint %s"),
                (unsigned long long)state->generation, obk_state_active (state)->version,
                candidate != NULL ? candidate : "", obk_checkpoint_status_name (doctor->checkpoint));
}

/* key_id */

void
obk_doctor_key_id (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkState *state = obk_doctor_state (doctor);
  const ObkSnapshot *active = state != NULL ? obk_state_active (state) : NULL;
  guint32 version = active != NULL ? active->version : doctor->metadata->latest_version;
  gint64 created_at = obk_key_metadata_created_at (doctor->metadata, version);
  g_autofree char *derived = NULL;
  g_autofree char *again = NULL;
  g_autofree char *hash = NULL;

  if (created_at <= 0 && version < doctor->metadata->min_decryption_version)
    {
      obk_check_skip (report, _ ("OpenBao shows version %u only when min_decryption_version is lowered to it"),
                      version);
      return;
    }
  if (created_at <= 0)
    {
      obk_check_fail (report, _ ("OpenBao gives no creation time of version %u, which its key_id is made from"),
                      version);
      obk_doctor_advise_on_lost_version (doctor, report);
      return;
    }
  derived = obk_key_id_derive (doctor->scope, version, created_at);
  again = obk_key_id_derive (doctor->scope, version, created_at);
  hash = obk_hash (derived, strlen (derived));
  if (strcmp (derived, again) != 0 || (active != NULL && strcmp (derived, active->key_id) != 0))
    {
      obk_check_fail (report,
                      _ ("version %u has another key_id in this node's state than what OpenBao and the "
                         "configuration give"),
                      version);
      obk_check_remedy (report, _ ("openbao.instanceId, openbao.namespace or transit.keyIdScope were changed, or the "
                                   "key was replaced: take that back"));
      return;
    }
  obk_check_ok (report,
                active != NULL ? _ ("version %u: as in the state; hash %s")
                               : _ ("version %u: there is no state to compare it with; hash %s"),
                version, hash);
}
