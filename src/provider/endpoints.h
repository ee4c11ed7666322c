/* SPDX-License-Identifier: Apache-2.0 */
/* The two addresses where the running provider tells of itself, and their change at a reload. */
#pragma once

#include <glib.h>

#include "provider/vitals.h"

G_BEGIN_DECLS

typedef struct _ObkEndpoints ObkEndpoints;

/* @vitals: borrowed; outlives this. Nothing listens yet. */
ObkEndpoints *obk_endpoints_new (ObkPoller *poller, ObkVitals *vitals);
void obk_endpoints_free (ObkEndpoints *endpoints);

/**
 * obk_endpoints_use:
 * @config: server.metricsAddress and server.healthAddress; an empty one switches it off
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE: an address cannot be listened on; everything is as it was then
 *
 * Opens what is new before it closes what is old; an address that stays is left alone, also when it is the other one's
 * now: the two may change places.
 */
gboolean obk_endpoints_use (ObkEndpoints *endpoints, const ObkConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkEndpoints, obk_endpoints_free)

G_END_DECLS
