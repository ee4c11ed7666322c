/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

#define LONGEST 40

/* Sequences that are one character, and that are none */
static const char *const good[] = { "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe2\x82\xac", "\xf0\x9f\x94\x91" };
static const char *const bad[] = { "\x80", "\xff", "\xc0\x80", "\xc2", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80" };

/* Whether a text of that length, zero bytes in it, is valid with @sequence at @place. */
static gboolean
is_valid (const char *sequence, gsize place, gsize length)
{
  g_autofree char *text = g_malloc0 (length); /* of exactly that size, so that a sanitizer sees a step beyond it */

  memset (text, 'x', length / 2);
  memcpy (text + place, sequence, strlen (sequence));
  return obk_utf8_is_valid (text, length);
}

static void
test_at_each_place (void)
{
  for (gsize length = 4; length <= LONGEST; length++)
    for (gsize place = 0; place + 4 <= length; place++)
      {
        for (guint i = 0; i < G_N_ELEMENTS (good); i++)
          g_assert_true (is_valid (good[i], place, length));
        for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
          g_assert_false (is_valid (bad[i], place, length));
      }
}

static void
test_cut_at_the_end (void)
{
  for (gsize length = 3; length <= LONGEST; length++)
    {
      g_assert_true (is_valid ("\xe2\x82\xac", length - 3, length));
      g_assert_false (is_valid ("\xe2\x82", length - 2, length));
      g_assert_false (is_valid ("\xe2", length - 1, length));
    }
  g_assert_true (obk_utf8_is_valid ("", 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/utf8/at-each-place", test_at_each_place);
  g_test_add_func ("/utf8/cut-at-the-end", test_cut_at_the_end);
  return g_test_run ();
}
