/* SPDX-License-Identifier: Apache-2.0 */
/* One row a field of the configuration file (spec configuration.md, "Fields"). */
#include "config/field.h"

#include "base/names.h"

#include <stddef.h>

#define AT(member) .offset = offsetof (ObkConfig, member)

#define STRING(at) .type = OBK_TYPE_STRING, AT (at)
#define READ_FILE(at) STRING (at), .rule = &obk_rule_credential, .is_read_file = TRUE
#define STRINGS(at) .type = OBK_TYPE_STRINGS, AT (at)
#define INTEGER(at, least, most) .type = OBK_TYPE_INTEGER, AT (at), .min = (least), .max = (most)
#define BOOLEAN(at) .type = OBK_TYPE_BOOLEAN, AT (at)
#define DURATION(at, least) .type = OBK_TYPE_DURATION, AT (at), .min = (least)
#define CHOICE(at, list) .type = OBK_TYPE_CHOICE, AT (at), .choices = (list)

#define N_OF_VALUES 16 /* rows at the end that are of values files alone */

#define POSITIVE 1 /* microsecond */
#define ANY 0

#define FIXED .reload = OBK_RELOAD_REFUSED
#define PROVED .reload = OBK_RELOAD_WHEN_PROVED

/* Those of a CHOICE stand in the order of its enum. */
static const char *const config_versions[] = { "v1alpha1", NULL };
static const char *const fips_modes[] = { "auto", "on", NULL };
static const char *const auth_methods[] = { "jwt", "cert", NULL };
static const char *const jwt_sources[] = { "file", "oauth2", NULL };
static const char *const oauth2_methods[] = { "client_secret_basic", "client_secret_post", NULL };
static const char *const cert_sources[] = { "pkcs11", NULL };
static const char *const rotation_modes[] = { "observed", NULL };
static const char *const log_levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const log_formats[] = { "json", "text", "journal", NULL };

const ObkConfigField obk_config_fields[] = {
  { "configVersion", STRING (config_version), .required = OBK_REQUIRED_ALWAYS, .choices = config_versions,
    .suggested = "v1alpha1", .help = "Version of this file's format." },

  { "server.socketPath", FIXED, STRING (server.socket_path), .preset = OBK_DEFAULT_SOCKET,
    .rule = &obk_rule_socket_path, .help = "Unix socket that the API server calls." },
  { "server.socketMode", FIXED, .type = OBK_TYPE_MODE, AT (server.socket_mode), .preset = "0660",
    .help = "Permissions of the socket." },
  { "server.socketGroup", FIXED, STRING (server.socket_group), .required = OBK_REQUIRED_ALWAYS, .rule = &obk_rule_group,
    .suggested = OBK_SOCKET_GROUP, .help = "Group of the socket; its members may call." },
  { "server.allowedUids", .type = OBK_TYPE_UIDS, AT (server.allowed_uids), .max = 64,
    .help = "When given, only these users and the service's own may call, root not among them unless listed." },
  { "server.metricsAddress", STRING (server.metrics_address), .preset = "127.0.0.1:8081",
    .rule = &obk_rule_listen_address, .help = "Where Prometheus finds metrics." },
  { "server.healthAddress", STRING (server.health_address), .preset = "127.0.0.1:8082",
    .rule = &obk_rule_listen_address, .note = "another one than `server.metricsAddress`",
    .help = "Where `/live` and `/ready` are served." },
  { "server.maxConcurrentStatus", INTEGER (server.max_concurrent_status, 1, 4096), .preset = "16",
    .help = "Status calls answered at once; more wait." },
  { "server.maxConcurrentEncrypt", INTEGER (server.max_concurrent_encrypt, 1, 4096), .preset = "32",
    .help = "Encrypt calls under way at once; more wait." },
  { "server.maxConcurrentDecrypt", INTEGER (server.max_concurrent_decrypt, 1, 4096), .preset = "64",
    .help = "Decrypt calls under way at once; more wait." },

  { "openbao.address", PROVED, STRING (openbao.address), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_openbao_address, .help = "OpenBao's API." },
  { "openbao.additionalAddresses", PROVED, STRINGS (openbao.additional_addresses), .rule = &obk_rule_openbao_address,
    .max = 8, .note = "none twice", .help = "Other nodes of the same OpenBao cluster, tried in this order." },
  { "openbao.namespace", FIXED, STRING (openbao.namespace), .rule = &obk_rule_namespace,
    .help = "OpenBao namespace of the Transit mount and the login." },
  { "openbao.caCertFile", PROVED, READ_FILE (openbao.ca_cert_file), .required = OBK_REQUIRED_ALWAYS,
    .suggested = OBK_DEFAULT_CA_FILE,
    .help
    = "PEM file of the certificate authorities that OpenBao's certificate may come from; nothing else is trusted." },
  { "openbao.tlsServerName", PROVED, STRING (openbao.tls_server_name), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier, .help = "Name or IP address that OpenBao's certificate must carry." },
  { "openbao.timeout", DURATION (openbao.timeout_us, POSITIVE), .preset = "2s",
    .help = "Bounds each attempt to call OpenBao." },
  { "openbao.fipsMode", FIXED, CHOICE (openbao.fips_mode, fips_modes), .preset = "auto",
    .help
    = "Whether NSS runs in FIPS mode: as the kernel's flag says, or always. NSS cannot leave it within a process." },
  { "openbao.instanceId", FIXED, STRING (openbao.instance_id), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier, .help = "Lasting name of this OpenBao, part of every key_id." },

  { "auth.method", PROVED, CHOICE (auth.method, auth_methods), .preset = "jwt", .help = "How to log in to OpenBao." },
  { "auth.loginBeforeTokenExpiry", DURATION (auth.login_before_token_expiry_us, POSITIVE), .preset = "5m",
    .help = "How long before its token expires the provider renews it or logs in again." },
  { "auth.tokenRenewalIncrement", DURATION (auth.token_renewal_increment_us, POSITIVE), .preset = "1h",
    .note = "more than `auth.loginBeforeTokenExpiry`", .help = "Life that a renewal asks for." },
  { "auth.loginTimeout", DURATION (auth.login_timeout_us, ANY), .preset = "0s",
    .help = "Bounds a login; `0s` is the larger of `openbao.timeout` and 5 seconds." },

  { "auth.jwt.source", PROVED, CHOICE (auth.jwt.source, jwt_sources), .preset = "file",
    .help = "Where the JWT comes from." },
  { "auth.jwt.mountPath", PROVED, STRING (auth.jwt.mount_path), .required = OBK_REQUIRED_JWT,
    .rule = &obk_rule_mount_path, .suggested = "auth/jwt", .help = "Path of the JWT auth method, as `auth/jwt`." },
  { "auth.jwt.role", PROVED, STRING (auth.jwt.role), .required = OBK_REQUIRED_JWT, .rule = &obk_rule_identifier,
    .suggested = OBK_PROGRAM, .help = "Role to log in with." },
  { "auth.jwt.jwtFile", PROVED, READ_FILE (auth.jwt.jwt_file), .required = OBK_REQUIRED_JWT_FILE,
    .suggested = OBK_DEFAULT_JWT_FILE, .help = "File with the JWT; read anew for each login." },
  { "auth.jwt.minRemainingTtl", PROVED, DURATION (auth.jwt.min_remaining_ttl_us, POSITIVE), .preset = "2m",
    .help = "A JWT that expires sooner is not sent." },
  { "auth.jwt.clockSkewLeeway", PROVED, DURATION (auth.jwt.clock_skew_leeway_us, ANY), .preset = "30s",
    .help = "How far in the future a JWT may have been issued." },
  { "auth.jwt.expectedIssuer", PROVED, STRING (auth.jwt.expected_issuer), .required = OBK_REQUIRED_JWT_OAUTH2,
    .rule = &obk_rule_printable, .help = "Issuer that the JWT must name." },
  { "auth.jwt.expectedAudience", PROVED, STRINGS (auth.jwt.expected_audience), .required = OBK_REQUIRED_JWT_OAUTH2,
    .rule = &obk_rule_identifier, .max = 64, .note = "none twice",
    .help = "Audiences of which the JWT must name one." },
  { "auth.jwt.expectedSubject", PROVED, STRING (auth.jwt.expected_subject), .rule = &obk_rule_printable,
    .help = "Subject that the JWT must name." },

  { "auth.jwt.oauth2.tokenUrl", PROVED, STRING (auth.jwt.oauth2.token_url), .required = OBK_REQUIRED_JWT_OAUTH2,
    .rule = &obk_rule_token_url, .help = "OAuth 2.0 token endpoint." },
  { "auth.jwt.oauth2.clientId", PROVED, STRING (auth.jwt.oauth2.client_id), .required = OBK_REQUIRED_JWT_OAUTH2,
    .rule = &obk_rule_identifier, .help = "Client identifier at the token endpoint." },
  { "auth.jwt.oauth2.authMethod", PROVED, CHOICE (auth.jwt.oauth2.auth_method, oauth2_methods),
    .preset = "client_secret_basic", .help = "How the client secret is sent." },
  { "auth.jwt.oauth2.clientSecretFile", PROVED, READ_FILE (auth.jwt.oauth2.client_secret_file),
    .required = OBK_REQUIRED_JWT_OAUTH2, .help = "File with the client secret; read anew each time." },
  { "auth.jwt.oauth2.caCertFile", PROVED, READ_FILE (auth.jwt.oauth2.ca_cert_file),
    .help
    = "PEM file of the authorities that the token endpoint's certificate may come from; the system's without it." },
  { "auth.jwt.oauth2.scopes", PROVED, STRINGS (auth.jwt.oauth2.scopes), .rule = &obk_rule_identifier, .max = 64,
    .note = "none twice, no white space in one", .help = "Scopes to ask for." },
  { "auth.jwt.oauth2.audience", PROVED, STRING (auth.jwt.oauth2.audience), .rule = &obk_rule_printable,
    .help = "Audience to ask for, where the token endpoint wants that." },
  { "auth.jwt.oauth2.resources", PROVED, STRINGS (auth.jwt.oauth2.resources), .rule = &obk_rule_resource, .max = 64,
    .note = "none twice", .help = "Resources to ask for (RFC 8707)." },

  { "auth.cert.mountPath", PROVED, STRING (auth.cert.mount_path), .required = OBK_REQUIRED_CERT,
    .rule = &obk_rule_mount_path, .help = "Path of the TLS certificate auth method, as `auth/cert`." },
  { "auth.cert.name", PROVED, STRING (auth.cert.name), .rule = &obk_rule_printable,
    .help = "Certificate role to log in with; without it OpenBao looks for one." },
  { "auth.cert.minRemainingTtl", PROVED, DURATION (auth.cert.min_remaining_ttl_us, POSITIVE), .preset = "24h",
    .help = "A certificate that expires sooner is not used." },
  { "auth.cert.clockSkewLeeway", PROVED, DURATION (auth.cert.clock_skew_leeway_us, ANY), .preset = "30s",
    .help = "How far in the future a certificate's validity may begin." },
  { "auth.cert.source", PROVED, STRING (auth.cert.source), .required = OBK_REQUIRED_CERT, .choices = cert_sources,
    .help = "Where the private key is." },
  { "auth.cert.pkcs11.certificateFile", PROVED, READ_FILE (auth.cert.pkcs11.certificate_file),
    .required = OBK_REQUIRED_CERT_NO_URI,
    .help = "PEM file of the certificate and its chain; with `uri` the token's own is used when this is not given." },
  { "auth.cert.pkcs11.modulePath", PROVED, STRING (auth.cert.pkcs11.module_path), .required = OBK_REQUIRED_CERT_NO_URI,
    .rule = &obk_rule_absolute_path, .note = "not with `uri`", .help = "PKCS#11 module." },
  { "auth.cert.pkcs11.tokenLabel", PROVED, STRING (auth.cert.pkcs11.token_label), .required = OBK_REQUIRED_CERT_NO_URI,
    .rule = &obk_rule_printable, .note = "not with `uri`", .help = "Label of the token." },
  { "auth.cert.pkcs11.keyLabel", PROVED, STRING (auth.cert.pkcs11.key_label), .required = OBK_REQUIRED_CERT_NO_URI,
    .rule = &obk_rule_printable, .note = "not with `uri`", .help = "Label of the private key." },
  { "auth.cert.pkcs11.pinFile", PROVED, READ_FILE (auth.cert.pkcs11.pin_file), .required = OBK_REQUIRED_CERT_NO_URI,
    .note = "not with a `uri` that has `pin-source`", .help = "File with the PIN." },
  { "auth.cert.pkcs11.uri", PROVED, STRING (auth.cert.pkcs11.uri), .rule = &obk_rule_pkcs11_uri,
    .help = "PKCS#11 URI of the key, in place of module, labels and PIN file." },
  { "auth.cert.pkcs11.maxSessions", PROVED, INTEGER (auth.cert.pkcs11.max_sessions, 2, G_MAXINT32),
    .required = OBK_REQUIRED_CERT,
    .help = "Sessions that the token allows us, at most: one is used at a time, two around a reload." },

  { "transit.mountPath", PROVED, STRING (transit.mount_path), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_mount_path, .help = "Path of the Transit mount." },
  { "transit.keyName", PROVED, STRING (transit.key_name), .required = OBK_REQUIRED_ALWAYS, .rule = &obk_rule_key_name,
    .help = "Name of the Transit key." },
  { "transit.keyIdScope.providerName", FIXED, STRING (transit.scope.provider_name), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier,
    .help = "Name of the provider in the EncryptionConfiguration, part of every key_id." },
  { "transit.keyIdScope.clusterId", FIXED, STRING (transit.scope.cluster_id), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier, .help = "Lasting name of the Kubernetes cluster, part of every key_id." },
  { "transit.keyIdScope.transitMountId", FIXED, STRING (transit.scope.mount_id), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier, .help = "Lasting name of the Transit mount, part of every key_id." },
  { "transit.keyIdScope.keyLineageId", FIXED, STRING (transit.scope.key_lineage_id), .required = OBK_REQUIRED_ALWAYS,
    .rule = &obk_rule_identifier,
    .help
    = "Lasting name of the key through all its versions, part of every key_id; a key made anew gets another one." },

  { "bootstrap.graceTimeout", DURATION (bootstrap.grace_timeout_us, ANY), .preset = "60s",
    .help = "How long after the start failures to log in and probe are expected and logged as `info`." },
  { "bootstrap.retryInterval", DURATION (bootstrap.retry_interval_us, POSITIVE), .preset = "5s",
    .help = "How often to try while OpenBao cannot be used." },

  { "status.probeInterval", DURATION (status.probe_interval_us, POSITIVE), .preset = "30s",
    .help = "How often the key's metadata is read." },
  { "status.deepProbeInterval", DURATION (status.deep_probe_interval_us, POSITIVE), .preset = "5m",
    .help = "How often a value is encrypted and decrypted as a test." },
  { "status.statusMaxStaleness", DURATION (status.max_staleness_us, POSITIVE), .preset = "2m",
    .note = "more than `status.probeInterval`",
    .help = "How old the last good metadata read may be while Status is healthy." },

  { "state.path", FIXED, STRING (state.path), .preset = "/var/lib/openbao-kms/state/key-registry.json",
    .rule = &obk_rule_absolute_path, .help = "File that keeps the key's history; two more stand beside it." },

  { "rotation.mode", STRING (rotation.mode), .preset = "observed", .choices = rotation_modes,
    .help = "How a new key version is found: OpenBao rotates, the provider observes." },
  { "rotation.activationDelay", DURATION (rotation.activation_delay_us, POSITIVE), .preset = "2m",
    .help = "How long a new key version must have been seen before it is used." },
  { "rotation.requireStableObservationCount", INTEGER (rotation.stable_observation_count, 1, G_MAXINT32), .preset = "3",
    .help = "How often a new key version must have been seen before it is used." },
  { "rotation.rejectVersionRollback", BOOLEAN (rotation.reject_version_rollback), .preset = "true",
    .help = "Whether a latest version below one that was seen makes Status unhealthy." },

  { "logging.level", CHOICE (logging.level, log_levels), .preset = "info", .help = "Least level of what is logged." },
  { "logging.format", CHOICE (logging.format, log_formats), .preset = "json",
    .help = "JSON or text on standard error, or fields to journald." },
  { "logging.logOpenBaoRequestIDs", BOOLEAN (logging.openbao_request_ids), .preset = "true",
    .help = "Whether OpenBao's request ids are logged." },
  { "logging.debugCorrelation.enabled", BOOLEAN (logging.debug_correlation.enabled), .preset = "false",
    .note = "needs `logging.level: debug`, `logging.logOpenBaoRequestIDs` and `logging.debugCorrelation.incidentId`",
    .help = "Whether hashes of the API server's request ids are logged." },
  { "logging.debugCorrelation.ttl", DURATION (logging.debug_correlation.ttl_us, ANY), .preset = "15m",
    .note = "when enabled, more than 0s and at most 1h",
    .help = "How long that lasts after the start, or after a reload that changes one of these three." },
  { "logging.debugCorrelation.incidentId", STRING (logging.debug_correlation.incident_id), .rule = &obk_rule_printable,
    .note = "when enabled, 1 to 64 characters", .help = "What the logs are wanted for; logged with them." },

  { "setup.policyName", STRING (setup.policy_name), .preset = OBK_PROGRAM, .rule = &obk_rule_key_name,
    .help = "Name of the provider's policy in OpenBao." },
  { "setup.tokenTtl", DURATION (setup.token_ttl_us, POSITIVE), .preset = "1h",
    .note = "more than `auth.loginBeforeTokenExpiry`", .help = "Life of the provider's token until it is renewed." },
  { "setup.tokenMaxTtl", DURATION (setup.token_max_ttl_us, POSITIVE), .preset = "24h",
    .note = "not less than `setup.tokenTtl`",
    .help = "Life of the provider's token with all its renewals; then the provider logs in anew." },
  { "setup.jwt.subjects", STRINGS (setup.jwt.subjects), .required = OBK_REQUIRED_JWT, .rule = &obk_rule_identifier,
    .max = 64, .note = "none twice", .help = "Subjects whose JWTs may log in: one for each control-plane node." },
  { "setup.jwt.jwksUrl", STRING (setup.jwt.jwks_url), .rule = &obk_rule_token_url,
    .help = "Where OpenBao finds the issuer's keys; only for an auth method that is not configured yet." },
  { "setup.jwt.discoveryUrl", STRING (setup.jwt.discovery_url), .rule = &obk_rule_token_url,
    .note = "not with `setup.jwt.jwksUrl`", .help = "The issuer's OpenID Connect discovery URL, instead." },
  { "setup.jwt.publicKeyFiles", STRINGS (setup.jwt.public_key_files), .rule = &obk_rule_absolute_path, .max = 16,
    .note = "not with one of the URLs",
    .help = "PEM files of the issuer's public keys, instead; read by the administrator's script." },
  { "setup.jwt.caCertFile", STRING (setup.jwt.ca_cert_file), .rule = &obk_rule_absolute_path,
    .help = "PEM file of the authorities of these URLs; read by the administrator's script." },
  { "setup.cert.caCertFile", STRING (setup.cert.ca_cert_file), .required = OBK_REQUIRED_CERT,
    .rule = &obk_rule_absolute_path,
    .help = "PEM file of the authority of the client certificates; read by the administrator's script." },
  { "setup.cert.commonNames", STRINGS (setup.cert.common_names), .rule = &obk_rule_identifier, .max = 64,
    .note = "none twice", .help = "Common names of the client certificates that may log in." },
  { "setup.cert.dnsSans", STRINGS (setup.cert.dns_sans), .rule = &obk_rule_identifier, .max = 64, .note = "none twice",
    .help = "DNS names of the client certificates that may log in." },
  { "setup.cert.uriSans", STRINGS (setup.cert.uri_sans), .rule = &obk_rule_identifier, .max = 64, .note = "none twice",
    .help = "URI names of the client certificates that may log in." },
  { "setup.kubernetes.resources", STRINGS (setup.kubernetes.resources), .rule = &obk_rule_identifier, .max = 64,
    .note = "none twice",
    .help = "Resources to encrypt, as an EncryptionConfiguration names them; secrets without it." },
  { "setup.kubernetes.timeout", DURATION (setup.kubernetes.timeout_us, POSITIVE), .preset = "3s",
    .note = "more than `openbao.timeout`", .help = "How long an API server waits for the provider." },
  { "setup.pod.uid", INTEGER (setup.pod.uid, 1, G_MAXINT32), .preset = "65532",
    .help = "User of the static pod; owns the state directory on the node." },
  { "setup.pod.gid", INTEGER (setup.pod.gid, 1, G_MAXINT32), .preset = "65532",
    .help = "Group of the static pod; may read configuration and credentials on the node." },
};

gsize
obk_config_n_fields_of_values (void)
{
  return G_N_ELEMENTS (obk_config_fields);
}

gsize
obk_config_n_fields (void)
{
  return G_N_ELEMENTS (obk_config_fields) - N_OF_VALUES;
}
