/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus, over all their beginnings, and over changes of them.
 *
 * The changes come from a fixed seed: what fails once fails again. OBK_FUZZ_ROUNDS says how many are
 * made of each file. A target is libFuzzer's as well, whose own main() then takes the place of this one.
 */
#include "fuzz.h"

#include <glib.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROUNDS 2000
#define MAX_BEGINNINGS 2000
#define MAX_CHANGES 4 /* in one input */

static GPtrArray *corpus; /* of GBytes */
static const guint8 *running = NULL;
static gsize running_length = 0;

/* An assertion does not say what it failed on. The process ends here, so it matters no more what may be called. */
static void
show_input (int signal_number)
{
  g_printerr ("the input, %" G_GSIZE_FORMAT " bytes: ", running_length);
  for (gsize i = 0; i < running_length; i++)
    g_printerr (g_ascii_isprint (running[i]) && running[i] != '\\' ? "%c" : "\\x%02x", running[i]);
  g_printerr ("\n");
}

/* In a block of its own size, so that a sanitizer sees each step beyond its end. */
static void
run (const guint8 *data, gsize length)
{
  guint8 *exact = malloc (length);

  running = data;
  running_length = length;
  memcpy (exact, data, length);
  LLVMFuzzerTestOneInput (exact, length);
  free (exact);
}

static void
load (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  g_autoptr (GError) error = NULL;
  const char *name = NULL;
  char *content = NULL;
  gsize length = 0;

  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      load (inside);
    }
  if (directory != NULL)
    return;
  if (!g_file_get_contents (path, &content, &length, &error))
    {
      g_printerr ("%s\n", error->message);
      exit (2);
    }
  g_ptr_array_add (corpus, g_bytes_new_take (content, length));
}

static gint
compare_inputs (gconstpointer a, gconstpointer b)
{
  return g_bytes_compare (*(const GBytes *const *)a, *(const GBytes *const *)b);
}

/* One step away: a byte changed, put in or taken out, a piece doubled, or another input's rest put on. */
static void
change (GByteArray *input, GRand *random)
{
  static const guint8 telling[] = { 0, 0xff, 0x80, 0xc0, '"', '\\', '.', '=', '-', '9', 'n', '{', '[', ' ', '\n' };
  guint at = input->len > 0 ? (guint)g_rand_int_range (random, 0, (gint)input->len) : 0;
  guint8 byte = g_rand_boolean (random) ? telling[g_rand_int_range (random, 0, G_N_ELEMENTS (telling))]
                                        : (guint8)g_rand_int_range (random, 0, 256);
  g_autofree guint8 *rest = NULL;
  gconstpointer other = NULL;
  gsize length = 0;

  switch (input->len > 0 ? g_rand_int_range (random, 0, 5) : 0)
    {
    case 0:
      rest = g_memdup2 (input->data + at, input->len - at);
      length = input->len - at;
      g_byte_array_set_size (input, at);
      g_byte_array_append (input, &byte, 1);
      g_byte_array_append (input, rest, (guint)length);
      break;
    case 1:
      input->data[at] = byte;
      break;
    case 2:
      g_byte_array_remove_index (input, at);
      break;
    case 3:
      rest = g_memdup2 (input->data + at, input->len - at);
      g_byte_array_append (input, rest, input->len - at);
      break;
    default:
      other = g_bytes_get_data (corpus->pdata[g_rand_int_range (random, 0, (gint)corpus->len)], &length);
      g_byte_array_set_size (input, at);
      if (length > at)
        g_byte_array_append (input, (const guint8 *)other + at, (guint)(length - at));
      break;
    }
}

int
main (int argc, char **argv)
{
  const char *asked = g_getenv ("OBK_FUZZ_ROUNDS");
  guint64 rounds = asked != NULL ? g_ascii_strtoull (asked, NULL, 10) : DEFAULT_ROUNDS;
  g_autoptr (GRand) random = g_rand_new_with_seed (20240501);

  signal (SIGABRT, show_input);
  corpus = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  for (int i = 1; i < argc; i++)
    load (argv[i]);
  if (corpus->len == 0)
    {
      g_printerr ("no corpus\n");
      return 2;
    }
  g_ptr_array_sort (corpus, compare_inputs); /* a directory's order is no order */
  for (guint i = 0; i < corpus->len; i++)
    {
      gsize length = 0;
      const guint8 *data = g_bytes_get_data (corpus->pdata[i], &length);

      run (data, length);
      for (gsize n = 0; n < MIN (length, MAX_BEGINNINGS); n++)
        run (data, n);
      for (guint64 round = 0; round < rounds; round++)
        {
          g_autoptr (GByteArray) input = g_byte_array_new ();

          g_byte_array_append (input, data, (guint)length);
          for (gint n = g_rand_int_range (random, 1, MAX_CHANGES + 1); n > 0; n--)
            change (input, random);
          run (input->data, input->len);
        }
    }
  g_print ("%u files, %" G_GUINT64_FORMAT " changes of each\n", corpus->len, rounds);
  g_ptr_array_unref (corpus);
  return 0;
}
