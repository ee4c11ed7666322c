/* SPDX-License-Identifier: Apache-2.0 */
/* Asks OpenBao of the key again and again, follows its rotation, and puts on the board what Status says. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "health/board.h"
#include "health/breaker.h"
#include "health/discovery.h"
#include "health/key-proof.h"
#include "health/verdict.h"
#include "openbao/transit.h"
#include "registry/rotation.h"
#include "registry/store.h"

G_BEGIN_DECLS

/* Of the main loop. */
typedef struct _ObkProber ObkProber;

/* A plain value; pointers are borrowed and outlive the prober. Durations in microseconds. */
typedef struct
{
  ObkPoller *poller;
  ObkTransit *transit;
  ObkBoardSlot *board;
  const ObkScope *scope;
  ObkRotationPolicy rotation; /* probe_interval_us and max_staleness_us count for more than rotation */
  gint64 deep_probe_interval_us;
  gint64 retry_interval_us; /* between probes while Status is unhealthy */
  gint64 grace_timeout_us;  /* failures of the first probes are logged as info until then */

  /* Status has become healthy or unhealthy, or another key version serves. (nullable) */
  void (*changed) (gpointer user_data);
  /* @error: OBK_ERROR_STATE_REFUSED: only an operator can go on: the key was rotated before there was a state */
  void (*refused) (const GError *error, gpointer user_data);
  gpointer user_data;
} ObkProberOptions;

/**
 * obk_prober_new:
 * @store: loaded (transfer full)
 * @state: (nullable) (transfer full): what was loaded
 *
 * Decrypt works with @state at once; Status is healthy after the first good probes.
 */
ObkProber *obk_prober_new (const ObkProberOptions *options, ObkStore *store, ObkState *state);
void obk_prober_free (ObkProber *prober);

/* Probes as soon as the main loop turns, and goes on. */
void obk_prober_start (ObkProber *prober);

/* A login has passed: both probes are tried at once, whatever they waited for. */
void obk_prober_retry (ObkProber *prober);

/* Transit says that the version in use is unusable: both probes are made at once. */
void obk_prober_doubt (ObkProber *prober);

/* Goes by the durations and rules of @options from now on; what was to come later than they say comes sooner. */
void obk_prober_tune (ObkProber *prober, const ObkProberOptions *options);

/* Whether @transit, another way to OpenBao, leads to the key that is in use (key-proof.h). */
ObkKeyProof *obk_prober_prove (ObkProber *prober, ObkTransit *transit, ObkKeyProofDone done, gpointer user_data);

/* Whether what is in force, or was to be, is not on disk: "persistence_degraded" */
gboolean obk_prober_is_degraded (const ObkProber *prober);

/* What the prober goes by, as the board has it. A plain value; pointers are borrowed until the main loop goes on. */
typedef struct
{
  const ObkVerdict *verdict;
  const ObkState *state;   /* (nullable): in force */
  gint64 fresh_until_us;   /* when the last good metadata probe becomes too old; 0 when none has passed */
  gint64 due_us;           /* when the candidate may be promoted at the earliest (obk_rotation_due_us()) */
  ObkBreakerState breaker; /* of the probe that fares worse */
} ObkProberView;

void obk_prober_view (const ObkProber *prober, ObkNow now, ObkProberView *view);

/* For a Decrypt whose key_id no snapshot has. */
ObkDiscovery *obk_prober_discovery (ObkProber *prober);
/* Whether a snapshot other than a rejected one is of that version */
gboolean obk_prober_knows_version (const ObkProber *prober, guint32 version);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkProber, obk_prober_free)

G_END_DECLS
