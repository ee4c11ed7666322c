/* SPDX-License-Identifier: Apache-2.0 */
/* Every world that can be reached, the nearest first. */
#pragma once

#include "check.h"

G_BEGIN_DECLS

typedef struct
{
  gsize worlds;      /* reached, different ones */
  guint64 events;    /* tried that changed something */
  guint depth;       /* events to the farthest */
  guint32 seen;      /* a bit an event, of event_number() */
  gboolean complete; /* all were reached; else the search was bounded */
  Fault fault;
  char *trace; /* (nullable): how to get to the fault */
  gsize bytes; /* of memory */
} SearchResult;

/* @most: worlds to reach at most. Returns: in @result, to be emptied with search_result_clear() */
void search (const Scenario *scenario, gsize most, SearchResult *result);
void search_result_clear (SearchResult *result);

G_END_DECLS
