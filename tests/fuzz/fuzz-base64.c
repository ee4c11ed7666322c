/* SPDX-License-Identifier: Apache-2.0 */
/* A content has exactly one text: what decodes encodes to the same bytes again. */
#include "fuzz.h"

#include "base/secret.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (ObkSecret) bytes = obk_secret_decode_base64 ((const char *)data, size);
  g_autoptr (ObkSecret) text = obk_secret_new (0);
  g_autoptr (ObkSecret) back = NULL;

  if (bytes != NULL)
    {
      obk_secret_append_base64 (text, obk_secret_data (bytes), obk_secret_length (bytes));
      g_assert_cmpmem (obk_secret_data (text), obk_secret_length (text), data, size);
    }
  /* and any bytes come back */
  obk_secret_set_length (text, 0);
  obk_secret_append_base64 (text, data, size);
  back = obk_secret_decode_base64 (obk_secret_data (text), obk_secret_length (text));
  g_assert_nonnull (back);
  g_assert_cmpmem (obk_secret_data (back), obk_secret_length (back), data, size);
  return 0;
}
