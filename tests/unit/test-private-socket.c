/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/private-socket.h"

#include <glib/gstdio.h>

#define THREADS 8
#define TIMES 200

static char *runtime;

static gpointer
make_some (gpointer data)
{
  for (guint i = 0; i < TIMES; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkPrivateSocket) made = obk_private_socket_new (&error);

      g_assert_no_error (error);
      g_assert_true (g_file_test (obk_private_socket_path (made), G_FILE_TEST_EXISTS));
    }
  return NULL;
}

/* Each one looks for stale directories while the others make theirs. */
static void
test_threads (void)
{
  GThread *threads[THREADS];

  for (gsize i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("socket", make_some, NULL);
  for (gsize i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
}

/* What a kill has left goes; what is in use, or of somebody else, stays. */
static void
test_stale (void)
{
  g_autofree char *stale = g_build_filename (runtime, "tunnel-ABCDEF", NULL);
  g_autofree char *other = g_build_filename (runtime, "other-ABCDEF", NULL);
  g_autoptr (ObkPrivateSocket) first = obk_private_socket_new (NULL);
  g_autoptr (ObkPrivateSocket) second = NULL;

  g_assert_cmpint (g_mkdir (stale, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (other, 0700), ==, 0);
  second = obk_private_socket_new (NULL);
  g_assert_nonnull (second);
  g_assert_false (g_file_test (stale, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (other, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (obk_private_socket_path (first), G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_rmdir (other), ==, 0);
}

int
main (int argc, char **argv)
{
  int failed = 0;

  g_test_init (&argc, &argv, NULL);
  runtime = g_dir_make_tmp ("test-private-socket-XXXXXX", NULL);
  g_setenv ("RUNTIME_DIRECTORY", runtime, TRUE);
  g_test_add_func ("/private-socket/stale", test_stale);
  g_test_add_func ("/private-socket/threads", test_threads);
  failed = g_test_run ();
  g_assert_cmpint (g_rmdir (runtime), ==, 0); /* nothing is left in it */
  g_free (runtime);
  return failed;
}
