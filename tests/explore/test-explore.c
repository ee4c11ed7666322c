/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of rotation, explored: every world that a few nodes and their OpenBao can get into, from a healthy start,
 * by any order of events; and for each rule the trace that goes wrong without it.
 *
 * The model. A world (model.h) is what OpenBao has, what a standby that lags shows of it, each node's state on disk
 * and in force with what its run remembers, what its API server may still write under, and which versions anything may
 * be encrypted with. Times are ages in ticks of two minutes, capped where more makes no difference, so that worlds
 * repeat; nodes that differ in nothing but their number are one. What a node decides, the shipped code decides:
 * registry/rotation.h, registry/retirement.h, registry/state.h and health/verdict.h are called with real values.
 * OpenBao, time, disks, API servers and the operator are the model's, and so is the order in which health/prober.c
 * calls the former (node.c): judged, saved, in force, proved by a deep probe, named by Status.
 *
 * An API server writes whenever it may: from the moment that its node's Status names a version until four minutes
 * after it last did. Data is written anew when a version is retired, by an operator who goes by registry.md: no node
 * serves below it, nor did within four minutes. Past nodes that are stopped or cut off from OpenBao the operator goes;
 * one that hears from OpenBao and is not healthy for another reason counts as one that serves ("retired-past-…"
 * shows why). Any number of probes fits into a tick, none as well: that is how probes fail.
 *
 * What must hold is in check.c and in the faults that node.c notes. Left alone, or by what its findings say, each
 * world comes to be healthy everywhere under the latest version: followed from every world that is reached.
 *
 * Bounds: two or three nodes, two to four versions, one restore, and a number of troubles (disks that fill, deep
 * probes that are refused, stops, lost states) or, where that still ends, any number (scenarios.c). A run that is
 * bounded says so. Not covered: system clocks that jump (tests/property does that), saves during which other things
 * happen, canaries, the breakers, definite findings on the profile, more than one process on a state, a recovery that
 * reads a standby that lags, and lag of more than a tick but for one standby that is stuck.
 *
 * OBK_EXPLORE: "deep" explores what takes minutes and gigabytes, "small" what a sanitizer has the time for.
 */
#include "image.h"
#include "scenarios.h"
#include "search.h"

#include <string.h>

#define SMALL 30000 /* worlds */

typedef enum
{
  TIER_SMALL,
  TIER_USUAL,
  TIER_DEEP
} Tier;

static Tier tier;

/* Events that have to come about where all worlds are reached: else the scenario does not say what it seems to. */
static guint32
events_expected (const Scenario *scenario)
{
  static const struct
  {
    guint may;
    guint32 events;
  } all[] = {
    { MAY_FILL_DISK, 1u << (EVENT_STEP + STEP_FILL_DISK) | 1u << (EVENT_STEP + STEP_EMPTY_DISK) },
    { MAY_REFUSE, 1u << (EVENT_STEP + STEP_REFUSE) | 1u << (EVENT_STEP + STEP_ALLOW) },
    { MAY_STOP, 1u << (EVENT_STEP + STEP_STOP) | 1u << (EVENT_STEP + STEP_START) },
    { MAY_LOSE_STATE, 1u << (EVENT_STEP + STEP_LOSE_STATE) | 1u << (EVENT_STEP + STEP_RECOVER) },
    { MAY_RETIRE, 1u << (EVENT_STEP + STEP_RETIRE) },
    { MAY_BRING_BACK, 1u << (EVENT_STEP + STEP_BRING_BACK) },
    { MAY_RAISE_DECRYPTION, 1u << EVENT_RAISE_DECRYPTION },
    { MAY_RAISE_ENCRYPTION, 1u << EVENT_RAISE_ENCRYPTION },
    { MAY_RAISE_WRONGLY, 1u << EVENT_RAISE_DECRYPTION | 1u << EVENT_RAISE_ENCRYPTION | 1u << EVENT_LOWER },
    { MAY_RESTORE, 1u << EVENT_RESTORE | 1u << (EVENT_STEP + STEP_RECOVER) },
    { MAY_RESTORE_WRONGLY, 1u << EVENT_RESTORE | 1u << EVENT_RESTORE_BACK },
  };
  guint32 events = 1u << EVENT_TICK | 1u << EVENT_ROTATE | 1u << (EVENT_STEP + STEP_PROBE)
                   | 1u << (EVENT_STEP + STEP_DEEP_PROBE) | 1u << (EVENT_STEP + STEP_DISCOVER);

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if ((scenario->may & all[i].may) != 0)
      events |= all[i].events;
  return events;
}

static void
tell (const SearchResult *result, gint64 started_us)
{
  g_test_message ("%" G_GSIZE_FORMAT " worlds by %" G_GUINT64_FORMAT " events, up to %u in a row, %s, in %.1f s and "
                  "%" G_GSIZE_FORMAT " MiB",
                  result->worlds, result->events, result->depth,
                  result->complete ? "all that there are" : "not all that there are",
                  (double)(g_get_monotonic_time () - started_us) / G_USEC_PER_SEC, result->bytes >> 20);
  if (result->fault == FAULT_NONE)
    return;
  g_test_message ("%s:\n%s", fault_text (result->fault), result->trace);
}

static void
test_rules (gconstpointer data)
{
  const Exploration *exploration = data;
  Scenario scenario = exploration->scenario;
  guint32 most = tier == TIER_DEEP ? exploration->deeply : exploration->most;
  gint64 started_us = g_get_monotonic_time ();
  SearchResult result;

  if (tier == TIER_SMALL)
    most = MIN (most, SMALL);
  scenario_prepare (&scenario);
  search (&scenario, most, &result);
  tell (&result, started_us);
  g_assert_cmpstr (fault_text (result.fault), ==, fault_text (FAULT_NONE));
  if (most == TO_THE_END)
    {
      g_assert_true (result.complete);
      g_assert_cmphex (result.seen & events_expected (&scenario), ==, events_expected (&scenario));
    }
  search_result_clear (&result);
}

/* And with the rule in place nothing among as many worlds: what was found is the mutation's doing. */
static void
test_mutant (gconstpointer data)
{
  const Mutation *mutation = data;
  Scenario scenario = mutation->scenario;
  gint64 started_us = g_get_monotonic_time ();
  SearchResult result;
  gsize reached = 0;

  scenario_prepare (&scenario);
  search (&scenario, TO_THE_END, &result);
  tell (&result, started_us);
  g_assert_cmpstr (fault_text (result.fault), ==, fault_text (mutation->fault));
  reached = result.worlds;
  search_result_clear (&result);

  scenario.mutant = MUTANT_NONE;
  scenario_prepare (&scenario);
  search (&scenario, reached, &result);
  g_assert_cmpstr (fault_text (result.fault), ==, fault_text (FAULT_NONE));
  search_result_clear (&result);
}

static Tier
find_tier (void)
{
  const char *wanted = g_getenv ("OBK_EXPLORE");

  if (g_strcmp0 (wanted, "deep") == 0)
    return TIER_DEEP;
  return g_strcmp0 (wanted, "small") == 0 ? TIER_SMALL : TIER_USUAL;
}

static void
add_test (const char *kind, const char *name, gconstpointer data, GTestDataFunc function)
{
  g_autofree char *path = g_strconcat ("/explore/", kind, "/", name, NULL);

  g_test_add_data_func (path, data, function);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  tier = find_tier ();
  for (guint i = 0; i < n_explorations; i++)
    if ((tier == TIER_DEEP ? explorations[i].deeply : explorations[i].most) != 0)
      add_test ("rules", explorations[i].scenario.name, &explorations[i], test_rules);
  for (guint i = 0; i < n_mutations; i++)
    add_test ("mutants", mutations[i].scenario.name, &mutations[i], test_mutant);
  return g_test_run ();
}
