/* SPDX-License-Identifier: Apache-2.0 */
/* Which known name was meant by one that is not known. */
#include "config/suggestion.h"

#include <string.h>

#define MAX_LENGTH 64 /* nothing of ours is longer; keeps the table on the stack */

/* Edit distance with swaps of neighbours (optimal string alignment), ASCII case folded. */
static guint
distance (const char *a, gsize a_length, const char *b, gsize b_length)
{
  guint rows[3][MAX_LENGTH + 1];
  guint *before = rows[0], *last = rows[1], *row = rows[2];

  for (gsize j = 0; j <= b_length; j++)
    last[j] = (guint)j;
  for (gsize i = 1; i <= a_length; i++)
    {
      guint *spare = before;
      char x = g_ascii_tolower (a[i - 1]);

      row[0] = (guint)i;
      for (gsize j = 1; j <= b_length; j++)
        {
          char y = g_ascii_tolower (b[j - 1]);
          guint best = MIN (MIN (last[j], row[j - 1]) + 1, last[j - 1] + (x != y ? 1 : 0));

          if (i > 1 && j > 1 && x == g_ascii_tolower (b[j - 2]) && y == g_ascii_tolower (a[i - 2]))
            best = MIN (best, before[j - 2] + 1);
          row[j] = best;
        }
      before = last;
      last = row;
      row = spare;
    }
  return last[b_length];
}

const char *
obk_suggestion (const char *text, const char *const *known)
{
  const char *nearest = NULL;
  guint nearest_distance = G_MAXUINT;
  gsize length = 0;

  g_return_val_if_fail (text != NULL && known != NULL, NULL);

  length = strlen (text);
  if (length > MAX_LENGTH)
    return NULL;
  for (; *known != NULL; known++)
    {
      gsize known_length = strlen (*known);
      guint d = known_length <= MAX_LENGTH ? distance (text, length, *known, known_length) : G_MAXUINT;

      if (d < nearest_distance && d <= (MAX (length, known_length) + 2) / 3)
        {
          nearest = *known;
          nearest_distance = d;
        }
    }
  return nearest;
}
