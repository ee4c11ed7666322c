/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever an EncryptionConfiguration holds, something is said of it, and a file that is taken has our provider in it.
 */
#include "fuzz.h"

#include "cli/doctor/encryption-config.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (ObkCheckReport) back = NULL;
  const ObkEncryptionQuestion question = {
    .provider_name = "openbao",
    .socket_path = "/run/openbao-kms/kms.sock",
    .openbao_timeout_us = 2 * G_USEC_PER_SEC,
  };

  obk_encryption_config_judge ((const char *)data, size, "F", &question, report);
  g_assert_cmpuint (report->findings->len, >, 0);
  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);

      if (finding->result == OBK_CHECK_OK)
        g_assert_nonnull (g_strstr_len ((const char *)data, (gssize)size, "kms"));
    }
  bytes = obk_check_report_write (report);
  back = obk_check_report_read (bytes);
  g_assert_nonnull (back);
  g_assert_cmpuint (back->findings->len, ==, report->findings->len);
  return 0;
}
