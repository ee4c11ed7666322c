/* SPDX-License-Identifier: Apache-2.0 */
/* The way to OpenBao as the configuration has it, from the tunnel up to Transit: for all commands that ask OpenBao. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "config/config.h"
#include "openbao/addresses.h"
#include "openbao/auth.h"
#include "openbao/cert-signer.h"
#include "openbao/jwt-supply.h"
#include "openbao/jwt.h"
#include "openbao/transit.h"

G_BEGIN_DECLS

typedef struct _ObkSession ObkSession;

/**
 * obk_session_new:
 * @poller: of the default main context; borrowed
 * @error: OBK_ERROR_CONFIG_INVALID, or what is wrong with a file that the configuration names; OBK_ERROR_TLS_FAILED,
 *   OBK_ERROR_SOCKET_UNAVAILABLE
 *
 * Nothing is asked of OpenBao yet. A JWT that is missing is no error: it is read at each login.
 */
ObkSession *obk_session_new (const ObkConfig *config, ObkPoller *poller, GError **error);
void obk_session_free (ObkSession *session); /* after all that uses what it has given out */

/* At the end of the process, for a moment. Returns: %FALSE when a thread is left, which a PKCS#11 token holds up: then
 * exit() would do to its module what it cannot bear. */
gboolean obk_session_wait_for_threads (void);

/* Where the configuration has the certificate and its key; borrows from it. */
ObkCertSignerOptions obk_session_cert_signer_options (const ObkConfig *config);

/* Goes by those fields of @config from now on that a reload puts in force at once. */
void obk_session_tune (ObkSession *session, const ObkConfig *config);

/* Whether no call is under way. */
gboolean obk_session_is_idle (const ObkSession *session);

/* Returns: (transfer full): where the JWT comes from with auth.method jwt. @error: as obk_session_new() has it */
ObkJwtSupply *obk_session_jwt_supply (const ObkConfig *config, ObkPoller *poller, GError **error);

/* How it logs in. A configuration that waits for another way to be proved may say something else. */
ObkAuthMethod obk_session_auth_method (const ObkSession *session);

/* Whether somebody else must replace in time what it logs in with: not so when it fetches its JWT itself. */
gboolean obk_session_credential_runs_out (const ObkSession *session);

/* Returns: (transfer none) */
ObkAuth *obk_session_auth (ObkSession *session);
ObkTransit *obk_session_transit (ObkSession *session);
ObkClient *obk_session_client (ObkSession *session);
const ObkAddresses *obk_session_addresses (const ObkSession *session);

/* Returns: what a JWT must say; borrows from @config */
ObkJwtRules obk_session_jwt_rules (const ObkConfig *config);

/* Returns: whether NSS must run in FIPS mode: as the kernel's flag says, unless the configuration insists */
gboolean obk_session_wants_fips (const ObkConfig *config);
ObkHttp *obk_session_http (ObkSession *session);
/* Seconds until the authority that the way to OpenBao hangs on runs out */
gint64 obk_session_ca_ttl_seconds (const ObkSession *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkSession, obk_session_free)

G_END_DECLS
