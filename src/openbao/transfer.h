/* SPDX-License-Identifier: Apache-2.0 */
/* One request on a curl handle, its answer as it comes, and what became of it. Only for http.c. */
#pragma once

#include <glib.h>

#include <curl/curl.h>

#include "openbao/http.h"
#include "openbao/link.h"

G_BEGIN_DECLS

#define OBK_TRANSFER_MAX_HEADERS 7

/* The http's and the transfer's own; http.c owns the life of it. */
struct _ObkTransfer
{
  ObkHttp *http;
  CURL *easy;
  ObkEndpoint *endpoint;
  ObkHttpDone done;
  gpointer user_data;
  ObkTimer deadline;
  guint index; /* the http's */

  /* the request */
  ObkSecret *body;
  gboolean form;         /* what the body is */
  ObkSecret *token_line; /* "X-Vault-Token: …" */
  ObkSecret *credentials;
  char *namespace_line;
  gboolean secret_answer;
  struct curl_slist headers[OBK_TRANSFER_MAX_HEADERS]; /* nodes of our own: curl's would copy the token */

  /* the connection that it is on, or was last */
  ObkLink *link;
  gboolean reused;    /* it has served a request before */
  guint connections;  /* how many there have been */
  GError *open_error; /* why none could be opened */

  /* the answer */
  ObkSecret *answer;
  gsize header_bytes;
  gboolean framed; /* its length is known, so that it cannot be cut short unseen */
  gboolean begun;  /* its headers are complete */
  gint64 date_unix;
  const char *refusal; /* why we broke it off */
};

/* Options that are the same for every request of a handle. */
void obk_transfer_prepare (CURL *easy, const char *socket_path);

/* Sets up transfer->easy for @request. @token_line: (nullable) (transfer none) */
void obk_transfer_set_request (ObkTransfer *transfer, const ObkHttpRequest *request, ObkSecret *token_line);

/* The connection that curl has chosen. @reused: whether it has served a request before */
void obk_transfer_set_link (ObkTransfer *transfer, ObkLink *link, gboolean reused);

/* Whether it is to be sent once more: nothing of an answer has come, on a connection that was not new. */
gboolean obk_transfer_may_retry (const ObkTransfer *transfer, CURLcode result);

/* Forgets what was sent and received, for another try. */
void obk_transfer_rewind (ObkTransfer *transfer);

/**
 * obk_transfer_judge:
 * @result: what curl says of it
 * @response: filled in when the answer is good; borrowed from @transfer
 * @error: OBK_ERROR_TLS_FAILED, OBK_ERROR_DNS_FAILED, OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_UNAVAILABLE,
 *   OBK_ERROR_ANSWER_REFUSED
 */
gboolean obk_transfer_judge (ObkTransfer *transfer, CURLcode result, ObkHttpResponse *response,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full): OBK_ERROR_TIMEOUT, with how far it had come */
GError *obk_transfer_timeout (const ObkTransfer *transfer);

/* All but the curl handle, which must be off the multi handle by now. */
void obk_transfer_free (ObkTransfer *transfer);

G_END_DECLS
