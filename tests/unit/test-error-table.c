/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/error-table.h"

#include "base/error.h"

#include <gio/gio.h>

#define CAUSE "a cause with a /path and a name"
#define INTERNAL GRPC_STATUS_INTERNAL, "kms request failed"

typedef struct
{
  ObkError code;
  grpc_status_code status;
  const char *encrypt; /* the message */
  const char *decrypt; /* %NULL: the same */
} Case;

/* Spec kms-v2.md, "Status codes, messages, error classes"; the codes in their order, so that none is left out */
static const Case cases[] = {
  { OBK_ERROR_UNKNOWN, INTERNAL, NULL },
  { OBK_ERROR_PLAINTEXT_EMPTY, GRPC_STATUS_INVALID_ARGUMENT, "plaintext is required", NULL },
  { OBK_ERROR_CIPHERTEXT_EMPTY, GRPC_STATUS_INVALID_ARGUMENT, "ciphertext is required", NULL },
  { OBK_ERROR_REQUEST_LIMIT, GRPC_STATUS_INVALID_ARGUMENT, "kms request exceeds protocol limits", NULL },
  { OBK_ERROR_RESPONSE_LIMIT, GRPC_STATUS_INTERNAL, "kms response exceeds protocol limits", NULL },
  { OBK_ERROR_CONCURRENCY_LIMIT, GRPC_STATUS_RESOURCE_EXHAUSTED, "kms concurrency limit exceeded", NULL },
  { OBK_ERROR_KEY_ID_MALFORMED, GRPC_STATUS_INVALID_ARGUMENT, "key_id malformed", NULL },
  { OBK_ERROR_KEY_ID_UNKNOWN, GRPC_STATUS_NOT_FOUND, "key_id unknown", NULL },
  { OBK_ERROR_ANNOTATION_INVALID, GRPC_STATUS_INVALID_ARGUMENT, "annotations invalid", NULL },
  { OBK_ERROR_AAD_MISMATCH, GRPC_STATUS_INVALID_ARGUMENT, "annotations do not match key snapshot", NULL },
  { OBK_ERROR_STATUS_STALE, GRPC_STATUS_FAILED_PRECONDITION, "status unhealthy", NULL },
  { OBK_ERROR_KEY_METADATA_REFRESH_FAILED, GRPC_STATUS_UNAVAILABLE, "key metadata refresh failed", NULL },
  { OBK_ERROR_CANCELED, GRPC_STATUS_CANCELLED, "request canceled", NULL },
  { OBK_ERROR_TIMEOUT, GRPC_STATUS_DEADLINE_EXCEEDED, "request timed out", NULL },
  { OBK_ERROR_AUTH_FAILED, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_AUTH_EXPIRED, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_POLICY_DENIED, GRPC_STATUS_PERMISSION_DENIED, "transit permission denied", NULL },
  { OBK_ERROR_DENIAL_UNCONFIRMED, GRPC_STATUS_PERMISSION_DENIED, "transit permission denied", NULL },
  { OBK_ERROR_KEY_MISSING, GRPC_STATUS_NOT_FOUND, "transit key not found", NULL },
  { OBK_ERROR_STANDBY_LAGGING, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_VERSION_UNUSABLE, GRPC_STATUS_INVALID_ARGUMENT, "transit encrypt failed", "transit decrypt failed" },
  { OBK_ERROR_TRANSIT_REFUSED, GRPC_STATUS_INVALID_ARGUMENT, "transit encrypt failed", "transit decrypt failed" },
  { OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, GRPC_STATUS_INVALID_ARGUMENT, "transit encrypt failed",
    "transit decrypt failed" },
  { OBK_ERROR_RATE_LIMITED, GRPC_STATUS_RESOURCE_EXHAUSTED, "transit rate limited", NULL },
  { OBK_ERROR_SEALED, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_ANSWER_REFUSED, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_TLS_FAILED, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_DNS_FAILED, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_CONNECTION_FAILED, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_OAUTH2_UNAVAILABLE, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_OAUTH2_REJECTED, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_CREDENTIAL_INVALID, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_CREDENTIAL_SILENT, GRPC_STATUS_UNAUTHENTICATED, "transit authentication failed", NULL },
  { OBK_ERROR_CONFIG_INVALID, INTERNAL, NULL },
  { OBK_ERROR_SOCKET_UNAVAILABLE, INTERNAL, NULL },
  { OBK_ERROR_NO_DESCRIPTORS, GRPC_STATUS_UNAVAILABLE, "transit unavailable", NULL },
  { OBK_ERROR_STATE_REFUSED, INTERNAL, NULL },
  { OBK_ERROR_STATE_LOCKED, INTERNAL, NULL },
  { OBK_ERROR_STATE_NOT_SAVED, INTERNAL, NULL },
  { OBK_ERROR_USAGE, INTERNAL, NULL },
  { OBK_ERROR_FILE, INTERNAL, NULL },
  { OBK_ERROR_JSON, INTERNAL, NULL },
};

static void
expect (const GError *error, ObkMethod method, grpc_status_code status, const char *text)
{
  const char *message = NULL;

  g_assert_cmpint (obk_error_table_status (error, method, &message), ==, status);
  g_assert_cmpstr (message, ==, text);
}

static void
test_rows (void)
{
  g_assert_cmpuint (G_N_ELEMENTS (cases), ==, OBK_ERROR_LAST);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *row = &cases[i];
      g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, (gint)row->code, CAUSE);

      g_assert_cmpuint (row->code, ==, i);
      expect (error, OBK_METHOD_ENCRYPT, row->status, row->encrypt);
      expect (error, OBK_METHOD_STATUS, row->status, row->encrypt);
      expect (error, OBK_METHOD_DECRYPT, row->status, row->decrypt != NULL ? row->decrypt : row->encrypt);
    }
}

/* An error of a library's, and a code that is none, tell nothing either. */
static void
test_foreign (void)
{
  g_autoptr (GError) foreign = g_error_new_literal (G_IO_ERROR, OBK_ERROR_SEALED, CAUSE);
  g_autoptr (GError) beyond = g_error_new_literal (OBK_ERROR, OBK_ERROR_LAST, CAUSE);
  g_autoptr (GError) below = g_error_new_literal (OBK_ERROR, -1, CAUSE);

  expect (foreign, OBK_METHOD_DECRYPT, INTERNAL);
  expect (beyond, OBK_METHOD_DECRYPT, INTERNAL);
  expect (below, OBK_METHOD_DECRYPT, INTERNAL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error-table/rows", test_rows);
  g_test_add_func ("/error-table/foreign-errors-tell-nothing", test_foreign);
  return g_test_run ();
}
