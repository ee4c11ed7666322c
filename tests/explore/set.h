/* SPDX-License-Identifier: Apache-2.0 */
/* A set of worlds, by 64-bit hashes: where one taken for another would cost a check, not the search. */
#pragma once

#include "model.h"

G_BEGIN_DECLS

typedef struct _WorldSet WorldSet;

WorldSet *world_set_new (void);
void world_set_free (WorldSet *set);
gboolean world_set_has (const WorldSet *set, guint64 hash);
void world_set_add (WorldSet *set, guint64 hash);

/* Never 0 */
guint64 world_hash (const World *world);

G_END_DECLS
