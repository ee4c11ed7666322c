/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what can be checked on this machine alone before OpenBao is asked: configuration, socket, JWT. */
#include "cli/doctor/access.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/names.h"
#include "base/safe-file.h"
#include "cli/doctor/advice.h"
#include "cli/registry-command.h"
#include "openbao/jwt.h"
#include "openbao/tls-error.h"
#include "provider/scope.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CREDENTIAL_PREFIX "credential:"
#define CREDENTIALS_ROOT "/run/credentials"
#define NO_GROUP ((gid_t)-1)

/* Configuration */

/* doctor is no service of systemd's: the running service's credentials are where systemd keeps them. */
static void
find_credentials (ObkDoctor *doctor)
{
  g_autofree char *unit = obk_doctor_service_unit (doctor);
  g_autofree char *directory = g_build_filename (CREDENTIALS_ROOT, unit, NULL);

  if (g_getenv ("CREDENTIALS_DIRECTORY") == NULL && g_file_test (directory, G_FILE_TEST_IS_DIR))
    g_setenv ("CREDENTIALS_DIRECTORY", directory, TRUE);
}

void
obk_doctor_config_load (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *path = obk_config_path (doctor->options.config_path);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;

  doctor->config = obk_config_load (path, doctor->options.flags, &problems, &error);
  if (doctor->config != NULL)
    {
      doctor->scope = obk_scope_from_config (doctor->config);
      doctor->addresses = obk_doctor_addresses_new (doctor->config);
      find_credentials (doctor);
      obk_check_ok (report, "%s", path);
    }
  else if (problems->len > 0)
    obk_check_ok (report, _ ("%s can be read"), path);
  else
    {
      obk_check_fail (report, "%s", error->message);
      obk_doctor_advise_on_file (doctor, report, path, OBK_FILE_PRIVATE);
      if (access (path, F_OK) != 0 && errno == ENOENT)
        obk_check_remedy (report, _ ("write it, or name it by --config; the example is config.example.yaml"));
    }
}

void
obk_doctor_config_validate (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *path = obk_config_path (doctor->options.config_path);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) again = NULL;
  g_autofree char *fingerprint = NULL;

  if (doctor->config != NULL)
    {
      fingerprint = obk_config_fingerprint (doctor->config);
      obk_check_ok (report, _ ("fingerprint %s"), fingerprint);
      return;
    }
  again = obk_config_load (path, doctor->options.flags, &problems, NULL);
  for (guint i = 0; i < problems->len; i++)
    {
      const ObkConfigProblem *problem = g_ptr_array_index (problems, i);
      g_autofree char *line = obk_config_problem_format (problem, path);

      obk_check_fail (report, "%s", line);
      if (problem->source != NULL)
        obk_check_remedy (report, _ ("correct %s where doctor and the service get it from (systemctl cat)"),
                          problem->source);
      else if (i == 0)
        obk_check_remedy (report, _ ("correct the file; \"man bao-kms-provider.yaml\" has every field"));
    }
  if (problems->len == 0)
    {
      obk_check_fail (report, _ ("%s has changed while it was looked at"), path);
      obk_check_remedy (report, _ ("run doctor again"));
    }
}

/* The socket */

static gboolean
stat_parent (const ObkConfig *config, char **parent, struct stat *status)
{
  *parent = g_path_get_dirname (config->server.socket_path);
  return lstat (*parent, status) == 0;
}

/* The socket that is there and its directory are of one group, and the configuration names another one. */
static gboolean
has_odd_group (const ObkConfig *config, gid_t gid)
{
  g_autofree char *parent = NULL;
  struct stat directory, socket;

  return stat_parent (config, &parent, &directory) && stat (config->server.socket_path, &socket) == 0
         && S_ISSOCK (socket.st_mode) && directory.st_gid == socket.st_gid && socket.st_gid != gid;
}

/* The socket that is there is of another group or mode: systemd's unit, or what an older configuration has left. */
static void
check_socket_file (ObkDoctor *doctor, ObkCheckReport *report, gid_t gid)
{
  const ObkConfig *config = doctor->config;
  g_autofree char *unit = obk_doctor_socket_unit (doctor);
  g_autofree char *quoted = obk_doctor_quote (config->server.socket_path);
  struct stat status;

  if (stat (config->server.socket_path, &status) != 0 || !S_ISSOCK (status.st_mode))
    return;
  if (status.st_gid != gid)
    {
      obk_check_fail (report, _ ("the socket belongs to group %u, not to group %u of server.socketGroup"),
                      status.st_gid, gid);
      obk_check_remedy (report,
                        _ ("correct server.socketGroup, if the API server's user is in group %u; else restart the "
                           "provider, with the socket unit after setting SocketGroup= in it likewise (systemctl edit "
                           "%s)"),
                        status.st_gid, unit);
      if (!has_odd_group (config, gid))
        obk_check_command (report, "chgrp %s %s", config->server.socket_group, quoted);
    }
  if ((status.st_mode & 07777) != config->server.socket_mode)
    {
      obk_check_fail (report, _ ("the socket has mode %04o, not %04o as server.socketMode says"),
                      status.st_mode & 07777, config->server.socket_mode);
      obk_check_remedy (report,
                        _ ("restart the provider; with the socket unit set SocketMode= in it likewise (systemctl edit "
                           "%s). At once, until then:"),
                        unit);
      obk_check_command (report, "chmod %04o %s", config->server.socket_mode, quoted);
    }
}

/* A group that went leaves its number at the socket's directory: with that one back, all is as it was. */
static void
advise_on_group (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *group = doctor->config->server.socket_group;
  const ObkIds *service = &doctor->options.service;
  g_autofree char *parent = NULL;
  struct stat status;

  obk_check_remedy (report, _ ("make it, or correct server.socketGroup"));
  if (!stat_parent (doctor->config, &parent, &status) || getgrgid (status.st_gid) != NULL)
    obk_check_command (report, "groupadd --system %s", group);
  else if (service->uid == 0)
    obk_check_command (report, "groupadd --system --gid %u %s", status.st_gid, group);
  else
    obk_check_command (report, "groupadd --system --gid %u %s\nusermod -aG %s $(id -nu %u)", status.st_gid, group,
                       group, service->uid);
}

void
obk_doctor_socket_group (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  const char *group = config->server.socket_group;
  const ObkIds *service = &doctor->options.service;
  g_autofree char *user = obk_ids_describe (service);
  g_autofree char *parent = NULL;
  struct stat status;
  gid_t gid = 0;

  if (!obk_group_find (group, &gid))
    {
      obk_check_fail (report, _ ("group \"%s\" of server.socketGroup does not exist"), group);
      advise_on_group (doctor, report);
      return;
    }
  check_socket_file (doctor, report, gid);
  if (report->findings->len > 0)
    return;
  if (service->uid == 0 || obk_ids_have_group (service, gid)
      || (stat_parent (config, &parent, &status) && (status.st_mode & S_ISGID) != 0 && status.st_gid == gid))
    obk_check_ok (report, _ ("\"%s\" is group %u"), group, gid);
  else
    {
      obk_check_fail (report, _ ("%s is not a member of group \"%s\" and cannot give the socket to it"), user, group);
      obk_check_remedy (report, _ ("correct server.socketGroup, if the API server's user is not in that group either; "
                                   "else make the service's user a member and restart the provider"));
      obk_check_command (report, "usermod -aG %s $(id -nu %u)", group, service->uid);
    }
}

static gboolean
lets_through (const struct stat *directory, gid_t gid)
{
  return (directory->st_mode & S_IXOTH) != 0 || (directory->st_gid == gid && (directory->st_mode & S_IXGRP) != 0);
}

/* Whether all directories above let the socket's group in, so that the API server can reach the socket. */
static gboolean
check_way (const char *parent, gid_t gid, ObkCheckReport *report)
{
  g_autofree char *at = g_path_get_dirname (parent);

  while (strcmp (at, "/") != 0)
    {
      struct stat status;
      char *up = g_path_get_dirname (at);

      if (stat (at, &status) == 0 && !lets_through (&status, gid))
        {
          g_autofree char *quoted = obk_doctor_quote (at);

          obk_check_warn (report, _ ("\"%s\" (mode %04o) lets only some users through to the socket"), at,
                          status.st_mode & 07777);
          obk_check_command (report, "chmod o+x %s", quoted);
          g_free (up);
          return FALSE;
        }
      g_free (at);
      at = up;
    }
  return TRUE;
}

/* What is in the place where the socket goes. */
static void
check_socket_place (ObkCheckReport *report, const char *path)
{
  g_autofree char *quoted = obk_doctor_quote (path);
  struct stat status;

  if (lstat (path, &status) != 0 || S_ISSOCK (status.st_mode))
    return;
  obk_check_fail (report, _ ("\"%s\" is %s, where the socket should go"), path,
                  S_ISLNK (status.st_mode)   ? _ ("a symbolic link")
                  : S_ISDIR (status.st_mode) ? _ ("a directory (often made by a container's mount of the socket file)")
                                             : _ ("not a socket"));
  obk_check_remedy (report, _ ("see what has made it, and take it away; a pod mounts the directory, never the socket"));
  obk_check_command (report, S_ISDIR (status.st_mode) ? "rmdir %s" : "rm %s", quoted);
}

static void
advise_on_parent (ObkDoctor *doctor, ObkCheckReport *report, const char *parent)
{
  g_autofree char *quoted = obk_doctor_quote (parent);

  obk_check_remedy (report, _ ("make it as the package's tmpfiles.d does"));
  obk_check_command (report, "install -d -m 2750 -o %u -g %s %s", doctor->options.service.uid,
                     doctor->config->server.socket_group, quoted);
}

static void
check_parent_modes (ObkDoctor *doctor, ObkCheckReport *report, const char *parent, const struct stat *status, gid_t gid)
{
  const ObkIds *service = &doctor->options.service;
  const char *group = doctor->config->server.socket_group;
  g_autofree char *quoted = obk_doctor_quote (parent);

  if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    {
      obk_check_fail (report, _ ("\"%s\" has mode %04o: group or world may put another socket into it"), parent,
                      status->st_mode & 07777);
      obk_check_command (report, "chmod 2750 %s", quoted);
    }
  if (status->st_uid != 0 && status->st_uid != service->uid)
    {
      obk_check_fail (report, _ ("\"%s\" belongs to uid %u, not to root or the service (uid %u)"), parent,
                      status->st_uid, service->uid);
      obk_check_command (report, "chown %u %s", service->uid, quoted);
    }
  if (gid != NO_GROUP && !lets_through (status, gid))
    {
      obk_check_fail (report,
                      _ ("\"%s\" (group %u, mode %04o) does not let the members of \"%s\" through to the socket"),
                      parent, status->st_gid, status->st_mode & 07777, group);
      if (status->st_gid != gid)
        obk_check_remedy (report,
                          _ ("correct server.socketGroup, if the API server's user is in group %u; else let them "
                             "through"),
                          status->st_gid);
      if (!has_odd_group (doctor->config, gid))
        obk_check_command (report, "install -d -m 2750 -o %u -g %s %s", service->uid, group, quoted);
    }
}

void
obk_doctor_socket_parent (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *path = doctor->config->server.socket_path;
  g_autofree char *parent = NULL;
  struct stat status;
  gid_t gid = NO_GROUP;

  if (!stat_parent (doctor->config, &parent, &status))
    {
      if (errno == EACCES)
        obk_check_fail (report, _ ("\"%s\" is out of reach for the service: %s"), parent, g_strerror (errno));
      else
        obk_check_fail (report, _ ("\"%s\": %s"), parent, g_strerror (errno));
      if (!obk_doctor_advise_on_way (doctor, report, parent))
        advise_on_parent (doctor, report, parent);
      return;
    }
  if (!S_ISDIR (status.st_mode))
    {
      obk_check_fail (report, _ ("\"%s\" is %s"), parent,
                      S_ISLNK (status.st_mode) ? _ ("a symbolic link") : _ ("not a directory"));
      obk_check_remedy (report, _ ("take it away and make the directory, or name the true path in server.socketPath"));
      return;
    }
  if (!obk_group_find (doctor->config->server.socket_group, &gid))
    gid = NO_GROUP; /* which the check of the group has said */
  check_parent_modes (doctor, report, parent, &status, gid);
  check_socket_place (report, path);
  if (report->findings->len == 0 && doctor->options.is_service && access (parent, W_OK | X_OK) != 0)
    {
      obk_check_fail (report, _ ("the service may not make its socket in \"%s\": %s"), parent, g_strerror (errno));
      advise_on_parent (doctor, report, parent);
    }
  if (report->findings->len == 0 && check_way (parent, gid, report))
    obk_check_ok (report, "%s (uid %u, gid %u, mode %04o)", parent, status.st_uid, status.st_gid,
                  status.st_mode & 07777);
}

/* The JWT */

/* By how much the clock is ahead of the first server that answers, 0 when it is right or unknown. @known: (out)
 * @out_of_time: (out): that a server's certificate is not valid now, either */
static gint64
find_clock_offset (ObkDoctor *doctor, gboolean *known, gboolean *out_of_time)
{
  gint64 offset_us = 0;

  *known = *out_of_time = FALSE;
  for (guint i = 0; i < doctor->addresses->len && !*known; i++)
    {
      ObkDoctorAddress *address = g_ptr_array_index (doctor->addresses, i);
      g_autoptr (GError) error = NULL;

      *known = obk_doctor_clock_offset (doctor, address, &offset_us, &error);
      *out_of_time = *out_of_time || obk_tls_error_is_of_time (error);
    }
  return ABS (offset_us) > MAX (doctor->config->auth.jwt.clock_skew_leeway_us, OBK_DOCTOR_CLOCK_US) ? offset_us : 0;
}

/* Times in a JWT are wrong because of it, or because of the clock that judges them. */
static void
refuse_times (ObkDoctor *doctor, ObkCheckReport *report, const char *path, const char *problem)
{
  g_autofree char *now = obk_registry_command_time (obk_clock_unix ());
  gboolean known = FALSE, out_of_time = FALSE;
  gint64 offset_us = find_clock_offset (doctor, &known, &out_of_time);
  g_autofree char *span = obk_doctor_span (offset_us);

  if (offset_us != 0)
    {
      obk_check_fail (report, _ ("this node's clock (%s) is %s %s OpenBao's; by it \"%s\": %s"), now, span,
                      offset_us > 0 ? _ ("ahead of") : _ ("behind"), path, problem);
      obk_check_remedy (report, _ ("set the clock"));
      obk_check_command (report, OBK_DOCTOR_SET_CLOCK);
      return;
    }
  if (out_of_time)
    obk_check_fail (
        report, _ ("this node's clock says %s, and by it neither OpenBao's certificate is in its time nor \"%s\": %s"),
        now, path, problem);
  else
    obk_check_fail (report, "\"%s\": %s", path, problem);
  obk_check_remedy (report,
                    known ? _ ("have its issuer write a fresh one; this node's clock says %s, as OpenBao's does")
                    : out_of_time ? _ ("set the clock if %s is not the time; else both have to be renewed")
                                  : _ ("have its issuer write a fresh one; or this node's clock, %s, is wrong"),
                    now);
  if (!known)
    obk_check_command (report, OBK_DOCTOR_SET_CLOCK);
}

static void
refuse_jwt (ObkDoctor *doctor, ObkCheckReport *report, const char *path, const char *problem)
{
  if (strstr (problem, OBK_JWT_SAYS_EXP) != NULL || strstr (problem, OBK_JWT_SAYS_NBF) != NULL
      || strstr (problem, OBK_JWT_SAYS_IAT) != NULL)
    {
      refuse_times (doctor, report, path, problem);
      return;
    }
  obk_check_fail (report, "\"%s\": %s", path, problem);
  if (!obk_advice_add (obk_advice_on_jwt, problem, report))
    obk_check_remedy (report, _ ("write the JWT alone into the file, in its compact form of three parts"));
}

/* Returns: (transfer full) (nullable): the JWT */
static ObkSecret *
read_jwt (ObkDoctor *doctor, ObkCheckReport *report, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *quoted = obk_doctor_quote (path);
  ObkSecret *jwt = obk_safe_file_read_secret (path, OBK_JWT_MAX_BYTES, &error);

  if (jwt != NULL)
    return jwt;
  if (!doctor->options.is_service && obk_doctor_may_not_read (path))
    {
      obk_check_skip (report, "%s", error->message);
      return NULL;
    }
  obk_check_fail (report, "%s", error->message);
  if (access (path, F_OK) != 0 && errno == ENOENT)
    obk_check_remedy (report, _ ("have what issues the JWT write it there, or correct auth.jwt.jwtFile"));
  else
    obk_doctor_advise_on_file (doctor, report, path, OBK_FILE_PRIVATE);
  return NULL;
}

/* Returns: (transfer full) (nullable): where it is */
static char *
find_jwt (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *reference = doctor->config->auth.jwt.jwt_file;
  g_autoptr (GError) error = NULL;
  char *path = NULL;

  if (!g_str_has_prefix (reference, CREDENTIAL_PREFIX))
    return g_strdup (reference);
  path = obk_credential_path (reference, &error);
  if (path == NULL)
    {
      obk_check_skip (report, "%s", error->message);
      obk_check_remedy (report, _ ("systemd has it while the service runs: start the service, then run doctor again"));
      return NULL;
    }
  obk_check_warn (report, _ ("auth.jwt.jwtFile is a credential of systemd's, which is copied once when the service "
                             "starts: a JWT that is renewed stays the old one"));
  obk_check_remedy (report, _ ("name in auth.jwt.jwtFile the file itself that is renewed"));
  return path;
}

void
obk_doctor_jwt_local (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  ObkJwtRules rules = obk_session_jwt_rules (config);
  g_autoptr (ObkSecret) jwt = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *span = NULL;
  gint64 expires_unix = 0;

  if (config->auth.method != OBK_AUTH_JWT || config->auth.jwt.source != OBK_JWT_FILE)
    {
      obk_check_pass_over (report, _ ("no JWT from a file is used"));
      return;
    }
  path = find_jwt (doctor, report);
  jwt = path != NULL ? read_jwt (doctor, report, path) : NULL;
  if (jwt == NULL)
    return;
  if (!obk_jwt_check (obk_secret_data (jwt), obk_secret_length (jwt), &rules, obk_clock_unix (), &expires_unix, &error))
    {
      refuse_jwt (doctor, report, path, error->message);
      return;
    }
  span = obk_doctor_span ((expires_unix - obk_clock_unix ()) * G_USEC_PER_SEC);
  obk_check_ok (report, _ ("%s, for %s more"), path, span);
}
