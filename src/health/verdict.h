/* SPDX-License-Identifier: Apache-2.0 */
/* Whether Status is healthy, and under which version: what the outcomes of probes and saves come to. Pure. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "registry/state.h"

G_BEGIN_DECLS

/**
 * ObkVerdict:
 *
 * All that decides of health in one run, but for the clock. A plain value: OBK_VERDICT_INIT. Reasons are static strings
 * of names.h, "" for none.
 */
typedef struct
{
  /* metadata probes */
  const char *finding;    /* definite, of the last one that told something of the key */
  const char *trouble;    /* why the last one told nothing of it */
  gint64 good_us;         /* when the last good one ended, on the boot clock; 0 for none */
  guint32 min_encryption; /* of the last good one: versions below may not encrypt */

  /* deep probes */
  guint32 proved;           /* the version that a deep probe has passed for; 0 for none */
  const char *deep_finding; /* a definite failure of the active version's */
  const char *canary;       /* a definite failure of a retained version's canary */

  /* the registry */
  guint32 active;           /* of the state in force; 0 before one is loaded */
  guint32 serving;          /* what Status names when healthy: the active version, or until it is proved the last one */
  const char *save_trouble; /* what must not serve unsaved is unsaved: a first state, a catching up; or a lost lock */

  gboolean settled; /* healthy once since the start, or since it was stale: there is no catching up any more */
} ObkVerdict;

#define OBK_VERDICT_INIT                                                                                               \
  {                                                                                                                    \
    .finding = "", .trouble = "", .deep_finding = "", .canary = "", .save_trouble = ""                                 \
  }

/* The outcomes of a metadata probe. @asked_us: when it began; what it shows may be as old as that */
void obk_verdict_metadata_good (ObkVerdict *verdict, const ObkKeyMetadata *metadata, gint64 asked_us);
void obk_verdict_metadata_refused (ObkVerdict *verdict, const char *finding);
/* OpenBao could not be asked, or a standby lags. */
void obk_verdict_metadata_failed (ObkVerdict *verdict, const char *trouble);

/**
 * obk_verdict_use_state:
 * @state: what is in force from now on
 * @at_once: the version that served so far may not go on until the active one is proved (after catching up)
 */
void obk_verdict_use_state (ObkVerdict *verdict, const ObkState *state, gboolean at_once);

/* Deep probes that told something; of a version that is not active any more they tell nothing. */
void obk_verdict_deep_passed (ObkVerdict *verdict, guint32 version);
void obk_verdict_deep_failed (ObkVerdict *verdict, guint32 version, const char *finding);

/* Whether the active version is yet to be proved. */
gboolean obk_verdict_wants_proof (const ObkVerdict *verdict);

/* Whether min_encryption_version is above the active version. */
gboolean obk_verdict_is_blocked (const ObkVerdict *verdict);

/* Returns: "" when all conditions but freshness hold, else the first that does not */
const char *obk_verdict_reason (const ObkVerdict *verdict);

/* Returns: why there was no good metadata probe of late, as far as that says more than that there was none, else "" */
const char *obk_verdict_stale_reason (const ObkVerdict *verdict);

/* Returns: when the last good metadata probe becomes too old, on the boot clock; 0 when none has passed */
gint64 obk_verdict_fresh_until_us (const ObkVerdict *verdict, gint64 max_staleness_us);

/**
 * obk_verdict_settle:
 *
 * To be called before a metadata probe is judged and after each change: notes that Status is healthy now, or that it
 * has gone stale: then no version that was left serves again.
 *
 * Returns: whether Status is healthy
 */
gboolean obk_verdict_settle (ObkVerdict *verdict, gint64 now_us, gint64 max_staleness_us);

G_END_DECLS
