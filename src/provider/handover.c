/* SPDX-License-Identifier: Apache-2.0 */
/* The session in use, and the one that is to follow it: it must prove itself first, and no call is dropped. */
#include "provider/handover.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/names.h"

#include <malloc.h>

#define SWEEP_US (G_USEC_PER_SEC / 10)
#define TELL_AGAIN_US (60 * G_USEC_PER_SEC) /* the same trouble */

struct _ObkHandover
{
  ObkPoller *poller;
  ObkProber *prober; /* (nullable) */
  ObkHandoverCallbacks callbacks;
  ObkSession *session;
  ObkTransit *transit;

  ObkSession *candidate; /* (nullable) */
  ObkKeyProof *proof;    /* (nullable): of the candidate, the one that runs */
  ObkTimer again;        /* else it is set to the next */
  char *trouble;         /* (nullable): what the last one failed of */
  gint64 told_us;        /* when that was logged */
  gint64 retry_us;

  GPtrArray *leaving; /* of ObkSession: calls may still run there */
  ObkTimer sweep;
};

static void prove (ObkHandover *handover);

/* Sessions that go: never freed from within one of their own callbacks */

static void
sweep (ObkTimer *timer)
{
  ObkHandover *handover = OBK_CONTAINER_OF (timer, ObkHandover, sweep);

  for (guint i = handover->leaving->len; i > 0; i--)
    if (obk_session_is_idle (handover->leaving->pdata[i - 1]))
      g_ptr_array_remove_index_fast (handover->leaving, i - 1);
  if (handover->leaving->len > 0)
    obk_poller_set_timer (handover->poller, timer, obk_clock_boot_us () + SWEEP_US);
  else
    (void)malloc_trim (0); /* connections take much in small blocks, which glibc would keep */
}

static void
let_go (ObkHandover *handover, ObkSession *session)
{
  obk_auth_set_login_callback (obk_session_auth (session), NULL, NULL);
  obk_auth_stop (obk_session_auth (session));
  if (handover->leaving->len == 0) /* else the sweep is on its way: it must not be put off by each that follows */
    obk_poller_set_timer (handover->poller, &handover->sweep, obk_clock_boot_us () + SWEEP_US);
  g_ptr_array_add (handover->leaving, session);
}

/* The proof */

static void
log_change (const GError *error)
{
  ObkLogRecord record;

  obk_log_begin (&record, error != NULL ? OBK_LOG_WARN : OBK_LOG_INFO, OBK_EVENT_SESSION_CHANGED);
  obk_log_string (&record, OBK_FIELD_STATUS, error != NULL ? OBK_STATUS_ERROR : OBK_STATUS_OK);
  obk_log_string (&record, OBK_FIELD_DETAIL,
                  error != NULL ? "the new way to OpenBao cannot be used yet; the former one goes on"
                                : "the new way to OpenBao leads to the same key and is used from now on");
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
session_logged_in (gpointer user_data)
{
  ObkHandover *handover = user_data;

  if (handover->callbacks.logged_in != NULL)
    handover->callbacks.logged_in (handover->callbacks.user_data);
}

static void
take_over (ObkHandover *handover)
{
  ObkSession *former = handover->session;

  handover->session = g_steal_pointer (&handover->candidate);
  g_clear_pointer (&handover->trouble, g_free);
  obk_transit_redirect (handover->transit, obk_session_transit (handover->session));
  obk_auth_set_login_callback (obk_session_auth (handover->session), session_logged_in, handover);
  /* Who waits there for a token has one now. */
  (void)obk_auth_share (obk_session_auth (former), obk_session_auth (handover->session));
  let_go (handover, former);
  log_change (NULL);
}

static gboolean
is_final (const GError *error)
{
  return obk_error_code (error) == OBK_ERROR_STATE_REFUSED || obk_error_code (error) == OBK_ERROR_KEY_MISSING;
}

/* Whatever a login's own records say at which level: an operator who has reloaded waits to hear this. */
static void
note_trouble (ObkHandover *handover, const GError *error)
{
  gint64 now_us = obk_clock_boot_us ();

  if (g_strcmp0 (handover->trouble, error->message) == 0 && now_us - handover->told_us < TELL_AGAIN_US)
    return;
  log_change (error);
  handover->told_us = now_us;
  g_free (handover->trouble);
  handover->trouble = g_strdup (error->message);
}

static void
proved (const GError *error, gpointer user_data)
{
  ObkHandover *handover = user_data;

  handover->proof = NULL;
  if (error != NULL && !is_final (error))
    {
      note_trouble (handover, error);
      obk_poller_set_timer (handover->poller, &handover->again, obk_clock_boot_us () + handover->retry_us);
      return;
    }
  if (error == NULL)
    take_over (handover);
  else
    obk_handover_withdraw (handover);
  handover->callbacks.ended (error, handover->callbacks.user_data);
}

static void
prove (ObkHandover *handover)
{
  obk_poller_cancel_timer (handover->poller, &handover->again);
  if (handover->proof == NULL && handover->prober != NULL)
    handover->proof = obk_prober_prove (handover->prober, obk_session_transit (handover->candidate), proved, handover);
}

static void
prove_again (ObkTimer *timer)
{
  prove (OBK_CONTAINER_OF (timer, ObkHandover, again));
}

static void
candidate_logged_in (gpointer user_data)
{
  prove (user_data);
}

void
obk_handover_propose (ObkHandover *handover, ObkSession *session, gboolean share)
{
  ObkAuth *auth = NULL;

  g_return_if_fail (handover != NULL && session != NULL && handover->prober != NULL);

  obk_handover_withdraw (handover);
  auth = obk_session_auth (session);
  handover->candidate = session;
  handover->trouble = g_strdup ("");
  obk_auth_set_login_callback (auth, candidate_logged_in, handover);
  if (!share || !obk_auth_share (auth, obk_session_auth (handover->session)))
    obk_auth_start (auth);
  prove (handover);
}

void
obk_handover_withdraw (ObkHandover *handover)
{
  g_return_if_fail (handover != NULL);

  g_clear_pointer (&handover->proof, obk_key_proof_cancel);
  obk_poller_cancel_timer (handover->poller, &handover->again);
  g_clear_pointer (&handover->trouble, g_free);
  if (handover->candidate != NULL)
    let_go (handover, g_steal_pointer (&handover->candidate));
}

void
obk_handover_retry (ObkHandover *handover)
{
  g_return_if_fail (handover != NULL);

  obk_auth_retry (obk_session_auth (handover->session));
  if (handover->candidate == NULL)
    return;
  obk_auth_retry (obk_session_auth (handover->candidate));
  if (obk_auth_peek (obk_session_auth (handover->candidate)) != NULL) /* else its login is followed by a proof */
    prove (handover);
}

const char *
obk_handover_trouble (const ObkHandover *handover)
{
  return handover->trouble;
}

/* Life */

static void
session_free (gpointer session)
{
  obk_session_free (session);
}

ObkHandover *
obk_handover_new (ObkPoller *poller, ObkSession *session)
{
  ObkHandover *handover = NULL;

  g_return_val_if_fail (poller != NULL && session != NULL, NULL);

  handover = g_new0 (ObkHandover, 1);
  handover->poller = poller;
  handover->session = session;
  handover->transit = obk_transit_copy (obk_session_transit (session));
  handover->leaving = g_ptr_array_new_with_free_func (session_free);
  handover->again.expired = prove_again;
  handover->sweep.expired = sweep;
  obk_auth_set_login_callback (obk_session_auth (session), session_logged_in, handover);
  return handover;
}

void
obk_handover_free (ObkHandover *handover)
{
  if (handover == NULL)
    return;
  obk_handover_withdraw (handover);
  obk_poller_cancel_timer (handover->poller, &handover->sweep);
  g_ptr_array_unref (handover->leaving);
  obk_transit_free (handover->transit);
  obk_session_free (handover->session);
  g_free (handover);
}

ObkSession *
obk_handover_session (ObkHandover *handover)
{
  return handover->session;
}

ObkTransit *
obk_handover_transit (ObkHandover *handover)
{
  return handover->transit;
}

void
obk_handover_set_prober (ObkHandover *handover, ObkProber *prober, const ObkHandoverCallbacks *callbacks)
{
  g_return_if_fail (handover != NULL && (prober == NULL || callbacks->ended != NULL));

  if (prober == NULL)
    obk_handover_withdraw (handover);
  handover->prober = prober;
  handover->callbacks = callbacks != NULL ? *callbacks : (ObkHandoverCallbacks){ 0 };
}

void
obk_handover_tune (ObkHandover *handover, const ObkConfig *config)
{
  g_return_if_fail (handover != NULL && config != NULL);

  handover->retry_us = config->bootstrap.retry_interval_us;
  obk_session_tune (handover->session, config);
  if (handover->candidate != NULL)
    obk_session_tune (handover->candidate, config);
}
