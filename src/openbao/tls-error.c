/* SPDX-License-Identifier: Apache-2.0 */
/* NSS' and NSPR's error numbers in words that an operator can act on. */
#include "openbao/tls-error.h"

#include "base/error.h"

#include <secerr.h>
#include <sslerr.h>

#include <string.h>

static const struct
{
  PRErrorCode code;
  const char *text;
} texts[] = {
  { SEC_ERROR_UNKNOWN_ISSUER, OBK_TLS_SAYS_ISSUER },
  { SEC_ERROR_UNTRUSTED_ISSUER, OBK_TLS_SAYS_ISSUER },
  { SEC_ERROR_UNTRUSTED_CERT, OBK_TLS_SAYS_ISSUER },
  { SEC_ERROR_BAD_SIGNATURE, "bad signature in the certificate chain" },
  { SEC_ERROR_EXPIRED_CERTIFICATE, OBK_TLS_SAYS_EXPIRED },
  { SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE, OBK_TLS_SAYS_ISSUER_TIME },
  { SEC_ERROR_CERT_NOT_IN_NAME_SPACE, "name outside of what its issuer may certify" },
  { SEC_ERROR_CA_CERT_INVALID, "issuer's certificate is not one of an authority" },
  { SEC_ERROR_PATH_LEN_CONSTRAINT_INVALID, "certificate chain longer than its issuer allows" },
  { SEC_ERROR_INADEQUATE_KEY_USAGE, OBK_TLS_SAYS_USE },
  { SEC_ERROR_INADEQUATE_CERT_TYPE, OBK_TLS_SAYS_USE },
  { SEC_ERROR_EXTENSION_NOT_FOUND, "certificate lacks an extension" },
  { SEC_ERROR_UNKNOWN_CRITICAL_EXTENSION, "certificate has an unknown critical extension" },
  { SEC_ERROR_CERT_SIGNATURE_ALGORITHM_DISABLED, "weak signature in the certificate chain" },
  { SEC_ERROR_INVALID_ALGORITHM, "weak or unknown signature in the certificate chain" },
  { SSL_ERROR_WEAK_SERVER_CERT_KEY, "weak key in the certificate" },
  { SSL_ERROR_BAD_CERT_DOMAIN, OBK_TLS_SAYS_NAME },
  { SSL_ERROR_UNSUPPORTED_VERSION, OBK_TLS_SAYS_VERSION },
  { SSL_ERROR_PROTOCOL_VERSION_ALERT, OBK_TLS_SAYS_VERSION },
  { SSL_ERROR_NO_CYPHER_OVERLAP, "no common cipher suite" },
  { SSL_ERROR_INSUFFICIENT_SECURITY_ALERT, "no common cipher suite" },
  { SSL_ERROR_UNSUPPORTED_SIGNATURE_ALGORITHM, "no common signature algorithm" },
  { SSL_ERROR_INTERNAL_ERROR_ALERT, OBK_TLS_SAYS_INTERNAL },
  { SSL_ERROR_HANDSHAKE_FAILURE_ALERT, "handshake refused by the server" },
  { SSL_ERROR_UNRECOGNIZED_NAME_ALERT, "name unknown to the server" },
  { SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL, "server does not speak HTTP/1.1" },
  { SSL_ERROR_RX_RECORD_TOO_LONG, OBK_TLS_SAYS_NO_TLS },
  { SSL_ERROR_RX_MALFORMED_HANDSHAKE, OBK_TLS_SAYS_NO_TLS },
  { SSL_ERROR_RX_UNEXPECTED_RECORD_TYPE, OBK_TLS_SAYS_NO_TLS },
  { SSL_ERROR_RX_UNKNOWN_RECORD_TYPE, OBK_TLS_SAYS_NO_TLS },
  { SSL_ERROR_BAD_MAC_READ, "damaged record" },
  { SSL_ERROR_BAD_MAC_ALERT, "damaged record" },
  { SSL_ERROR_BAD_CERT_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_UNSUPPORTED_CERT_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_REVOKED_CERT_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_EXPIRED_CERT_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_CERTIFICATE_UNKNOWN_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_UNKNOWN_CA_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_ACCESS_DENIED_ALERT, OBK_TLS_SAYS_CLIENT },
  { SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT, OBK_TLS_SAYS_CLIENT ": the server demands one" },
};

static const char *
known_text (PRErrorCode code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].code == code)
      return texts[i].text;
  return NULL;
}

/* Whether the connection failed, and not what was said on it. */
static gboolean
is_of_connection (PRErrorCode code)
{
  switch (code)
    {
    case PR_IO_ERROR:
    case PR_CONNECT_RESET_ERROR:
    case PR_CONNECT_ABORTED_ERROR:
    case PR_END_OF_FILE_ERROR:
    case PR_SOCKET_SHUTDOWN_ERROR:
    case PR_NOT_CONNECTED_ERROR:
      return TRUE;
    default:
      return FALSE;
    }
}

void
obk_tls_error_set (GError **error, PRErrorCode code, const char *what)
{
  const char *text = known_text (code);
  const char *name = PR_ErrorToName (code);

  if (is_of_connection (code))
    g_set_error (error, OBK_ERROR, OBK_ERROR_CONNECTION_FAILED, "connection lost: %s",
                 PR_GetOSError () != 0 && code != PR_END_OF_FILE_ERROR ? g_strerror (PR_GetOSError ())
                                                                       : "closed by the server");
  else if (text != NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, "%s: %s", what, text);
  else if (name != NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, "%s: %s", what, name);
  else
    g_set_error (error, OBK_ERROR, OBK_ERROR_TLS_FAILED, "%s: error %d", what, code);
}

gboolean
obk_tls_error_is_of_time (const GError *error)
{
  return g_error_matches (error, OBK_ERROR, OBK_ERROR_TLS_FAILED)
         && (strstr (error->message, OBK_TLS_SAYS_EXPIRED) != NULL
             || strstr (error->message, OBK_TLS_SAYS_NOT_YET) != NULL
             || strstr (error->message, OBK_TLS_SAYS_ISSUER_TIME) != NULL);
}
