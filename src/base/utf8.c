/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 in bytes that are counted, not ended by a zero. */
#include "base/utf8.h"

#include <string.h>

/* All but few texts are, and a zero byte is as good as others: eight bytes at a time. */
static gsize
ascii_length (const char *text, gsize length)
{
  gsize n = 0;
  guint64 word = 0;

  for (; n + sizeof word <= length; n += sizeof word)
    {
      memcpy (&word, text + n, sizeof word);
      if ((word & G_GUINT64_CONSTANT (0x8080808080808080)) != 0)
        break;
    }
  return n;
}

gboolean
obk_utf8_is_valid (const char *text, gsize length)
{
  const char *end = text + length;

  text += ascii_length (text, length);
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
