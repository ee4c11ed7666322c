/* SPDX-License-Identifier: Apache-2.0 */
/* Our certificate and the key that belongs to it, out of a PKCS#11 token: found, checked, and ready for TLS. */
#pragma once

#include <glib.h>

#include "openbao/client-chain.h"
#include "openbao/pkcs11.h"
#include "openbao/tls.h"

G_BEGIN_DECLS

/* Phrases of the errors, by which doctor tells them apart. */
#define OBK_CERT_SIGNER_SAYS_PIN_NOT_TRIED "the PIN is not tried"
#define OBK_CERT_SIGNER_SAYS_PIN_COUNTED "shows a wrong PIN since the last right one"
#define OBK_CERT_SIGNER_SAYS_PIN_LOCKED "the PIN of the"
#define OBK_CERT_SIGNER_SAYS_PIN_REFUSED "has refused the PIN"
#define OBK_CERT_SIGNER_SAYS_PIN_WANTED "wants a PIN"
#define OBK_CERT_SIGNER_SAYS_OTHER_KEY "does not belong to the certificate"
#define OBK_CERT_SIGNER_SAYS_FILE "certificate file"

/* "" for what is not given. Paths may be credential:NAME. */
typedef struct
{
  ObkPkcs11Place place;
  const char *certificate_file; /* else the token's own */
  const char *pin_file;         /* else the URI's pin-source, else none */
  ObkClientChainRules rules;
} ObkCertSignerOptions;

/**
 * ObkCertSigner:
 *
 * Of one thread at a time. Its steps need each other in the order below, and a step takes those before it if need be;
 * doctor takes and tells them one by one. What they fail with is OBK_ERROR_CREDENTIAL_INVALID. Each may take as long
 * as the token does.
 */
typedef struct _ObkCertSigner ObkCertSigner;

/* Touches neither files nor token. @error: OBK_ERROR_CONFIG_INVALID, OBK_ERROR_CREDENTIAL_INVALID: there is no such
 * credential */
ObkCertSigner *obk_cert_signer_new (const ObkCertSignerOptions *options, GError **error);
void obk_cert_signer_free (ObkCertSigner *signer);

/* Module and token (auth.cert.pkcs11). */
gboolean obk_cert_signer_open_token (ObkCertSigner *signer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The certificates: from their file, which needs no token, or from the token, which needs the PIN (auth.cert.local). */
gboolean obk_cert_signer_load_chain (ObkCertSigner *signer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* PIN, key, and a signature that the certificate's key verifies (auth.cert.signer). */
gboolean obk_cert_signer_open_key (ObkCertSigner *signer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* After that: what TLS presents; borrowed, until obk_cert_signer_close(). */
ObkTlsIdentity *obk_cert_signer_identity (ObkCertSigner *signer);

/* Why it could not sign since, %NULL when it could: NSS has but a number for that. */
const GError *obk_cert_signer_failure (const ObkCertSigner *signer);

/* Whether the token is just asked for a signature. From any thread. */
gboolean obk_cert_signer_is_signing (const ObkCertSigner *signer);

/* Ends the session with the token. No TLS may use the identity any more. The module stays loaded if all went well. */
void obk_cert_signer_close (ObkCertSigner *signer);

/* What it has found, for people; %NULL before. (transfer full) */
char *obk_cert_signer_describe_token (const ObkCertSigner *signer);
char *obk_cert_signer_describe_chain (const ObkCertSigner *signer);

/* When the first certificate of the chain that was last seen runs out, Unix seconds; 0 before. */
gint64 obk_cert_signer_expires_unix (const ObkCertSigner *signer);

/* Returns: (transfer none) (nullable): the files that it reads */
const char *obk_cert_signer_certificate_path (const ObkCertSigner *signer);
const char *obk_cert_signer_pin_path (const ObkCertSigner *signer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCertSigner, obk_cert_signer_free)

G_END_DECLS
