/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free, realloc and their like, for the whole process: they wipe what they let go.
 *
 * The libraries keep copies of plaintext and tokens of their own (gRPC slices, curl's and NSS' buffers).
 * Since an executable's symbols come before those of libraries, and glibc calls these functions
 * by name too, every block that anyone frees passes here. glibc's own M_PERTURB would leave out small
 * blocks, which it keeps per thread.
 *
 * All of this may run before main() and in any thread, so nothing here uses GLib, allocates or locks.
 */
#undef _FORTIFY_SOURCE /* It knows the size that was asked for, and here all that malloc gave is written. */

#include "config-build.h"

#ifdef OBK_WIPE_ON_FREE

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* glibc exports its own under these names for this purpose; no header declares them. */
extern void *__libc_malloc (size_t size);
extern void *__libc_realloc (void *block, size_t size);
extern void __libc_free (void *block);

/* C23; newer versions of glibc and GLib have and call them. */
#pragma GCC diagnostic ignored "-Wredundant-decls"
extern void free_sized (void *block, size_t size);
extern void free_aligned_sized (void *block, size_t alignment, size_t size);

/* explicit_bzero() is never optimized away, although the block dies next. */
void
free (void *block)
{
  if (block == NULL)
    return;
  explicit_bzero (block, malloc_usable_size (block));
  __libc_free (block);
}

void *
realloc (void *block, size_t size)
{
  void *grown = NULL;
  size_t old_size = 0;

  if (block == NULL)
    return __libc_malloc (size);
  if (size == 0) /* glibc's way: it frees */
    {
      free (block);
      return NULL;
    }
  old_size = malloc_usable_size (block);
  if (size <= old_size)
    {
      /* glibc shrinks in place and frees the rest by itself, unwiped. */
      explicit_bzero ((char *)block + size, old_size - size);
      return __libc_realloc (block, size);
    }
  /* glibc might move it, and would free the old place unwiped. */
  grown = __libc_malloc (size);
  if (grown == NULL)
    return NULL;
  memcpy (grown, block, old_size);
  free (block);
  return grown;
}

void *
reallocarray (void *block, size_t count, size_t size)
{
  size_t bytes = 0;

  if (__builtin_mul_overflow (count, size, &bytes))
    {
      errno = ENOMEM;
      return NULL;
    }
  return realloc (block, bytes);
}

void
free_sized (void *block, size_t size)
{
  free (block);
}

void
free_aligned_sized (void *block, size_t alignment, size_t size)
{
  free (block);
}

#endif
