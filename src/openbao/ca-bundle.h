/* SPDX-License-Identifier: Apache-2.0 */
/* A set of trusted certificates, and the verification of a server's certificate against it alone. */
#pragma once

#include <glib.h>

#include "openbao/nss.h"

G_BEGIN_DECLS

#define OBK_CA_BUNDLE_MAX_BYTES (1024 * 1024)

/* Reference-counted, immutable but for what it remembers of its use, for any thread. */
typedef struct _ObkCaBundle ObkCaBundle;

/**
 * obk_ca_bundle_new:
 * @pem: one or more certificates; other text between them is passed over
 * @error: OBK_ERROR_CREDENTIAL_INVALID
 *
 * NSS must have been started.
 */
ObkCaBundle *obk_ca_bundle_new (const char *pem, gsize length, GError **error);
ObkCaBundle *obk_ca_bundle_ref (ObkCaBundle *bundle);
void obk_ca_bundle_unref (ObkCaBundle *bundle);

/**
 * obk_ca_bundle_verify:
 * @certificate: the server's; the rest of what it sent must still be known to NSS, as it is within the handshake
 * @server_name: a DNS name or an IP address, looked for among the subject alternative names only
 * @error: OBK_ERROR_TLS_FAILED, with a cause that an operator can act on
 *
 * Chain, time, usage, signature strength and name. Neither NSS' own trust settings nor other bundles of this process
 * play a part.
 */
gboolean obk_ca_bundle_verify (ObkCaBundle *bundle, CERTCertificate *certificate, const char *server_name,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_ca_bundle_expires_unix:
 *
 * Returns: when the certificate runs out that a server's was last traced to; before there was one, the last of all
 */
gint64 obk_ca_bundle_expires_unix (ObkCaBundle *bundle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCaBundle, obk_ca_bundle_unref)

G_END_DECLS
