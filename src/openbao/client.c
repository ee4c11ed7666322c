/* SPDX-License-Identifier: Apache-2.0 */
/* One call to OpenBao from first to last: address, token, retries, deadline, error class. */
#include "openbao/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "openbao/addresses.h"
#include "openbao/attempt.h"
#include "openbao/auth.h"
#include "openbao/worth.h"

#include <string.h>

#define PATH_PREFIX "/v1/"
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
  GQueue calls;  /* under way */
  GQueue trials; /* likewise */
};

/* A copy of a request, by which an address that was out is tried: the request itself does not wait for it. */
typedef struct
{
  ObkClient *client;
  GList link;
  const char *operation;
  ObkTransfer *transfer;
  ObkAddressTry where;
} Trial;

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
  guint32 cut_short; /* likewise: did not answer in less than openbao.timeout */
  gboolean again;    /* those have been asked once more */
  GError *held;      /* the best failure so far */
  ObkWorth held_worth;

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

/* Keeps @error for the case that no address does better. */
static void
hold (ObkCall *call, const GError *error)
{
  ObkWorth worth = obk_worth_of (error, call->attempt_us >= call->client->timeout_us);

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
  call->cut_short = 0;
  call->again = FALSE;
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
  /* A credential that hangs is no slow OpenBao. */
  ObkError code = obk_auth_has_expired (call->client->auth) ? OBK_ERROR_AUTH_EXPIRED : OBK_ERROR_TIMEOUT;
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, code, "no token within the deadline");

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

/* Whether silence for that long says something of an address. */
static gboolean
is_long (const ObkClient *client, gint64 waited_us)
{
  return waited_us >= MIN (SILENCE_MIN_US, client->timeout_us);
}

/* @call: (nullable): of which it is an attempt, and no copy */
static ObkAttempt
attempt_of (ObkClient *client, const ObkCall *call, const char *operation, const ObkAddressTry *where, gint64 waited_us)
{
  return (ObkAttempt){
    .addresses = client->addresses,
    .where = *where,
    .operation = operation,
    .anonymous = call != NULL && call->anonymous,
    .silence_tells = is_long (client, waited_us),
    .log_request_id = client->log_request_ids,
    .correlation = call != NULL ? call->correlation : NULL,
    .uid_hash = call != NULL ? call->uid_hash : NULL,
  };
}

/* OpenBao would keep the tokens of both logins. So logins and renewals leave it to other requests to try an address:
 * also because what a certificate's key takes to sign is no fault of the address. */
static gboolean
may_copy (const ObkCall *call)
{
  return !call->anonymous && !call->own_token;
}

/* Time that others have left is of use to those that needed more. */
static gboolean
may_try_another (ObkCall *call, gint64 now_us)
{
  guint n = obk_addresses_count (call->client->addresses);

  if ((guint)__builtin_popcount (call->tried) == n && !call->again && may_copy (call))
    {
      call->tried &= ~call->cut_short;
      call->again = TRUE;
    }
  return (guint)__builtin_popcount (call->tried) < n && now_us < call->deadline_us;
}

static void
fail (ObkCall *call, const GError *error, gint64 now_us)
{
  gboolean refused = g_error_matches (error, OBK_ERROR, OBK_ERROR_AUTH_FAILED)
                     || g_error_matches (error, OBK_ERROR, OBK_ERROR_POLICY_DENIED);

  if (refused && !call->anonymous && !call->own_token)
    suspect_token (call, now_us, error);
  else if (!obk_worth_going_on (error))
    finish (call, NULL, 0, error);
  else
    {
      hold (call, error);
      if (obk_error_code (error) == OBK_ERROR_TIMEOUT && call->attempt_us < call->client->timeout_us)
        call->cut_short |= 1U << call->attempt.index;
      if (may_try_another (call, now_us))
        attempt (call);
      else
        finish (call, NULL, 0, call->held);
    }
}

/* The request of a call, at one address. */
static ObkTransfer *
send_to (ObkCall *call, const ObkAddressTry *where, gint64 deadline_us, ObkHttpDone done, gpointer user_data)
{
  ObkClient *client = call->client;
  const ObkHttpRequest request = {
    .endpoint = obk_addresses_endpoint (client->addresses, where->index),
    .path = call->path,
    .token = call->token,
    .namespace = client->namespace,
    .body = call->body,
    .secret_answer = call->secret_answer,
    .deadline_us = deadline_us,
  };

  return obk_http_send (client->http, &request, done, user_data);
}

/* --- trials --- */

static void
trial_free (Trial *trial)
{
  g_queue_unlink (&trial->client->trials, &trial->link);
  g_free (trial);
}

static void
tried (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Trial *trial = user_data;
  ObkClient *client = trial->client;
  const ObkAttempt ended = attempt_of (client, NULL, trial->operation, &trial->where, client->timeout_us);
  g_autoptr (GError) failure = NULL;
  g_autoptr (json_t) json = obk_attempt_end (&ended, response, error, obk_clock_boot_us (), &failure);

  trial_free (trial);
}

static void
start_trial (ObkCall *call, const ObkAddressTry *where)
{
  Trial *trial = g_new0 (Trial, 1);

  trial->client = call->client;
  trial->operation = call->operation;
  trial->where = *where;
  trial->link.data = trial;
  g_queue_push_tail_link (&call->client->trials, &trial->link);
  trial->transfer = send_to (call, where, where->started_us + call->client->timeout_us, tried, trial);
}

/* Where the call goes next. Who would be the one to find out whether an address is back sends a copy there and goes
 * itself to one that is in use, when there is one. */
static void
choose_address (ObkCall *call, gint64 now_us)
{
  ObkAddresses *addresses = call->client->addresses;
  gboolean may_spare = obk_addresses_any_healthy (addresses, call->tried);
  guint32 spared = 0;

  obk_addresses_choose (addresses, call->tried, now_us, &call->attempt);
  while (call->attempt.trial && may_spare)
    {
      if (may_copy (call))
        start_trial (call, &call->attempt);
      else
        obk_addresses_abandoned (addresses, &call->attempt);
      spared |= 1U << call->attempt.index;
      obk_addresses_choose (addresses, call->tried | spared, now_us, &call->attempt);
    }
  call->tried |= 1U << call->attempt.index;
}

/* In a hurry we have not waited for long enough to judge it; a copy does, so that not every call has to find out. */
static void
doubt_address (ObkCall *call, gint64 now_us)
{
  ObkAddresses *addresses = call->client->addresses;
  ObkAddressTry where = { .index = 0 };

  if (may_copy (call) && obk_addresses_count (addresses) > 1
      && obk_addresses_doubt (addresses, call->attempt.index, now_us, &where))
    start_trial (call, &where);
}

static void
attempted (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  ObkCall *call = user_data;
  const ObkAttempt ended = attempt_of (call->client, call, call->operation, &call->attempt, call->attempt_us);
  g_autoptr (GError) failure = NULL;
  gint64 now_us = obk_clock_boot_us ();
  g_autoptr (json_t) json = obk_attempt_end (&ended, response, error, now_us, &failure);

  call->transfer = NULL;
  if (g_error_matches (failure, OBK_ERROR, OBK_ERROR_TIMEOUT) && !is_long (call->client, call->attempt_us))
    doubt_address (call, now_us);
  if (failure == NULL)
    finish (call, json, response->date_unix, NULL);
  else
    fail (call, failure, now_us);
}

static void
attempt (ObkCall *call)
{
  ObkClient *client = call->client;
  gint64 now_us = obk_clock_boot_us ();
  gint64 left_us = MAX (call->deadline_us - now_us, 0);

  choose_address (call, now_us);
  left_us = obk_addresses_time_for (client->addresses, call->attempt.index, call->tried, left_us);
  call->attempt_us = call->anonymous ? left_us : MIN (left_us, client->timeout_us);
  call->transfer = send_to (call, &call->attempt, now_us + call->attempt_us, attempted, call);
}

/* --- the beginning of a call --- */

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
  call->deadline_us
      = request->deadline_us != OBK_NO_DEADLINE ? request->deadline_us : obk_clock_boot_us () + client->timeout_us;
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
      const ObkAttempt broken_off = attempt_of (call->client, call, call->operation, &call->attempt, call->attempt_us);

      obk_http_cancel (call->transfer);
      obk_attempt_cancelled (&broken_off, obk_clock_boot_us ());
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
obk_client_new (ObkPoller *poller, ObkHttp *http, const ObkClientOptions *options)
{
  ObkClient *client = NULL;

  g_return_val_if_fail (poller != NULL && http != NULL && options != NULL, NULL);
  g_return_val_if_fail (options->addresses != NULL && options->timeout_us > 0, NULL);

  client = g_new0 (ObkClient, 1);
  client->poller = poller;
  client->http = http;
  client->addresses = options->addresses;
  client->namespace = g_strdup (options->namespace);
  client->timeout_us = options->timeout_us;
  client->log_request_ids = options->log_request_ids;
  g_queue_init (&client->calls);
  g_queue_init (&client->trials);
  return client;
}

void
obk_client_free (ObkClient *client)
{
  if (client == NULL)
    return;
  while (client->calls.head != NULL)
    obk_call_cancel (client->calls.head->data);
  for (GList *link = client->trials.head, *next = NULL; link != NULL; link = next)
    {
      Trial *trial = link->data;

      next = link->next;
      obk_http_cancel (trial->transfer);
      obk_addresses_abandoned (client->addresses, &trial->where);
      trial_free (trial);
    }
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
