/* SPDX-License-Identifier: Apache-2.0 */
/* The one error domain of the project, and the class that each error has in logs and metrics. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_ERROR (obk_error_quark ())

/**
 * ObkError:
 *
 * One code for each row of the KMS status table (kms/error-table.c gives the gRPC status and
 * the public message), and a few that never reach a KMS client.
 */
typedef enum
{
  OBK_ERROR_UNKNOWN,
  /* requests */
  OBK_ERROR_PLAINTEXT_EMPTY,
  OBK_ERROR_CIPHERTEXT_EMPTY,
  OBK_ERROR_REQUEST_LIMIT,
  OBK_ERROR_RESPONSE_LIMIT,
  OBK_ERROR_CONCURRENCY_LIMIT,
  OBK_ERROR_KEY_ID_MALFORMED,
  OBK_ERROR_KEY_ID_UNKNOWN,
  OBK_ERROR_ANNOTATION_INVALID,
  OBK_ERROR_AAD_MISMATCH, /* annotations or ciphertext not of that snapshot */
  OBK_ERROR_STATUS_STALE,
  OBK_ERROR_KEY_METADATA_REFRESH_FAILED,
  OBK_ERROR_CANCELED,
  OBK_ERROR_TIMEOUT,
  /* OpenBao */
  OBK_ERROR_AUTH_FAILED,
  OBK_ERROR_AUTH_EXPIRED,
  OBK_ERROR_POLICY_DENIED,
  OBK_ERROR_DENIAL_UNCONFIRMED, /* a 403 when it is too soon for the login that would tell a denial from a lost token */
  OBK_ERROR_KEY_MISSING,
  OBK_ERROR_STANDBY_LAGGING,
  OBK_ERROR_VERSION_UNUSABLE,
  OBK_ERROR_TRANSIT_REFUSED, /* any other 400 */
  OBK_ERROR_TRANSIT_AUTHENTICATION_TAG,
  OBK_ERROR_RATE_LIMITED,
  OBK_ERROR_SEALED,
  OBK_ERROR_UNAVAILABLE,
  OBK_ERROR_ANSWER_REFUSED, /* a redirect, or an answer beyond our limits */
  OBK_ERROR_TLS_FAILED,
  OBK_ERROR_DNS_FAILED,
  OBK_ERROR_CONNECTION_FAILED,
  OBK_ERROR_OAUTH2_UNAVAILABLE,
  OBK_ERROR_OAUTH2_REJECTED,
  OBK_ERROR_CREDENTIAL_INVALID,
  OBK_ERROR_CREDENTIAL_SILENT, /* a PKCS#11 token that does not answer in time */
  /* local: what an operator must mend */
  OBK_ERROR_CONFIG_INVALID,
  OBK_ERROR_SOCKET_UNAVAILABLE,
  OBK_ERROR_NO_DESCRIPTORS,  /* the process, or the system, has too many files open */
  OBK_ERROR_STATE_REFUSED,   /* the state files may not be used as they are */
  OBK_ERROR_STATE_LOCKED,    /* another process holds the state lock */
  OBK_ERROR_STATE_NOT_SAVED, /* full disk, read-only file system and the like */
  OBK_ERROR_USAGE,
  OBK_ERROR_FILE, /* a file that is missing, unreadable or unsafe */
  OBK_ERROR_JSON, /* not the JSON that was expected */
  OBK_ERROR_LAST
} ObkError;

GQuark obk_error_quark (void);

/**
 * obk_error_class:
 * @error: any error, or %NULL
 *
 * Returns: (transfer none): the stable class name of spec kms-v2.md ("auth_failed", ...);
 *   "unknown" for %NULL, for a foreign domain, and for codes without a class of their own
 */
const char *obk_error_class (const GError *error);

/**
 * obk_error_code:
 * @error: any error, or %NULL
 *
 * Returns: the code when @error is of our domain, else %OBK_ERROR_UNKNOWN
 */
ObkError obk_error_code (const GError *error);

/**
 * obk_refuse:
 * @error: (out) (optional): gets @code and the text
 *
 * Returns: %FALSE, for the caller to return
 */
gboolean obk_refuse (GError **error, ObkError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
