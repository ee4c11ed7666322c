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

#define FILE_A "/a"
#define FILE_B "/b"

static void
end (const char *token, ObkSecret *pin, const char *source, ObkPinOutcome outcome, gboolean counted)
{
  obk_pin_trial_begin (token);
  obk_pin_trial_end (token, pin, source, outcome, counted);
}

/* Only the very pair of token and PIN is known; a right one from the same file ends that. */
static void
test_refused (void)
{
  g_autoptr (ObkSecret) wrong = pin_of ("1234");
  g_autoptr (ObkSecret) other = pin_of ("12345");
  g_autoptr (ObkSecret) shifted = pin_of ("en1234");

  g_assert_false (obk_pin_is_refused ("token", wrong, FALSE));
  end ("token", wrong, FILE_A, OBK_PIN_NOT_PROVED, FALSE);
  g_assert_false (obk_pin_is_refused ("token", wrong, FALSE));
  end ("token", wrong, FILE_A, OBK_PIN_WRONG, FALSE);
  g_assert_true (obk_pin_is_refused ("token", wrong, FALSE));
  g_assert_false (obk_pin_is_refused ("token", other, FALSE));
  g_assert_false (obk_pin_is_refused ("another", wrong, FALSE));
  g_assert_false (obk_pin_is_refused ("tok", shifted, FALSE));
  end ("token", other, FILE_A, OBK_PIN_NOT_PROVED, FALSE);
  end ("token", other, FILE_B, OBK_PIN_RIGHT, FALSE);
  end ("another", other, FILE_A, OBK_PIN_RIGHT, FALSE);
  g_assert_true (obk_pin_is_refused ("token", wrong, FALSE));
  end ("token", other, FILE_A, OBK_PIN_WRONG, FALSE);
  g_assert_true (obk_pin_is_refused ("token", wrong, FALSE)); /* all of them, not the last one alone */
  end ("token", shifted, FILE_A, OBK_PIN_RIGHT, FALSE);
  g_assert_false (obk_pin_is_refused ("token", wrong, FALSE));
  g_assert_false (obk_pin_is_refused ("token", other, FALSE));
}

/* An operator's word is not enough: the token must have shown a count, and show none any more. */
static void
test_ask_again (void)
{
  g_autoptr (ObkSecret) pin = pin_of ("1234");

  end ("silent", pin, FILE_A, OBK_PIN_WRONG, FALSE);
  end ("counts", pin, FILE_A, OBK_PIN_WRONG, TRUE);
  g_assert_true (obk_pin_is_refused ("counts", pin, FALSE));
  obk_pin_ask_again ();
  g_assert_true (obk_pin_is_refused ("silent", pin, FALSE));
  g_assert_true (obk_pin_is_refused ("counts", pin, TRUE));
  g_assert_true (obk_pin_is_refused ("counts", pin, FALSE)); /* it has been asked for once */
  obk_pin_ask_again ();
  g_assert_false (obk_pin_is_refused ("counts", pin, FALSE));
  end ("counts", pin, FILE_A, OBK_PIN_WRONG, TRUE);
  g_assert_true (obk_pin_is_refused ("counts", pin, FALSE));
}

#define RECORD "OBK_TEST_RECORD" /* the environment's */

static void
test_first_process (void)
{
  g_autoptr (ObkSecret) pin = pin_of ("1234");

  g_assert_false (obk_pin_is_provider ());
  obk_pin_set_provider (g_getenv (RECORD));
  g_assert_true (obk_pin_is_provider ());
  end ("token \"a\", serial \"1\"", pin, FILE_A, OBK_PIN_WRONG, FALSE);
  end ("counts", pin, FILE_A, OBK_PIN_WRONG, TRUE);
}

/* Who starts us anew asks for another try, as a reload does. */
static void
test_second_process (void)
{
  g_autoptr (ObkSecret) pin = pin_of ("1234");
  g_autoptr (ObkSecret) other = pin_of ("4321");

  obk_pin_set_provider (g_getenv (RECORD));
  g_assert_true (obk_pin_is_refused ("token \"a\", serial \"1\"", pin, FALSE));
  g_assert_false (obk_pin_is_refused ("token \"a\", serial \"1\"", other, FALSE));
  g_assert_false (obk_pin_is_refused ("counts", pin, FALSE));
  end ("counts", pin, FILE_A, OBK_PIN_WRONG, TRUE);
}

static void
test_third_process (void)
{
  g_autoptr (ObkSecret) pin = pin_of ("1234");
  g_autoptr (ObkSecret) other = pin_of ("4321");

  obk_pin_set_provider (g_getenv (RECORD));
  g_assert_true (obk_pin_is_refused ("token \"a\", serial \"1\"", pin, FALSE));
  g_assert_true (obk_pin_is_refused ("counts", pin, TRUE));
  end ("token \"a\", serial \"1\"", other, FILE_A, OBK_PIN_RIGHT, FALSE);
  end ("counts", other, FILE_A, OBK_PIN_RIGHT, FALSE);
  g_assert_false (g_file_test (g_getenv (RECORD), G_FILE_TEST_EXISTS));
}

static void
run_process (const char *test)
{
  g_test_trap_subprocess (test, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

static void
test_next_process (void)
{
  g_autofree char *directory = g_dir_make_tmp ("test-pin-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "refused", NULL);
  g_autofree char *text = NULL;
  GStatBuf status;

  g_setenv (RECORD, path, TRUE);
  run_process ("/pin/next-process/subprocess/first");
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_null (strstr (text, "1234"));
  run_process ("/pin/next-process/subprocess/second");
  run_process ("/pin/next-process/subprocess/third");
  /* What is no record is as good as none, and gives way to one. */
  g_assert_true (g_file_set_contents_full (path, "[key]\nhmac=AAAA\n[x", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  run_process ("/pin/next-process/subprocess/first");
  run_process ("/pin/next-process/subprocess/second");
  g_remove (path);
  g_rmdir (directory);
}

typedef struct
{
  ObkSecret *pin;
  gint tries; /* atomic */
} Race;

static gpointer
try_it (gpointer data)
{
  Race *race = data;
  ObkPinOutcome outcome = OBK_PIN_NOT_PROVED;

  obk_pin_trial_begin ("raced");
  if (!obk_pin_is_refused ("raced", race->pin, FALSE))
    {
      g_atomic_int_inc (&race->tries);
      g_usleep (20 * 1000);
      outcome = OBK_PIN_WRONG;
    }
  obk_pin_trial_end ("raced", race->pin, FILE_A, outcome, FALSE);
  return NULL;
}

/* Two ways at once. */
static void
test_race (void)
{
  g_autoptr (ObkSecret) pin = pin_of ("1234");
  Race race = { .pin = pin };
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("race", try_it, &race);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (g_atomic_int_get (&race.tries), ==, 1);
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
  g_test_add_func ("/pin/refused", test_refused);
  g_test_add_func ("/pin/ask-again", test_ask_again);
  g_test_add_func ("/pin/next-process", test_next_process);
  g_test_add_func ("/pin/next-process/subprocess/first", test_first_process);
  g_test_add_func ("/pin/next-process/subprocess/second", test_second_process);
  g_test_add_func ("/pin/next-process/subprocess/third", test_third_process);
  g_test_add_func ("/pin/race", test_race);
  g_test_add_func ("/pin/read", test_read);
  return g_test_run ();
}
