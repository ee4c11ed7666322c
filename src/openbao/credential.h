/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon proves itself to OpenBao: a login, and the renewal of what it brought. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/secret.h"

G_BEGIN_DECLS

/**
 * ObkCredentialDone:
 * @answer: (nullable): OpenBao's to a login or a renewal, borrowed
 * @error: (nullable): OBK_ERROR_CREDENTIAL_INVALID when there is nothing to log in with, _SILENT when that does not
 *   answer, OBK_ERROR_OAUTH2_…, or with a code of spec kms-v2.md's table why OpenBao could not be asked or what it
 * refused
 */
typedef void (*ObkCredentialDone) (const json_t *answer, const GError *error, gpointer user_data);

/**
 * ObkCredential:
 *
 * An abstract way to log in; auth.h is its one user, on the main loop, and asks for one thing at a time. It never
 * blocks there on anything but a local file: what takes longer (a network, a token that signs) is its own affair, in
 * whatever thread, until @done runs on the main loop. That may be from within the very call. It runs once, by
 * @deadline_us (CLOCK_BOOTTIME) at the latest, and not after a cancel; it may ask for the next thing.
 */
typedef struct _ObkCredential ObkCredential;
struct _ObkCredential
{
  const char *operation; /* of the login: OBK_OPERATION_JWT_LOGIN, … */

  void (*log_in) (ObkCredential *credential, gint64 deadline_us, ObkCredentialDone done, gpointer user_data);

  /* @token: whose lease is to be longer by @increment_us */
  void (*renew) (ObkCredential *credential, ObkSecret *token, gint64 increment_us, gint64 deadline_us,
                 ObkCredentialDone done, gpointer user_data);

  /* Gives up what is under way, at once. */
  void (*cancel) (ObkCredential *credential);

  /* (nullable): for one that asks OpenBao by a client of its own: as for obk_client_tune() */
  void (*tune) (ObkCredential *credential, gint64 timeout_us, gboolean log_request_ids);

  /* Seconds until what it logs in with runs out, as last seen; -1 when unknown. */
  gint64 (*ttl_seconds) (ObkCredential *credential);

  /* Set by its user: called on the main loop when a login may fare better than the last one did. */
  void (*changed) (gpointer user_data);
  gpointer changed_data;

  void (*free) (ObkCredential *credential); /* cancels what is under way; not from within @done */
};

void obk_credential_free (ObkCredential *credential);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCredential, obk_credential_free)

G_END_DECLS
