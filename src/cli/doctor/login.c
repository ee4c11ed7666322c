/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the login, as the provider does it. */
#include "cli/doctor/inquiry.h"

#include "base/error.h"
#include "base/names.h"
#include "cli/ask.h"
#include "cli/doctor/advice.h"
#include "cli/registry-command.h"
#include "openbao/answer.h"

#include <glib/gi18n.h>

#include <string.h>

#define HEALTH_ACTIVE 200
#define HEALTH_STANDBY 429
#define HEALTH_NOT_INITIALIZED 501
#define ROOT OBK_ADVICE_IN_ROOT_NAMESPACE

char *
obk_doctor_role_command (const ObkConfig *config, const char *option)
{
  if (config->auth.method == OBK_AUTH_JWT)
    return g_strdup_printf ("bao read %s<auth>/role/<role>", option);
  return config->auth.cert.name[0] != '\0' ? g_strdup_printf ("bao read %s<auth>/certs/<role>", option)
                                           : g_strdup ("bao list <auth>/certs");
}

static void
show_role (const ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autofree char *command = obk_doctor_role_command (doctor->config, "");

  obk_check_command (report, "%s", command);
}

/* Whether one of the addresses has said so of itself. */
static gboolean
has_health (const ObkDoctor *doctor, guint health)
{
  for (guint i = 0; doctor->addresses != NULL && i < doctor->addresses->len; i++)
    {
      const ObkDoctorAddress *address = g_ptr_array_index (doctor->addresses, i);

      if (address->health == health)
        return TRUE;
    }
  return FALSE;
}

/* A standby that cannot pass a call on answers with a redirect, or, where no node is active, with a mere 500. Returns:
 * whether that is it */
static gboolean
advise_on_standby (const ObkDoctor *doctor, ObkCheckReport *report)
{
  if (!has_health (doctor, HEALTH_STANDBY) || has_health (doctor, HEALTH_ACTIVE))
    return FALSE;
  obk_check_remedy (report,
                    _ ("it is a standby that cannot pass calls on: see that more than half of OpenBao's nodes run "
                       "unsealed, and reach each other at their cluster_addr (port 8201); or name the active one in "
                       "openbao.address or openbao.additionalAddresses"));
  obk_check_command (report, ROOT "bao status");
  return TRUE;
}

void
obk_doctor_advise_on_outage (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  if (obk_advice_add (obk_advice_on_outage, error->message, report))
    return;
  switch (obk_error_code (error))
    {
    case OBK_ERROR_SEALED:
      if (has_health (doctor, HEALTH_NOT_INITIALIZED)) /* it says that it is sealed, too */
        {
          obk_check_remedy (report,
                            _ ("it was never initialized: if it is new, initialize it and set it up; if not, its "
                               "storage is gone or another one: bring that back"));
          obk_check_command (report, ROOT "bao operator init -status");
          break;
        }
      obk_check_remedy (report, _ ("unseal it: on each sealed node, as often as keys are needed"));
      obk_check_command (report, ROOT "bao operator unseal");
      break;
    case OBK_ERROR_RATE_LIMITED:
      obk_check_remedy (report, _ ("raise the rate-limit quota that applies to this client"));
      obk_check_command (report, ROOT "bao list sys/quotas/rate-limit");
      break;
    case OBK_ERROR_TIMEOUT:
      obk_check_remedy (report, _ ("see why OpenBao is slow, or raise openbao.timeout and auth.loginTimeout"));
      break;
    case OBK_ERROR_TLS_FAILED:
      if (!obk_advice_add (obk_advice_on_tls, error->message, report))
        obk_check_remedy (report, _ ("see OpenBao's log and its listener's tls settings on that machine"));
      break;
    case OBK_ERROR_ANSWER_REFUSED:
      if (!advise_on_standby (doctor, report))
        obk_check_remedy (report, _ ("name in openbao.address OpenBao itself, not what redirects to it"));
      break;
    default:
      if (!advise_on_standby (doctor, report))
        obk_check_remedy (report, _ ("see OpenBao's own log on that machine, and the one of a proxy before it"));
      break;
    }
}

/* What the mount of the login answers to one without credentials. Returns: the status; 0 without an answer.
 * @suffix: of the path */
static guint
ask_mount (ObkDoctor *doctor, const char *suffix)
{
  g_autofree char *mount = g_uri_escape_string (doctor->config->auth.jwt.mount_path, "/", FALSE);
  g_autofree char *path = g_strconcat ("/v1/", mount, "/login", suffix, NULL);

  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      const ObkDoctorAddress *address = g_ptr_array_index (doctor->addresses, i);
      ObkInquiryAnswer answer = { 0 };

      if (address->reached != NULL && obk_inquiry_run (doctor, address, path, "{}", &answer, NULL))
        return answer.status;
    }
  return 0;
}

/* OpenBao says no more than "permission denied" of a mount that is not there, of one for users with passwords, and of a
 * role for other networks. What it says of a login without credentials tells them apart. */
static void
advise_on_denial (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *mount = doctor->config->auth.jwt.mount_path;
  gboolean in_namespace = doctor->config->openbao.namespace[0] != '\0';
  guint status = 0;

  if (!g_str_has_prefix (mount, "auth/"))
    {
      obk_check_remedy (report, _ ("auth.jwt.mountPath begins with \"auth/\", as in auth/jwt: correct that field"));
      obk_check_command (report, "bao auth list");
      return;
    }
  status = ask_mount (doctor, "");
  if (status == 400)
    {
      obk_check_remedy (report,
                        _ ("the role's token_bound_cidrs leave this node out: add its address, or take them away"));
      obk_check_command (report, "bao read <auth>/role/<role>");
      return;
    }
  if (strcmp (mount, "auth/token") == 0 || (status == 403 && ask_mount (doctor, "/doctor") >= 500))
    obk_check_remedy (report, _ ("auth.jwt.mountPath is a mount of another kind: name one of type jwt"));
  else if (in_namespace)
    obk_check_remedy (report, _ ("no auth method is mounted at auth.jwt.mountPath in openbao.namespace: correct these "
                                 "fields, or mount it there"));
  else
    obk_check_remedy (report,
                      _ ("no auth method is mounted at auth.jwt.mountPath: correct that field, or mount it there; "
                         "or it is in a namespace, which openbao.namespace does not name"));
  obk_check_command (report, in_namespace ? "bao auth list" : "bao auth list\nbao namespace list");
}

static void
advise_on_jwt_login (ObkDoctor *doctor, ObkCheckReport *report, const char *problem)
{
  if (strstr (problem, OBK_ANSWER_SAYS_DENIED) != NULL)
    {
      advise_on_denial (doctor, report);
      return;
    }
  if (obk_advice_add (obk_advice_on_jwt_login, problem, report))
    return;
  obk_check_remedy (report, _ ("compare the role with the JWT's claims; OpenBao's audit log has the whole refusal"));
  obk_check_command (report, "bao read <auth>/role/<role>");
}

static void
advise_on_cert_login (const ObkDoctor *doctor, ObkCheckReport *report, const char *problem)
{
  if (obk_advice_add (obk_advice_on_cert_login, problem, report))
    return;
  obk_check_remedy (report, _ ("no role of the mount at auth.cert.mountPath takes the certificate, or the one of "
                               "auth.cert.name does not: compare its certificate and allowed_ names with ours"));
  if (doctor->config->auth.cert.name[0] != '\0')
    obk_check_command (report, "bao list <auth>/certs\nbao read <auth>/certs/<role>");
  else
    obk_check_command (report, "bao list <auth>/certs");
}

static void
refuse_login (ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  obk_check_fail (report, "%s", error->message);
  switch (obk_error_code (error))
    {
    case OBK_ERROR_AUTH_FAILED:
      if (doctor->config->auth.method == OBK_AUTH_JWT)
        advise_on_jwt_login (doctor, report, error->message);
      else
        advise_on_cert_login (doctor, report, error->message);
      break;
    case OBK_ERROR_KEY_MISSING: /* a 404 of a login is the namespace's */
      obk_check_remedy (report, _ ("correct openbao.namespace, or make that namespace"));
      obk_check_command (report, ROOT "bao namespace list");
      break;
    case OBK_ERROR_CREDENTIAL_INVALID:
      obk_check_remedy (report, _ ("mend the credential; doctor's check of it says more"));
      break;
    default:
      obk_doctor_advise_on_outage (doctor, report, error);
      break;
    }
}

/* That a file is in order doctor has seen by its own checks; other commands come here without them. */
static void
refuse_session (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  g_autofree char *option = obk_registry_command_config_option (doctor->options.config_path);

  obk_check_fail (report, "%s", error->message);
  switch (obk_error_code (error))
    {
    case OBK_ERROR_FILE:
    case OBK_ERROR_TLS_FAILED:
    case OBK_ERROR_CREDENTIAL_INVALID:
      obk_check_remedy (report, _ ("doctor checks that file, and says what to do"));
      obk_check_command (report, OBK_PROGRAM " doctor%s", option);
      break;
    default:
      obk_check_remedy (report,
                        _ ("see whether this machine is out of memory or file descriptors (dmesg, ulimit -n), or "
                           "its directory for temporary files is full or closed (ls -ld /tmp)"));
      break;
    }
}

static void
note_policies (ObkDoctor *doctor)
{
  const char *const *given = obk_auth_token_policies (obk_session_auth (doctor->session));
  g_autoptr (GStrvBuilder) policies = g_strv_builder_new ();

  for (gsize i = 0; given != NULL && given[i] != NULL; i++)
    if (strcmp (given[i], "default") == 0)
      doctor->has_default_policy = TRUE;
    else
      g_strv_builder_add (policies, given[i]);
  doctor->policies = g_strv_builder_end (policies);
}

void
obk_doctor_auth (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autoptr (GError) error = NULL;
  g_autofree char *span = NULL;
  ObkPoller *poller = obk_doctor_poller (doctor, &error);
  gint64 ttl_s = 0;
  gint64 uses = 0;

  doctor->session = poller != NULL ? obk_session_new (config, poller, &error) : NULL;
  if (doctor->session == NULL)
    {
      refuse_session (doctor, report, error);
      return;
    }
  if (!obk_ask_login (doctor->session, config->auth.login_timeout_us, &error))
    {
      refuse_login (doctor, report, error);
      g_clear_pointer (&doctor->session, obk_session_free);
      return;
    }
  note_policies (doctor);
  uses = obk_auth_token_uses (obk_session_auth (doctor->session));
  if (uses > 0)
    {
      obk_check_fail (report,
                      _ ("the role gives tokens that end after %d uses, and the provider uses one all the time"),
                      (int)MIN (uses, G_MAXINT));
      obk_check_remedy (report, _ ("set the role's token_num_uses to 0"));
      show_role (doctor, report);
      g_clear_pointer (&doctor->session, obk_session_free);
      return;
    }
  ttl_s = obk_auth_token_ttl_seconds (obk_session_auth (doctor->session));
  span = obk_doctor_span (ttl_s * G_USEC_PER_SEC);
  if (ttl_s * G_USEC_PER_SEC > config->auth.login_before_token_expiry_us)
    {
      obk_check_ok (report, _ ("logged in; the token lasts %s"), span);
      return;
    }
  obk_check_warn (report, _ ("logged in, but the token lasts %s, not longer than auth.loginBeforeTokenExpiry"), span);
  obk_check_remedy (report, _ ("raise the role's token_ttl, or lower auth.loginBeforeTokenExpiry"));
  show_role (doctor, report);
}
