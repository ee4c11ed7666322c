/* SPDX-License-Identifier: Apache-2.0 */
/* What SELinux makes of the provider: its mode, our module and domain, labels of files, who may connect. */
#include "cli/doctor/label.h"

#include "base/error.h"
#include "cli/doctor/doctor.h"

#include <glib/gi18n.h>
#include <selinux/label.h>
#include <selinux/selinux.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define OUR_CONTEXT "system_u:system_r:" OBK_SELINUX_DOMAIN
#define OUR_CONTEXT_MLS OUR_CONTEXT ":s0"

gboolean
obk_label_enabled (void)
{
  return is_selinux_enabled () == 1;
}

/* libselinux' own, to be freed by it, as ours. */
static char *
take_context (char *context)
{
  char *copy = g_strdup (context);

  freecon (context);
  return copy;
}

char *
obk_label_of_process (pid_t pid)
{
  char *context = NULL;

  return getpidcon (pid, &context) == 0 ? take_context (context) : NULL;
}

char *
obk_label_of_file (const char *path)
{
  char *context = NULL;

  return lgetfilecon (path, &context) >= 0 ? take_context (context) : NULL;
}

gboolean
obk_label_allows (const ObkLabelAccess *access, GError **error)
{
  if (selinux_check_access (access->source, access->target, access->object_class, access->permission, NULL) == 0)
    return TRUE;
  if (errno == EACCES)
    g_set_error (error, OBK_ERROR, OBK_ERROR_POLICY_DENIED, _ ("SELinux forbids %s to %s on %s (%s)"), access->source,
                 access->permission, access->target, access->object_class);
  else
    g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("the SELinux policy cannot be asked: %s"), g_strerror (errno));
  return FALSE;
}

/* The type, which is the third part of user:role:type[:level] */
static gboolean
has_type (const char *context, const char *type)
{
  g_auto (GStrv) parts = g_strsplit (context, ":", 4);

  return g_strv_length (parts) >= 3 && strcmp (parts[2], type) == 0;
}

/* User and level are the owner's business; the type is what the policy goes by. */
static gboolean
same_type (const char *a, const char *b)
{
  g_auto (GStrv) parts = g_strsplit (b, ":", 4);

  return g_strv_length (parts) >= 3 && has_type (a, parts[2]);
}

static void
judge_file (struct selabel_handle *labels, const char *path, ObkCheckReport *report)
{
  g_autofree char *quoted = obk_doctor_quote (path);
  g_autofree char *found = NULL;
  char *expected = NULL;
  struct stat status;

  if (lstat (path, &status) != 0 || selabel_lookup (labels, &expected, path, (int)status.st_mode) != 0)
    return;
  found = obk_label_of_file (path);
  if (found != NULL && !same_type (found, expected))
    {
      obk_check_fail (report, _ ("\"%s\" is labelled %s, and the policy has %s for it"), path, found, expected);
      obk_check_remedy (report, S_ISSOCK (status.st_mode)
                                    ? _ ("label it anew; it comes back with its directory's label when the provider "
                                         "makes it")
                                    : _ ("label it anew"));
      obk_check_command (report, "restorecon -v %s", quoted);
    }
  freecon (expected);
}

static void
judge_files (const char *const *paths, ObkCheckReport *report)
{
  struct selabel_handle *labels = selabel_open (SELABEL_CTX_FILE, NULL, 0);

  if (labels == NULL)
    {
      obk_check_warn (report, _ ("the policy's file contexts cannot be read: %s"), g_strerror (errno));
      return;
    }
  for (; *paths != NULL; paths++)
    judge_file (labels, *paths, report);
  selabel_close (labels);
}

static gboolean
has_module (void)
{
  return security_check_context (OUR_CONTEXT_MLS) == 0 || security_check_context (OUR_CONTEXT) == 0;
}

/* A warning, since a module need not use what the boolean allows. */
static void
judge_boolean (const char *boolean, ObkCheckReport *report)
{
  if (security_get_boolean_active (boolean) != 0)
    return;
  obk_check_warn (
      report,
      _ ("the boolean %s is off, and the login is with a PKCS#11 token: the provider is refused smart cards "
         "by pcscd, TPMs and token stores, which others and this check may reach"),
      boolean);
  obk_check_remedy (report,
                    _ ("switch it on, unless the module needs none of these; a token store needs its label too"));
  obk_check_command (report, "setsebool -P %s on", boolean);
}

void
obk_label_judge (const char *const *paths, pid_t pid, const char *service, const char *boolean, ObkCheckReport *report)
{
  const char *mode = NULL;
  g_autofree char *domain = NULL;

  if (!obk_label_enabled ())
    {
      obk_check_pass_over (report, _ ("SELinux is off"));
      return;
    }
  mode = security_getenforce () == 1 ? _ ("enforcing") : _ ("permissive");
  if (!has_module ())
    {
      obk_check_warn (report, _ ("%s, without the module of the provider: it is confined by nothing"), mode);
      obk_check_remedy (report, _ ("install the package %s"), OBK_SELINUX_PACKAGE);
      return;
    }
  judge_files (paths, report);
  if (boolean != NULL)
    judge_boolean (boolean, report);
  domain = pid != 0 ? obk_label_of_process (pid) : NULL;
  if (domain != NULL && !has_type (domain, OBK_SELINUX_DOMAIN))
    {
      obk_check_fail (report, _ ("the provider runs as %s, not in %s"), domain, OBK_SELINUX_DOMAIN);
      obk_check_remedy (report, _ ("label the program anew and restart the provider by systemd"));
      obk_check_command (report, "restorecon -v /usr/bin/bao-kms-provider\nsystemctl restart %s", service);
    }
  if (report->findings->len == 0)
    obk_check_ok (report, _ ("%s; %s and the files are labelled as the policy says"), mode,
                  domain != NULL ? domain : OBK_SELINUX_DOMAIN);
}
