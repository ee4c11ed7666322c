/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/pin.h"

#include "base/error.h"

#include <glib/gstdio.h>

#include <string.h>

static ObkSecret *
pin_of (const char *text)
{
  return obk_secret_new_copy (text, strlen (text));
}

/* Only the very pair of token and PIN is known. */
static void
test_guard (void)
{
  ObkPinGuard guard = { .refused = NULL };
  g_autoptr (ObkSecret) wrong = pin_of ("1234");
  g_autoptr (ObkSecret) other = pin_of ("12345");
  g_autoptr (ObkSecret) shifted = pin_of ("en1234");

  g_assert_false (obk_pin_guard_knows (&guard, "token", wrong));
  obk_pin_guard_remember (&guard, "token", wrong);
  g_assert_true (obk_pin_guard_knows (&guard, "token", wrong));
  g_assert_false (obk_pin_guard_knows (&guard, "token", other));
  g_assert_false (obk_pin_guard_knows (&guard, "another", wrong));
  g_assert_false (obk_pin_guard_knows (&guard, "tok", shifted));
  g_assert_null (strstr (guard.refused, "1234"));
  obk_pin_guard_remember (&guard, "token", other);
  g_assert_true (obk_pin_guard_knows (&guard, "token", other));
  obk_pin_guard_clear (&guard);
  g_assert_false (obk_pin_guard_knows (&guard, "token", other));
}

static void
test_read (void)
{
  g_autofree char *longest = g_strnfill (OBK_PIN_MAX_BYTES, '1');
  g_autofree char *longest_line = g_strconcat (longest, "\n", NULL);
  g_autofree char *longer = g_strconcat (longest, "1", NULL);
  const struct
  {
    const char *content;
    const char *pin; /* %NULL: refused */
  } rows[] = {
    { "1234", "1234" },   { "1234\n", "1234" }, { "1234\n\n", "1234\n" },
    { " 1234", " 1234" }, { longest, longest }, { longest_line, longest },
    { longer, NULL },     { "", NULL },         { "\n", NULL },
  };
  g_autofree char *directory = g_dir_make_tmp ("test-pin-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "pin", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkSecret) pin = NULL;

      g_assert_true (g_file_set_contents_full (path, rows[i].content, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
      pin = obk_pin_read (path, &error);
      g_assert_cmpstr (pin != NULL ? obk_secret_data (pin) : NULL, ==, rows[i].pin);
      if (rows[i].pin == NULL)
        g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
    }
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  {
    g_autoptr (GError) error = NULL;

    g_assert_null (obk_pin_read (path, &error));
    g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
    g_assert_nonnull (strstr (error->message, "mode"));
  }
  g_remove (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pin/guard", test_guard);
  g_test_add_func ("/pin/read", test_read);
  return g_test_run ();
}
