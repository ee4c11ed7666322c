/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/transit-ciphertext.h"

#include <string.h>

typedef struct
{
  const char *text;
  guint32 version;
  gboolean of_version;
  gboolean whole;
} Case;

static const Case cases[] = {
  { "vault:v1:x", 1, TRUE, TRUE },
  { "vault:v1:AAA+/w==", 1, TRUE, TRUE },
  { "vault:v1:!~", 1, TRUE, TRUE }, /* the first and the last that may stand there */
  { "vault:v4294967295:x", G_MAXUINT32, TRUE, TRUE },
  { "vault:v1:", 1, TRUE, FALSE },
  { "vault:v1:a b", 1, TRUE, FALSE },
  { "vault:v1:a\n", 1, TRUE, FALSE },
  { "vault:v1:\x7f", 1, TRUE, FALSE },
  { "vault:v1:\xc3\xa4", 1, TRUE, FALSE },
  { "vault:v1", 1, FALSE, FALSE },
  { "", 1, FALSE, FALSE },
  { "vault:v12:x", 1, FALSE, FALSE },
  { "vault:v1:x", 12, FALSE, FALSE },
  { "vault:v01:x", 1, FALSE, FALSE },
  { "vault:v+1:x", 1, FALSE, FALSE },
  { "Vault:v1:x", 1, FALSE, FALSE },
  { " vault:v1:x", 1, FALSE, FALSE },
  { "vault:v4294967296:x", G_MAXUINT32, FALSE, FALSE },
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *one = &cases[i];
      gsize length = strlen (one->text);

      g_test_message ("\"%s\" of version %u", one->text, one->version);
      g_assert_cmpint (obk_transit_ciphertext_is_of_version (one->text, length, one->version), ==, one->of_version);
      g_assert_cmpint (obk_transit_ciphertext_is_whole (one->text, length, one->version), ==, one->whole);
    }
}

/* Bytes off the wire have a length and no end. */
static void
test_length_counts (void)
{
  static const char bytes[] = "vault:v7:abc\0def";

  g_assert_false (obk_transit_ciphertext_is_of_version (bytes, 8, 7));
  g_assert_true (obk_transit_ciphertext_is_of_version (bytes, 9, 7));
  g_assert_false (obk_transit_ciphertext_is_whole (bytes, 9, 7));
  g_assert_true (obk_transit_ciphertext_is_whole (bytes, 10, 7));
  g_assert_true (obk_transit_ciphertext_is_whole (bytes, 12, 7));
  g_assert_false (obk_transit_ciphertext_is_whole (bytes, 13, 7));
  g_assert_false (obk_transit_ciphertext_is_whole (bytes, sizeof bytes - 1, 7));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transit-ciphertext/cases", test_cases);
  g_test_add_func ("/transit-ciphertext/length-counts", test_length_counts);
  return g_test_run ();
}
