/* SPDX-License-Identifier: Apache-2.0 */
/* What probes come to, in the log. Only for prober.c. */
#pragma once

#include <glib.h>

#include "health/board.h"
#include "registry/rotation.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_PROBE_METADATA,
  OBK_PROBE_DEEP,
  OBK_N_PROBES
} ObkProbeName;

/* A plain value; obk_probe_log_init() begins it. */
typedef struct
{
  gint64 begun_us;
  gint64 grace_timeout_us;       /* so long, until the first good probe, failures are expected, and info */
  gint64 start_us[OBK_N_PROBES]; /* of the probe that runs */
  gboolean settled;              /* Status has been healthy */
  const char *reason;            /* static: Status's, as last told */
  guint32 serving;               /* the version, as last told */
} ObkProbeLog;

void obk_probe_log_init (ObkProbeLog *log, gint64 grace_timeout_us);
void obk_probe_log_begin (ObkProbeLog *log, ObkProbeName kind);

/* status.probe: debug when it passed, else warn. @version: 0 when the canaries failed and not the active version */
void obk_probe_log_metadata (const ObkProbeLog *log, const ObkProbeResult *result);
void obk_probe_log_metadata_error (const ObkProbeLog *log, const char *reason, const GError *error);
void obk_probe_log_deep (const ObkProbeLog *log, guint32 version, const char *reason, const GError *error);

/* status.changed. Returns: whether health, its reason or the version that serves differ from what was told last */
gboolean obk_probe_log_status (ObkProbeLog *log, const ObkBoard *board, gint64 now_us);

/* key.observed, key.promoted, clock.regressed: what a probe that has been saved brought */
void obk_probe_log_rotation (const ObkProbeResult *result, const ObkState *state);
/* key.observed, for each version that discovery has brought */
void obk_probe_log_find (const ObkState *before, const ObkState *found);

G_END_DECLS
