/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the token among the slots of the modules. For pkcs11.h alone: p11-kit's types and NSS' do not mix. */
#pragma once

#include "openbao/pkcs11.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

G_BEGIN_DECLS

typedef struct
{
  CK_FUNCTION_LIST *module;
  CK_SLOT_ID id;
  CK_TOKEN_INFO token;
} ObkPkcs11Slot;

/* The one token that fits. @slot: (out): @module stays ours */
gboolean obk_pkcs11_find_slot (ObkPkcs11 *pkcs11, ObkPkcs11Slot *slot, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer none): what the place says, for p11-kit to match */
P11KitUri *obk_pkcs11_uri (ObkPkcs11 *pkcs11);

/* The place's */
guint obk_pkcs11_max_sessions (const ObkPkcs11 *pkcs11);

/* Sets the error "cannot @what: …". Returns: %FALSE */
gboolean obk_pkcs11_fail (GError **error, const char *what, CK_RV rv);

G_END_DECLS
