/* SPDX-License-Identifier: Apache-2.0 */
/* NSS for the whole process: started once, without databases, under the system's crypto policy; and its types. */
#pragma once

#include <glib.h>

#include <cert.h>
#include <keyhi.h>

G_BEGIN_DECLS

/* A cause, by which doctor tells it apart. */
#define OBK_NSS_SAYS_NO_FIPS "cannot enter FIPS mode"

/**
 * obk_nss_start:
 * @fips: whether NSS must run in FIPS mode
 * @error: OBK_ERROR_TLS_FAILED, also when FIPS mode is asked for and cannot be had
 *
 * Safe to call from any thread and more than once. NSS is never shut down: other threads may hold its
 * objects, and a process that ends needs no cleaning. FIPS mode once entered is not left.
 */
gboolean obk_nss_start (gboolean fips, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether NSS is in FIPS mode. */
gboolean obk_nss_is_fips (void);

/**
 * obk_nss_read_pem:
 * @error: OBK_ERROR_CREDENTIAL_INVALID
 *
 * Returns: (transfer full): the certificates in a text, in their order; at least one
 */
CERTCertList *obk_nss_read_pem (const char *pem, gsize length, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CERTCertificate, CERT_DestroyCertificate)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CERTCertList, CERT_DestroyCertList)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SECKEYPublicKey, SECKEY_DestroyPublicKey)

G_END_DECLS
