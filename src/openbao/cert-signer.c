/* SPDX-License-Identifier: Apache-2.0 */
/* Our certificate and the key that belongs to it, out of a PKCS#11 token: found, checked, and ready for TLS. */
#include "openbao/cert-signer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/safe-file.h"
#include "config/pkcs11-uri.h"
#include "openbao/nss-key.h"
#include "openbao/pin.h"

#include <pk11pub.h>

#include <string.h>

#define PROBE_BYTES 32 /* taken for a SHA-256 hash */

struct _ObkCertSigner
{
  char *certificate_path; /* %NULL: the token's own */
  char *pin_path;         /* %NULL: none */
  ObkClientChainRules rules;
  ObkPkcs11 *pkcs11;
  gint64 expires_unix;

  /* since the token was opened */
  ObkPkcs11Session *session;
  gboolean logged_in;
  GPtrArray *chains; /* of ObkClientChain: the first one is in use, unless it turns out not to be the key's */
  ObkNssKey *key;
  ObkTlsIdentity identity;
  gboolean failed; /* some step did */
  GError *sign_failure;
  gint signing; /* atomic */
};

/* --- life --- */

/* @path: (out) (transfer full): %NULL when there is no @reference */
static gboolean
resolve (const char *reference, char **path, GError **error)
{
  *path = reference != NULL && reference[0] != '\0' ? obk_credential_path (reference, error) : NULL;
  return *path != NULL || reference == NULL || reference[0] == '\0';
}

ObkCertSigner *
obk_cert_signer_new (const ObkCertSignerOptions *options, GError **error)
{
  g_autoptr (ObkCertSigner) signer = NULL;
  g_autofree char *pin_source = NULL;

  g_return_val_if_fail (options != NULL, NULL);

  signer = g_new0 (ObkCertSigner, 1);
  signer->rules = options->rules;
  pin_source = options->place.uri[0] != '\0' ? obk_pkcs11_uri_get (options->place.uri, "pin-source") : NULL;
  signer->pkcs11 = obk_pkcs11_new (&options->place, error);
  if (signer->pkcs11 == NULL || !resolve (options->certificate_file, &signer->certificate_path, error)
      || !resolve (pin_source != NULL ? pin_source : options->pin_file, &signer->pin_path, error))
    return NULL;
  return g_steal_pointer (&signer);
}

void
obk_cert_signer_close (ObkCertSigner *signer)
{
  g_clear_pointer (&signer->key, obk_nss_key_free);
  signer->identity = (ObkTlsIdentity){ .certificate = NULL };
  g_clear_pointer (&signer->chains, g_ptr_array_unref);
  g_clear_pointer (&signer->session, obk_pkcs11_session_free);
  signer->logged_in = FALSE;
  /* Some modules see a token that has come, or come back, only from their start. */
  if (signer->failed || signer->sign_failure != NULL)
    obk_pkcs11_unload (signer->pkcs11);
  signer->failed = FALSE;
  g_clear_error (&signer->sign_failure);
}

void
obk_cert_signer_free (ObkCertSigner *signer)
{
  if (signer == NULL)
    return;
  if (signer->pkcs11 != NULL)
    obk_cert_signer_close (signer);
  g_clear_pointer (&signer->pkcs11, obk_pkcs11_free);
  g_free (signer->certificate_path);
  g_free (signer->pin_path);
  g_free (signer);
}

/* --- token --- */

gboolean
obk_cert_signer_open_token (ObkCertSigner *signer, GError **error)
{
  if (signer->session == NULL)
    signer->session = obk_pkcs11_open (signer->pkcs11, error);
  signer->failed = signer->failed || signer->session == NULL;
  return signer->session != NULL;
}

/* Within a trial. Whether @pin may be tried at all. */
static gboolean
may_try (ObkCertSigner *signer, ObkSecret *pin, GError **error)
{
  const char *token = obk_pkcs11_session_token (signer->session);
  guint state = obk_pkcs11_session_pin_state (signer->session);
  gboolean refused = obk_pin_is_refused (token, pin, (state & OBK_PIN_COUNTED) != 0);

  if ((state & OBK_PIN_LOCKED) != 0)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       OBK_CERT_SIGNER_SAYS_PIN_LOCKED " %s is locked; it has to be unlocked with its own tools",
                       token);
  if (refused)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       "the %s " OBK_CERT_SIGNER_SAYS_PIN_REFUSED
                       "; it is not tried again, since tokens lock, until the PIN file \"%s\" "
                       "holds another one",
                       token, signer->pin_path);
  if ((state & OBK_PIN_LAST_TRY) != 0)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       OBK_CERT_SIGNER_SAYS_PIN_NOT_TRIED
                       ": the %s is locked by one more wrong one; log in to it once with another "
                       "tool, which ends that",
                       token);
  if ((state & OBK_PIN_COUNTED) != 0 && !obk_pin_is_provider ())
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       OBK_CERT_SIGNER_SAYS_PIN_NOT_TRIED ": the %s " OBK_CERT_SIGNER_SAYS_PIN_COUNTED
                                                          ", perhaps this one, and a command must not add to them",
                       token);
  return TRUE;
}

static void
end_trial (ObkCertSigner *signer, ObkSecret *pin, ObkPinOutcome outcome, GError **error)
{
  const char *token = obk_pkcs11_session_token (signer->session);
  gboolean counted
      = outcome == OBK_PIN_WRONG && (obk_pkcs11_session_pin_state (signer->session) & OBK_PIN_COUNTED) != 0;

  obk_pin_trial_end (token, pin, signer->pin_path, outcome, counted);
  if (outcome == OBK_PIN_WRONG)
    g_prefix_error (error,
                    "the %s " OBK_CERT_SIGNER_SAYS_PIN_REFUSED
                    ", which is not tried again until the PIN file \"%s\" holds another "
                    "one: ",
                    token, signer->pin_path);
}

static gboolean
try_pin (ObkCertSigner *signer, ObkSecret *pin, GError **error)
{
  ObkPinOutcome outcome = OBK_PIN_NOT_PROVED;
  gboolean ok = FALSE;

  obk_pin_trial_begin (obk_pkcs11_session_token (signer->session));
  ok = may_try (signer, pin, error) && obk_pkcs11_session_log_in (signer->session, pin, &outcome, error);
  end_trial (signer, pin, outcome, error);
  return ok;
}

static gboolean
log_in (ObkCertSigner *signer, GError **error)
{
  g_autoptr (ObkSecret) pin = NULL;

  if (signer->logged_in)
    return TRUE;
  if (signer->pin_path == NULL)
    return (obk_pkcs11_session_pin_state (signer->session) & OBK_PIN_NOT_NEEDED) != 0
           || obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                          "the %s " OBK_CERT_SIGNER_SAYS_PIN_WANTED "; name a pinFile, or a pin-source in the uri",
                          obk_pkcs11_session_token (signer->session));
  pin = obk_pin_read (signer->pin_path, error);
  signer->logged_in = pin != NULL && try_pin (signer, pin, error);
  return signer->logged_in;
}

/* --- certificates --- */

static ObkClientChain *
read_file (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ObkSecret) pem = obk_safe_file_read (path, OBK_FILE_MASK_PRIVATE, OBK_CLIENT_CHAIN_MAX_BYTES, &cause);
  ObkClientChain *chain = NULL;

  if (pem == NULL)
    {
      obk_refuse (error, obk_safe_file_secret_failure (cause), OBK_CERT_SIGNER_SAYS_FILE ": %s", cause->message);
      return NULL;
    }
  chain = obk_client_chain_new_pem (obk_secret_data (pem), obk_secret_length (pem), error);
  if (chain == NULL)
    g_prefix_error (error, OBK_CERT_SIGNER_SAYS_FILE " \"%s\": ", path);
  return chain;
}

/* Certificates are for all to see in most tokens; but which of them are the key's, the key says, which is behind the
 * PIN. Returns: (transfer full) (nullable): as obk_client_chain_choose() */
static GPtrArray *
read_token (ObkCertSigner *signer, GError **error)
{
  g_autoptr (GPtrArray) certificates = NULL;
  GPtrArray *chains = NULL;
  guint n_own = 0;

  if (!obk_cert_signer_open_token (signer, error) || !log_in (signer, error)
      || !obk_pkcs11_session_find_key (signer->session, error))
    return NULL;
  certificates = obk_pkcs11_session_certificates (signer->session, &n_own, error);
  if (certificates == NULL)
    return NULL;
  chains = obk_client_chain_choose (certificates, n_own, &signer->rules, obk_clock_unix (), error);
  if (chains == NULL)
    g_prefix_error (error, "%s: ", obk_pkcs11_session_token (signer->session));
  return chains;
}

static GPtrArray *
read_chains (ObkCertSigner *signer, GError **error)
{
  ObkClientChain *chain = NULL;
  GPtrArray *chains = NULL;

  if (signer->certificate_path == NULL)
    return read_token (signer, error);
  chain = read_file (signer->certificate_path, error);
  if (chain == NULL)
    return NULL;
  chains = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_client_chain_free);
  g_ptr_array_add (chains, chain);
  return chains;
}

/* The one that is in use. */
static ObkClientChain *
chain_of (const ObkCertSigner *signer)
{
  return g_ptr_array_index (signer->chains, 0);
}

gboolean
obk_cert_signer_load_chain (ObkCertSigner *signer, GError **error)
{
  if (signer->chains != NULL)
    return TRUE;
  signer->expires_unix = 0;
  signer->chains = read_chains (signer, error);
  if (signer->chains != NULL)
    signer->expires_unix = obk_client_chain_expires_unix (chain_of (signer));
  if (signer->chains != NULL && obk_client_chain_check (chain_of (signer), &signer->rules, obk_clock_unix (), error))
    return TRUE;
  g_clear_pointer (&signer->chains, g_ptr_array_unref);
  signer->failed = TRUE;
  return FALSE;
}

/* --- key --- */

static gboolean
sign (gulong mechanism, gconstpointer parameter, gsize parameter_length, const guint8 *data, gsize length,
      guint8 *signature, gsize *signature_length, gpointer user_data)
{
  ObkCertSigner *signer = user_data;
  ObkSecret *pin = obk_pkcs11_session_pin_of_signature (signer->session);
  ObkPinOutcome outcome = OBK_PIN_NOT_PROVED;
  gboolean ok = FALSE;

  g_clear_error (&signer->sign_failure);
  g_atomic_int_set (&signer->signing, TRUE);
  if (pin != NULL)
    obk_pin_trial_begin (obk_pkcs11_session_token (signer->session));
  ok = (pin == NULL || may_try (signer, pin, &signer->sign_failure))
       && obk_pkcs11_session_sign (signer->session, mechanism, parameter, parameter_length, data, length, signature,
                                   signature_length, &outcome, &signer->sign_failure);
  if (pin != NULL)
    end_trial (signer, pin, outcome, &signer->sign_failure);
  g_atomic_int_set (&signer->signing, FALSE);
  return ok;
}

static gboolean
refuse_key (ObkCertSigner *signer, const char *why, GError **error)
{
  return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the key in the %s " OBK_CERT_SIGNER_SAYS_OTHER_KEY ": %s",
                     obk_pkcs11_session_token (signer->session), why);
}

static gboolean
chain_is_ec (const ObkCertSigner *signer)
{
  return SECKEY_GetPublicKeyType (obk_client_chain_public_key (chain_of (signer))) == ecKey;
}

/* How NSS will want it in TLS: RSASSA-PSS, or its older form for tokens that know no other. */
static CK_MECHANISM_TYPE
choose_mechanism (ObkCertSigner *signer, GError **error)
{
  static const CK_MECHANISM_TYPE of_rsa[] = { CKM_RSA_PKCS_PSS, CKM_RSA_PKCS, CKM_INVALID_MECHANISM };
  static const CK_MECHANISM_TYPE of_ec[] = { CKM_ECDSA, CKM_INVALID_MECHANISM };
  gboolean is_ec = chain_is_ec (signer);
  const CK_MECHANISM_TYPE *mechanism = is_ec ? of_ec : of_rsa;

  while (*mechanism != CKM_INVALID_MECHANISM && !obk_pkcs11_session_has_mechanism (signer->session, *mechanism))
    mechanism++;
  if (*mechanism == CKM_INVALID_MECHANISM)
    obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the %s cannot sign %s",
                obk_pkcs11_session_token (signer->session),
                is_ec ? "by CKM_ECDSA" : "by CKM_RSA_PKCS_PSS or CKM_RSA_PKCS");
  return *mechanism;
}

/* A signature of random bytes, the way that TLS will take. */
static gboolean
probe (ObkCertSigner *signer, CK_MECHANISM_TYPE mechanism, GError **error)
{
  static const guint8 sha256_prefix[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                          0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 }; /* RFC 8017, 9.2 */
  CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, PROBE_BYTES };
  SECItem parameter = { siBuffer, (unsigned char *)&pss, sizeof pss };
  SECItem *parameters = mechanism == CKM_RSA_PKCS_PSS ? &parameter : NULL;
  guint8 text[sizeof sha256_prefix + PROBE_BYTES], made[OBK_NSS_SIGNATURE_MAX_BYTES];
  SECItem hash = { siBuffer, text + sizeof sha256_prefix, PROBE_BYTES };
  SECItem signature = { siBuffer, made, sizeof made };

  memcpy (text, sha256_prefix, sizeof sha256_prefix);
  PK11_GenerateRandom (hash.data, PROBE_BYTES);
  if (mechanism == CKM_RSA_PKCS)
    hash = (SECItem){ siBuffer, text, sizeof text };
  if (PK11_SignWithMechanism (signer->identity.key, mechanism, parameters, &signature, &hash) != SECSuccess)
    {
      if (signer->sign_failure == NULL)
        return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the key in the %s cannot sign",
                           obk_pkcs11_session_token (signer->session));
      if (error != NULL)
        *error = g_error_copy (signer->sign_failure);
      return FALSE;
    }
  return PK11_VerifyWithMechanism (obk_client_chain_public_key (chain_of (signer)), mechanism, parameters, &signature,
                                   &hash, NULL)
             == SECSuccess
         || refuse_key (signer, "its signature does not verify", error);
}

static gboolean
is_of_key (ObkCertSigner *signer, GError **error)
{
  CK_MECHANISM_TYPE mechanism = CKM_INVALID_MECHANISM;

  if (chain_is_ec (signer) != obk_pkcs11_session_key_is_ec (signer->session))
    return refuse_key (signer, "it is of another kind", error);
  mechanism = choose_mechanism (signer, error);
  if (mechanism == CKM_INVALID_MECHANISM)
    return FALSE;
  signer->key = obk_nss_key_new (obk_client_chain_public_key (chain_of (signer)), sign, signer, error);
  if (signer->key == NULL)
    return FALSE;
  signer->identity = (ObkTlsIdentity){
    .certificate = obk_client_chain_certificate (chain_of (signer)),
    .key = obk_nss_key_private (signer->key),
    .without_pss = mechanism == CKM_RSA_PKCS,
  };
  return probe (signer, mechanism, error);
}

/* Of the certificates in the token the first one that is the key's; the others go. */
static gboolean
find_chain_of_key (ObkCertSigner *signer, GError **error)
{
  g_autoptr (GError) first = NULL;

  while (!is_of_key (signer, first == NULL ? &first : NULL))
    {
      if (signer->sign_failure != NULL || signer->chains->len == 1)
        {
          g_propagate_error (error, g_steal_pointer (&first));
          return FALSE;
        }
      g_clear_pointer (&signer->key, obk_nss_key_free);
      g_ptr_array_remove_index (signer->chains, 0);
    }
  g_ptr_array_set_size (signer->chains, 1);
  signer->expires_unix = obk_client_chain_expires_unix (chain_of (signer));
  return TRUE;
}

static gboolean
open_key (ObkCertSigner *signer, GError **error)
{
  return obk_cert_signer_load_chain (signer, error) && obk_cert_signer_open_token (signer, error)
         && log_in (signer, error) && obk_pkcs11_session_find_key (signer->session, error)
         && find_chain_of_key (signer, error);
}

gboolean
obk_cert_signer_open_key (ObkCertSigner *signer, GError **error)
{
  if (signer->key == NULL && !open_key (signer, error))
    signer->failed = TRUE;
  return !signer->failed;
}

ObkTlsIdentity *
obk_cert_signer_identity (ObkCertSigner *signer)
{
  return &signer->identity;
}

gboolean
obk_cert_signer_is_signing (const ObkCertSigner *signer)
{
  return g_atomic_int_get (&signer->signing) != 0;
}

const GError *
obk_cert_signer_failure (const ObkCertSigner *signer)
{
  return signer->sign_failure;
}

/* --- what is told of it --- */

char *
obk_cert_signer_describe_token (const ObkCertSigner *signer)
{
  return signer->session != NULL ? g_strdup (obk_pkcs11_session_token (signer->session)) : NULL;
}

char *
obk_cert_signer_describe_chain (const ObkCertSigner *signer)
{
  return signer->chains != NULL ? obk_client_chain_describe (chain_of (signer)) : NULL;
}

gint64
obk_cert_signer_expires_unix (const ObkCertSigner *signer)
{
  return signer->expires_unix;
}

const char *
obk_cert_signer_certificate_path (const ObkCertSigner *signer)
{
  return signer->certificate_path;
}

const char *
obk_cert_signer_pin_path (const ObkCertSigner *signer)
{
  return signer->pin_path;
}
