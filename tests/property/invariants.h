/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of every node at every moment, whatever has happened. */
#pragma once

#include "cluster.h"

G_BEGIN_DECLS

/**
 * invariants_check:
 * @retired_below: what was retired on purpose on running nodes
 *
 * Exactly one version is active; it never goes back; whatever was served decrypts; the state would load, and is read
 * back as it was written; each version has the one key_id that it has everywhere.
 *
 * Returns: (transfer full) (nullable): what does not hold
 */
char *invariants_check (Node *node, const OpenBao *bao, guint32 retired_below);

G_END_DECLS
