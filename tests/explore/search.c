/* SPDX-License-Identifier: Apache-2.0 */
/* Every world that can be reached, the nearest first. */
#include "search.h"

#include "describe.h"
#include "set.h"

#include <string.h>

#define FIRST_SIZE (1u << 16)
#define WORLD_HEAD (sizeof (World) - MAX_NODES * sizeof (Node))

/* How a world was reached. */
typedef struct
{
  guint32 parent;
  Event event;
} Way;

/* Worlds in the order in which they were reached, which is the queue as well; and where they are by their hash. */
typedef struct
{
  const Scenario *scenario;
  gsize world_size; /* without the nodes that the scenario does not have */
  guint8 *worlds;
  Way *ways;
  gsize reached;
  gsize room;
  guint32 *places; /* 1 + index */
  gsize n_places;  /* a power of two */
} Store;

static void
store_init (Store *store, const Scenario *scenario)
{
  *store = (Store){ .scenario = scenario, .room = FIRST_SIZE, .n_places = 4 * FIRST_SIZE };
  store->world_size = WORLD_HEAD + scenario->nodes * sizeof (Node);
  store->worlds = g_malloc_n (store->room, store->world_size);
  store->ways = g_new (Way, store->room);
  store->places = g_new0 (guint32, store->n_places);
}

static void
store_clear (Store *store)
{
  g_free (store->worlds);
  g_free (store->ways);
  g_free (store->places);
}

static void
store_get (const Store *store, gsize i, World *world)
{
  *world = (World){ 0 };
  memcpy (world, store->worlds + i * store->world_size, store->world_size);
}

static gsize
place_of (const Store *store, const World *world)
{
  gsize place = world_hash (world) & (store->n_places - 1);

  while (store->places[place] != 0
         && memcmp (store->worlds + (store->places[place] - 1) * store->world_size, world, store->world_size) != 0)
    place = (place + 1) & (store->n_places - 1);
  return place;
}

static void
grow (Store *store)
{
  store->room += store->room / 2;
  store->worlds = g_realloc_n (store->worlds, store->room, store->world_size);
  store->ways = g_renew (Way, store->ways, store->room);
}

static void
spread (Store *store)
{
  World world;

  g_free (store->places);
  store->n_places *= 2;
  store->places = g_new0 (guint32, store->n_places);
  for (gsize i = 0; i < store->reached; i++)
    {
      store_get (store, i, &world);
      store->places[place_of (store, &world)] = (guint32)(i + 1);
    }
}

/* Returns: whether it is new */
static gboolean
store_add (Store *store, const World *world, gsize parent, Event event)
{
  gsize place = place_of (store, world);

  if (store->places[place] != 0)
    return FALSE;
  if (store->reached == store->room)
    grow (store);
  memcpy (store->worlds + store->reached * store->world_size, world, store->world_size);
  store->ways[store->reached] = (Way){ .parent = (guint32)parent, .event = event };
  store->places[place] = (guint32)++store->reached;
  if (store->reached > store->n_places / 2)
    spread (store);
  return TRUE;
}

static guint
depth_of (const Store *store, gsize i)
{
  guint depth = 0;

  for (; i != 0; i = store->ways[i].parent)
    depth++;
  return depth;
}

/* The events that lead to @i, and then to @last. */
static char *
trace_of (const Store *store, gsize i, Event last)
{
  guint n = depth_of (store, i);
  g_autofree Event *events = g_new (Event, n + 1);

  events[n] = last;
  for (guint k = n; k > 0; k--)
    {
      events[k - 1] = store->ways[i].event;
      i = store->ways[i].parent;
    }
  return describe_trace (store->scenario, events, n + 1);
}

/* All that may come next of one world. Returns: whether there is nothing wrong with any of it */
static gboolean
expand (Store *store, gsize i, SearchResult *result)
{
  const Scenario *scenario = store->scenario;
  Event events[MAX_EVENTS];
  World world;
  guint n = 0;

  store_get (store, i, &world);
  n = world_events (scenario, &world, events);
  for (guint k = 0; k < n; k++)
    {
      World after;

      if (!world_apply (scenario, &world, events[k], &after, &result->fault))
        continue;
      result->events++;
      result->seen |= 1u << event_number (events[k]);
      world_sort (scenario, &after, NULL);
      if (result->fault == FAULT_NONE && store_add (store, &after, i, events[k]))
        result->fault = world_check (scenario, &after);
      if (result->fault == FAULT_NONE)
        continue;
      result->trace = trace_of (store, i, events[k]);
      return FALSE;
    }
  return TRUE;
}

void
search (const Scenario *scenario, gsize most, SearchResult *result)
{
  Store store;
  World first;
  gsize next = 0;

  *result = (SearchResult){ 0 };
  node_forget_steps ();
  world_forget_quiet ();
  store_init (&store, scenario);
  world_init (scenario, &first);
  world_sort (scenario, &first, NULL);
  (void)store_add (&store, &first, 0, (Event){ 0 });
  while (next < store.reached && store.reached < most && expand (&store, next, result))
    next++;
  result->complete = next == store.reached;
  result->worlds = store.reached;
  result->depth = depth_of (&store, store.reached - 1);
  result->bytes = store.room * (store.world_size + sizeof (Way)) + store.n_places * sizeof (guint32);
  store_clear (&store);
}

void
search_result_clear (SearchResult *result)
{
  g_clear_pointer (&result->trace, g_free);
}
