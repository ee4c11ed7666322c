/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 in bytes that are counted, not ended by a zero. */
#include "base/utf8.h"

#include <string.h>

gboolean
obk_utf8_is_valid (const char *text, gsize length)
{
  const char *end = text + length;

  while (text < end)
    {
      const char *zero = memchr (text, '\0', (gsize)(end - text));
      const char *stop = zero != NULL ? zero : end;

      if (!g_utf8_validate (text, stop - text, NULL))
        return FALSE;
      text = stop + 1;
    }
  return TRUE;
}
