/* SPDX-License-Identifier: Apache-2.0 */
/* The login with a certificate whose key is in a PKCS#11 token. */
#pragma once

#include "base/poller.h"
#include "openbao/addresses.h"
#include "openbao/cert-signer.h"
#include "openbao/client.h"
#include "openbao/credential.h"

G_BEGIN_DECLS

/* A cause, by which doctor tells it apart. */
#define OBK_CERT_LOGIN_SAYS_NOT_ASKED "OpenBao has not asked for a client certificate"

/* Copied, but for what is said to be taken or borrowed. */
typedef struct
{
  const char *mount_path;   /* of the auth method */
  const char *name;         /* the role; "" lets OpenBao choose by the certificate */
  const char *ca_cert_file; /* as for obk_tunnel_new() */
  gboolean fips;
  ObkClientOptions client;   /* its addresses are taken (transfer full), whatever comes of it */
  const ObkAddresses *known; /* the same ones, as others have found them: looked at before each login; borrowed */
  ObkCertSignerOptions signer;
} ObkCertLoginOptions;

/**
 * obk_cert_login_new:
 * @poller: of the main context; borrowed, outlives this
 * @error: OBK_ERROR_CONFIG_INVALID, OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_NO_DESCRIPTORS
 *
 * A token may take seconds to sign, or forever. So each login and each renewal has a thread and connections of its own:
 * nobody else waits for the token, and other connections present no certificate. A thread that does not come back is
 * left alone; until it does, no other one is sent after it. Files that are used are watched.
 */
ObkCredential *obk_cert_login_new (ObkPoller *poller, const ObkCertLoginOptions *options, GError **error);

G_END_DECLS
