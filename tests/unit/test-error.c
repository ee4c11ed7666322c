/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <gio/gio.h>

static const struct
{
  ObkError code;
  const char *class;
} table[] = {
  { OBK_ERROR_UNKNOWN, "unknown" },
  { OBK_ERROR_PLAINTEXT_EMPTY, "unknown" },
  { OBK_ERROR_CIPHERTEXT_EMPTY, "unknown" },
  { OBK_ERROR_REQUEST_LIMIT, "protocol_limit" },
  { OBK_ERROR_RESPONSE_LIMIT, "protocol_limit" },
  { OBK_ERROR_CONCURRENCY_LIMIT, "concurrency_limit" },
  { OBK_ERROR_KEY_ID_MALFORMED, "key_id_malformed" },
  { OBK_ERROR_KEY_ID_UNKNOWN, "key_id_unknown" },
  { OBK_ERROR_ANNOTATION_INVALID, "annotation_invalid" },
  { OBK_ERROR_AAD_MISMATCH, "aad_mismatch" },
  { OBK_ERROR_STATUS_STALE, "status_stale" },
  { OBK_ERROR_KEY_METADATA_REFRESH_FAILED, "key_metadata_refresh_failed" },
  { OBK_ERROR_CANCELED, "canceled" },
  { OBK_ERROR_TIMEOUT, "timeout" },
  { OBK_ERROR_AUTH_FAILED, "auth_failed" },
  { OBK_ERROR_AUTH_EXPIRED, "auth_expired" },
  { OBK_ERROR_POLICY_DENIED, "transit_policy_denied" },
  { OBK_ERROR_DENIAL_UNCONFIRMED, "transit_policy_denied" },
  { OBK_ERROR_KEY_MISSING, "transit_key_missing" },
  { OBK_ERROR_STANDBY_LAGGING, "openbao_standby_lagging" },
  { OBK_ERROR_VERSION_UNUSABLE, "transit_version_unusable" },
  { OBK_ERROR_TRANSIT_REFUSED, "unknown" },
  { OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, "aad_mismatch" },
  { OBK_ERROR_RATE_LIMITED, "openbao_rate_limited" },
  { OBK_ERROR_SEALED, "openbao_sealed" },
  { OBK_ERROR_UNAVAILABLE, "openbao_unavailable" },
  { OBK_ERROR_ANSWER_REFUSED, "openbao_unavailable" },
  { OBK_ERROR_TLS_FAILED, "openbao_tls_failed" },
  { OBK_ERROR_DNS_FAILED, "openbao_dns_failed" },
  { OBK_ERROR_CONNECTION_FAILED, "openbao_connection_failed" },
  { OBK_ERROR_OAUTH2_UNAVAILABLE, "oauth2_unavailable" },
  { OBK_ERROR_OAUTH2_REJECTED, "oauth2_rejected" },
  { OBK_ERROR_CREDENTIAL_INVALID, "credential_invalid" },
  { OBK_ERROR_CREDENTIAL_SILENT, "timeout" },
  { OBK_ERROR_CONFIG_INVALID, "config_invalid" },
  { OBK_ERROR_SOCKET_UNAVAILABLE, "socket_unavailable" },
  { OBK_ERROR_NO_DESCRIPTORS, "socket_unavailable" },
  { OBK_ERROR_STATE_REFUSED, "unknown" },
  { OBK_ERROR_STATE_LOCKED, "unknown" },
  { OBK_ERROR_STATE_NOT_SAVED, "unknown" },
  { OBK_ERROR_USAGE, "unknown" },
  { OBK_ERROR_FILE, "unknown" },
  { OBK_ERROR_JSON, "unknown" },
};

static void
test_classes (void)
{
  /* A new code needs its row here, and with it a thought about its class. */
  g_assert_cmpuint (G_N_ELEMENTS (table), ==, OBK_ERROR_LAST);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, (gint)table[i].code, "x");

      g_assert_cmpuint (table[i].code, ==, i);
      g_assert_cmpstr (obk_error_class (error), ==, table[i].class);
      g_assert_cmpuint (obk_error_code (error), ==, table[i].code);
    }
}

static void
test_foreign (void)
{
  g_autoptr (GError) foreign = g_error_new_literal (G_IO_ERROR, OBK_ERROR_SEALED, "x");
  g_autoptr (GError) beyond = g_error_new_literal (OBK_ERROR, OBK_ERROR_LAST, "x");
  g_autoptr (GError) below = g_error_new_literal (OBK_ERROR, -1, "x");

  g_assert_cmpstr (obk_error_class (NULL), ==, "unknown");
  g_assert_cmpstr (obk_error_class (foreign), ==, "unknown");
  g_assert_cmpstr (obk_error_class (beyond), ==, "unknown");
  g_assert_cmpstr (obk_error_class (below), ==, "unknown");
  g_assert_cmpuint (obk_error_code (foreign), ==, OBK_ERROR_UNKNOWN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/classes-are-those-of-the-status-table", test_classes);
  g_test_add_func ("/error/foreign-errors-are-unknown", test_foreign);
  return g_test_run ();
}
