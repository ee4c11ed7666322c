/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the JWT from an OAuth 2.0 token endpoint: the client's secret, and a JWT that is asked for. */
#include "cli/doctor/access.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/safe-file.h"
#include "cli/doctor/advice.h"
#include "openbao/oauth2.h"

#include <glib/gi18n.h>

#include <unistd.h>

/* Returns: whether there is something to check */
static gboolean
is_used (const ObkConfig *config, ObkCheckReport *report)
{
  if (config->auth.method == OBK_AUTH_JWT && config->auth.jwt.source == OBK_JWT_OAUTH2)
    return TRUE;
  obk_check_pass_over (report, _ ("no OAuth 2.0 token endpoint is used"));
  return FALSE;
}

void
obk_doctor_oauth2_local (ObkDoctor *doctor, ObkCheckReport *report)
{
  const char *reference = doctor->config->auth.jwt.oauth2.client_secret_file;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autoptr (ObkSecret) secret = NULL;

  if (!is_used (doctor->config, report))
    return;
  path = obk_credential_path (reference, &error);
  secret = path != NULL ? obk_oauth2_read_secret (path, &error) : NULL;
  if (secret != NULL)
    obk_check_ok (report, "%s", path);
  else if (!doctor->options.is_service)
    obk_check_skip (report, "%s", error->message);
  else
    {
      g_autofree char *quoted = obk_doctor_quote (path != NULL ? path : reference);

      obk_check_fail (report, "%s", error->message);
      if (obk_doctor_advise_on_way (doctor, report, path != NULL ? path : reference))
        return;
      obk_check_remedy (report, _ ("write the client's secret alone into the file of auth.jwt.oauth2.clientSecretFile, "
                                   "which belongs to root and the service's group"));
      if (path != NULL && access (path, F_OK) == 0)
        obk_check_command (report, "chown root:%u %s\nchmod 0640 %s", doctor->options.service.gid, quoted, quoted);
      else if (path != NULL)
        obk_check_command (report, "install -m 0640 -o root -g %u /dev/stdin %s", doctor->options.service.gid, quoted);
    }
}

typedef struct
{
  gboolean done;
  GError *error;
} Fetch;

static void
fetched (ObkSecret *jwt, const GError *error, gpointer user_data)
{
  Fetch *fetch = user_data;

  if (error != NULL)
    fetch->error = g_error_copy (error);
  fetch->done = TRUE;
}

/* As for a login, which gives the endpoint the half of its time. */
static gboolean
fetch_jwt (ObkJwtSupply *supply, gint64 timeout_us, GError **error)
{
  Fetch fetch = { .done = FALSE };

  supply->fetch (supply, obk_clock_boot_us () + timeout_us, fetched, &fetch);
  while (!fetch.done) /* it may have answered from within the call */
    g_main_context_iteration (NULL, TRUE);
  if (fetch.error != NULL)
    g_propagate_error (error, fetch.error);
  return fetch.error == NULL;
}

static void
refuse (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  const char *url = doctor->config->auth.jwt.oauth2.token_url;
  g_autofree char *quoted = obk_doctor_quote (url);

  obk_check_fail (report, "%s", error->message);
  if (obk_error_code (error) == OBK_ERROR_OAUTH2_UNAVAILABLE)
    {
      obk_check_remedy (report, _ ("see that the endpoint of auth.jwt.oauth2.tokenUrl is reached from here, and that "
                                   "its certificate is of auth.jwt.oauth2.caCertFile (or of the system's "
                                   "authorities); then that it is well"));
      obk_check_command (report, "curl -sS -o /dev/null -w '%%{http_code}\\n' %s", quoted);
    }
  else if (obk_error_code (error) == OBK_ERROR_OAUTH2_REJECTED
           && !obk_advice_add (obk_advice_on_oauth2, error->message, report))
    obk_check_remedy (report, _ ("compare auth.jwt.oauth2.clientId, the secret, authMethod, scopes, audience and "
                                 "resources with what the issuer has registered, and expectedIssuer and "
                                 "expectedAudience with what it grants"));
  else if (obk_error_code (error) != OBK_ERROR_OAUTH2_REJECTED)
    obk_check_remedy (report, _ ("mend the secret's file, or the CA file of auth.jwt.oauth2.caCertFile"));
}

void
obk_doctor_oauth2_acquire (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkJwtSupply) supply = NULL;
  g_autofree char *span = NULL;
  ObkPoller *poller = NULL;

  if (!is_used (config, report))
    return;
  poller = obk_doctor_poller (doctor, &error);
  supply = poller != NULL ? obk_session_jwt_supply (config, poller, &error) : NULL;
  if (supply == NULL || !fetch_jwt (supply, config->auth.login_timeout_us, &error))
    {
      refuse (doctor, report, error);
      return;
    }
  span = obk_doctor_span (supply->ttl_seconds (supply) * G_USEC_PER_SEC);
  obk_check_ok (report, _ ("granted a JWT, for %s more"), span);
}
