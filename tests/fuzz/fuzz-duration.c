/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken as a duration is written as one that means the same. */
#include "fuzz.h"

#include "base/duration.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autofree char *written = NULL;
  g_autoptr (GError) error = NULL;
  gint64 us = -1, again = -1;

  if (!obk_duration_parse (text, &us, &error))
    {
      g_assert_nonnull (error);
      return 0;
    }
  g_assert_cmpint (us, >=, 0);
  written = obk_duration_format (us);
  /* The very largest counts its part of a microsecond as a whole one, and Go's range ends before that. */
  if (us <= G_MAXINT64 / 1000)
    {
      g_assert_true (obk_duration_parse (written, &again, NULL));
      g_assert_cmpint (again, ==, us);
    }
  return 0;
}
