/* SPDX-License-Identifier: Apache-2.0 */
/* One request on a curl handle, its answer as it comes, and what became of it. Only for http.c. */
#include "openbao/transfer.h"

#include "base/descriptors.h"
#include "base/error.h"
#include "base/names.h"
#include "config-build.h"

#include <string.h>

#define ANSWER_START 1023 /* bytes; most answers fit, and it fills a block of the secret pool */
#define CURL_BUFFER 2048L /* likewise: curl has one for each handle */
#define LARGE_BODY 1024   /* bytes; curl as old as 7.61 would ask before it sends more */
#define USER_AGENT OBK_PROGRAM "/" OBK_VERSION

static char json_header[] = "Content-Type: application/json";
static char form_header[] = "Content-Type: application/x-www-form-urlencoded";
static char accept_header[] = "Accept: application/json";
static char vault_request_header[] = "X-Vault-Request: true";
static char no_expect_header[] = "Expect:"; /* takes away what curl would add to large bodies */

/* Returns: the value when @line is the header @name (with its colon), else %NULL */
static const char *
header_value (const char *line, gsize length, const char *name)
{
  gsize name_length = strlen (name);

  if (length < name_length || g_ascii_strncasecmp (line, name, name_length) != 0)
    return NULL;
  return line + name_length;
}

/* Seconds since the epoch of a Date header; 0 when it is none. Most come with the same second as the last. */
static gint64
parse_date (const char *value, gsize length)
{
  static __thread char last[64];
  static __thread gsize last_length;
  static __thread gint64 last_unix;

  if (length >= sizeof last)
    return 0;
  if (length != last_length || memcmp (value, last, length) != 0)
    {
      memcpy (last, value, length);
      last[length] = '\0';
      last_length = length;
      last_unix = MAX (curl_getdate (last, NULL), 0);
    }
  return last_unix;
}

static size_t
take_header (char *line, size_t size, size_t count, void *data)
{
  ObkTransfer *transfer = data;
  gsize length = size * count;
  const char *value = NULL;

  transfer->header_bytes += length;
  if (transfer->header_bytes > OBK_HTTP_MAX_HEADERS)
    {
      transfer->refusal = "the answer's headers are too large";
      return 0;
    }
  if (length >= 5 && memcmp (line, "HTTP/", 5) == 0) /* a status line: what came before was interim */
    {
      transfer->begun = FALSE;
      transfer->framed = FALSE;
      transfer->date_unix = 0;
    }
  else if (length <= 2) /* the empty line after them */
    transfer->begun = TRUE;
  else if ((value = header_value (line, length, "date:")) != NULL)
    transfer->date_unix = parse_date (value, length - (gsize)(value - line));
  else if (header_value (line, length, "content-length:") != NULL
           || header_value (line, length, "transfer-encoding:") != NULL)
    transfer->framed = TRUE;
  return length;
}

static size_t
take_body (char *bytes, size_t size, size_t count, void *data)
{
  ObkTransfer *transfer = data;
  gsize length = size * count;

  if (length > OBK_HTTP_MAX_BODY - obk_secret_length (transfer->answer))
    {
      transfer->refusal = "the answer is too large";
      return 0;
    }
  obk_secret_append (transfer->answer, bytes, length);
  return length;
}

void
obk_transfer_prepare (CURL *easy, const char *socket_path)
{
  curl_easy_setopt (easy, CURLOPT_UNIX_SOCKET_PATH, socket_path);
#if CURL_AT_LEAST_VERSION(7, 85, 0)
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http");
#else
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
  curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_PROXY, ""); /* not even that of the environment */
  curl_easy_setopt (easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt (easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt (easy, CURLOPT_USERAGENT, USER_AGENT);
  curl_easy_setopt (easy, CURLOPT_BUFFERSIZE, CURL_BUFFER);
  curl_easy_setopt (easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, take_body);
}

static void
add_header (ObkTransfer *transfer, guint *n, char *line)
{
  transfer->headers[*n].data = line;
  if (*n > 0)
    transfer->headers[*n - 1].next = &transfer->headers[*n];
  ++*n;
}

static void
set_headers (ObkTransfer *transfer)
{
  char *host_line = obk_endpoint_host_line (transfer->endpoint);
  guint n = 0;

  if (host_line != NULL)
    add_header (transfer, &n, host_line);
  add_header (transfer, &n, transfer->form ? accept_header : vault_request_header);
  if (transfer->body != NULL)
    add_header (transfer, &n, transfer->form ? form_header : json_header);
  if (transfer->body != NULL && obk_secret_length (transfer->body) > LARGE_BODY)
    add_header (transfer, &n, no_expect_header);
  if (transfer->token_line != NULL)
    add_header (transfer, &n, obk_secret_writable (transfer->token_line));
  if (transfer->credentials != NULL)
    add_header (transfer, &n, obk_secret_writable (transfer->credentials));
  if (transfer->namespace_line != NULL)
    add_header (transfer, &n, transfer->namespace_line);
  curl_easy_setopt (transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

void
obk_transfer_set_request (ObkTransfer *transfer, const ObkHttpRequest *request, ObkSecret *token_line)
{
  CURL *easy = transfer->easy;
  const char *prefix = obk_endpoint_path_prefix (request->endpoint);
  const char *slash = *prefix == '\0' && *request->path != '/' ? "/" : ""; /* a URL may go without one */
  g_autofree char *target = g_strconcat (slash, prefix, request->path, NULL);

  transfer->endpoint = obk_endpoint_ref (request->endpoint);
  transfer->body = request->body != NULL ? obk_secret_ref (request->body) : NULL;
  transfer->form = request->form;
  transfer->token_line = token_line != NULL ? obk_secret_ref (token_line) : NULL;
  transfer->credentials = request->credentials != NULL ? obk_secret_ref (request->credentials) : NULL;
  if (request->namespace != NULL && *request->namespace != '\0')
    transfer->namespace_line = g_strconcat ("X-Vault-Namespace: ", request->namespace, NULL);
  transfer->secret_answer = request->secret_answer;
  transfer->answer = obk_secret_new (ANSWER_START);

  /* Not the whole as one URL, which curl would take apart, and put together again, letter by letter. */
  curl_easy_setopt (easy, CURLOPT_URL, obk_endpoint_plain_url (request->endpoint));
  curl_easy_setopt (easy, CURLOPT_REQUEST_TARGET, target);
  curl_easy_setopt (easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt (easy, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt (easy, CURLOPT_OPENSOCKETDATA, transfer);
  curl_easy_setopt (easy, CURLOPT_FRESH_CONNECT, 0L);
  if (transfer->body != NULL)
    {
      curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)obk_secret_length (transfer->body));
      curl_easy_setopt (easy, CURLOPT_POSTFIELDS, obk_secret_data (transfer->body)); /* not copied */
    }
  else
    curl_easy_setopt (easy, CURLOPT_HTTPGET, 1L);
  set_headers (transfer);
}

void
obk_transfer_set_link (ObkTransfer *transfer, ObkLink *link, gboolean reused)
{
  obk_link_ref (link);
  obk_link_unref (transfer->link);
  transfer->link = link;
  transfer->reused = reused;
  if (transfer->secret_answer)
    obk_link_expect_secret (link);
  transfer->connections++;
}

gboolean
obk_transfer_may_retry (const ObkTransfer *transfer, CURLcode result)
{
  return transfer->reused && transfer->connections == 1 && transfer->header_bytes == 0
         && (result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING);
}

void
obk_transfer_rewind (ObkTransfer *transfer)
{
  transfer->header_bytes = 0;
  transfer->begun = FALSE;
  transfer->framed = FALSE;
  transfer->date_unix = 0;
  obk_secret_set_length (transfer->answer, 0);
}

G_GNUC_PRINTF (4, 5)
static gboolean
refuse (const ObkTransfer *transfer, GError **error, ObkError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, OBK_ERROR, (int)code, "\"%s\": %s", obk_endpoint_authority (transfer->endpoint), text);
  return FALSE;
}

/* Curl only sees that the connection is gone; the link knows why. */
static gboolean
refuse_failed (const ObkTransfer *transfer, CURLcode result, GError **error)
{
  const GError *cause = transfer->link != NULL ? obk_link_error (transfer->link) : transfer->open_error;
  gboolean gone = result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING
                  || result == CURLE_PARTIAL_FILE;

  if (transfer->refusal != NULL)
    return refuse (transfer, error, OBK_ERROR_ANSWER_REFUSED, "%s", transfer->refusal);
  if (transfer->header_bytes > 0 && (gone || cause != NULL))
    return refuse (transfer, error, OBK_ERROR_UNAVAILABLE, "the answer was cut short%s%s", cause != NULL ? ": " : "",
                   cause != NULL ? cause->message : "");
  if (cause != NULL)
    {
      g_propagate_error (error, g_error_copy (cause));
      return FALSE;
    }
  if (gone)
    return refuse (transfer, error, OBK_ERROR_CONNECTION_FAILED, "the server closed the connection without an answer");
  if (result == CURLE_COULDNT_CONNECT || result == CURLE_OPERATION_TIMEDOUT)
    return refuse (transfer, error, OBK_ERROR_CONNECTION_FAILED, "%s", curl_easy_strerror (result));
  return refuse (transfer, error, OBK_ERROR_UNAVAILABLE, "the answer is not proper HTTP: %s",
                 curl_easy_strerror (result));
}

gboolean
obk_transfer_judge (ObkTransfer *transfer, CURLcode result, ObkHttpResponse *response, GError **error)
{
  long status = 0;

  if (result != CURLE_OK)
    return refuse_failed (transfer, result, error);
  curl_easy_getinfo (transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 300 && status < 400)
    return refuse (transfer, error, OBK_ERROR_ANSWER_REFUSED, "it redirects (status %ld), which is not followed",
                   status);
  if (!transfer->begun) /* curl takes the end of the connection for the end of the headers */
    return refuse (transfer, error, OBK_ERROR_UNAVAILABLE, "the answer was cut short");
  if (!transfer->framed && status != 204)
    return refuse (transfer, error, OBK_ERROR_UNAVAILABLE, "the answer does not say how long it is");
  response->status = (guint)status;
  response->body = transfer->answer;
  response->date_unix = transfer->date_unix;
  return TRUE;
}

GError *
obk_transfer_timeout (const ObkTransfer *transfer)
{
  ObkLinkStage stage = transfer->link != NULL ? obk_link_stage (transfer->link) : OBK_LINK_WAITING;
  /* The tunnel has not come to accept what curl has connected: that takes no time, but a descriptor. */
  gboolean ours = transfer->link != NULL && stage == OBK_LINK_WAITING && !obk_descriptors_left (1);
  const char *what = ours                           ? "too many open files in this process: no connection"
                     : stage == OBK_LINK_RESOLVING  ? "the name is not resolved"
                     : stage <= OBK_LINK_CONNECTING ? "no connection"
                     : stage == OBK_LINK_HANDSHAKE  ? "no TLS handshake"
                     : transfer->header_bytes == 0  ? "no answer"
                                                    : "no complete answer";
  GError *error = NULL;

  refuse (transfer, &error, ours ? OBK_ERROR_NO_DESCRIPTORS : OBK_ERROR_TIMEOUT, "%s within the deadline", what);
  return error;
}

void
obk_transfer_free (ObkTransfer *transfer)
{
  obk_link_unref (transfer->link);
  obk_endpoint_unref (transfer->endpoint);
  obk_secret_unref (transfer->body);
  obk_secret_unref (transfer->token_line);
  obk_secret_unref (transfer->credentials);
  obk_secret_unref (transfer->answer);
  g_clear_error (&transfer->open_error);
  g_free (transfer->namespace_line);
  g_free (transfer);
}
