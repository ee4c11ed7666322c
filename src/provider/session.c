/* SPDX-License-Identifier: Apache-2.0 */
/* The way to OpenBao as the configuration has it, from the tunnel up to Transit: for all commands that ask OpenBao. */
#include "provider/session.h"

#include "base/clock.h"
#include "base/error.h"
#include "openbao/cert-login.h"
#include "openbao/jwt-file.h"
#include "openbao/jwt-login.h"
#include "openbao/oauth2.h"
#include "openbao/token-thread.h"

#define THREADS_END_US (1 * G_USEC_PER_SEC)

struct _ObkSession
{
  ObkPoller *poller;
  ObkTunnel *tunnel;
  ObkHttp *http;
  ObkAddresses *addresses;
  ObkClient *client;
  ObkAuth *auth;
  ObkTransit *transit;
  ObkAuthMethod auth_method;
  gboolean credential_runs_out;
};

gboolean
obk_session_wants_fips (const ObkConfig *config)
{
  g_autofree char *flag = NULL;

  if (config->openbao.fips_mode == OBK_FIPS_ON)
    return TRUE;
  return g_file_get_contents ("/proc/sys/crypto/fips_enabled", &flag, NULL, NULL) && *flag == '1';
}

static ObkAddresses *
make_addresses (const ObkConfig *config, GError **error)
{
  g_autoptr (GPtrArray) urls = g_ptr_array_new (); /* what is in it is the configuration's */

  g_ptr_array_add (urls, config->openbao.address);
  for (char **more = config->openbao.additional_addresses; *more != NULL; more++)
    g_ptr_array_add (urls, *more);
  g_ptr_array_add (urls, NULL);
  return obk_addresses_new ((const char *const *)urls->pdata, config->openbao.tls_server_name, error);
}

/* @addresses: (transfer none) */
static ObkClientOptions
client_options (const ObkConfig *config, ObkAddresses *addresses, gint64 timeout_us)
{
  return (ObkClientOptions){
    .addresses = addresses,
    .namespace = config->openbao.namespace,
    .timeout_us = timeout_us,
    .log_request_ids = config->logging.openbao_request_ids,
  };
}

static ObkClient *
make_client (ObkSession *session, const ObkConfig *config)
{
  const ObkClientOptions options = client_options (config, session->addresses, config->openbao.timeout_us);

  return obk_client_new (session->poller, session->http, &options);
}

static ObkCredential *
make_cert_login (ObkSession *session, const ObkConfig *config, GError **error)
{
  ObkAddresses *own = make_addresses (config, error);
  const ObkCertLoginOptions options = {
    .mount_path = config->auth.cert.mount_path,
    .name = config->auth.cert.name,
    .ca_cert_file = config->openbao.ca_cert_file,
    .fips = obk_session_wants_fips (config),
    /* A renewal, too, has the time that the token takes to sign. */
    .client = client_options (config, own, config->auth.login_timeout_us),
    .known = session->addresses,
    .signer = obk_session_cert_signer_options (config),
  };

  return own != NULL ? obk_cert_login_new (session->poller, &options, error) : NULL;
}

ObkCertSignerOptions
obk_session_cert_signer_options (const ObkConfig *config)
{
  return (ObkCertSignerOptions){
    .place = {
      .module_path = config->auth.cert.pkcs11.module_path,
      .token_label = config->auth.cert.pkcs11.token_label,
      .key_label = config->auth.cert.pkcs11.key_label,
      .uri = config->auth.cert.pkcs11.uri,
      .max_sessions = config->auth.cert.pkcs11.max_sessions,
    },
    .certificate_file = config->auth.cert.pkcs11.certificate_file,
    .pin_file = config->auth.cert.pkcs11.pin_file,
    .rules = {
      .min_remaining_ttl_us = config->auth.cert.min_remaining_ttl_us,
      .clock_skew_leeway_us = config->auth.cert.clock_skew_leeway_us,
    },
  };
}

ObkJwtRules
obk_session_jwt_rules (const ObkConfig *config)
{
  return (ObkJwtRules){
    .min_remaining_ttl_us = config->auth.jwt.min_remaining_ttl_us,
    .clock_skew_leeway_us = config->auth.jwt.clock_skew_leeway_us,
    .expected_issuer = config->auth.jwt.expected_issuer,
    .expected_audience = (const char *const *)config->auth.jwt.expected_audience,
    .expected_subject = config->auth.jwt.expected_subject,
  };
}

ObkJwtSupply *
obk_session_jwt_supply (const ObkConfig *config, ObkPoller *poller, GError **error)
{
  const ObkJwtRules rules = obk_session_jwt_rules (config);

  if (config->auth.jwt.source == OBK_JWT_FILE)
    return obk_jwt_file_new (config->auth.jwt.jwt_file, &rules, error);
  return obk_oauth2_new (poller,
                         &(ObkOauth2Options){
                             .token_url = config->auth.jwt.oauth2.token_url,
                             .request = {
                                 .client_id = config->auth.jwt.oauth2.client_id,
                                 .secret_in_body = config->auth.jwt.oauth2.auth_method == OBK_OAUTH2_POST,
                                 .scopes = (const char *const *)config->auth.jwt.oauth2.scopes,
                                 .audience = config->auth.jwt.oauth2.audience,
                                 .resources = (const char *const *)config->auth.jwt.oauth2.resources,
                             },
                             .client_secret_file = config->auth.jwt.oauth2.client_secret_file,
                             .ca_cert_file = config->auth.jwt.oauth2.ca_cert_file,
                             .fips = obk_session_wants_fips (config),
                             .rules = rules,
                         },
                         error);
}

static ObkCredential *
make_credential (ObkSession *session, const ObkConfig *config, GError **error)
{
  ObkJwtSupply *supply = NULL;

  if (config->auth.method == OBK_AUTH_CERT)
    return make_cert_login (session, config, error);
  supply = obk_session_jwt_supply (config, session->poller, error);
  if (supply == NULL)
    return NULL;
  return obk_jwt_login_new (session->client, config->auth.jwt.mount_path, config->auth.jwt.role, supply, error);
}

static ObkAuthOptions
auth_options (const ObkConfig *config)
{
  return (ObkAuthOptions){
    .login_before_token_expiry_us = config->auth.login_before_token_expiry_us,
    .token_renewal_increment_us = config->auth.token_renewal_increment_us,
    .login_timeout_us = config->auth.login_timeout_us,
    .grace_timeout_us = config->bootstrap.grace_timeout_us,
    .log_request_ids = config->logging.openbao_request_ids,
  };
}

static gboolean
open_way (ObkSession *session, const ObkConfig *config, GError **error)
{
  const ObkAuthOptions options = auth_options (config);
  ObkCredential *credential = NULL;

  session->tunnel
      = obk_tunnel_new (session->poller, config->openbao.ca_cert_file, obk_session_wants_fips (config), error);
  if (session->tunnel == NULL)
    return FALSE;
  session->http = obk_http_new (session->poller, session->tunnel, error);
  if (session->http == NULL)
    return FALSE;
  session->addresses = make_addresses (config, error);
  if (session->addresses == NULL)
    return FALSE;
  session->client = make_client (session, config);
  credential = make_credential (session, config, error);
  if (credential == NULL)
    return FALSE;
  session->auth = obk_auth_new (session->poller, credential, &options);
  obk_client_set_auth (session->client, session->auth);
  session->transit = obk_transit_new (session->client, config->transit.mount_path, config->transit.key_name);
  return TRUE;
}

ObkSession *
obk_session_new (const ObkConfig *config, ObkPoller *poller, GError **error)
{
  g_autoptr (ObkSession) session = NULL;

  g_return_val_if_fail (config != NULL && poller != NULL, NULL);

  session = g_new0 (ObkSession, 1);
  session->poller = poller;
  session->auth_method = config->auth.method;
  session->credential_runs_out = config->auth.method == OBK_AUTH_CERT || config->auth.jwt.source == OBK_JWT_FILE;
  return open_way (session, config, error) ? g_steal_pointer (&session) : NULL;
}

void
obk_session_free (ObkSession *session)
{
  if (session == NULL)
    return;
  g_clear_pointer (&session->transit, obk_transit_free);
  g_clear_pointer (&session->auth, obk_auth_free);
  g_clear_pointer (&session->client, obk_client_free);
  g_clear_pointer (&session->addresses, obk_addresses_free);
  g_clear_pointer (&session->http, obk_http_free);
  g_clear_pointer (&session->tunnel, obk_tunnel_free);
  g_free (session);
}

void
obk_session_tune (ObkSession *session, const ObkConfig *config)
{
  const ObkAuthOptions options = auth_options (config);

  obk_client_tune (session->client, config->openbao.timeout_us, config->logging.openbao_request_ids);
  obk_auth_tune (session->auth, &options);
}

gboolean
obk_session_is_idle (const ObkSession *session)
{
  return obk_client_is_idle (session->client);
}

ObkAuthMethod
obk_session_auth_method (const ObkSession *session)
{
  return session->auth_method;
}

gboolean
obk_session_credential_runs_out (const ObkSession *session)
{
  return session->credential_runs_out;
}

ObkAuth *
obk_session_auth (ObkSession *session)
{
  return session->auth;
}

ObkTransit *
obk_session_transit (ObkSession *session)
{
  return session->transit;
}

ObkClient *
obk_session_client (ObkSession *session)
{
  return session->client;
}

const ObkAddresses *
obk_session_addresses (const ObkSession *session)
{
  return session->addresses;
}

ObkHttp *
obk_session_http (ObkSession *session)
{
  return session->http;
}

gint64
obk_session_ca_ttl_seconds (const ObkSession *session)
{
  return obk_tunnel_ca_expires_unix (session->tunnel) - obk_clock_unix ();
}

gboolean
obk_session_wait_for_threads (void)
{
  return obk_token_threads_wait (THREADS_END_US);
}
