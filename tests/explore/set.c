/* SPDX-License-Identifier: Apache-2.0 */
/* A set of worlds, by 64-bit hashes: where one taken for another would cost a check, not the search. */
#include "set.h"

#include <string.h>

#define FIRST_SIZE (1u << 16)

struct _WorldSet
{
  guint64 *hashes; /* 0: free */
  gsize size;      /* a power of two */
  gsize used;
};

WorldSet *
world_set_new (void)
{
  WorldSet *set = g_new0 (WorldSet, 1);

  set->size = FIRST_SIZE;
  set->hashes = g_new0 (guint64, set->size);
  return set;
}

void
world_set_free (WorldSet *set)
{
  g_free (set->hashes);
  g_free (set);
}

static gsize
place_of (const WorldSet *set, guint64 hash)
{
  gsize place = hash & (set->size - 1);

  while (set->hashes[place] != 0 && set->hashes[place] != hash)
    place = (place + 1) & (set->size - 1);
  return place;
}

gboolean
world_set_has (const WorldSet *set, guint64 hash)
{
  return set->hashes[place_of (set, hash)] == hash;
}

static void
grow (WorldSet *set)
{
  const WorldSet old = *set;

  set->size *= 2;
  set->hashes = g_new0 (guint64, set->size);
  for (gsize i = 0; i < old.size; i++)
    if (old.hashes[i] != 0)
      set->hashes[place_of (set, old.hashes[i])] = old.hashes[i];
  g_free (old.hashes);
}

void
world_set_add (WorldSet *set, guint64 hash)
{
  gsize place = place_of (set, hash);

  if (set->hashes[place] == hash)
    return;
  set->hashes[place] = hash;
  if (++set->used > set->size / 2)
    grow (set);
}

guint64
world_hash (const World *world)
{
  guint64 words[sizeof *world / 8];
  guint64 hash = 0;

  memcpy (words, world, sizeof words);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      hash = (hash ^ words[i]) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
      hash ^= hash >> 29;
    }
  return hash != 0 ? hash : 1;
}
