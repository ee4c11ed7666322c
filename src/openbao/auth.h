/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenBao token: login, renewal, one refresh at a time, and what to do when it is refused. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "base/secret.h"
#include "openbao/credential.h"

G_BEGIN_DECLS

typedef struct _ObkAuth ObkAuth;

typedef struct
{
  gint64 login_before_token_expiry_us;
  gint64 token_renewal_increment_us;
  gint64 login_timeout_us;
  gint64 grace_timeout_us;  /* failures of the first login are logged as info until then */
  gboolean log_request_ids; /* by a credential with a client of its own */
} ObkAuthOptions;

/**
 * obk_auth_new:
 * @poller: borrowed; outlives this
 * @credential: (transfer full): how it logs in
 *
 * Waits that are left when it is freed are dropped unanswered.
 */
ObkAuth *obk_auth_new (ObkPoller *poller, ObkCredential *credential, const ObkAuthOptions *options);
void obk_auth_free (ObkAuth *auth);

/* Logs in as soon as the main loop turns, and keeps the token alive from then on. */
void obk_auth_start (ObkAuth *auth);

/* An operator asks for another try (a reload that changes nothing here): at once if the last login failed. */
void obk_auth_retry (ObkAuth *auth);

/* Called on the main loop after each login that passed (the probes try at once then). */
void obk_auth_set_login_callback (ObkAuth *auth, void (*logged_in) (gpointer user_data), gpointer user_data);

/* @options from now on, also for the credential; a token within the new window is refreshed at once. */
void obk_auth_tune (ObkAuth *auth, const ObkAuthOptions *options);

/**
 * obk_auth_share:
 * @from: another one of the same OpenBao; how it logs in does not matter
 *
 * Uses the token of @from as its own, and keeps it alive like that of a login. What is known of its refusals comes with
 * it, so that it is not replaced more often than by one alone.
 *
 * Returns: whether there was a valid one
 */
gboolean obk_auth_share (ObkAuth *auth, const ObkAuth *from);

/* Keeps the token alive no more: another one does that. Who asks is still served. */
void obk_auth_stop (ObkAuth *auth);

typedef struct _ObkAuthWait ObkAuthWait;

/**
 * ObkAuthDone:
 * @token: (nullable): a token that was valid a moment ago, borrowed
 * @error: (nullable): OBK_ERROR_AUTH_FAILED, OBK_ERROR_AUTH_EXPIRED, or why OpenBao could not be asked
 */
typedef void (*ObkAuthDone) (ObkSecret *token, const GError *error, gpointer user_data);

/* Returns: (transfer none) (nullable): the valid token, when there is one at hand */
ObkSecret *obk_auth_peek (ObkAuth *auth);

/* Waits for a token; shared by all who wait. The callback never runs from within this function. */
ObkAuthWait *obk_auth_acquire (ObkAuth *auth, ObkAuthDone done, gpointer user_data);

/**
 * obk_auth_refused:
 * @token: the one that OpenBao answered 401 or 403 to; the caller has kept a reference to it since
 *
 * Asks for a fresh login, unless @token has been replaced already or the last re-login was too short ago
 * (then the callback gets OBK_ERROR_DENIAL_UNCONFIRMED). Spec openbao.md, "Retry timing".
 */
ObkAuthWait *obk_auth_refused (ObkAuth *auth, ObkSecret *token, ObkAuthDone done, gpointer user_data);

/* Whether the last login failed for want of a credential, also while the next one is under way. */
gboolean obk_auth_has_expired (const ObkAuth *auth);
void obk_auth_wait_cancel (ObkAuthWait *wait);

/* Returns: microseconds since the token in use was issued, for standbys that do not know it yet; G_MAXINT64 without one
 */
gint64 obk_auth_token_age_us (const ObkAuth *auth);

/* Returns: (nullable): the policies that the role has given the token in use */
const char *const *obk_auth_token_policies (const ObkAuth *auth);

/* Returns: (nullable): the id of the identity that has given it further ones */
const char *obk_auth_token_entity (const ObkAuth *auth);

/* Returns: how many calls the token in use was given for; 0: any number */
gint64 obk_auth_token_uses (const ObkAuth *auth);

/* Seconds until the token in use runs out; -1 without one. */
gint64 obk_auth_token_ttl_seconds (const ObkAuth *auth);
gboolean obk_auth_token_is_renewable (const ObkAuth *auth);

/* Seconds until what a login proves itself with runs out, as last seen; -1 when unknown. */
gint64 obk_auth_credential_ttl_seconds (const ObkAuth *auth);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkAuth, obk_auth_free)

G_END_DECLS
