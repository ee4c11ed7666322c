/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves the process of an error: gRPC status and fixed text (spec kms-v2.md, "Status codes"). */
#include "kms/error-table.h"

#include "base/error.h"

#define AUTH_FAILED "transit authentication failed"
#define DENIED "transit permission denied"
#define UNAVAILABLE "transit unavailable"
#define NOT_OF_SNAPSHOT "annotations do not match key snapshot"
#define REFUSED_ENCRYPT "transit encrypt failed"
#define REFUSED_DECRYPT "transit decrypt failed"

typedef struct
{
  grpc_status_code status;
  const char *message;
  const char *decrypt_message; /* %NULL: the same */
} Row;

/* What has no row is "anything else". */
static const Row rows[OBK_ERROR_LAST] = {
  [OBK_ERROR_PLAINTEXT_EMPTY] = { GRPC_STATUS_INVALID_ARGUMENT, "plaintext is required", NULL },
  [OBK_ERROR_CIPHERTEXT_EMPTY] = { GRPC_STATUS_INVALID_ARGUMENT, "ciphertext is required", NULL },
  [OBK_ERROR_REQUEST_LIMIT] = { GRPC_STATUS_INVALID_ARGUMENT, "kms request exceeds protocol limits", NULL },
  [OBK_ERROR_RESPONSE_LIMIT] = { GRPC_STATUS_INTERNAL, "kms response exceeds protocol limits", NULL },
  [OBK_ERROR_CONCURRENCY_LIMIT] = { GRPC_STATUS_RESOURCE_EXHAUSTED, "kms concurrency limit exceeded", NULL },
  [OBK_ERROR_KEY_ID_MALFORMED] = { GRPC_STATUS_INVALID_ARGUMENT, "key_id malformed", NULL },
  [OBK_ERROR_KEY_ID_UNKNOWN] = { GRPC_STATUS_NOT_FOUND, "key_id unknown", NULL },
  [OBK_ERROR_ANNOTATION_INVALID] = { GRPC_STATUS_INVALID_ARGUMENT, "annotations invalid", NULL },
  [OBK_ERROR_AAD_MISMATCH] = { GRPC_STATUS_INVALID_ARGUMENT, NOT_OF_SNAPSHOT, NULL },
  [OBK_ERROR_STATUS_STALE] = { GRPC_STATUS_FAILED_PRECONDITION, "status unhealthy", NULL },
  [OBK_ERROR_KEY_METADATA_REFRESH_FAILED] = { GRPC_STATUS_UNAVAILABLE, "key metadata refresh failed", NULL },
  [OBK_ERROR_CANCELED] = { GRPC_STATUS_CANCELLED, "request canceled", NULL },
  [OBK_ERROR_TIMEOUT] = { GRPC_STATUS_DEADLINE_EXCEEDED, "request timed out", NULL },

  [OBK_ERROR_AUTH_FAILED] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
  [OBK_ERROR_AUTH_EXPIRED] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
  [OBK_ERROR_POLICY_DENIED] = { GRPC_STATUS_PERMISSION_DENIED, DENIED, NULL },
  [OBK_ERROR_DENIAL_UNCONFIRMED] = { GRPC_STATUS_PERMISSION_DENIED, DENIED, NULL },
  [OBK_ERROR_KEY_MISSING] = { GRPC_STATUS_NOT_FOUND, "transit key not found", NULL },
  [OBK_ERROR_STANDBY_LAGGING] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_VERSION_UNUSABLE] = { GRPC_STATUS_INVALID_ARGUMENT, REFUSED_ENCRYPT, REFUSED_DECRYPT },
  [OBK_ERROR_TRANSIT_REFUSED] = { GRPC_STATUS_INVALID_ARGUMENT, REFUSED_ENCRYPT, REFUSED_DECRYPT },
  [OBK_ERROR_TRANSIT_AUTHENTICATION_TAG] = { GRPC_STATUS_INVALID_ARGUMENT, REFUSED_ENCRYPT, REFUSED_DECRYPT },
  [OBK_ERROR_RATE_LIMITED] = { GRPC_STATUS_RESOURCE_EXHAUSTED, "transit rate limited", NULL },
  [OBK_ERROR_SEALED] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_UNAVAILABLE] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_ANSWER_REFUSED] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_TLS_FAILED] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_DNS_FAILED] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_CONNECTION_FAILED] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL },
  [OBK_ERROR_NO_DESCRIPTORS] = { GRPC_STATUS_UNAVAILABLE, UNAVAILABLE, NULL }, /* a connection failure like others */

  /* Without a credential there is no token: to the caller that is a failed authentication like any other. */
  [OBK_ERROR_OAUTH2_UNAVAILABLE] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
  [OBK_ERROR_OAUTH2_REJECTED] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
  [OBK_ERROR_CREDENTIAL_INVALID] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
  [OBK_ERROR_CREDENTIAL_SILENT] = { GRPC_STATUS_UNAUTHENTICATED, AUTH_FAILED, NULL },
};

static const Row anything_else = { GRPC_STATUS_INTERNAL, "kms request failed", NULL };

grpc_status_code
obk_error_table_status (const GError *error, ObkMethod method, const char **message)
{
  const Row *row = NULL;

  g_return_val_if_fail (error != NULL && message != NULL, GRPC_STATUS_INTERNAL);

  row = &rows[obk_error_code (error)];
  if (row->message == NULL)
    row = &anything_else;
  *message = method == OBK_METHOD_DECRYPT && row->decrypt_message != NULL ? row->decrypt_message : row->message;
  return row->status;
}

const char *
obk_grpc_code_name (grpc_status_code code)
{
  static const char *const names[] = {
    [GRPC_STATUS_OK] = "ok",
    [GRPC_STATUS_CANCELLED] = "cancelled",
    [GRPC_STATUS_INVALID_ARGUMENT] = "invalid_argument",
    [GRPC_STATUS_DEADLINE_EXCEEDED] = "deadline_exceeded",
    [GRPC_STATUS_NOT_FOUND] = "not_found",
    [GRPC_STATUS_PERMISSION_DENIED] = "permission_denied",
    [GRPC_STATUS_RESOURCE_EXHAUSTED] = "resource_exhausted",
    [GRPC_STATUS_FAILED_PRECONDITION] = "failed_precondition",
    [GRPC_STATUS_INTERNAL] = "internal",
    [GRPC_STATUS_UNAVAILABLE] = "unavailable",
    [GRPC_STATUS_UNAUTHENTICATED] = "unauthenticated",
  };

  return (guint)code < G_N_ELEMENTS (names) && names[code] != NULL ? names[code] : "unknown";
}
