/* SPDX-License-Identifier: Apache-2.0 */
/* What operators change in the state: removing retired versions, bringing them back, starting anew. Pure. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "registry/rotation.h"
#include "registry/state.h"

G_BEGIN_DECLS

/* How long API servers may go on under a version after it was left: a poll, and the life of a data key. */
#define OBK_RETIREMENT_WAIT_US (4 * 60 * (gint64)G_USEC_PER_SEC)

/**
 * obk_retirement_retire:
 * @before_version: retired snapshots below it become removed; it is at most the active version
 * @now_unix: judges the age of @before_version
 * @error: OBK_ERROR_STATE_REFUSED: the version is unknown, above the active one, or too young
 *
 * Source: spec registry.md, "Retirement and recovery".
 *
 * Returns: (transfer full): the state to save; equal in content to @state when there is nothing to remove
 */
ObkState *obk_retirement_retire (const ObkState *state, guint32 before_version, gint64 now_unix,
                                 const ObkRotationPolicy *policy, GError **error);

/**
 * obk_retirement_restore:
 * @versions: of guint32
 * @error: OBK_ERROR_STATE_REFUSED: one of them has no removed snapshot
 *
 * Returns: (transfer full): the state to save, with those retired again
 */
ObkState *obk_retirement_restore (const ObkState *state, const GArray *versions, GError **error);

/* What a recovery starts from. A plain value, everything borrowed. */
typedef struct
{
  const ObkScope *scope;
  const ObkKeyMetadata *metadata;
  const ObkState *replaced; /* (nullable): the state that can no longer go on; its history stays recorded */
  gboolean unloadable;  /* @replaced is whole, but its files may not be loaded: so it cannot go on, whatever it says */
  const ObkState *peer; /* (nullable): another node's, whose removed versions are taken over */
  gint64 now_unix;
} ObkRecovery;

/**
 * obk_retirement_recover:
 * @error: OBK_ERROR_STATE_REFUSED: the key's profile forbids it, the creation time of an available version is missing,
 *   @replaced can go on as it is, or @peer contradicts what OpenBao shows
 *
 * The latest version active, all other available ones retired.
 *
 * Source: spec registry.md, "Retirement and recovery".
 *
 * Returns: (transfer full): the state to save
 */
ObkState *obk_retirement_recover (const ObkRecovery *recovery, GError **error);

/**
 * obk_retirement_plan_hash:
 *
 * Returns: (transfer full): "krp1." and H of what @state is made of but for its times: the same plan gives the same
 *   hash however often it is made
 */
char *obk_retirement_plan_hash (const ObkState *state);

G_END_DECLS
