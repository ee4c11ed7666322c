/* SPDX-License-Identifier: Apache-2.0 */
/* The deep probe: a random value to Transit and back, and the canaries of all retained versions. */
#pragma once

#include <glib.h>

#include "openbao/transit.h"

G_BEGIN_DECLS

/* Of the main loop. Keeps the canaries of the run. */
typedef struct _ObkDeepProbe ObkDeepProbe;

typedef struct
{
  /**
   * proved:
   * @finding: static: "" unless the version failed definitely: a refusal, another plaintext
   * @error: (nullable): why it did not pass; without a finding it tells nothing of the key
   */
  void (*proved) (guint32 version, const char *finding, const GError *error, gpointer user_data);
  /* The round is over. @finding: static: of the canaries: "" when none that could be asked has failed definitely */
  void (*ended) (const char *finding, gpointer user_data);
} ObkDeepProbeCallbacks;

ObkDeepProbe *obk_deep_probe_new (ObkTransit *transit, const ObkDeepProbeCallbacks *callbacks, gpointer user_data);
void obk_deep_probe_free (ObkDeepProbe *probe); /* cancels a round that runs */

/* What a round is about. A plain value. */
typedef struct
{
  guint32 active;
  guint32 min_encryption; /* versions below cannot be asked to make a canary */
  const GArray *retained; /* of guint32: all that must decrypt; borrowed until the function returns */
} ObkDeepProbeTargets;

/**
 * obk_deep_probe_start:
 *
 * Not while a round runs. First the active version; if it passes, canaries are made where they are missing, and some
 * of them checked in turn.
 *
 * Source: spec registry.md, "Deep probe".
 */
void obk_deep_probe_start (ObkDeepProbe *probe, const ObkDeepProbeTargets *targets);
gboolean obk_deep_probe_is_running (const ObkDeepProbe *probe);

/**
 * obk_deep_probe_ask_canary:
 * @transit: whom to ask, who need not be its own
 *
 * Returns: (nullable): the call that decrypts the version's canary; %NULL when there is none
 */
ObkCall *obk_deep_probe_ask_canary (ObkDeepProbe *probe, guint32 version, ObkTransit *transit,
                                    ObkTransitPlaintextDone done, gpointer user_data);
/* Returns: whether @plaintext is that of the version's canary; also when that has gone meanwhile */
gboolean obk_deep_probe_is_canary (ObkDeepProbe *probe, guint32 version, const ObkSecret *plaintext);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkDeepProbe, obk_deep_probe_free)

G_END_DECLS
