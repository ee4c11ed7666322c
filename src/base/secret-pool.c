/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets live: slabs of equal blocks in locked, undumpable pages. */
#include "base/secret-pool.h"

#include "base/log.h"
#include "base/names.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Makes a use of what was given back as visible to the sanitizer as one of a freed block. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(data, size) ((void)0)
#endif

#define SMALLEST_BLOCK 64
#define LARGEST_BLOCK (64 * 1024)
#define N_CLASSES 11 /* powers of two between these */
#define SLAB_SIZE (16 * 1024)
#define MAX_BLOCKS (SLAB_SIZE / SMALLEST_BLOCK)
#define PAGE_SIZE 4096

/* Free slabs that are kept, all classes together: some dozens of calls at once come and go without a system call. */
#define MAX_SPARE (512 * 1024)

G_STATIC_ASSERT (SMALLEST_BLOCK << (N_CLASSES - 1) == LARGEST_BLOCK);

/* What is known of a slab lies outside of it: its pages hold nothing but secrets. */
struct _ObkSecretSlab
{
  ObkSecretSlab *next, *previous; /* among the slabs of its class that have a free block */
  char *data;
  guint size_class;
  guint n_blocks;
  guint n_free;
  guint64 free[MAX_BLOCKS / 64]; /* one bit a block */
};

static struct
{
  GMutex lock;
  ObkSecretSlab *partial[N_CLASSES];
  gsize spare;  /* bytes in slabs that are wholly free */
  gsize mapped; /* bytes in all */
} pool;

static gsize
block_size (guint size_class)
{
  return (gsize)SMALLEST_BLOCK << size_class;
}

static gsize
slab_size (guint size_class)
{
  return MAX (block_size (size_class), SLAB_SIZE);
}

static guint
class_for (gsize size)
{
  guint size_class = 0;

  while (block_size (size_class) < size)
    size_class++;
  return size_class;
}

static void
warn_not_locked (int cause)
{
  static gint warned = FALSE;
  ObkLogRecord record;

  if (!g_atomic_int_compare_and_exchange (&warned, FALSE, TRUE))
    return;
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL,
                  "memory for secrets is not locked and may be swapped out; raise LimitMEMLOCK");
  obk_log_string (&record, OBK_FIELD_CAUSE, g_strerror (cause));
  obk_log_emit (&record);
}

static char *
map_pages (gsize size)
{
  char *pages = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  /* Ends the process, as g_malloc() would. */
  if (pages == MAP_FAILED)
    g_error ("cannot allocate %" G_GSIZE_FORMAT " bytes for secrets", size);
  /* Neither may fail on a kernel that we run on; without them the secrets are still wiped. */
  madvise (pages, size, MADV_DONTDUMP);
  madvise (pages, size, MADV_WIPEONFORK);
  if (mlock (pages, size) != 0)
    warn_not_locked (errno);
  return pages;
}

/* The list of slabs with a free block */
static void
link_slab (ObkSecretSlab *slab)
{
  ObkSecretSlab **head = &pool.partial[slab->size_class];

  slab->previous = NULL;
  slab->next = *head;
  if (*head != NULL)
    (*head)->previous = slab;
  *head = slab;
}

static void
unlink_slab (ObkSecretSlab *slab)
{
  if (slab->previous != NULL)
    slab->previous->next = slab->next;
  else
    pool.partial[slab->size_class] = slab->next;
  if (slab->next != NULL)
    slab->next->previous = slab->previous;
}

static ObkSecretSlab *
new_slab (guint size_class)
{
  ObkSecretSlab *slab = g_new0 (ObkSecretSlab, 1);

  slab->size_class = size_class;
  slab->data = map_pages (slab_size (size_class));
  slab->n_blocks = (guint)(slab_size (size_class) / block_size (size_class));
  slab->n_free = slab->n_blocks;
  for (guint i = 0; i < slab->n_blocks; i++)
    slab->free[i / 64] |= G_GUINT64_CONSTANT (1) << (i % 64);
  return slab;
}

static void
free_slab (ObkSecretSlab *slab)
{
  ASAN_UNPOISON_MEMORY_REGION (slab->data, slab_size (slab->size_class));
  munmap (slab->data, slab_size (slab->size_class));
  g_free (slab);
}

/* With the lock held. Returns: (nullable): a block of the first slab that has one */
static char *
take_from_class (guint size_class, ObkSecretSlab **from)
{
  ObkSecretSlab *slab = pool.partial[size_class];
  guint word = 0, bit = 0;

  if (slab == NULL)
    return NULL;
  while (slab->free[word] == 0)
    word++;
  bit = (guint)__builtin_ctzll (slab->free[word]);
  slab->free[word] &= slab->free[word] - 1;
  if (slab->n_free == slab->n_blocks)
    pool.spare -= slab_size (size_class);
  if (--slab->n_free == 0)
    unlink_slab (slab);
  *from = slab;
  return slab->data + block_size (size_class) * (word * 64 + bit);
}

static ObkSecretBlock
take_mapping (gsize size)
{
  ObkSecretBlock block = { .size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE };

  block.data = map_pages (block.size);
  g_mutex_lock (&pool.lock);
  pool.mapped += block.size;
  g_mutex_unlock (&pool.lock);
  return block;
}

ObkSecretBlock
obk_secret_pool_take (gsize size)
{
  guint size_class = 0;
  ObkSecretBlock block = { 0 };

  if (size > LARGEST_BLOCK)
    return take_mapping (size);
  size_class = class_for (size);
  block.size = block_size (size_class);

  g_mutex_lock (&pool.lock);
  block.data = take_from_class (size_class, &block.slab);
  g_mutex_unlock (&pool.lock);
  if (block.data == NULL)
    {
      ObkSecretSlab *slab = new_slab (size_class); /* system calls, and perhaps a log record: not under the lock */

      g_mutex_lock (&pool.lock);
      link_slab (slab);
      pool.mapped += slab_size (size_class);
      pool.spare += slab_size (size_class);
      block.data = take_from_class (size_class, &block.slab);
      g_mutex_unlock (&pool.lock);
    }
  ASAN_UNPOISON_MEMORY_REGION (block.data, block.size);
  return block;
}

/* With the lock held. Returns: whether nothing needs the slab any more */
static gboolean
give_to_slab (ObkSecretSlab *slab, const char *data)
{
  gsize i = (gsize)(data - slab->data) / block_size (slab->size_class);

  slab->free[i / 64] |= G_GUINT64_CONSTANT (1) << (i % 64);
  if (slab->n_free++ == 0)
    link_slab (slab);
  if (slab->n_free < slab->n_blocks)
    return FALSE;
  if (pool.spare + slab_size (slab->size_class) <= MAX_SPARE)
    {
      pool.spare += slab_size (slab->size_class);
      return FALSE;
    }
  unlink_slab (slab);
  pool.mapped -= slab_size (slab->size_class);
  return TRUE;
}

void
obk_secret_pool_give (ObkSecretBlock block)
{
  gboolean useless = FALSE;

  explicit_bzero (block.data, block.size);
  if (block.slab != NULL)
    ASAN_POISON_MEMORY_REGION (block.data, block.size);
  g_mutex_lock (&pool.lock);
  if (block.slab != NULL)
    useless = give_to_slab (block.slab, block.data);
  else
    pool.mapped -= block.size;
  g_mutex_unlock (&pool.lock);

  if (block.slab == NULL)
    munmap (block.data, block.size);
  else if (useless)
    free_slab (block.slab);
}

gsize
obk_secret_pool_mapped (void)
{
  gsize mapped = 0;

  g_mutex_lock (&pool.lock);
  mapped = pool.mapped;
  g_mutex_unlock (&pool.lock);
  return mapped;
}
