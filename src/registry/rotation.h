/* SPDX-License-Identifier: Apache-2.0 */
/* How the state follows what OpenBao shows of the key: candidates, promotion, lag, loss, discovery. Pure. */
#pragma once

#include <glib.h>

#include "base/clock.h"
#include "base/key-metadata.h"
#include "registry/profile.h"
#include "registry/state.h"

G_BEGIN_DECLS

/* The settings that all nodes of a cluster must share. A plain value; durations in microseconds. */
typedef struct
{
  gint64 activation_delay_us;
  guint stable_observation_count;
  gboolean reject_version_rollback;
  gint64 probe_interval_us;
  gint64 max_staleness_us;
} ObkRotationPolicy;

/* What one run remembers beside the state; never saved. A plain value, zeroed at the start. */
typedef struct
{
  guint32 highest_read;    /* the highest latest version of this run's reads; set anew when a loss is accepted */
  guint lagging_reads;     /* probes in a row that showed less than was seen before */
  gint64 lagging_since_us; /* the first of them, on the boot clock */
  guint32 lagging_behind;  /* what had been seen by then */
  guint32 stable_version;  /* the candidate that the next one is about; 0 for none */
  gint64 stable_since_us;  /* when it became stable, on the boot clock, as far as this run can tell */
} ObkRotationMemory;

typedef enum
{
  OBK_PROBE_GOOD,
  OBK_PROBE_LAGGING, /* a standby behind what was seen: neither success nor failure */
  OBK_PROBE_REFUSED  /* a definite finding */
} ObkProbeKind;

/* What one metadata probe comes to. obk_probe_result_clear() empties it. */
typedef struct
{
  ObkProbeKind kind;
  GPtrArray *findings;      /* of ObkProfileFinding, the worst first; empty unless refused */
  ObkState *state;          /* (nullable): to be saved, and used once it is; %NULL when nothing changes */
  guint32 observed;         /* a version that has become a candidate; 0 for none */
  guint32 promoted;         /* the version that is active in @state and was not before; 0 for none */
  gboolean caught_up;       /* it was promoted by catching up: until that is saved, nothing may encrypt */
  guint32 rejected;         /* the highest version whose loss was accepted; 0 for none */
  gboolean clock_regressed; /* times in the future were set back to now */
} ObkProbeResult;

void obk_probe_result_clear (ObkProbeResult *result);

/**
 * obk_rotation_probe:
 * @state: what is in force
 * @catching_up: Status has not been healthy since the start or since it went stale
 * @memory: (inout): changes with every probe, whether its state can be saved or not
 * @result: (out caller-allocates)
 *
 * Source: spec registry.md, "Metadata probe", "Rotation", "Time".
 */
void obk_rotation_probe (const ObkState *state, const ObkKeyMetadata *metadata, ObkNow now,
                         const ObkRotationPolicy *policy, gboolean catching_up, ObkRotationMemory *memory,
                         ObkProbeResult *result);

/**
 * obk_rotation_discover:
 * @memory: (inout): remembers the highest version read
 *
 * Source: spec registry.md, "Discovery".
 *
 * Returns: (transfer full) (nullable): @state with more pending or retired snapshots, to be used at once; %NULL when
 *   @metadata has nothing that may decrypt and is not in it
 */
ObkState *obk_rotation_discover (const ObkState *state, const ObkKeyMetadata *metadata, ObkNow now,
                                 ObkRotationMemory *memory);

/* Whether Transit encrypts with @version when asked for it */
gboolean obk_rotation_may_encrypt (const ObkKeyMetadata *metadata, guint32 version);

/* Returns: microseconds: how old a version must be for a node that was away to promote it at once */
gint64 obk_rotation_catch_up_age_us (const ObkRotationPolicy *policy);

/**
 * obk_rotation_due_us:
 *
 * Returns: when the candidate may be promoted at the earliest, on the boot clock, as far as can be told while no
 *   probe fails; %OBK_NO_DEADLINE without a candidate
 */
gint64 obk_rotation_due_us (const ObkState *state, ObkNow now, const ObkRotationPolicy *policy,
                            const ObkRotationMemory *memory);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkProbeResult, obk_probe_result_clear)

G_END_DECLS
