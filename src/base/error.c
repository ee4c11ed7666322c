/* SPDX-License-Identifier: Apache-2.0 */
/* The class names that operators see in logs and metrics. */
#include "base/error.h"

/* spec kms-v2.md, "Status codes, messages, error classes" */
static const char *const classes[OBK_ERROR_LAST] = {
  [OBK_ERROR_REQUEST_LIMIT] = "protocol_limit",
  [OBK_ERROR_RESPONSE_LIMIT] = "protocol_limit",
  [OBK_ERROR_CONCURRENCY_LIMIT] = "concurrency_limit",
  [OBK_ERROR_KEY_ID_MALFORMED] = "key_id_malformed",
  [OBK_ERROR_KEY_ID_UNKNOWN] = "key_id_unknown",
  [OBK_ERROR_ANNOTATION_INVALID] = "annotation_invalid",
  [OBK_ERROR_AAD_MISMATCH] = "aad_mismatch",
  [OBK_ERROR_STATUS_STALE] = "status_stale",
  [OBK_ERROR_KEY_METADATA_REFRESH_FAILED] = "key_metadata_refresh_failed",
  [OBK_ERROR_CANCELED] = "canceled",
  [OBK_ERROR_TIMEOUT] = "timeout",
  [OBK_ERROR_AUTH_FAILED] = "auth_failed",
  [OBK_ERROR_AUTH_EXPIRED] = "auth_expired",
  [OBK_ERROR_POLICY_DENIED] = "transit_policy_denied",
  [OBK_ERROR_DENIAL_UNCONFIRMED] = "transit_policy_denied",
  [OBK_ERROR_KEY_MISSING] = "transit_key_missing",
  [OBK_ERROR_STANDBY_LAGGING] = "openbao_standby_lagging",
  [OBK_ERROR_VERSION_UNUSABLE] = "transit_version_unusable",
  [OBK_ERROR_TRANSIT_AUTHENTICATION_TAG] = "aad_mismatch",
  [OBK_ERROR_RATE_LIMITED] = "openbao_rate_limited",
  [OBK_ERROR_SEALED] = "openbao_sealed",
  [OBK_ERROR_UNAVAILABLE] = "openbao_unavailable",
  [OBK_ERROR_ANSWER_REFUSED] = "openbao_unavailable",
  [OBK_ERROR_TLS_FAILED] = "openbao_tls_failed",
  [OBK_ERROR_DNS_FAILED] = "openbao_dns_failed",
  [OBK_ERROR_CONNECTION_FAILED] = "openbao_connection_failed",
  [OBK_ERROR_OAUTH2_UNAVAILABLE] = "oauth2_unavailable",
  [OBK_ERROR_OAUTH2_REJECTED] = "oauth2_rejected",
  [OBK_ERROR_CREDENTIAL_INVALID] = "credential_invalid",
  [OBK_ERROR_CREDENTIAL_SILENT] = "timeout",
  [OBK_ERROR_CONFIG_INVALID] = "config_invalid",
  [OBK_ERROR_SOCKET_UNAVAILABLE] = "socket_unavailable",
  [OBK_ERROR_NO_DESCRIPTORS] = "socket_unavailable",
};

G_DEFINE_QUARK (obk - error - quark, obk_error)

const char *
obk_error_class (const GError *error)
{
  const char *name = classes[obk_error_code (error)];

  return name != NULL ? name : "unknown";
}

ObkError
obk_error_code (const GError *error)
{
  if (error == NULL || error->domain != OBK_ERROR || error->code < 0 || error->code >= OBK_ERROR_LAST)
    return OBK_ERROR_UNKNOWN;
  return (ObkError)error->code;
}

gboolean
obk_refuse (GError **error, ObkError code, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_propagate_error (error, g_error_new_valist (OBK_ERROR, (int)code, format, arguments));
  va_end (arguments);
  return FALSE;
}
