/* SPDX-License-Identifier: Apache-2.0 */
/* What Status says of a packed node, and what becomes of it with time. */
#pragma once

#include "health/verdict.h"
#include "model.h"

G_BEGIN_DECLS

gboolean node_healthy (const Scenario *scenario, const Node *node);
/* Whether its last good probe is believed still */
gboolean node_fresh (const Scenario *scenario, const Node *node);
/* Whether a Decrypt under it starts discovery */
gboolean node_would_discover (const Scenario *scenario, const Node *node, Slot slot);
/* Returns: ticks for which its API server may still write under it */
guint node_cache (const Node *node, Slot slot);
/* One tick later. */
void node_age (const Scenario *scenario, Node *node, gboolean api_off);

/* Of node.c alone */
ObkVerdict status_unpack (const Scenario *scenario, const Node *node);
void status_pack (const Scenario *scenario, const ObkVerdict *verdict, Node *node);
/* Returns: whether Status is healthy */
gboolean status_settle (const Scenario *scenario, ObkVerdict *verdict);
void status_fill_cache (const Scenario *scenario, Node *node, Slot slot);
/* Returns: that many ticks ago, on the boot clock */
gint64 status_ago_us (const Scenario *scenario, guint age);

G_END_DECLS
