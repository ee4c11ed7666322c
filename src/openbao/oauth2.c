/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT from an OAuth 2.0 token endpoint: asked for before each login, and never kept. */
#include "openbao/oauth2.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file-watch.h"
#include "base/safe-file.h"
#include "openbao/http.h"
#include "openbao/oauth2-answer.h"
#include "openbao/system-trust.h"

#include <string.h>

#define MAX_SECRET_BYTES 4096

typedef struct
{
  ObkJwtSupply base;
  ObkTunnel *tunnel;
  ObkHttp *http;
  ObkEndpoint *endpoint;
  char *path; /* of the token endpoint, with its query */
  ObkOauth2Request request;
  char *secret_path;
  ObkFileWatch *watch; /* of the secret */
  ObkJwtRules rules;
  gint64 expires_unix; /* of the last JWT; 0 when unknown */

  ObkTransfer *transfer; /* (nullable): under way */
  gint64 asked_unix;
  ObkJwtSupplyDone done;
  gpointer user_data;
} Oauth2;

/* --- the secret --- */

static gboolean
has_control (const ObkSecret *secret)
{
  for (gsize i = 0; i < obk_secret_length (secret); i++)
    if (g_ascii_iscntrl (obk_secret_data (secret)[i]))
      return TRUE;
  return FALSE;
}

ObkSecret *
obk_oauth2_read_secret (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ObkSecret) secret = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  secret = obk_safe_file_read_secret (path, MAX_SECRET_BYTES, &cause);
  if (secret == NULL)
    obk_refuse (error, obk_safe_file_secret_failure (cause), "client secret file: %s", cause->message);
  else if (obk_secret_length (secret) == 0)
    g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "client secret file \"%s\": it is empty", path);
  else if (has_control (secret))
    g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID,
                 "client secret file \"%s\": it holds a line break or another control character", path);
  else
    return g_steal_pointer (&secret);
  return NULL;
}

static void
secret_changed (gpointer user_data)
{
  Oauth2 *oauth2 = user_data;

  if (oauth2->base.changed != NULL)
    oauth2->base.changed (oauth2->base.changed_data);
}

/* --- a fetch --- */

/* The access token is the JWT; what it and the answer around it say of its life must both do. */
static gboolean
check_token (Oauth2 *oauth2, const ObkSecret *token, gint64 lifetime_seconds, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gint64 now_unix = obk_clock_unix ();
  gint64 expires_unix = 0;

  if (obk_secret_length (token) > OBK_JWT_MAX_BYTES)
    cause = g_error_new_literal (OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "it is too long");
  else if (obk_jwt_check (obk_secret_data (token), obk_secret_length (token), &oauth2->rules, now_unix, &expires_unix,
                          &cause)
           && lifetime_seconds != OBK_OAUTH2_NO_LIFETIME)
    {
      expires_unix = MIN (expires_unix, oauth2->asked_unix + lifetime_seconds);
      if ((expires_unix - now_unix) * G_USEC_PER_SEC <= oauth2->rules.min_remaining_ttl_us)
        cause = g_error_new_literal (OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID,
                                     OBK_OAUTH2_SAYS_LIFETIME " no more than auth.jwt.minRemainingTtl");
    }
  oauth2->expires_unix = cause == NULL ? expires_unix : 0;
  if (cause != NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_OAUTH2_REJECTED, "token endpoint \"%s\": " OBK_OAUTH2_SAYS_AS_JWT ": %s",
                 obk_endpoint_authority (oauth2->endpoint), cause->message);
  return cause == NULL;
}

/* Returns: (transfer full): what the HTTP layer says, as a failure of the token endpoint */
static GError *
failure_of (const GError *error)
{
  ObkError code = obk_error_code (error);

  if (code == OBK_ERROR_ANSWER_REFUSED)
    code = OBK_ERROR_OAUTH2_REJECTED;
  else if (code != OBK_ERROR_NO_DESCRIPTORS)
    code = OBK_ERROR_OAUTH2_UNAVAILABLE;
  return g_error_new (OBK_ERROR, (int)code, "token endpoint %s", error->message);
}

static void
answered (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Oauth2 *oauth2 = user_data;
  g_autoptr (GError) failure = error != NULL ? failure_of (error) : NULL;
  g_autoptr (ObkSecret) token = NULL;
  gint64 lifetime_seconds = 0;

  oauth2->transfer = NULL;
  if (response != NULL)
    token = obk_oauth2_answer_read (response, obk_endpoint_authority (oauth2->endpoint), &lifetime_seconds, &failure);
  if (token != NULL && !check_token (oauth2, token, lifetime_seconds, &failure))
    g_clear_pointer (&token, obk_secret_unref);
  oauth2->done (token, failure, oauth2->user_data);
}

static void
fetch (ObkJwtSupply *supply, gint64 deadline_us, ObkJwtSupplyDone done, gpointer user_data)
{
  Oauth2 *oauth2 = (Oauth2 *)supply;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) secret = obk_oauth2_read_secret (oauth2->secret_path, &error);
  g_autoptr (ObkSecret) body = NULL;
  g_autoptr (ObkSecret) credentials = NULL;
  gint64 now_us = obk_clock_boot_us ();

  oauth2->expires_unix = 0;
  if (secret == NULL)
    {
      done (NULL, error, user_data);
      return;
    }
  body = obk_oauth2_request_body (&oauth2->request, secret);
  credentials = obk_oauth2_request_credentials (&oauth2->request, secret);
  oauth2->done = done;
  oauth2->user_data = user_data;
  oauth2->asked_unix = obk_clock_unix ();
  oauth2->transfer = obk_http_send (oauth2->http,
                                    &(ObkHttpRequest){
                                        .endpoint = oauth2->endpoint,
                                        .path = oauth2->path,
                                        .body = body,
                                        .form = TRUE,
                                        .credentials = credentials,
                                        .secret_answer = TRUE,
                                        .deadline_us = now_us + MAX (deadline_us - now_us, 0) / 2,
                                    },
                                    answered, oauth2);
}

static void
cancel (ObkJwtSupply *supply)
{
  g_clear_pointer (&((Oauth2 *)supply)->transfer, obk_http_cancel);
}

static gint64
ttl_seconds (ObkJwtSupply *supply)
{
  const Oauth2 *oauth2 = (Oauth2 *)supply;

  return oauth2->expires_unix == 0 ? -1 : MAX (oauth2->expires_unix - obk_clock_unix (), 0);
}

/* --- life --- */

static void
request_clear (ObkOauth2Request *request)
{
  g_free ((char *)request->client_id);
  g_strfreev ((char **)request->scopes);
  g_free ((char *)request->audience);
  g_strfreev ((char **)request->resources);
}

static void
request_copy (ObkOauth2Request *to, const ObkOauth2Request *from)
{
  *to = (ObkOauth2Request){
    .client_id = g_strdup (from->client_id),
    .secret_in_body = from->secret_in_body,
    .scopes = (const char *const *)g_strdupv ((char **)from->scopes),
    .audience = g_strdup (from->audience),
    .resources = (const char *const *)g_strdupv ((char **)from->resources),
  };
}

static void
oauth2_free (ObkJwtSupply *supply)
{
  Oauth2 *oauth2 = (Oauth2 *)supply;

  cancel (supply);
  obk_http_free (oauth2->http);
  obk_tunnel_free (oauth2->tunnel);
  obk_endpoint_unref (oauth2->endpoint);
  obk_file_watch_free (oauth2->watch);
  obk_jwt_rules_clear (&oauth2->rules);
  request_clear (&oauth2->request);
  g_free (oauth2->secret_path);
  g_free (oauth2->path);
  g_free (oauth2);
}

/* The URL is divided as it was written: an endpoint may tell "/token" from "/token/". */
static gboolean
set_url (Oauth2 *oauth2, const char *url, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, error);
  const char *authority = strstr (url, "://");
  const char *path = authority != NULL ? authority + 3 + strcspn (authority + 3, "/?") : NULL;
  g_autofree char *start = NULL;

  if (uri == NULL || path == NULL)
    return FALSE;
  start = g_strndup (url, (gsize)(path - url));
  oauth2->path = g_strconcat (*path == '/' ? "" : "/", path, NULL);
  oauth2->endpoint = obk_endpoint_new (start, g_uri_get_host (uri), error);
  return oauth2->endpoint != NULL;
}

static gboolean
open_way (Oauth2 *oauth2, ObkPoller *poller, const ObkOauth2Options *options, GError **error)
{
  const char *ca_cert_file = options->ca_cert_file;

  if (*ca_cert_file == '\0')
    ca_cert_file = obk_system_trust_file (error);
  if (ca_cert_file == NULL)
    return FALSE;
  oauth2->tunnel = obk_tunnel_new (poller, ca_cert_file, options->fips, error);
  if (oauth2->tunnel == NULL)
    return FALSE;
  oauth2->http = obk_http_new (poller, oauth2->tunnel, error);
  return oauth2->http != NULL;
}

ObkJwtSupply *
obk_oauth2_new (ObkPoller *poller, const ObkOauth2Options *options, GError **error)
{
  g_autoptr (ObkJwtSupply) supply = NULL;
  Oauth2 *oauth2 = NULL;

  g_return_val_if_fail (poller != NULL && options != NULL, NULL);

  oauth2 = g_new0 (Oauth2, 1);
  supply = &oauth2->base;
  *supply = (ObkJwtSupply){ .fetch = fetch, .cancel = cancel, .ttl_seconds = ttl_seconds, .free = oauth2_free };
  request_copy (&oauth2->request, &options->request);
  obk_jwt_rules_copy (&oauth2->rules, &options->rules);
  oauth2->secret_path = obk_credential_path (options->client_secret_file, error);
  if (oauth2->secret_path == NULL || !set_url (oauth2, options->token_url, error)
      || !open_way (oauth2, poller, options, error))
    return NULL;
  oauth2->watch = obk_file_watch_new (oauth2->secret_path, secret_changed, oauth2);
  return g_steal_pointer (&supply);
}
