/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets live: blocks of locked, undumpable pages. Only for secret.c. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _ObkSecretSlab ObkSecretSlab;

/* A plain value. */
typedef struct
{
  char *data; /* all zero when handed out */
  gsize size;
  ObkSecretSlab *slab; /* the pool's; %NULL for a mapping of its own */
} ObkSecretBlock;

/**
 * obk_secret_pool_take:
 * @size: bytes wanted; the block has at least as many
 *
 * Blocks are powers of two up to 64 KiB; a larger one is a mapping of its own. Costs a system call
 * only when the pool must grow. Never fails: without memory the process ends, as with g_malloc().
 */
ObkSecretBlock obk_secret_pool_take (gsize size);

/* Wipes the block and takes it back. Free pages beyond a small reserve go back to the system. */
void obk_secret_pool_give (ObkSecretBlock block);

/* Returns: bytes of all pages that the pool holds, for tests */
gsize obk_secret_pool_mapped (void);

G_END_DECLS
