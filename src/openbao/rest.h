/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way that one side has given and the other has not yet taken. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

/* A plain value; all zero: nothing is left. */
typedef struct
{
  ObkSecret *bytes;
  gsize taken;
} ObkRest;

void obk_rest_clear (ObkRest *rest);
gboolean obk_rest_is_empty (const ObkRest *rest);

/* Keeps a copy of the bytes; @size: at least 1. Nothing must be left of what was kept before. */
void obk_rest_keep (ObkRest *rest, const char *data, gsize size);

/* Returns: what is left of one that is not empty; borrowed until the next call */
const char *obk_rest_left (const ObkRest *rest, gsize *size);

/* Counts @n more as taken, at most what is left. Returns: whether nothing is left */
gboolean obk_rest_take (ObkRest *rest, gsize n);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkRest, obk_rest_clear)

G_END_DECLS
