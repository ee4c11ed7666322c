/* SPDX-License-Identifier: Apache-2.0 */
/* A private key in a PKCS#11 token: where it is, a session with its token, signatures. By p11-kit; nothing of NSS. */
#pragma once

#include <glib.h>

#include "base/secret.h"
#include "openbao/pin.h"

G_BEGIN_DECLS

/* Phrases of the errors, by which doctor tells them apart. */
#define OBK_PKCS11_SAYS_NOT_LOADED "cannot load the PKCS#11 module"
#define OBK_PKCS11_SAYS_NONE_REGISTERED "p11-kit knows no PKCS#11 module"
#define OBK_PKCS11_SAYS_NO_TOKEN "no PKCS#11 token is there"
#define OBK_PKCS11_SAYS_SEVERAL_TOKENS "PKCS#11 tokens fit"
#define OBK_PKCS11_SAYS_NO_KEY "has no private key"
#define OBK_PKCS11_SAYS_SEVERAL_KEYS "has several private keys"
#define OBK_PKCS11_SAYS_NO_CERTIFICATE "has no certificate"

/* As configured: labels, or a URI; "" for what is not given. Without a module all that p11-kit knows are looked at. */
typedef struct
{
  const char *module_path;
  const char *token_label;
  const char *key_label;
  const char *uri; /* RFC 7512 */
  guint max_sessions;
} ObkPkcs11Place;

/**
 * ObkPkcs11:
 *
 * The place and the modules that are loaded for it. Of one thread at a time, and of one session at a time; others of
 * this process may have sessions with the same token, up to the place's @max_sessions. All that asks a module waits for
 * it, however long.
 */
typedef struct _ObkPkcs11 ObkPkcs11;
typedef struct _ObkPkcs11Session ObkPkcs11Session;

/* Touches no module yet. @error: OBK_ERROR_CONFIG_INVALID: the URI */
ObkPkcs11 *obk_pkcs11_new (const ObkPkcs11Place *place, GError **error);

/* What all calls below fail with is OBK_ERROR_CREDENTIAL_INVALID. */
void obk_pkcs11_free (ObkPkcs11 *pkcs11);

/* Lets go of the modules; the next session loads them anew, which finds tokens that some would not see otherwise. */
void obk_pkcs11_unload (ObkPkcs11 *pkcs11);

/* Loads the modules unless that has been done, finds the one token that fits, and opens a session with it. */
ObkPkcs11Session *obk_pkcs11_open (ObkPkcs11 *pkcs11, GError **error);
void obk_pkcs11_session_free (ObkPkcs11Session *session); /* which logs out */

/* Returns: (transfer none): "label "NAME", serial NUMBER", for people */
const char *obk_pkcs11_session_token (const ObkPkcs11Session *session);

typedef enum
{
  OBK_PIN_NOT_NEEDED = 1 << 0, /* the token asks for none */
  OBK_PIN_LOCKED = 1 << 1,
  OBK_PIN_LAST_TRY = 1 << 2, /* one more wrong one locks it */
  OBK_PIN_COUNTED = 1 << 3   /* the token shows that there were wrong ones since the last right one */
} ObkPinState;

/* Asks the token. Returns: a set of ObkPinState */
guint obk_pkcs11_session_pin_state (ObkPkcs11Session *session);

/**
 * obk_pkcs11_session_log_in:
 * @pin: borrowed until the session ends
 * @outcome: (out): not proved as well when another session of this process has logged in, for then it is not looked at
 *
 * One try.
 */
gboolean obk_pkcs11_session_log_in (ObkPkcs11Session *session, ObkSecret *pin, ObkPinOutcome *outcome,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer none) (nullable): the PIN, when each signature is a try of it (CKA_ALWAYS_AUTHENTICATE) */
ObkSecret *obk_pkcs11_session_pin_of_signature (const ObkPkcs11Session *session);

/* Finds the private key; the session signs with it from then on. */
gboolean obk_pkcs11_session_find_key (ObkPkcs11Session *session, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether the key, which has been found, is one of elliptic curves; it is one of RSA else. */
gboolean obk_pkcs11_session_key_is_ec (ObkPkcs11Session *session);

/**
 * obk_pkcs11_session_certificates:
 * @n_own: (out): at least one
 *
 * What the token has for the key, which has been found: the certificates of its id or its label, then whatever may be
 * their issuers, and the issuers of those.
 *
 * Returns: (transfer full) (element-type GBytes): DER, the first @n_own perhaps the key's
 */
GPtrArray *obk_pkcs11_session_certificates (ObkPkcs11Session *session, guint *n_own, GError **error);

/* Whether the token knows the mechanism (CKM_…). */
gboolean obk_pkcs11_session_has_mechanism (ObkPkcs11Session *session, gulong mechanism);

#define OBK_SIGNATURE_MAX_BYTES 512 /* of RSA with 4096 bits */

/**
 * obk_pkcs11_session_sign:
 * @mechanism: CKM_…
 * @parameter: (nullable): what belongs to it
 * @signature: (array length=signature_length): %OBK_SIGNATURE_MAX_BYTES of room
 * @outcome: (out): of the try of the PIN, if it is one
 */
gboolean obk_pkcs11_session_sign (ObkPkcs11Session *session, gulong mechanism, gconstpointer parameter,
                                  gsize parameter_length, const guint8 *data, gsize length, guint8 *signature,
                                  gsize *signature_length, ObkPinOutcome *outcome,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkPkcs11, obk_pkcs11_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkPkcs11Session, obk_pkcs11_session_free)

G_END_DECLS
