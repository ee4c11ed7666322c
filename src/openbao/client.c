/* SPDX-License-Identifier: Apache-2.0 */
/* One call to OpenBao from first to last: address, token, retries, deadline, error class. */
#include "openbao/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "openbao/addresses.h"
#include "openbao/answer.h"
#include "openbao/auth.h"

#include <string.h>

#define PATH_PREFIX "/v1/"
#define ANSWER_MARGIN_US (50 * 1000)        /* before the client's deadline, for the true cause to reach it */
#define SILENCE_MIN_US (500 * 1000)         /* shorter waits say nothing of an address */
#define FRESH_TOKEN_US (1 * G_USEC_PER_SEC) /* how long a standby may take to hear of a token */
#define FRESH_PAUSE_MIN_US (25 * 1000)
#define FRESH_PAUSE_MAX_US (200 * 1000)

struct _ObkClient
{
  ObkPoller *poller;
  ObkHttp *http;
  ObkAuth *auth;
  ObkAddresses *addresses;
  char *namespace;
  gint64 timeout_us;
  gboolean log_request_ids;
  GQueue calls; /* under way */
};

/* What failed attempts are worth as the answer to a call. */
typedef enum
{
  WORTH_CUT_SHORT, /* silence that we did not hear to its end */
  WORTH_NO_CONNECTION,
  WORTH_SILENCE, /* for all of openbao.timeout */
  WORTH_ANSWER
} Worth;

struct _ObkCall
{
  ObkClient *client;
  GList link;
  ObkClientDone done;
  gpointer user_data;
  GDestroyNotify free_user_data;
  ObkCorrelation *correlation; /* (nullable): with @uid_hash */
  char *uid_hash;

  /* the request */
  const char *operation;
  ObkSecret *body;
  gboolean anonymous;
  gboolean own_token;
  gboolean secret_answer;
  gint64 deadline_us; /* when the answer is due */

  /* where it stands: at most one of transfer, wait and timer alone (a pause) */
  ObkTransfer *transfer;
  ObkAuthWait *wait;
  ObkTimer timer;

  ObkSecret *token; /* in use */
  gboolean renewed; /* that one has been asked for because another was refused */
  gint64 pause_us;

  ObkAddressTry attempt;
  gint64 attempt_us; /* how long it may take */
  guint32 tried;     /* a bit for each address */
  GError *held;      /* the best failure so far */
  Worth held_worth;

  char path[];
};

static void attempt (ObkCall *call);

/* --- the end of a call --- */

/* Takes it off the books: nothing of it is under way any more. */
static void
detach (ObkCall *call)
{
  g_queue_unlink (&call->client->calls, &call->link);
  obk_poller_cancel_timer (call->client->poller, &call->timer);
}

static void
call_free (ObkCall *call)
{
  if (call->free_user_data != NULL)
    call->free_user_data (call->user_data);
  obk_correlation_unref (call->correlation);
  g_free (call->uid_hash);
  obk_secret_unref (call->body);
  obk_secret_unref (call->token);
  g_clear_error (&call->held);
  g_free (call);
}

static void
finish (ObkCall *call, const json_t *json, gint64 date_unix, const GError *error)
{
  detach (call);
  call->done (json, date_unix, error, call->user_data);
  call_free (call);
}

/* Whether another address may do better. All that we ask of OpenBao may be asked twice: nothing is lost by it. */
static gboolean
moves_on (const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_TIMEOUT:
    case OBK_ERROR_TLS_FAILED:
    case OBK_ERROR_DNS_FAILED:
    case OBK_ERROR_CONNECTION_FAILED:
    case OBK_ERROR_UNAVAILABLE:
    case OBK_ERROR_ANSWER_REFUSED:
    case OBK_ERROR_SEALED:
    case OBK_ERROR_STANDBY_LAGGING:
      return TRUE;
    default:
      return FALSE;
    }
}

static Worth
worth_of (const ObkCall *call, const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_TIMEOUT:
      return call->attempt_us >= call->client->timeout_us ? WORTH_SILENCE : WORTH_CUT_SHORT;
    case OBK_ERROR_TLS_FAILED:
    case OBK_ERROR_DNS_FAILED:
    case OBK_ERROR_CONNECTION_FAILED:
      return WORTH_NO_CONNECTION;
    default:
      return WORTH_ANSWER;
    }
}

/* Keeps @error for the case that no address does better. */
static void
hold (ObkCall *call, const GError *error)
{
  Worth worth = worth_of (call, error);

  if (call->held != NULL && worth < call->held_worth)
    return;
  g_clear_error (&call->held);
  call->held = g_error_copy (error);
  call->held_worth = worth;
}

static void
forget_attempts (ObkCall *call)
{
  call->tried = 0;
  g_clear_error (&call->held);
}

/* --- tokens --- */

static void
use_token (ObkCall *call, ObkSecret *token)
{
  if (token != call->token)
    {
      obk_secret_unref (call->token);
      call->token = obk_secret_ref (token);
    }
  attempt (call);
}

static void
token_arrived (ObkSecret *token, const GError *error, gpointer user_data)
{
  ObkCall *call = user_data;

  call->wait = NULL;
  obk_poller_cancel_timer (call->client->poller, &call->timer);
  if (token != NULL)
    use_token (call, token);
  else
    finish (call, NULL, 0, error);
}

static void
wait_expired (ObkTimer *timer)
{
  ObkCall *call = OBK_CONTAINER_OF (timer, ObkCall, timer);
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "no token within the deadline");

  g_clear_pointer (&call->wait, obk_auth_wait_cancel);
  finish (call, NULL, 0, error);
}

static void
wait_for_token (ObkCall *call, ObkAuthWait *wait)
{
  call->wait = wait;
  call->timer.expired = wait_expired;
  obk_poller_set_timer (call->client->poller, &call->timer, call->deadline_us);
}

static void
take_token (ObkCall *call)
{
  ObkAuth *auth = call->client->auth;
  ObkSecret *token = obk_auth_peek (auth);

  if (token != NULL)
    use_token (call, token);
  else
    wait_for_token (call, obk_auth_acquire (auth, token_arrived, call));
}

static void
pause_expired (ObkTimer *timer)
{
  take_token (OBK_CONTAINER_OF (timer, ObkCall, timer));
}

/* A standby may not have heard yet of a token that was issued a moment ago. Returns: whether the call tries again. */
static gboolean
wait_for_standby (ObkCall *call, gint64 now_us)
{
  ObkClient *client = call->client;

  if (obk_auth_peek (client->auth) != call->token || obk_auth_token_age_us (client->auth) >= FRESH_TOKEN_US)
    return FALSE;
  call->pause_us = CLAMP (2 * call->pause_us, FRESH_PAUSE_MIN_US, FRESH_PAUSE_MAX_US);
  if (now_us + call->pause_us >= call->deadline_us)
    return FALSE;
  forget_attempts (call);
  call->timer.expired = pause_expired;
  obk_poller_set_timer (client->poller, &call->timer, now_us + call->pause_us);
  return TRUE;
}

/* OpenBao has refused the token, or what it may do: it cannot be told which. */
static void
suspect_token (ObkCall *call, gint64 now_us, const GError *error)
{
  if (wait_for_standby (call, now_us))
    return;
  if (call->renewed || now_us >= call->deadline_us)
    {
      finish (call, NULL, 0, error);
      return;
    }
  call->renewed = TRUE;
  forget_attempts (call);
  wait_for_token (call, obk_auth_refused (call->client->auth, call->token, token_arrived, call));
}

/* --- attempts --- */

/* @outcome: OBK_STATUS_OK or an error class */
static void
count_attempt (const ObkCall *call, const char *outcome, gint64 now_us)
{
  obk_metric_count (OBK_METRIC_OPENBAO_REQUESTS, call->operation, outcome);
  obk_metric_observe (OBK_METRIC_OPENBAO_DURATION, call->operation, now_us - call->attempt.started_us);
}

static void
log_attempt (const ObkCall *call, const json_t *json, const GError *error, gint64 now_us)
{
  ObkLogLevel level = error != NULL ? OBK_LOG_WARN : OBK_LOG_DEBUG;
  ObkLogRecord record;

  if (!obk_log_enabled (level))
    return;
  obk_log_begin (&record, level, OBK_EVENT_OPENBAO_REQUEST);
  obk_log_string (&record, OBK_FIELD_OPENBAO_OPERATION, call->operation);
  obk_log_string (&record, OBK_FIELD_STATUS, error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)(now_us - call->attempt.started_us) / 1000);
  obk_log_int (&record, OBK_FIELD_ADDRESS_INDEX, call->attempt.index);
  if (call->client->log_request_ids)
    obk_log_string (&record, OBK_FIELD_OPENBAO_REQUEST_ID, json_string_value (json_object_get (json, "request_id")));
  obk_correlation_log (call->correlation, call->uid_hash, &record);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
judge_address (const ObkCall *call, const GError *error, gint64 now_us)
{
  ObkAddresses *addresses = call->client->addresses;
  ObkError code = obk_error_code (error);

  if (error == NULL || !moves_on (error) || code == OBK_ERROR_STANDBY_LAGGING)
    obk_addresses_answered (addresses, &call->attempt);
  else if (code == OBK_ERROR_TIMEOUT && call->attempt_us < MIN (SILENCE_MIN_US, call->client->timeout_us))
    obk_addresses_abandoned (addresses, &call->attempt);
  else
    obk_addresses_failed (addresses, &call->attempt, now_us, g_random_double ());
}

static gboolean
may_try_another (const ObkCall *call, gint64 now_us)
{
  guint n = obk_addresses_count (call->client->addresses);

  return (guint)__builtin_popcount (call->tried) < n && now_us < call->deadline_us;
}

static void
fail (ObkCall *call, const GError *error, gint64 now_us)
{
  gboolean refused = g_error_matches (error, OBK_ERROR, OBK_ERROR_AUTH_FAILED)
                     || g_error_matches (error, OBK_ERROR, OBK_ERROR_POLICY_DENIED);

  if (refused && !call->anonymous && !call->own_token)
    suspect_token (call, now_us, error);
  else if (!moves_on (error))
    finish (call, NULL, 0, error);
  else
    {
      hold (call, error);
      if (may_try_another (call, now_us))
        attempt (call);
      else
        finish (call, NULL, 0, call->held);
    }
}

static void
attempted (const ObkHttpResponse *response, const GError *error, gboolean may_have_reached, gpointer user_data)
{
  ObkCall *call = user_data;
  ObkEndpoint *endpoint = obk_addresses_endpoint (call->client->addresses, call->attempt.index);
  g_autoptr (json_t) json = NULL;
  g_autoptr (GError) refusal = NULL;
  gint64 now_us = obk_clock_boot_us ();

  call->transfer = NULL;
  if (response != NULL)
    {
      json = obk_answer_read (response, obk_endpoint_authority (endpoint), call->anonymous, &refusal);
      error = refusal;
    }
  count_attempt (call, error != NULL ? obk_error_class (error) : OBK_STATUS_OK, now_us);
  log_attempt (call, json, error, now_us);
  judge_address (call, error, now_us);
  if (error == NULL)
    finish (call, json, response->date_unix, NULL);
  else
    fail (call, error, now_us);
}

/* An equal share of the time for each address that may still be tried. */
static gint64
time_for_attempt (const ObkCall *call, gint64 now_us)
{
  const ObkClient *client = call->client;
  guint left = obk_addresses_count (client->addresses) - (guint)__builtin_popcount (call->tried);
  gint64 share_us = MAX (call->deadline_us - now_us, 0) / left;

  return call->anonymous ? share_us : MIN (share_us, client->timeout_us);
}

static void
attempt (ObkCall *call)
{
  ObkClient *client = call->client;
  gint64 now_us = obk_clock_boot_us ();
  ObkHttpRequest request = {
    .path = call->path,
    .token = call->token,
    .namespace = client->namespace,
    .body = call->body,
    .secret_answer = call->secret_answer,
  };

  call->attempt_us = time_for_attempt (call, now_us);
  obk_addresses_choose (client->addresses, call->tried, now_us, &call->attempt);
  call->tried |= 1U << call->attempt.index;
  request.endpoint = obk_addresses_endpoint (client->addresses, call->attempt.index);
  request.deadline_us = now_us + call->attempt_us;
  call->transfer = obk_http_send (client->http, &request, attempted, call);
}

/* --- the beginning of a call --- */

/* With several addresses the answer comes a little before the client gives up: it may be that of the first one. */
static gint64
deadline_of (const ObkClient *client, gint64 deadline_us)
{
  gint64 now_us = obk_clock_boot_us ();

  if (deadline_us == OBK_NO_DEADLINE)
    return now_us + client->timeout_us;
  if (obk_addresses_count (client->addresses) == 1)
    return deadline_us;
  return deadline_us - CLAMP ((deadline_us - now_us) / 10, 0, ANSWER_MARGIN_US);
}

ObkCall *
obk_client_send (ObkClient *client, const ObkClientRequest *request, ObkClientDone done, gpointer user_data)
{
  ObkCall *call = NULL;
  gsize length = 0;

  g_return_val_if_fail (client != NULL && request != NULL && done != NULL, NULL);
  g_return_val_if_fail (request->operation != NULL && request->path != NULL, NULL);
  g_return_val_if_fail (request->anonymous || request->token != NULL || client->auth != NULL, NULL);

  length = strlen (request->path);
  call = g_malloc0 (sizeof *call + strlen (PATH_PREFIX) + length + 1);
  memcpy (call->path, PATH_PREFIX, strlen (PATH_PREFIX));
  memcpy (call->path + strlen (PATH_PREFIX), request->path, length);
  call->client = client;
  call->done = done;
  call->user_data = user_data;
  call->free_user_data = request->free_user_data;
  call->operation = request->operation;
  call->body = request->body != NULL ? obk_secret_ref (request->body) : NULL;
  call->anonymous = request->anonymous;
  call->own_token = request->token != NULL;
  call->secret_answer = request->secret_answer;
  call->deadline_us = deadline_of (client, request->deadline_us);
  call->link.data = call;
  g_queue_push_tail_link (&client->calls, &call->link);

  if (call->anonymous)
    attempt (call);
  else if (call->own_token)
    use_token (call, request->token);
  else
    take_token (call);
  return call;
}

void
obk_call_cancel (ObkCall *call)
{
  g_return_if_fail (call != NULL);

  if (call->transfer != NULL)
    {
      obk_http_cancel (call->transfer);
      count_attempt (call, OBK_OUTCOME_CANCELED, obk_clock_boot_us ());
      obk_addresses_abandoned (call->client->addresses, &call->attempt);
    }
  g_clear_pointer (&call->wait, obk_auth_wait_cancel);
  detach (call);
  call_free (call);
}

void
obk_call_set_correlation (ObkCall *call, ObkCorrelation *correlation, const char *uid_hash)
{
  g_return_if_fail (call != NULL && correlation != NULL && call->correlation == NULL);

  call->correlation = obk_correlation_ref (correlation);
  call->uid_hash = g_strdup (uid_hash);
}

/* --- life --- */

ObkClient *
obk_client_new (ObkPoller *poller, ObkHttp *http, const ObkClientOptions *options, GError **error)
{
  ObkAddresses *addresses = NULL;
  ObkClient *client = NULL;

  g_return_val_if_fail (poller != NULL && http != NULL && options != NULL, NULL);
  g_return_val_if_fail (options->timeout_us > 0, NULL);

  addresses = obk_addresses_new (options->addresses, options->tls_server_name, error);
  if (addresses == NULL)
    return NULL;
  client = g_new0 (ObkClient, 1);
  client->poller = poller;
  client->http = http;
  client->addresses = addresses;
  client->namespace = g_strdup (options->namespace);
  client->timeout_us = options->timeout_us;
  client->log_request_ids = options->log_request_ids;
  g_queue_init (&client->calls);
  return client;
}

void
obk_client_free (ObkClient *client)
{
  if (client == NULL)
    return;
  while (client->calls.head != NULL)
    obk_call_cancel (client->calls.head->data);
  obk_addresses_free (client->addresses);
  g_free (client->namespace);
  g_free (client);
}

void
obk_client_set_auth (ObkClient *client, ObkAuth *auth)
{
  g_return_if_fail (client != NULL);

  client->auth = auth;
}

void
obk_client_tune (ObkClient *client, gint64 timeout_us, gboolean log_request_ids)
{
  g_return_if_fail (client != NULL && timeout_us > 0);

  client->timeout_us = timeout_us;
  client->log_request_ids = log_request_ids;
}

gboolean
obk_client_is_idle (const ObkClient *client)
{
  return client->calls.head == NULL;
}

guint
obk_client_n_addresses (const ObkClient *client)
{
  return obk_addresses_count (client->addresses);
}

gboolean
obk_client_address_healthy (const ObkClient *client, guint index)
{
  return obk_addresses_healthy (client->addresses, index);
}
