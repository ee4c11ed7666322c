/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/secret-pool.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Also of what was given back, which the sanitizer would not have. */
__attribute__ ((no_sanitize_address)) static gboolean
is_zero (const char *data, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (((const volatile char *)data)[i] != 0)
      return FALSE;
  return TRUE;
}

static void
assert_content (const ObkSecret *secret, const char *expected)
{
  g_assert_cmpmem (obk_secret_data (secret), obk_secret_length (secret), expected, strlen (expected));
  g_assert_cmpint (obk_secret_data (secret)[obk_secret_length (secret)], ==, 0);
}

static void
test_append (void)
{
  g_autoptr (ObkSecret) secret = obk_secret_new (0);
  g_autoptr (GString) expected = g_string_new (NULL);

  assert_content (secret, "");
  obk_secret_append (secret, NULL, 0);
  for (guint i = 0; i < 50000; i++)
    {
      char step[16];
      gsize n = (gsize)g_snprintf (step, sizeof step, "%u,", i);

      obk_secret_append (secret, step, n);
      g_string_append (expected, step);
    }
  assert_content (secret, expected->str);
  g_assert_cmpuint (obk_secret_capacity (secret), >=, expected->len);
}

static void
test_capacity (void)
{
  static const gsize sizes[] = { 0, 1, 62, 63, 64, 4095, 4096, 65534, 65535, 65536, 100000, 1 << 20 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (ObkSecret) secret = obk_secret_new (sizes[i]);
      const char *data = obk_secret_data (secret);

      g_assert_cmpuint (obk_secret_length (secret), ==, 0);
      g_assert_cmpuint (obk_secret_capacity (secret), >=, sizes[i]);
      g_assert_true (is_zero (data, obk_secret_capacity (secret) + 1));
      memset (obk_secret_writable (secret), 'x', obk_secret_capacity (secret));
      obk_secret_set_length (secret, sizes[i]);
      g_assert_true (obk_secret_data (secret) == data);
    }
}

static void
test_set_length (void)
{
  g_autoptr (ObkSecret) secret = obk_secret_new (100);

  memcpy (obk_secret_writable (secret), "hunter2 and more", 16);
  obk_secret_set_length (secret, 7);
  assert_content (secret, "hunter2");
  g_assert_true (is_zero (obk_secret_data (secret) + 7, obk_secret_capacity (secret) + 1 - 7));
  obk_secret_set_length (secret, 0);
  g_assert_true (is_zero (obk_secret_data (secret), obk_secret_capacity (secret) + 1));
}

static void
test_reference (void)
{
  ObkSecret *secret = obk_secret_new_copy ("a\0b", 3);
  ObkSecret *same = obk_secret_ref (secret);

  obk_secret_unref (secret);
  g_assert_cmpmem (obk_secret_data (same), obk_secret_length (same), "a\0b", 3);
  obk_secret_unref (same);
  obk_secret_unref (NULL);
}

/* The pool keeps the page, so one can look at what is left of a block. */
static void
test_wiped (void)
{
  ObkSecret *neighbour = obk_secret_new (2000);
  ObkSecret *secret = obk_secret_new_copy ("hunter2", 7);
  const char *data = NULL;
  gsize size = 0;

  obk_secret_unref (secret);
  secret = obk_secret_new (2000);
  memset (obk_secret_writable (secret), 'x', obk_secret_capacity (secret));
  data = obk_secret_data (secret);
  size = obk_secret_capacity (secret) + 1;
  obk_secret_unref (secret);
  g_assert_true (is_zero (data, size));

  /* and growing leaves nothing behind */
  secret = obk_secret_new (2000);
  g_assert_true (obk_secret_data (secret) == data);
  memset (obk_secret_writable (secret), 'x', obk_secret_capacity (secret));
  obk_secret_set_length (secret, obk_secret_capacity (secret));
  obk_secret_append (secret, "y", 1);
  g_assert_true (obk_secret_data (secret) != data);
  g_assert_true (is_zero (data, size));
  obk_secret_unref (secret);
  obk_secret_unref (neighbour);
}

/* Returns: (transfer full): the VmFlags of the mapping that holds @address */
static char *
mapping_flags (const char *address)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean here = FALSE;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      char *end = NULL;
      guint64 first = g_ascii_strtoull (*line, &end, 16);

      if (*end == '-' && end > *line)
        here = first <= (guintptr)address && (guintptr)address < g_ascii_strtoull (end + 1, NULL, 16);
      else if (here && g_str_has_prefix (*line, "VmFlags:"))
        return g_strconcat (*line, " ", NULL);
    }
  return NULL;
}

static void
test_mapping (void)
{
  static const gsize sizes[] = { 1, 3000, 60000, 300000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (ObkSecret) secret = obk_secret_new (sizes[i]);
      g_autofree char *flags = mapping_flags (obk_secret_data (secret));

      g_assert_nonnull (flags);
      g_assert_nonnull (strstr (flags, " dd ")); /* not in a core dump */
      g_assert_nonnull (strstr (flags, " wf ")); /* not in a child */
#ifndef __SANITIZE_ADDRESS__                     /* whose mlock() does nothing */
      g_assert_nonnull (strstr (flags, " lo "));
#endif
    }
}

static void
test_fork (void)
{
  g_autoptr (ObkSecret) secret = obk_secret_new_copy ("hunter2", 7);
  pid_t child = fork ();
  int status = 0;

  if (child == 0)
    _exit (is_zero (obk_secret_data (secret), obk_secret_capacity (secret)) ? 0 : 1);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  assert_content (secret, "hunter2");
}

static void
take_and_give (guint n, gsize size)
{
  g_autoptr (GPtrArray) secrets = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_secret_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (secrets, obk_secret_new (size));
}

static void
test_steady (void)
{
  gsize mapped = 0;

  take_and_give (64, 4000);
  mapped = obk_secret_pool_mapped ();
  for (guint i = 0; i < 100; i++)
    take_and_give (64, 4000);
  g_assert_cmpuint (obk_secret_pool_mapped (), ==, mapped);
}

static void
test_shrinks (void)
{
  g_autoptr (ObkSecret) one = obk_secret_new (60000);

  take_and_give (200, 60000);
  take_and_give (20, 1000000);
  g_assert_cmpuint (obk_secret_pool_mapped (), <=, 1024 * 1024);
}

/* Secrets of all sizes come and go; none may touch another's bytes. */
static gpointer
churn (gpointer data)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (GPOINTER_TO_UINT (data));
  ObkSecret *secrets[50] = { NULL };
  gsize lengths[50] = { 0 };

  for (guint i = 0; i < 20000; i++)
    {
      guint j = (guint)g_rand_int_range (random, 0, G_N_ELEMENTS (secrets));
      char mark = (char)(1 + j + 60 * GPOINTER_TO_UINT (data));

      if (secrets[j] != NULL)
        {
          const char *bytes = obk_secret_data (secrets[j]);

          for (gsize k = 0; k < lengths[j]; k++)
            g_assert_true (bytes[k] == mark);
          g_clear_pointer (&secrets[j], obk_secret_unref);
          continue;
        }
      lengths[j] = (gsize)1 << g_rand_int_range (random, 0, 14);
      lengths[j] += (gsize)g_rand_int_range (random, 0, 30);
      secrets[j] = obk_secret_new (lengths[j]);
      g_assert_true (is_zero (obk_secret_data (secrets[j]), lengths[j]));
      memset (obk_secret_writable (secrets[j]), mark, lengths[j]);
      obk_secret_set_length (secrets[j], lengths[j]);
    }
  for (guint j = 0; j < G_N_ELEMENTS (secrets); j++)
    obk_secret_unref (secrets[j]);
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[3] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, churn, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_base64 (void)
{
  guint8 bytes[300];

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8)(i * 151 + 7);
  for (gsize n = 0; n <= sizeof bytes; n++)
    {
      g_autoptr (ObkSecret) text = obk_secret_new_copy ("{\"plaintext\":\"", 14);
      g_autoptr (ObkSecret) back = NULL;
      g_autofree char *expected = g_base64_encode (bytes, n);

      obk_secret_append_base64 (text, bytes, n);
      g_assert_cmpstr (obk_secret_data (text) + 14, ==, expected);
      g_assert_cmpuint (obk_secret_length (text), ==, 14 + strlen (expected));
      back = obk_secret_decode_base64 (expected, strlen (expected));
      g_assert_nonnull (back);
      g_assert_cmpmem (obk_secret_data (back), obk_secret_length (back), bytes, n);
    }
}

static void
test_base64_refuses (void)
{
  static const char *const bad[] = {
    "=",      "==",   "===",      "====",   "A",    "AA",      "AAA",      "A===",
    "AAAAA",  "AA=A", "=AAA",     "AB==",   "AAB=", "AA-_",    "AA\n=",    "AA==AA==",
    "AAAA\n", " AAA", "AAA=AAAA", "AA==\n", "AA*=", "AAA\xff", "AAAAA===", "AAAAAA=",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%u", i);
      g_assert_null (obk_secret_decode_base64 (bad[i], strlen (bad[i])));
    }
  g_assert_null (obk_secret_decode_base64 ("AA\0A", 4));
}

/* With a limit of nothing, and as a user whom the limit holds. */
static void
test_unlocked_child (void)
{
  const struct rlimit nothing = { 0, 0 };
  g_autoptr (ObkSecret) first = NULL;
  g_autoptr (ObkSecret) second = NULL;

  if (geteuid () == 0)
    g_assert_cmpint (setuid (65534), ==, 0);
  g_assert_cmpint (setrlimit (RLIMIT_MEMLOCK, &nothing), ==, 0);
  first = obk_secret_new_copy ("hunter2", 7);
  second = obk_secret_new (100000);
  assert_content (first, "hunter2");
}

static void
test_unlocked (void)
{
  g_test_trap_subprocess ("/secret/pool/unlocked/subprocess", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
#ifndef __SANITIZE_ADDRESS__
  g_test_trap_assert_stderr ("*warn warning detail=\"memory for secrets is not locked*");
  g_test_trap_assert_stderr_unmatched ("*not locked*not locked*");
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/secret/append", test_append);
  g_test_add_func ("/secret/capacity", test_capacity);
  g_test_add_func ("/secret/set-length-wipes-the-rest", test_set_length);
  g_test_add_func ("/secret/references", test_reference);
  g_test_add_func ("/secret/wiped-when-freed-and-moved", test_wiped);
  g_test_add_func ("/secret/base64", test_base64);
  g_test_add_func ("/secret/base64-refuses", test_base64_refuses);
  g_test_add_func ("/secret/pool/pages-are-locked-and-undumpable", test_mapping);
  g_test_add_func ("/secret/pool/child-sees-nothing", test_fork);
  g_test_add_func ("/secret/pool/steady-state-maps-nothing", test_steady);
  g_test_add_func ("/secret/pool/gives-back-after-a-burst", test_shrinks);
  g_test_add_func ("/secret/pool/threads", test_threads);
  g_test_add_func ("/secret/pool/unlocked", test_unlocked);
  g_test_add_func ("/secret/pool/unlocked/subprocess", test_unlocked_child);
  return g_test_run ();
}
