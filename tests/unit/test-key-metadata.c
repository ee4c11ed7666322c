/* SPDX-License-Identifier: Apache-2.0 */
#include "base/key-metadata.h"

static ObkKeyMetadata *
three_versions (void)
{
  static const ObkKeyVersion versions[] = { { 2, 200 }, { 5, 0 }, { G_MAXUINT32, 900 } };
  ObkKeyMetadata *metadata = obk_key_metadata_new ();

  metadata->type = g_strdup ("aes256-gcm96");
  metadata->supports_encryption = TRUE;
  g_array_append_vals (metadata->versions, versions, G_N_ELEMENTS (versions));
  return metadata;
}

static void
test_created_at (void)
{
  g_autoptr (ObkKeyMetadata) metadata = three_versions ();
  g_autoptr (ObkKeyMetadata) empty = obk_key_metadata_new ();

  g_assert_cmpint (obk_key_metadata_created_at (metadata, 2), ==, 200);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 5), ==, 0);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, G_MAXUINT32), ==, 900);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 3), ==, 0);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 0), ==, 0);
  g_assert_cmpint (obk_key_metadata_created_at (empty, 1), ==, 0);
}

static void
test_copy (void)
{
  ObkKeyMetadata *metadata = three_versions ();
  g_autoptr (ObkKeyMetadata) copy = obk_key_metadata_copy (metadata);

  g_array_index (metadata->versions, ObkKeyVersion, 0).created_at_unix = 1;
  obk_key_metadata_free (metadata);
  g_assert_cmpstr (copy->type, ==, "aes256-gcm96");
  g_assert_true (copy->supports_encryption);
  g_assert_cmpint (obk_key_metadata_created_at (copy, 2), ==, 200);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/key-metadata/created-at", test_created_at);
  g_test_add_func ("/key-metadata/copy-stands-alone", test_copy);
  return g_test_run ();
}
