/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about a failure, by what its text says: texts of other modules, whose headers name the phrases. Pure. */
#include "cli/doctor/advice.h"

#include "cli/doctor/doctor.h"
#include "openbao/answer.h"
#include "openbao/cert-login.h"
#include "openbao/cert-signer.h"
#include "openbao/jwt.h"
#include "openbao/lease.h"
#include "openbao/nss.h"
#include "openbao/oauth2-answer.h"
#include "openbao/pin.h"
#include "openbao/tls-error.h"
#include "registry/profile.h"

#include <glib/gi18n.h>

#include <string.h>

#define NO_FIPS N_ ("set openbao.fipsMode to auto, or install an NSS that has a FIPS mode")

const ObkAdvice obk_advice_on_certificate[] = {
  { OBK_NSS_SAYS_NO_FIPS, NO_FIPS, NULL },
  { OBK_PKCS11_SAYS_NOT_LOADED, N_ ("correct auth.cert.pkcs11.modulePath, or install the module"),
    "p11-kit list-modules" },
  { OBK_PKCS11_SAYS_NONE_REGISTERED, N_ ("install the token's module, or name it in auth.cert.pkcs11.modulePath"),
    "p11-kit list-modules" },
  { OBK_PKCS11_SAYS_NO_TOKEN,
    N_ ("plug the token in, see that the service's user may use it, or correct "
        "auth.cert.pkcs11.tokenLabel or the uri; these are there:"),
    "p11-kit list-modules" },
  { OBK_PKCS11_SAYS_SEVERAL_TOKENS, N_ ("name it by auth.cert.pkcs11.uri, with serial="), "p11-kit list-modules" },
  { OBK_CERT_SIGNER_SAYS_PIN_COUNTED,
    N_ ("see that auth.cert.pkcs11.pinFile holds the right one, and let the provider log in with it, or log in once "
        "with another tool"),
    "p11tool --list-tokens" },
  { OBK_CERT_SIGNER_SAYS_PIN_NOT_TRIED, N_ ("log in to it once with another tool, with the right PIN"),
    "p11tool --list-tokens" },
  { OBK_CERT_SIGNER_SAYS_PIN_LOCKED, N_ ("unlock it with the tools of its maker"), "p11tool --list-tokens" },
  { OBK_CERT_SIGNER_SAYS_PIN_REFUSED,
    N_ ("write the right PIN into auth.cert.pkcs11.pinFile; do not try many, since tokens lock"), NULL },
  { OBK_CERT_SIGNER_SAYS_PIN_WANTED, N_ ("name a file that holds it in auth.cert.pkcs11.pinFile"), NULL },
  { OBK_PIN_SAYS_FILE, N_ ("the file holds the PIN alone, and belongs to root and the service's group, mode 0640"),
    NULL },
  { OBK_PKCS11_SAYS_NO_KEY, N_ ("correct auth.cert.pkcs11.keyLabel or the uri's object or id; these are in the token:"),
    "p11tool --login --list-privkeys" },
  { OBK_PKCS11_SAYS_SEVERAL_KEYS, N_ ("name it by auth.cert.pkcs11.uri, with id="), "p11tool --login --list-privkeys" },
  { OBK_CERT_SIGNER_SAYS_OTHER_KEY,
    N_ ("name the certificate of that key in auth.cert.pkcs11.certificateFile, "
        "or the key of that certificate in keyLabel"),
    NULL },
  { OBK_PKCS11_SAYS_NO_CERTIFICATE, N_ ("name the file of the certificate in auth.cert.pkcs11.certificateFile"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_NOT_YET, N_ ("set this node's clock, or have another one issued"), OBK_DOCTOR_SET_CLOCK },
  { OBK_CLIENT_CHAIN_SAYS_EXPIRED, N_ ("have a new certificate issued for the key, and write it into its file"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_EXPIRES, N_ ("have a new certificate issued for the key, and write it into its file"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_NOT_FOR_CLIENTS, N_ ("have one issued with the extended key usage clientAuth"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_NOT_FIRST, N_ ("put our own certificate first in the file"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_NO_CHAIN, N_ ("order the file: ours, then who has issued it, and so on"), NULL },
  { OBK_CLIENT_CHAIN_SAYS_WEAK, N_ ("have it issued anew with SHA-256 or better"), NULL },
  { OBK_CERT_SIGNER_SAYS_FILE,
    N_ ("correct auth.cert.pkcs11.certificateFile; it belongs to root and the service's group, "
        "mode 0640"),
    NULL },
  { NULL, NULL, NULL },
};

#define NO_KEYSET                                                                                                      \
  N_ ("OpenBao cannot get the issuer's keys: see that its machines reach jwks_url or oidc_discovery_url of the "       \
      "mount, "                                                                                                        \
      "and that jwks_ca_pem or oidc_discovery_ca_pem is the authority of that one's certificate")

#define OTHER_METHOD N_ ("auth.jwt.mountPath is a mount of another kind: name one of type jwt")

const ObkAdvice obk_advice_on_jwt_login[] = {
  { OBK_ANSWER_SAYS_NO_ROLE,
    N_ ("the role of auth.jwt.role is not there: correct that field, or have OpenBao's administrator make the role (as "
        "the openbao-setup.sh of init does)"),
    "bao list <auth>/role" },
  { OBK_ANSWER_SAYS_AUDIENCE,
    N_ ("the JWT's audience is not among the role's bound_audiences: have the JWT issued for it, or change "
        "the role"),
    "bao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_NO_AUDIENCE,
    N_ ("the JWT has an audience, and the role takes one only if it is among its bound_audiences: name it there"),
    "bao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_SUBJECT,
    N_ ("the JWT's subject is not the role's bound_subject: have the JWT issued for it, or change the role"),
    "bao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_ISSUER,
    N_ ("the JWT's issuer is not the mount's bound_issuer: have it issued by that one, or change the mount"),
    "bao read <auth>/config" },
  { OBK_ANSWER_SAYS_CLAIMS, N_ ("the JWT lacks what the role's bound_claims demand"), "bao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_NO_KEY,
    N_ ("none of the mount's keys has signed the JWT: renew jwt_validation_pubkeys, jwks_url or "
        "oidc_discovery_url of the mount"),
    "bao read <auth>/config" },
  { OBK_ANSWER_SAYS_NO_KEYSET, NO_KEYSET, "bao read <auth>/config" },
  { OBK_ANSWER_SAYS_NO_ISSUER, NO_KEYSET, "bao read <auth>/config" },
  { OBK_ANSWER_SAYS_EXPIRED,
    N_ ("the JWT has ended by OpenBao's clock: have its issuer write a fresh one, and compare the "
        "clocks"),
    NULL },
  { OBK_ANSWER_SAYS_NOT_YET,
    N_ ("the JWT begins later by OpenBao's clock: compare the clocks; one that has neither \"nbf\" nor \"iat\" begins "
        "shortly before its end: have it issued with them"),
    NULL },
  { OBK_ANSWER_SAYS_FUTURE, N_ ("the JWT was issued later by OpenBao's clock: compare the clocks"), NULL },
  { OBK_ANSWER_SAYS_ROLE_TYPE, N_ ("the role of auth.jwt.role is for browsers: name one of role_type jwt"),
    "bao list <auth>/role\nbao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_NO_CLAIM,
    N_ ("the JWT lacks the claim that the role's user_claim or groups_claim names: have it issued with it, or change "
        "the role"),
    "bao read <auth>/role/<role>" },
  { OBK_ANSWER_SAYS_ALGORITHM,
    N_ ("the JWT is signed by an algorithm that the mount does not take: add it to jwt_supported_algs of the mount"),
    "bao read <auth>/config" },
  { OBK_ANSWER_SAYS_NOT_CONFIGURED,
    N_ ("the mount of auth.jwt.mountPath was never told whose JWTs it takes: write its config"),
    "bao write <auth>/config jwt_validation_pubkeys=@PUBLIC_KEY.pem" },
  { OBK_ANSWER_SAYS_IS_CERT, OTHER_METHOD, "bao auth list" },
  { OBK_ANSWER_SAYS_IS_APPROLE, OTHER_METHOD, "bao auth list" },
  { OBK_ANSWER_SAYS_IS_KUBERNETES, OTHER_METHOD, "bao auth list" },
  { NULL, NULL, NULL },
};

const ObkAdvice obk_advice_on_cert_login[] = {
  { OBK_CERT_LOGIN_SAYS_NOT_ASKED,
    N_ ("take tls_disable_client_certs out of OpenBao's listener and restart it; a proxy between must pass TLS "
        "through"),
    NULL },
  { OBK_ANSWER_SAYS_DENIED,
    N_ ("no auth method is mounted at auth.cert.mountPath, in openbao.namespace if there is one; "
        "or the role's token_bound_cidrs leave this node out. Correct the field or the mount"),
    "bao auth list" },
  { NULL, NULL, NULL },
};

const ObkAdvice obk_advice_on_tls[] = {
  { OBK_NSS_SAYS_NO_FIPS, NO_FIPS, NULL },
  { OBK_TLS_SAYS_NO_TLS, N_ ("correct the port, or give the listener of OpenBao a certificate (tls_disable off)"),
    NULL },
  { OBK_TLS_SAYS_CLIENT,
    N_ ("take tls_require_and_verify_client_cert out of OpenBao's listener, or use "
        "auth.method cert"),
    NULL },
  { OBK_TLS_SAYS_INTERNAL,
    N_ ("correct the port if it is the one of OpenBao's cluster_address (8201), which is for other nodes of it; else "
        "see "
        "OpenBao's log"),
    NULL },
  { OBK_TLS_SAYS_USE, N_ ("have OpenBao's certificate issued with the extended key usage serverAuth"), NULL },
  { OBK_TLS_SAYS_VERSION, N_ ("let OpenBao's listener speak TLS 1.2 or 1.3 (tls_min_version, tls_max_version)"), NULL },
  { NULL, NULL, NULL },
};

/* Of answers. */
const ObkAdvice obk_advice_on_outage[] = {
  { OBK_ANSWER_SAYS_NAMESPACE_SEALED, N_ ("unseal the namespace of openbao.namespace"),
    OBK_ADVICE_IN_ROOT_NAMESPACE "bao namespace unseal <namespace>" },
  { OBK_ANSWER_SAYS_NAMESPACE_LOCKED, N_ ("unlock the namespace of openbao.namespace, or the one above it"),
    OBK_ADVICE_IN_ROOT_NAMESPACE "bao namespace unlock <namespace>" },
  { OBK_LEASE_SAYS_MFA, N_ ("take the provider's auth method out of the enforcement of login MFA that names it"),
    "bao list identity/mfa/login-enforcement" },
  { OBK_ANSWER_SAYS_FOREIGN,
    N_ ("something else than OpenBao answers there: correct openbao.address, or what the proxy in between passes on"),
    NULL },
  { NULL, NULL, NULL },
};

#define TOKEN_URL                                                                                                      \
  N_ ("what answers at auth.jwt.oauth2.tokenUrl is no token endpoint: compare it with the token_endpoint of the "      \
      "issuer's metadata (/.well-known/openid-configuration)")

const ObkAdvice obk_advice_on_oauth2[] = {
  { OBK_OAUTH2_SAYS_CLIENT,
    N_ ("the issuer does not know the client by that secret: compare auth.jwt.oauth2.clientId, authMethod and what is "
        "in clientSecretFile with what it has registered"),
    NULL },
  { OBK_OAUTH2_SAYS_SCOPE, N_ ("correct auth.jwt.oauth2.scopes, or have the client granted them"), NULL },
  { OBK_OAUTH2_SAYS_TARGET, N_ ("correct auth.jwt.oauth2.resources or audience, or have the client granted them"),
    NULL },
  { OBK_JWT_SAYS_ISS, N_ ("set auth.jwt.expectedIssuer to what the issuer writes into \"iss\", or correct tokenUrl"),
    NULL },
  { OBK_JWT_SAYS_AUD,
    N_ ("have the issuer grant one of auth.jwt.expectedAudience (auth.jwt.oauth2.audience, scopes or resources ask for "
        "it), or correct that field"),
    NULL },
  { OBK_JWT_SAYS_SUB, N_ ("have the client's \"sub\" be auth.jwt.expectedSubject, or correct that field"), NULL },
  { OBK_JWT_SAYS_EXP, N_ ("have the issuer grant longer ones, or lower auth.jwt.minRemainingTtl"), NULL },
  { OBK_OAUTH2_SAYS_LIFETIME, N_ ("have the issuer grant longer ones, or lower auth.jwt.minRemainingTtl"), NULL },
  { OBK_JWT_SAYS_NBF, N_ ("compare this node's clock with the issuer's"), OBK_DOCTOR_SET_CLOCK },
  { OBK_JWT_SAYS_IAT, N_ ("compare this node's clock with the issuer's"), OBK_DOCTOR_SET_CLOCK },
  { OBK_OAUTH2_SAYS_AS_JWT,
    N_ ("the issuer grants opaque tokens: have it grant JWTs to this client (often by naming an audience)"), NULL },
  { OBK_OAUTH2_SAYS_NOT_FOUND, TOKEN_URL, NULL },
  { OBK_OAUTH2_SAYS_NO_JSON, TOKEN_URL, NULL },
  { OBK_OAUTH2_SAYS_REDIRECT, N_ ("name in auth.jwt.oauth2.tokenUrl the address that it redirects to"), NULL },
  { NULL, NULL, NULL },
};

const ObkAdvice obk_advice_on_jwt[] = {
  { OBK_JWT_SAYS_ISS, N_ ("have the JWT issued by auth.jwt.expectedIssuer, or correct that field"), NULL },
  { OBK_JWT_SAYS_AUD, N_ ("have the JWT issued for one of auth.jwt.expectedAudience, or correct that field"), NULL },
  { OBK_JWT_SAYS_SUB, N_ ("have the JWT issued for auth.jwt.expectedSubject, or correct that field"), NULL },
  { NULL, NULL, NULL },
};

const ObkAdvice obk_advice_on_key[] = {
  { OBK_PROFILE_SAYS_SOFT_DELETED, N_ ("bring the key back"), "bao write -f <mount>/keys/<key>/soft-delete-restore" },
  { OBK_PROFILE_SAYS_DELETABLE, N_ ("forbid its deletion"),
    "bao write <mount>/keys/<key>/config deletion_allowed=false" },
  { OBK_PROFILE_SAYS_OTHER_KEY, OBK_ADVICE_OTHER_KEY, "bao write <mount>/keys/NEW type=aes256-gcm96" },
  { OBK_PROFILE_SAYS_OTHER_TYPE, OBK_ADVICE_OTHER_KEY, "bao write <mount>/keys/NEW type=aes256-gcm96" },
  { NULL, NULL, NULL },
};

const ObkAdvice *
obk_advice_find (const ObkAdvice *table, const char *problem)
{
  for (const ObkAdvice *row = table; row->phrase != NULL; row++)
    if (strstr (problem, row->phrase) != NULL)
      return row;
  return NULL;
}

gboolean
obk_advice_add (const ObkAdvice *table, const char *problem, ObkCheckReport *report)
{
  const ObkAdvice *row = obk_advice_find (table, problem);

  if (row == NULL)
    return FALSE;
  obk_check_remedy (report, "%s", _ (row->remedy));
  if (row->command != NULL)
    obk_check_command (report, "%s", row->command);
  return TRUE;
}
