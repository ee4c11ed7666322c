/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenBao token: login, renewal, one refresh at a time, and what to do when it is refused. */
#include "openbao/auth.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "openbao/lease.h"
#include "openbao/relogin.h"

#define LOGIN_BACKOFF_MIN_US (1 * G_USEC_PER_SEC)
#define LOGIN_BACKOFF_MAX_US (30 * G_USEC_PER_SEC)
#define REFRESH_PAUSE_US (1 * G_USEC_PER_SEC) /* after one that passed, however short the lease */

typedef enum
{
  REFRESH_NONE,
  REFRESH_LOGIN,
  REFRESH_RENEWAL
} Refresh;

struct _ObkAuthWait
{
  ObkAuth *auth;
  GList link; /* in the auth's waits */
  ObkAuthDone done;
  gpointer user_data;

  ObkTimer delivery; /* set when the outcome is known */
  ObkSecret *token;
  GError *error;
};

struct _ObkAuth
{
  ObkPoller *poller;
  ObkCredential *credential;
  ObkAuthOptions options;
  void (*logged_in) (gpointer user_data);
  gpointer logged_in_data;

  ObkLease lease;
  GQueue waits;

  /* Either a refresh is under way, or the timer is set to the next (once started). */
  Refresh under_way;
  gint64 asked_us;             /* when it began */
  gboolean credential_changed; /* since then */
  ObkTimer timer;
  ObkBackoff backoff;
  GError *failure; /* of the last refresh, as those who ask get it; %NULL when it passed */
  gint64 started_us;
  gboolean has_logged_in; /* ever */

  ObkRelogin relogin;
  gboolean suspect; /* the token in use has been refused, and another login is to replace it */
};

static void
wait_free (ObkAuthWait *wait)
{
  obk_poller_cancel_timer (wait->auth->poller, &wait->delivery);
  g_queue_unlink (&wait->auth->waits, &wait->link);
  g_clear_pointer (&wait->token, obk_secret_unref);
  g_clear_error (&wait->error);
  g_free (wait);
}

static void
deliver (ObkTimer *timer)
{
  ObkAuthWait *wait = OBK_CONTAINER_OF (timer, ObkAuthWait, delivery);
  g_autoptr (ObkSecret) token = g_steal_pointer (&wait->token);
  g_autoptr (GError) error = g_steal_pointer (&wait->error);
  ObkAuthDone done = wait->done;
  gpointer user_data = wait->user_data;

  wait_free (wait);
  done (token, error, user_data);
}

static ObkAuthWait *
wait_new (ObkAuth *auth, ObkAuthDone done, gpointer user_data)
{
  ObkAuthWait *wait = g_new0 (ObkAuthWait, 1);

  wait->auth = auth;
  wait->link.data = wait;
  wait->done = done;
  wait->user_data = user_data;
  wait->delivery.expired = deliver;
  g_queue_push_tail_link (&auth->waits, &wait->link);
  return wait;
}

/* The callback will run when the main loop turns: with the token if @error is %NULL. */
static void
settle (ObkAuthWait *wait, const GError *error)
{
  if (wait->delivery.position != 0) /* it is settled already */
    return;
  if (error != NULL)
    wait->error = g_error_copy (error);
  else
    wait->token = obk_secret_ref (wait->auth->lease.token);
  obk_poller_set_timer (wait->auth->poller, &wait->delivery, obk_clock_boot_us ());
}

static void
settle_all (ObkAuth *auth, const GError *error)
{
  for (GList *link = auth->waits.head; link != NULL; link = link->next)
    settle (link->data, error);
}

/* In the log and in the metrics */
static void
note_refresh (ObkAuth *auth, gboolean renewal, const GError *error, const char *detail)
{
  const char *status = error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK;
  gint64 now_us = obk_clock_boot_us ();
  /* At boot OpenBao may well come later than we do. */
  gboolean expected = !auth->has_logged_in && now_us - auth->started_us < auth->options.grace_timeout_us;
  ObkLogRecord record;

  obk_metric_count (renewal ? OBK_METRIC_AUTH_RENEWAL : OBK_METRIC_AUTH_LOGIN, status, NULL);
  obk_log_begin (&record, error != NULL && !expected ? OBK_LOG_WARN : OBK_LOG_INFO,
                 renewal ? OBK_EVENT_AUTH_RENEWAL : OBK_EVENT_AUTH_LOGIN);
  obk_log_string (&record, OBK_FIELD_STATUS, status);
  obk_log_string (&record, OBK_FIELD_OPENBAO_OPERATION,
                  renewal ? OBK_OPERATION_TOKEN_RENEW : auth->credential->operation);
  obk_log_double (&record, OBK_FIELD_DURATION_MS, (double)(now_us - auth->asked_us) / 1000);
  if (error == NULL)
    obk_log_int (&record, OBK_FIELD_TTL_SECONDS, obk_auth_token_ttl_seconds (auth));
  obk_log_string (&record, OBK_FIELD_DETAIL, detail);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
warn_short_lease (ObkAuth *auth)
{
  ObkLogRecord record;

  if (auth->lease.window_us >= auth->options.login_before_token_expiry_us)
    return;
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL,
                  "the token's lease is not longer than auth.loginBeforeTokenExpiry; it is refreshed when two thirds "
                  "of it have passed");
  obk_log_int (&record, OBK_FIELD_TTL_SECONDS, obk_auth_token_ttl_seconds (auth));
  obk_log_emit (&record);
}

/* Whether OpenBao has answered, and that answer is no. */
static gboolean
is_refusal (const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_AUTH_FAILED:
    case OBK_ERROR_POLICY_DENIED:
    case OBK_ERROR_TRANSIT_REFUSED:
    case OBK_ERROR_TRANSIT_AUTHENTICATION_TAG:
    case OBK_ERROR_VERSION_UNUSABLE:
      return TRUE;
    default:
      return FALSE;
    }
}

/* Returns: (transfer full): a login's failure as the requests get it (spec kms-v2.md, "Status codes") */
static GError *
failure_of (const GError *error)
{
  if (is_refusal (error))
    return g_error_new (OBK_ERROR, OBK_ERROR_AUTH_FAILED, "the login was refused: %s", error->message);
  if (g_error_matches (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID)
      || g_error_matches (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_SILENT))
    return g_error_new (OBK_ERROR, OBK_ERROR_AUTH_EXPIRED, "no valid credential is left: %s", error->message);
  return g_error_copy (error);
}

/* Whether only another credential, or someone at OpenBao, can mend it. */
static gboolean
is_lasting (const GError *failure)
{
  switch (obk_error_code (failure))
    {
    case OBK_ERROR_AUTH_FAILED:
    case OBK_ERROR_AUTH_EXPIRED:
    case OBK_ERROR_OAUTH2_REJECTED:
      return TRUE;
    default:
      return FALSE;
    }
}

/* The token is good until its window begins. */
static void
schedule_refresh (ObkAuth *auth)
{
  gint64 due_us = auth->lease.expires_us - auth->lease.window_us;

  obk_backoff_reset (&auth->backoff);
  g_clear_error (&auth->failure);
  obk_poller_set_timer (auth->poller, &auth->timer, MAX (due_us, obk_clock_boot_us () + REFRESH_PAUSE_US));
  settle_all (auth, NULL);
}

static void
login_failed (ObkAuth *auth, const GError *error)
{
  gint64 now_us = obk_clock_boot_us ();

  g_clear_error (&auth->failure);
  auth->failure = failure_of (error);
  note_refresh (auth, FALSE, is_refusal (error) ? auth->failure : error, NULL);
  if (auth->suspect)
    obk_relogin_ended (&auth->relogin, FALSE, now_us);
  if (auth->credential_changed || obk_error_code (error) == OBK_ERROR_NO_DESCRIPTORS) /* nobody was asked */
    obk_backoff_reset (&auth->backoff);
  if (auth->credential_changed)
    obk_poller_set_timer (auth->poller, &auth->timer, now_us);
  else
    obk_poller_set_timer (auth->poller, &auth->timer, now_us + obk_backoff_next (&auth->backoff, g_random_double ()));
  settle_all (auth, auth->failure);
}

static void
login_passed (ObkAuth *auth, const ObkLease *lease)
{
  obk_lease_clear (&auth->lease);
  auth->lease = *lease;
  auth->has_logged_in = TRUE;
  if (auth->suspect)
    obk_relogin_ended (&auth->relogin, TRUE, lease->issued_us);
  auth->suspect = FALSE;
  note_refresh (auth, FALSE, NULL, NULL);
  warn_short_lease (auth);
  schedule_refresh (auth);
  if (auth->logged_in != NULL)
    auth->logged_in (auth->logged_in_data);
}

static void
login_done (const json_t *answer, const GError *error, gpointer user_data)
{
  ObkAuth *auth = user_data;
  g_autoptr (GError) unusable = NULL;
  ObkLease lease = { 0 };

  auth->under_way = REFRESH_NONE;
  if (error != NULL)
    login_failed (auth, error);
  else if (!obk_lease_login (answer, auth->asked_us, obk_clock_boot_us (), auth->options.login_before_token_expiry_us,
                             &lease, &unusable))
    login_failed (auth, unusable);
  else
    login_passed (auth, &lease);
}

static gint64
deadline (const ObkAuth *auth)
{
  return auth->asked_us + auth->options.login_timeout_us;
}

static void
log_in (ObkAuth *auth)
{
  obk_poller_cancel_timer (auth->poller, &auth->timer);
  auth->asked_us = obk_clock_boot_us ();
  auth->credential_changed = FALSE;
  auth->under_way = REFRESH_LOGIN;
  auth->credential->log_in (auth->credential, deadline (auth), login_done, auth);
}

static void
renewal_done (const json_t *answer, const GError *error, gpointer user_data)
{
  ObkAuth *auth = user_data;
  g_autoptr (GError) unusable = NULL;
  gboolean enough = FALSE;

  auth->under_way = REFRESH_NONE;
  if (error == NULL
      && !obk_lease_renew (&auth->lease, answer, auth->asked_us, auth->options.login_before_token_expiry_us, &enough,
                           &unusable))
    error = unusable;
  note_refresh (auth, TRUE, error, error == NULL && !enough ? "it gives too little; a login follows" : NULL);
  if (is_refusal (error))
    auth->lease.renewable = FALSE;
  if (enough)
    schedule_refresh (auth);
  else
    log_in (auth);
}

static void
renew (ObkAuth *auth)
{
  auth->asked_us = obk_clock_boot_us ();
  auth->under_way = REFRESH_RENEWAL;
  auth->credential->renew (auth->credential, auth->lease.token, auth->options.token_renewal_increment_us,
                           deadline (auth), renewal_done, auth);
}

static void
cancel_refresh (ObkAuth *auth)
{
  if (auth->under_way != REFRESH_NONE)
    auth->credential->cancel (auth->credential);
  auth->under_way = REFRESH_NONE;
}

static void
refresh (ObkTimer *timer)
{
  ObkAuth *auth = OBK_CONTAINER_OF (timer, ObkAuth, timer);

  if (!obk_lease_is_valid (&auth->lease, obk_clock_boot_us ()))
    obk_lease_clear (&auth->lease);
  if (auth->lease.renewable && !auth->suspect)
    renew (auth);
  else
    log_in (auth);
}

static void
credential_changed (gpointer user_data)
{
  ObkAuth *auth = user_data;

  auth->credential_changed = TRUE; /* a login under way may have the old one */
  if (auth->under_way != REFRESH_NONE || auth->failure == NULL)
    return;
  obk_backoff_reset (&auth->backoff);
  obk_poller_set_timer (auth->poller, &auth->timer, obk_clock_boot_us ());
}

void
obk_auth_retry (ObkAuth *auth)
{
  g_return_if_fail (auth != NULL);

  credential_changed (auth);
}

ObkAuth *
obk_auth_new (ObkPoller *poller, ObkCredential *credential, const ObkAuthOptions *options)
{
  ObkAuth *auth = NULL;

  g_return_val_if_fail (poller != NULL && credential != NULL && options != NULL, NULL);

  auth = g_new0 (ObkAuth, 1);
  auth->poller = poller;
  auth->options = *options;
  auth->timer.expired = refresh;
  auth->backoff = (ObkBackoff)OBK_BACKOFF_INIT (LOGIN_BACKOFF_MIN_US, LOGIN_BACKOFF_MAX_US, 0.25);
  auth->relogin = (ObkRelogin)OBK_RELOGIN_INIT;
  auth->started_us = obk_clock_boot_us ();
  auth->credential = credential;
  credential->changed = credential_changed;
  credential->changed_data = auth;
  return auth;
}

void
obk_auth_free (ObkAuth *auth)
{
  if (auth == NULL)
    return;
  cancel_refresh (auth);
  obk_poller_cancel_timer (auth->poller, &auth->timer);
  while (auth->waits.head != NULL)
    wait_free (auth->waits.head->data);
  obk_credential_free (auth->credential);
  obk_lease_clear (&auth->lease);
  g_clear_error (&auth->failure);
  g_free (auth);
}

void
obk_auth_start (ObkAuth *auth)
{
  g_return_if_fail (auth != NULL);

  auth->started_us = obk_clock_boot_us ();
  obk_poller_set_timer (auth->poller, &auth->timer, auth->started_us);
}

void
obk_auth_set_login_callback (ObkAuth *auth, void (*logged_in) (gpointer user_data), gpointer user_data)
{
  auth->logged_in = logged_in;
  auth->logged_in_data = user_data;
}

void
obk_auth_tune (ObkAuth *auth, const ObkAuthOptions *options)
{
  gint64 former_us = auth->options.login_before_token_expiry_us;
  gint64 window_us = options->login_before_token_expiry_us;
  gint64 now_us = obk_clock_boot_us ();

  auth->options = *options;
  if (auth->credential->tune != NULL)
    auth->credential->tune (auth->credential, options->login_timeout_us, options->log_request_ids);
  if (former_us == window_us || !obk_lease_is_valid (&auth->lease, now_us))
    return;
  if (auth->lease.expires_us - now_us > window_us)
    auth->lease.window_us = window_us;
  /* Not a refresh that waits after one that failed. */
  if (auth->timer.position != 0 && auth->failure == NULL)
    obk_poller_set_timer (auth->poller, &auth->timer, MAX (auth->lease.expires_us - window_us, now_us));
}

gboolean
obk_auth_share (ObkAuth *auth, const ObkAuth *from)
{
  g_return_val_if_fail (auth != NULL && from != NULL && auth != from, FALSE);

  if (!obk_lease_is_valid (&from->lease, obk_clock_boot_us ()))
    return FALSE;
  cancel_refresh (auth);
  obk_lease_clear (&auth->lease);
  auth->lease = from->lease;
  obk_secret_ref (auth->lease.token);
  auth->lease.policies = g_strdupv (from->lease.policies);
  auth->lease.entity = g_strdup (from->lease.entity);
  auth->has_logged_in = TRUE;
  auth->suspect = FALSE;
  auth->relogin = from->relogin;
  schedule_refresh (auth);
  return TRUE;
}

void
obk_auth_stop (ObkAuth *auth)
{
  g_return_if_fail (auth != NULL);

  obk_poller_cancel_timer (auth->poller, &auth->timer);
  cancel_refresh (auth);
}

ObkSecret *
obk_auth_peek (ObkAuth *auth)
{
  return obk_lease_is_valid (&auth->lease, obk_clock_boot_us ()) ? auth->lease.token : NULL;
}

ObkAuthWait *
obk_auth_acquire (ObkAuth *auth, ObkAuthDone done, gpointer user_data)
{
  ObkAuthWait *wait = NULL;

  g_return_val_if_fail (auth != NULL && done != NULL, NULL);

  wait = wait_new (auth, done, user_data);
  if (obk_auth_peek (auth) != NULL)
    settle (wait, NULL);
  else if (auth->under_way == REFRESH_NONE
           && auth->failure != NULL) /* the next try may be further away than any deadline */
    settle (wait, auth->failure);
  return wait;
}

ObkAuthWait *
obk_auth_refused (ObkAuth *auth, ObkSecret *token, ObkAuthDone done, gpointer user_data)
{
  gint64 now_us = obk_clock_boot_us ();
  g_autoptr (GError) denied = NULL;
  ObkAuthWait *wait = NULL;
  gboolean may_log_in = FALSE;

  g_return_val_if_fail (auth != NULL && token != NULL && done != NULL, NULL);

  if (token != obk_auth_peek (auth))
    return obk_auth_acquire (auth, done, user_data);
  wait = wait_new (auth, done, user_data);
  may_log_in = obk_relogin_refused (&auth->relogin, now_us);
  if (auth->under_way == REFRESH_LOGIN) /* its token will do */
    return wait;
  if (is_lasting (auth->failure))
    settle (wait, auth->failure);
  else if (may_log_in)
    {
      cancel_refresh (auth);
      auth->suspect = TRUE;
      log_in (auth);
    }
  else
    {
      denied
          = g_error_new (OBK_ERROR, OBK_ERROR_DENIAL_UNCONFIRMED, "permission denied, with a token of a recent login");
      settle (wait, auth->failure != NULL ? auth->failure : denied);
    }
  return wait;
}

gboolean
obk_auth_has_expired (const ObkAuth *auth)
{
  return g_error_matches (auth->failure, OBK_ERROR, OBK_ERROR_AUTH_EXPIRED);
}

void
obk_auth_wait_cancel (ObkAuthWait *wait)
{
  g_return_if_fail (wait != NULL);

  wait_free (wait);
}

gint64
obk_auth_token_age_us (const ObkAuth *auth)
{
  return auth->lease.token != NULL ? obk_clock_boot_us () - auth->lease.issued_us : G_MAXINT64;
}

const char *const *
obk_auth_token_policies (const ObkAuth *auth)
{
  return (const char *const *)auth->lease.policies;
}

const char *
obk_auth_token_entity (const ObkAuth *auth)
{
  return auth->lease.entity;
}

gint64
obk_auth_token_uses (const ObkAuth *auth)
{
  return auth->lease.uses;
}

gint64
obk_auth_token_ttl_seconds (const ObkAuth *auth)
{
  gint64 now_us = obk_clock_boot_us ();

  return obk_lease_is_valid (&auth->lease, now_us) ? (auth->lease.expires_us - now_us) / G_USEC_PER_SEC : -1;
}

gboolean
obk_auth_token_is_renewable (const ObkAuth *auth)
{
  return auth->lease.renewable;
}

gint64
obk_auth_credential_ttl_seconds (const ObkAuth *auth)
{
  return auth->credential->ttl_seconds (auth->credential);
}
