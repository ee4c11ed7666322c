/* SPDX-License-Identifier: Apache-2.0 */
/* Missing fields, and the rules that go beyond one field. */
#include "config/draft.h"

#include "config/pkcs11-uri.h"
#include "config/value.h"

#include <glib/gi18n.h>

#include <string.h>

#define MAX_INCIDENT_ID 64
#define MAX_CORRELATION_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define LEAST_LOGIN_TIMEOUT_US (5 * G_USEC_PER_SEC)

static ObkDraftState
state_of (const ObkDraft *draft, const char *name)
{
  return draft->rows[obk_config_field_row (obk_config_field_find (name))].state;
}

/* Whether rules about the field make sense: it is what was meant, or the default. */
static gboolean
usable (const ObkDraft *draft, const char *name)
{
  return state_of (draft, name) != OBK_DRAFT_INVALID;
}

static gboolean
condition_is_known (const ObkDraft *draft, ObkRequired required)
{
  const ObkFieldCondition *condition = obk_field_condition_get (required);

  for (gsize i = 0; i < G_N_ELEMENTS (condition->all); i++)
    if (condition->all[i].name != NULL && !usable (draft, condition->all[i].name))
      return FALSE;
  return TRUE;
}

static void
check_required (ObkDraft *draft)
{
  for (gsize i = 0; i < draft->n_rows; i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      const char *condition = obk_field_condition_get (field->required)->text;

      if (draft->rows[i].state == OBK_DRAFT_INVALID || !condition_is_known (draft, field->required)
          || !obk_field_condition_holds (field->required, draft->config) || !obk_value_is_empty (field, draft->config))
        continue;
      if (condition[0] != '\0')
        obk_draft_complain (draft, field->name, _ ("is missing; it is required %s"), condition);
      else
        obk_draft_complain (draft, field->name, "%s", _ ("is missing; it is required"));
    }
}

static void
check_addresses (ObkDraft *draft)
{
  const ObkConfig *config = draft->config;
  const char *metrics = config->server.metrics_address;

  if (usable (draft, "openbao.additionalAddresses") && usable (draft, "openbao.address")
      && g_strv_contains ((const char *const *)config->openbao.additional_addresses, config->openbao.address))
    obk_draft_complain (draft, "openbao.additionalAddresses", "%s", _ ("must not hold openbao.address again"));

  /* Port 0 is another one each time. */
  if (usable (draft, "server.metricsAddress") && usable (draft, "server.healthAddress") && metrics[0] != '\0'
      && !g_str_has_suffix (metrics, ":0") && strcmp (metrics, config->server.health_address) == 0)
    obk_draft_complain (draft, "server.healthAddress", "%s", _ ("must not be that of server.metricsAddress"));
}

/* @more must be longer than @less */
static void
check_longer (ObkDraft *draft, const char *more, gint64 more_us, const char *less, gint64 less_us)
{
  if (usable (draft, more) && usable (draft, less) && more_us <= less_us)
    {
      g_autofree char *value = obk_value_to_text (obk_config_field_find (less), draft->config);

      obk_draft_complain (draft, more, _ ("must be more than %s (%s)"), less, value);
    }
}

static void
check_correlation (ObkDraft *draft)
{
  const ObkConfig *config = draft->config;
  const char *incident = config->logging.debug_correlation.incident_id;
  gint64 ttl_us = config->logging.debug_correlation.ttl_us;

  if (!usable (draft, "logging.debugCorrelation.enabled") || !config->logging.debug_correlation.enabled)
    return;
  if (usable (draft, "logging.level") && config->logging.level != OBK_LOG_DEBUG)
    obk_draft_complain (draft, "logging.debugCorrelation.enabled", "%s", _ ("needs logging.level debug"));
  if (usable (draft, "logging.logOpenBaoRequestIDs") && !config->logging.openbao_request_ids)
    obk_draft_complain (draft, "logging.debugCorrelation.enabled", "%s", _ ("needs logging.logOpenBaoRequestIDs"));
  if (usable (draft, "logging.debugCorrelation.incidentId")
      && (incident[0] == '\0' || g_utf8_strlen (incident, -1) > MAX_INCIDENT_ID))
    obk_draft_complain (draft, "logging.debugCorrelation.incidentId",
                        _ ("must have 1 to %d characters when logging.debugCorrelation is enabled"), MAX_INCIDENT_ID);
  if (usable (draft, "logging.debugCorrelation.ttl") && (ttl_us <= 0 || ttl_us > MAX_CORRELATION_US))
    obk_draft_complain (draft, "logging.debugCorrelation.ttl", "%s",
                        _ ("must be more than 0s and at most 1h when logging.debugCorrelation is enabled"));
}

static void
check_pkcs11 (ObkDraft *draft)
{
  static const char *const replaced[] = { "modulePath", "tokenLabel", "keyLabel" };
  const char *uri = draft->config->auth.cert.pkcs11.uri;
  g_autofree char *pin_source = NULL;

  if (!usable (draft, "auth.cert.pkcs11.uri") || uri[0] == '\0')
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (replaced); i++)
    {
      g_autofree char *name = g_strconcat ("auth.cert.pkcs11.", replaced[i], NULL);

      if (!obk_value_is_empty (obk_config_field_find (name), draft->config))
        obk_draft_complain (draft, name, "%s", _ ("must not be given with auth.cert.pkcs11.uri, which replaces it"));
    }
  pin_source = obk_pkcs11_uri_get (uri, "pin-source");
  if (pin_source != NULL && draft->config->auth.cert.pkcs11.pin_file[0] != '\0')
    obk_draft_complain (draft, "auth.cert.pkcs11.pinFile", "%s",
                        _ ("must not be given with auth.cert.pkcs11.uri, whose pin-source replaces it"));
}

static void
check_scopes (ObkDraft *draft)
{
  /* They are sent in one string, between spaces. */
  for (char **scope = draft->config->auth.jwt.oauth2.scopes; *scope != NULL; scope++)
    if (strpbrk (*scope, " \"\\") != NULL)
      obk_draft_complain (draft, "auth.jwt.oauth2.scopes", "%s",
                          _ ("a scope must not hold spaces, quotes or backslashes"));
}

static void
check_login_mount (ObkDraft *draft, const char *name, const char *path)
{
  if (usable (draft, name) && path[0] != '\0' && !g_str_has_prefix (path, "auth/"))
    obk_draft_complain (draft, name, "%s", _ ("must begin with \"auth/\", where OpenBao has its auth methods"));
}

/* Of a values file */
static void
check_setup (ObkDraft *draft)
{
  const ObkConfig *config = draft->config;
  guint ways = (config->setup.jwt.jwks_url[0] != '\0') + (config->setup.jwt.discovery_url[0] != '\0')
               + (config->setup.jwt.public_key_files[0] != NULL);

  check_longer (draft, "setup.tokenTtl", config->setup.token_ttl_us, "auth.loginBeforeTokenExpiry",
                config->auth.login_before_token_expiry_us);
  check_longer (draft, "setup.kubernetes.timeout", config->setup.kubernetes.timeout_us, "openbao.timeout",
                config->openbao.timeout_us);
  if (usable (draft, "setup.tokenMaxTtl") && usable (draft, "setup.tokenTtl")
      && config->setup.token_max_ttl_us < config->setup.token_ttl_us)
    obk_draft_complain (draft, "setup.tokenMaxTtl", "%s", _ ("must not be less than setup.tokenTtl"));
  if (ways > 1)
    obk_draft_complain (draft, "setup.jwt.jwksUrl", "%s",
                        _ ("only one of setup.jwt.jwksUrl, discoveryUrl and publicKeyFiles can be used"));
  if (usable (draft, "transit.keyIdScope.providerName") && strchr (config->transit.scope.provider_name, ':') != NULL)
    obk_draft_complain (draft, "transit.keyIdScope.providerName", "%s",
                        _ ("must not hold \":\", which ends the name in what the API server stores"));
  check_login_mount (draft, "auth.jwt.mountPath", config->auth.jwt.mount_path);
  check_login_mount (draft, "auth.cert.mountPath", config->auth.cert.mount_path);
  if (!usable (draft, "auth.method") || config->auth.method != OBK_AUTH_CERT)
    return;
  if (usable (draft, "auth.cert.name") && config->auth.cert.name[0] == '\0')
    obk_draft_complain (draft, "auth.cert.name", "%s", _ ("is missing; it becomes the role's name"));
  if (config->setup.cert.common_names[0] == NULL && config->setup.cert.dns_sans[0] == NULL
      && config->setup.cert.uri_sans[0] == NULL && usable (draft, "setup.cert.commonNames")
      && usable (draft, "setup.cert.dnsSans") && usable (draft, "setup.cert.uriSans"))
    obk_draft_complain (draft, "setup.cert.commonNames", "%s",
                        _ ("is missing; one of commonNames, dnsSans and uriSans says who may log in"));
}

static void
resolve (ObkDraft *draft)
{
  ObkConfig *config = draft->config;

  if (config->auth.login_timeout_us == 0)
    config->auth.login_timeout_us = MAX (config->openbao.timeout_us, LEAST_LOGIN_TIMEOUT_US);
}

void
obk_draft_check (ObkDraft *draft)
{
  const ObkConfig *config = draft->config;

  check_required (draft);
  check_addresses (draft);
  check_longer (draft, "auth.tokenRenewalIncrement", config->auth.token_renewal_increment_us,
                "auth.loginBeforeTokenExpiry", config->auth.login_before_token_expiry_us);
  check_longer (draft, "status.statusMaxStaleness", config->status.max_staleness_us, "status.probeInterval",
                config->status.probe_interval_us);
  check_correlation (draft);
  check_pkcs11 (draft);
  check_scopes (draft);
  if (draft->n_rows > obk_config_n_fields ())
    check_setup (draft);
  resolve (draft);
}
