/* SPDX-License-Identifier: Apache-2.0 */
/* One call to OpenBao from first to last: address, token, retries, deadline, error class. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/correlation.h"
#include "base/secret.h"
#include "openbao/http.h"

G_BEGIN_DECLS

/**
 * ObkClient:
 *
 * Chooses among the addresses, and judges them; needs a token for every call (auth.h). Of one main context.
 */
typedef struct _ObkClient ObkClient;

/* One call under way; valid until its callback has run or it is cancelled. */
typedef struct _ObkCall ObkCall;

struct _ObkAddresses;
struct _ObkAuth;

typedef struct
{
  struct _ObkAddresses *addresses; /* borrowed; outlive the client */
  const char *namespace;           /* "" for none */
  gint64 timeout_us;               /* one attempt at one address; not a login's, which has a time of its own */
  gboolean log_request_ids;
} ObkClientOptions;

ObkClient *obk_client_new (ObkPoller *poller, ObkHttp *http, const ObkClientOptions *options);
void obk_client_free (ObkClient *client); /* cancels what is under way; not from within a callback */

/* The source of tokens; without one only calls with @anonymous or @token are possible. Borrowed; no call may be
 * waiting for it when it goes. */
void obk_client_set_auth (ObkClient *client, struct _ObkAuth *auth);

/* As in the options, for what begins from now on. */
void obk_client_tune (ObkClient *client, gint64 timeout_us, gboolean log_request_ids);

/* Whether nothing is under way, so that it may be freed. */
gboolean obk_client_is_idle (const ObkClient *client);

typedef struct
{
  const char *operation;         /* OBK_OPERATION_…, static */
  const char *path;              /* below /v1/, percent-encoded */
  ObkSecret *body;               /* (nullable): POST; else GET */
  ObkSecret *token;              /* (nullable): use this one, and do not log in again (renewal) */
  gboolean anonymous;            /* no token (login) */
  gboolean secret_answer;        /* a token or a plaintext: it stays in no library's memory for long */
  gint64 deadline_us;            /* OBK_NO_DEADLINE: openbao.timeout bounds the call */
  GDestroyNotify free_user_data; /* (nullable): called when the call is over, also by a cancel */
} ObkClientRequest;

/**
 * ObkClientDone:
 * @json: (nullable): the answer's body of a 200 (or 204: an empty object), parsed strictly
 * @date_unix: its Date header, 0 without one
 * @error: (nullable): with the code of spec kms-v2.md's table
 */
typedef void (*ObkClientDone) (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data);

/* The callback runs once, never from within this function, and not after a cancel. */
ObkCall *obk_client_send (ObkClient *client, const ObkClientRequest *request, ObkClientDone done, gpointer user_data);
void obk_call_cancel (ObkCall *call);

/* Its records tell which request of the API server it is for; @uid_hash is copied. */
void obk_call_set_correlation (ObkCall *call, ObkCorrelation *correlation, const char *uid_hash);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkClient, obk_client_free)

G_END_DECLS
