/* SPDX-License-Identifier: Apache-2.0 */
/* The key versions that may decrypt, looked up by key_id, and the one that encrypts. Immutable. */
#pragma once

#include <glib.h>

#include "identity/key-identity.h"
#include "registry/state.h"

G_BEGIN_DECLS

/* Reference-counted, for any thread. */
typedef struct _ObkKeyring ObkKeyring;

/**
 * obk_keyring_new:
 * @serving: the retained version that encrypts: the active one, or until that is proved the one before it
 * @previous: (nullable): identities that it holds already are shared, not computed again
 */
ObkKeyring *obk_keyring_new (const ObkState *state, guint32 serving, const ObkKeyring *previous);
ObkKeyring *obk_keyring_ref (ObkKeyring *keyring);
void obk_keyring_unref (ObkKeyring *keyring);

const ObkKeyIdentity *obk_keyring_active (const ObkKeyring *keyring);
/* Returns: (nullable): the active, pending or retired version of that key_id */
const ObkKeyIdentity *obk_keyring_find (const ObkKeyring *keyring, const char *key_id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkKeyring, obk_keyring_unref)

G_END_DECLS
