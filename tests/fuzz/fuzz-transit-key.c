/* SPDX-License-Identifier: Apache-2.0 */
/* What Transit says of a key: what is taken is in order and in range, what is not has a text that quotes little. */
#include "fuzz.h"

#include "base/error.h"
#include "base/json.h"
#include "openbao/transit-key.h"

#include <string.h>

#define YEAR_10000 G_GINT64_CONSTANT (253402300800)

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (json_t) document = obk_json_parse ((const char *)data, size, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkKeyMetadata) metadata = obk_transit_key_read (document, &error);
  guint32 last = 0;

  g_assert_true ((metadata == NULL) == (error != NULL));
  if (metadata == NULL)
    {
      g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
      g_assert_cmpuint (strlen (error->message), <, 100);
      return 0;
    }
  g_assert_nonnull (metadata->type);
  g_assert_cmpuint (metadata->latest_version, >, 0);
  g_assert_cmpuint (metadata->versions->len, ==, json_object_size (json_object_get (document, "keys")));
  for (guint i = 0; i < metadata->versions->len; i++)
    {
      const ObkKeyVersion *version = &g_array_index (metadata->versions, ObkKeyVersion, i);

      g_assert_cmpuint (version->version, >, last);
      g_assert_true (version->created_at_unix >= 0 && version->created_at_unix < YEAR_10000);
      g_assert_cmpint (obk_key_metadata_created_at (metadata, version->version), ==, version->created_at_unix);
      last = version->version;
    }
  return 0;
}
