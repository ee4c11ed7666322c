/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP by libcurl, TLS by the tunnel below it: one request, one answer, one deadline. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "base/secret.h"
#include "openbao/tunnel.h"

G_BEGIN_DECLS

#define OBK_HTTP_MAX_BODY (1024 * 1024)
#define OBK_HTTP_MAX_HEADERS (64 * 1024)

/* The connection pool: libcurl's multi handle and its easy handles, all of one main context. */
typedef struct _ObkHttp ObkHttp;
typedef struct _ObkTransfer ObkTransfer;

/* A plain value; everything is borrowed until obk_http_send() returns. */
typedef struct
{
  ObkEndpoint *endpoint;  /* where to; referenced by the transfer */
  const char *path;       /* "/v1/…", already percent-encoded */
  ObkSecret *token;       /* (nullable): X-Vault-Token */
  const char *namespace;  /* (nullable): X-Vault-Namespace */
  ObkSecret *body;        /* (nullable): to POST; without it the request is a GET. Referenced by the transfer */
  gboolean form;          /* it is a form (RFC 6749, appendix B), for someone who is not OpenBao; else JSON */
  ObkSecret *credentials; /* (nullable): a whole header line, "Authorization: …". Referenced by the transfer */
  gboolean secret_answer; /* its connection is not kept for long */
  gint64 deadline_us;     /* OBK_NO_DEADLINE is not allowed here */
} ObkHttpRequest;

/* Borrowed during the callback. */
typedef struct
{
  guint status;     /* 200 */
  ObkSecret *body;  /* may be referenced */
  gint64 date_unix; /* of the Date header, 0 without one */
} ObkHttpResponse;

/**
 * ObkHttpDone:
 * @response: (nullable): an answer of whatever status, complete and within the limits
 * @error: (nullable): OBK_ERROR_TIMEOUT, _TLS_FAILED, _DNS_FAILED, _CONNECTION_FAILED; _UNAVAILABLE for an answer cut
 *   short; _ANSWER_REFUSED for a redirect and for what is beyond the limits
 *
 * Called once from the main context, never from within obk_http_send(), and not after a cancel.
 */
typedef void (*ObkHttpDone) (const ObkHttpResponse *response, const GError *error, gpointer user_data);

/**
 * obk_http_new:
 * @tunnel: borrowed; frees after this
 * @error: OBK_ERROR_UNKNOWN
 *
 * Endpoints of the same host and port share connections, and so must agree in their TLS name.
 */
ObkHttp *obk_http_new (ObkPoller *poller, ObkTunnel *tunnel, GError **error);
void obk_http_free (ObkHttp *http); /* cancels what is under way; not from within a callback */

/**
 * obk_http_send:
 *
 * No redirect is followed, no proxy asked. A request that fails on a reused connection before any byte of an
 * answer is sent once more on a new one, within its deadline.
 *
 * Returns: (transfer none): the transfer, valid until the callback has run or it is cancelled
 */
ObkTransfer *obk_http_send (ObkHttp *http, const ObkHttpRequest *request, ObkHttpDone done, gpointer user_data);

/* Aborts at once: the connection is closed, the callback will not run. */
void obk_http_cancel (ObkTransfer *transfer);

/* Connections open now, idle and busy. */
void obk_http_connections (const ObkHttp *http, guint *idle, guint *busy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkHttp, obk_http_free)

G_END_DECLS
