/* SPDX-License-Identifier: Apache-2.0 */
/* Our own certificate and its issuers, and whether a server could accept it. */
#pragma once

#include <glib.h>

#include "openbao/nss.h"

G_BEGIN_DECLS

#define OBK_CLIENT_CHAIN_MAX_BYTES (256 * 1024)

/* Phrases of the errors, by which doctor tells them apart. */
#define OBK_CLIENT_CHAIN_SAYS_NOT_YET "is not yet valid"
#define OBK_CLIENT_CHAIN_SAYS_EXPIRED "has expired"
#define OBK_CLIENT_CHAIN_SAYS_EXPIRES "expires in"
#define OBK_CLIENT_CHAIN_SAYS_NOT_FOR_CLIENTS "is not for clients"
#define OBK_CLIENT_CHAIN_SAYS_NOT_FIRST "ours must come first"
#define OBK_CLIENT_CHAIN_SAYS_NO_CHAIN "are no chain"
#define OBK_CLIENT_CHAIN_SAYS_WEAK "is signed with MD5 or SHA-1"

/* Immutable. As long as it lives NSS finds the issuers, too. NSS must have been started. */
typedef struct _ObkClientChain ObkClientChain;

/* All fail with OBK_ERROR_CREDENTIAL_INVALID. */

/* @pem: ours first, then its issuers; other text between them is passed over */
ObkClientChain *obk_client_chain_new_pem (const char *pem, gsize length, GError **error);

void obk_client_chain_free (ObkClientChain *chain);

typedef struct
{
  gint64 min_remaining_ttl_us; /* it must be valid for longer than that */
  gint64 clock_skew_leeway_us; /* it may begin that far in the future */
} ObkClientChainRules;

/**
 * obk_client_chain_check:
 * @now_unix: the system clock
 *
 * Validity, use as a client, no signature by MD5 or SHA-1, and a key that we can use: RSA of 2048 to 4096 bits, P-256,
 * P-384. Source: spec openbao.md, "Certificate with its key in a PKCS#11 token".
 */
gboolean obk_client_chain_check (const ObkClientChain *chain, const ObkClientChainRules *rules, gint64 now_unix,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_client_chain_choose:
 * @certificates: (element-type GBytes): DER, what a token has
 * @n_own: how many of them, from the first one, may be ours; at least one
 *
 * Returns: (transfer full) (element-type ObkClientChain): for each that may be ours the chain that can be made, the
 *   newest first; those that pass the check, or, if none does, the one that would be first
 */
GPtrArray *obk_client_chain_choose (const GPtrArray *certificates, guint n_own, const ObkClientChainRules *rules,
                                    gint64 now_unix, GError **error);

/* Returns: (transfer none): ours */
CERTCertificate *obk_client_chain_certificate (const ObkClientChain *chain);

/* Returns: (transfer none): its key */
SECKEYPublicKey *obk_client_chain_public_key (const ObkClientChain *chain);

/* When the first of them runs out, Unix seconds. */
gint64 obk_client_chain_expires_unix (const ObkClientChain *chain);

/* Returns: (transfer full): "\"CN=name\" with an RSA key of 2048 bits", for people */
char *obk_client_chain_describe (const ObkClientChain *chain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkClientChain, obk_client_chain_free)

G_END_DECLS
