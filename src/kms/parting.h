/* SPDX-License-Identifier: Apache-2.0 */
/* Sees the peers off: each is told to call elsewhere, and has a moment to hear of it. */
#pragma once

#include "base/poller.h"
#include "kms/connections.h"

G_BEGIN_DECLS

typedef struct _ObkParting ObkParting;

#define OBK_PARTING_US (1 * G_USEC_PER_SEC) /* what a peer that does not go gets after the last call */

/**
 * obk_parting_new:
 * @connections: borrowed, as @poller is; both outlive this
 * @is_busy: whether calls are running
 * @parted: called once, when no connection is left or none has been busy for %OBK_PARTING_US; not from within this
 *   function
 */
ObkParting *obk_parting_new (ObkPoller *poller, ObkConnections *connections, gboolean (*is_busy) (gpointer user_data),
                             void (*parted) (gpointer user_data), gpointer user_data);
void obk_parting_free (ObkParting *parting); /* also from within @parted */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkParting, obk_parting_free)

G_END_DECLS
