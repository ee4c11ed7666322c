/* SPDX-License-Identifier: Apache-2.0 */
/* A Decrypt with a key_id that no snapshot has: one shared, rate-limited look whether a peer has promoted a version. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "openbao/transit.h"

G_BEGIN_DECLS

/* Of the main loop. */
typedef struct _ObkDiscovery ObkDiscovery;

/* One request that waits; valid until its callback has run or it is cancelled. */
typedef struct _ObkDiscoveryWait ObkDiscoveryWait;

/* @error: (nullable): OBK_ERROR_KEY_METADATA_REFRESH_FAILED; %NULL: what could be found is found, so look again */
typedef void (*ObkDiscoveryDone) (const GError *error, gpointer user_data);

typedef struct
{
  ObkTransit *transit;
  gint64 interval_us; /* from a read that OpenBao answered to the next */
  /* Takes what was read into the registry, now. */
  void (*found) (const ObkKeyMetadata *metadata, gpointer user_data);
  gpointer user_data;
} ObkDiscoveryOptions;

ObkDiscovery *obk_discovery_new (const ObkDiscoveryOptions *options);
void obk_discovery_free (ObkDiscovery *discovery);

/* As in the options, from the next read on. */
void obk_discovery_set_interval (ObkDiscovery *discovery, gint64 interval_us);

/**
 * obk_discovery_ask:
 * @wanted: the version that the request's annotations name; no snapshot has it, and they are ours in all else
 * @error: OBK_ERROR_KEY_ID_UNKNOWN: OpenBao was asked a moment ago; OBK_ERROR_KEY_METADATA_REFRESH_FAILED: in vain;
 *   OBK_ERROR_CONCURRENCY_LIMIT
 *
 * The read that it waits for goes on whether its clients stay or not.
 *
 * Source: spec registry.md, "Discovery".
 *
 * Returns: (nullable): the wait; the callback never runs from within this function
 */
ObkDiscoveryWait *obk_discovery_ask (ObkDiscovery *discovery, guint32 wanted, ObkDiscoveryDone done, gpointer user_data,
                                     GError **error);
void obk_discovery_wait_cancel (ObkDiscoveryWait *wait);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkDiscovery, obk_discovery_free)

G_END_DECLS
