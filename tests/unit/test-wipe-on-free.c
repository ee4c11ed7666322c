/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for what freed blocks held in all of the process' own memory. */
#include <curl/curl.h>
#include <errno.h>
#include <glib.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <jansson.h>
#include <malloc.h>
#include <plstr.h>
#include <prmem.h>
#include <secitem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

extern void __libc_free (void *block);
#pragma GCC diagnostic ignored "-Wredundant-decls"
extern void free_sized (void *block, size_t size);
extern void free_aligned_sized (void *block, size_t alignment, size_t size);

/*
 * The mark is made anew wherever it is written and compared, so that none of it is in memory but what
 * a test put there. It is text without zero bytes, so that it passes through strings too.
 */
#define MARK_LENGTH 24

static guint mark_number = 0; /* each case has its own mark */

static char
mark_byte (gsize i)
{
  return (char)('A' + (i * i * 7 + i * 5 + mark_number * 11 + (i % 3) * mark_number) % 58);
}

/* Not at the start of the block, where malloc keeps its links. */
static void
put_mark (char *block, gsize at)
{
  for (gsize i = 0; i < MARK_LENGTH; i++)
    ((volatile char *)block)[at + i] = mark_byte (i);
}

__attribute__ ((no_sanitize_address)) static guint
count_marks_in (const volatile char *start, const volatile char *end)
{
  guint n = 0;

  for (const volatile char *at = start; at + MARK_LENGTH <= end; at++)
    {
      gsize i = 0;

      while (i < MARK_LENGTH && at[i] == mark_byte (i))
        i++;
      n += i == MARK_LENGTH;
    }
  return n;
}

/* Returns: how often the mark is found in private writable memory */
static guint
count_marks (void)
{
  static char maps[256 * 1024];
  FILE *file = fopen ("/proc/self/maps", "re");
  gsize length = fread (maps, 1, sizeof maps - 1, file);
  guint n = 0;

  fclose (file);
  maps[length] = '\0';
  for (char *line = maps; line != NULL && *line != '\0';
       line = strchr (line, '\n') != NULL ? strchr (line, '\n') + 1 : NULL)
    {
      char *end = NULL;
      uintptr_t first = (uintptr_t)strtoull (line, &end, 16);
      uintptr_t last = (uintptr_t)strtoull (end + 1, &end, 16);

      if (strncmp (end, " rw-p", 5) == 0)
        n += count_marks_in ((const char *)first, (const char *)last);
    }
  return n;
}

static void
assert_gone (void)
{
  g_assert_cmpuint (count_marks (), ==, 0);
  mark_number++;
}

/* If this fails, the others prove nothing. */
static void
test_control (void)
{
  char *block = malloc (300);

  put_mark (block, 100);
  g_assert_cmpuint (count_marks (), ==, 1);
  __libc_free (block);
  g_assert_cmpuint (count_marks (), ==, 1);
  mark_number++;
}

static void
test_sizes (void)
{
  static const gsize sizes[] = { 40, 100, 1000, 1032, 5000, 100000, 1 << 20 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      char *block = malloc (sizes[i]);
      char *guard = malloc (sizes[i]); /* so that the first does not melt into the rest of the heap */

      put_mark (block, sizes[i] - MARK_LENGTH);
      g_assert_cmpuint (count_marks (), ==, 1);
      free (block);
      assert_gone ();
      free (guard);
    }
}

/* What was written past the size asked for but inside the block is wiped as well. */
static void
test_usable_size (void)
{
  char *block = malloc (1001);
  gsize size = malloc_usable_size (block);

  g_assert_cmpuint (size, >, 1001);
  put_mark (block, size - MARK_LENGTH);
  free (block);
  assert_gone ();
}

static void
test_aligned (void)
{
  static const gsize alignments[] = { 16, 64, 4096, 65536 };

  for (guint i = 0; i < G_N_ELEMENTS (alignments); i++)
    {
      void *block = NULL;

      g_assert_cmpint (posix_memalign (&block, alignments[i], 3000), ==, 0);
      put_mark (block, 3000 - MARK_LENGTH);
      free (block);
      assert_gone ();
      block = aligned_alloc (alignments[i], 2 * alignments[i]);
      put_mark (block, 8);
      block = realloc (block, 4 * alignments[i]);
      g_assert_nonnull (block);
      g_assert_cmpuint (count_marks (), ==, 1);
      free (block);
      assert_gone ();
    }
}

static void
test_sized (void)
{
  char *block = malloc (200);

  put_mark (block, 100);
  free_sized (block, 200);
  assert_gone ();
  block = aligned_alloc (64, 640);
  put_mark (block, 100);
  free_aligned_sized (block, 64, 640);
  assert_gone ();
}

static void
test_realloc_grows (void)
{
  static const gsize sizes[] = { 40, 200, 2000, 40000, 200000, 1 << 20 };
  char *block = realloc (NULL, MARK_LENGTH);

  put_mark (block, 0);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      char *guard = malloc (50);

      block = realloc (block, sizes[i]);
      g_assert_cmpuint (count_marks (), ==, 1); /* moved, and not left at the old place too */
      free (guard);
    }
  free (block);
  assert_gone ();
}

static void
test_realloc_shrinks (void)
{
  static const gsize sizes[] = { 200, 1000, 2000, 40000, 1 << 20 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      char *block = malloc (sizes[i]);

      memset (block, 'x', sizes[i]);
      put_mark (block, sizes[i] - MARK_LENGTH);
      block = realloc (block, sizes[i] / 3);
      g_assert_cmpuint (count_marks (), ==, 0);
      for (gsize j = 0; j < sizes[i] / 3; j++)
        g_assert_cmpint (block[j], ==, 'x');
      /* also when it is only some bytes of padding that it loses */
      put_mark (block, sizes[i] / 3 - MARK_LENGTH);
      block = realloc (block, sizes[i] / 3 - 1);
      g_assert_cmpuint (count_marks (), ==, 0);
      free (block);
      mark_number++;
    }
}

static void
test_realloc_edges (void)
{
  void *(*volatile hidden_realloc) (void *, size_t) = realloc; /* the compiler knows these calls' outcome */
  void *(*volatile hidden_reallocarray) (void *, size_t, size_t) = reallocarray;
  char *block = malloc (100);
  char *same = NULL;

  put_mark (block, 20);
  g_assert_null (hidden_realloc (block, 0)); /* frees */
  assert_gone ();

  block = hidden_realloc (NULL, 0);
  g_assert_nonnull (block);
  block = hidden_reallocarray (block, 10, 10);
  put_mark (block, 20);
  errno = 0;
  same = hidden_realloc (block, PTRDIFF_MAX);
  g_assert_null (same);
  g_assert_cmpint (errno, ==, ENOMEM);
  errno = 0;
  same = hidden_reallocarray (block, SIZE_MAX / 2, 3);
  g_assert_null (same);
  g_assert_cmpint (errno, ==, ENOMEM);
  g_assert_cmpuint (count_marks (), ==, 1); /* both left it alone */
  block = hidden_reallocarray (block, 100, 100);
  g_assert_cmpuint (count_marks (), ==, 1);
  free (block);
  assert_gone ();

  errno = 1234;
  free (NULL);
  free (malloc (1 << 20));
  free (malloc (10));
  g_assert_cmpint (errno, ==, 1234);
}

static void
test_glib (void)
{
  GString *string = g_string_new (NULL);
  GByteArray *bytes = g_byte_array_new ();
  char mark[MARK_LENGTH + 1] = "";

  for (guint i = 0; i < 200; i++)
    {
      put_mark (mark, 0);
      g_string_append (string, "0123456789");
      if (i == 3)
        g_string_append (string, mark);
      g_byte_array_append (bytes, (const guint8 *)mark, i == 5 ? MARK_LENGTH : 7);
      explicit_bzero (mark, sizeof mark);
    }
  g_assert_cmpuint (count_marks (), ==, 2);
  g_string_free (string, TRUE);
  g_byte_array_unref (bytes);
  assert_gone ();
}

/* The C library's own: a stream's buffer, and a line that grows. */
static void
test_libc (void)
{
  char *text = NULL;
  size_t size = 0;
  FILE *memory = open_memstream (&text, &size);

  for (guint i = 0; i < 1000; i++)
    for (gsize j = 0; j < MARK_LENGTH; j++)
      fputc (i == 9 ? mark_byte (j) : '-', memory);
  fclose (memory);
  g_assert_cmpuint (count_marks (), ==, 1);
  free (text);
  assert_gone ();
}

static void
test_jansson (void)
{
  char text[100] = "[\"................................\"]";
  json_t *value = NULL;

  put_mark (text, 4);
  for (gsize i = 0; i < MARK_LENGTH; i++)
    if (text[4 + i] == '\\')
      text[4 + i] = '/';
  value = json_loads (text, 0, NULL);
  g_assert_nonnull (value);
  explicit_bzero (text, sizeof text);
  json_decref (value);
  g_assert_cmpuint (count_marks (), ==, 0);
  mark_number++;
}

static void
test_curl (void)
{
  char name[100] = "................................";
  struct curl_slist *list = NULL;
  char *escaped = NULL;

  put_mark (name, 4);
  list = curl_slist_append (NULL, name);
  escaped = curl_easy_escape (NULL, list->data + 4, MARK_LENGTH);
  explicit_bzero (name, sizeof name);
  g_assert_cmpuint (count_marks (), >=, 1);
  curl_slist_free_all (list);
  curl_free (escaped);
  assert_gone ();
}

static void
test_grpc (void)
{
  static const gsize lengths[] = { 100, 1000, 60000 };

  grpc_init ();
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      grpc_slice slice = grpc_slice_malloc (lengths[i]);

      put_mark ((char *)GRPC_SLICE_START_PTR (slice), 40);
      g_assert_cmpuint (count_marks (), ==, 1);
      grpc_slice_unref (slice);
      assert_gone ();
    }
  grpc_shutdown ();
}

static void
test_nss (void)
{
  SECItem *item = SECITEM_AllocItem (NULL, NULL, 500);
  char *block = PR_Malloc (200);

  put_mark ((char *)item->data, 100);
  put_mark (block, 100);
  g_assert_cmpuint (count_marks (), ==, 2);
  SECITEM_FreeItem (item, PR_TRUE);
  PR_Free (block);
  assert_gone ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wipe-on-free/control", test_control);
  g_test_add_func ("/wipe-on-free/free/sizes", test_sizes);
  g_test_add_func ("/wipe-on-free/free/usable-size", test_usable_size);
  g_test_add_func ("/wipe-on-free/free/aligned", test_aligned);
  g_test_add_func ("/wipe-on-free/free/sized", test_sized);
  g_test_add_func ("/wipe-on-free/realloc/grows", test_realloc_grows);
  g_test_add_func ("/wipe-on-free/realloc/shrinks", test_realloc_shrinks);
  g_test_add_func ("/wipe-on-free/realloc/edges", test_realloc_edges);
  g_test_add_func ("/wipe-on-free/libraries/glib", test_glib);
  g_test_add_func ("/wipe-on-free/libraries/libc", test_libc);
  g_test_add_func ("/wipe-on-free/libraries/jansson", test_jansson);
  g_test_add_func ("/wipe-on-free/libraries/curl", test_curl);
  g_test_add_func ("/wipe-on-free/libraries/grpc", test_grpc);
  g_test_add_func ("/wipe-on-free/libraries/nss", test_nss);
  return g_test_run ();
}
