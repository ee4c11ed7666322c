/* SPDX-License-Identifier: Apache-2.0 */
/* A private key for NSS whose signatures are made elsewhere. */
#pragma once

#include "openbao/nss.h"

#include <keyhi.h>

G_BEGIN_DECLS

/**
 * ObkNssKey:
 *
 * NSS signs with nothing but PKCS#11 tokens, and looks through all tokens that it knows for whatever it seeks, in any
 * thread: one that is slow, or gone, would hold up connections that have nothing to do with it. So NSS gets to know
 * one token alone, which is in our own memory and answers at once. It holds the public side of such keys, and passes
 * on the one thing that takes time: a signature, in the thread that asks for it.
 */
typedef struct _ObkNssKey ObkNssKey;

#define OBK_NSS_SIGNATURE_MAX_BYTES 512

/**
 * ObkNssSign:
 * @mechanism: CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_ECDSA, of what has been hashed already
 * @parameter: (nullable): the mechanism's, as PKCS#11 lays it out in memory
 * @signature: room for %OBK_NSS_SIGNATURE_MAX_BYTES
 */
typedef gboolean (*ObkNssSign) (gulong mechanism, gconstpointer parameter, gsize parameter_length, const guint8 *data,
                                gsize length, guint8 *signature, gsize *signature_length, gpointer user_data);

/**
 * obk_nss_key_new:
 * @public: its public side, RSA or EC; borrowed
 * @sign: called in whatever thread NSS needs a signature
 * @error: OBK_ERROR_TLS_FAILED
 *
 * NSS must have been started.
 */
ObkNssKey *obk_nss_key_new (SECKEYPublicKey *public, ObkNssSign sign, gpointer user_data, GError **error);

/* What NSS still holds of it fails from now on. None of its signatures may be under way. */
void obk_nss_key_free (ObkNssKey *key);

/* Returns: (transfer none) */
SECKEYPrivateKey *obk_nss_key_private (ObkNssKey *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkNssKey, obk_nss_key_free)

G_END_DECLS
