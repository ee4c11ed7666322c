/* SPDX-License-Identifier: Apache-2.0 */
/* The login with a certificate whose key is in a PKCS#11 token: what the main loop sees of it. */
#include "openbao/cert-login.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file-watch.h"
#include "base/names.h"
#include "base/safe-file.h"
#include "openbao/cert-job.h"

typedef struct
{
  ObkCredential base;
  ObkPoller *poller;
  ObkCertWay *way;
  const ObkAddresses *known;
  gint64 expires_unix; /* of the certificates as last seen; 0 when unknown */
  char *certificate_path;
  ObkFileWatch *watches[3]; /* %NULL where there is no file */

  ObkCertJob *running; /* its thread has not ended; perhaps nobody waits for it any more */

  /* What is asked for, if anything. */
  ObkCredentialDone done; /* %NULL: nothing */
  gpointer user_data;
  ObkSecret *token; /* to renew; %NULL: a login */
  gint64 increment_us;
  gint64 deadline_us;
  gboolean begun; /* that is what @running does; else it waits for its end */
  ObkTimer timer;
} CertLogin;

/* It is settled: forgets it, and says so. */
static void
finish (CertLogin *login, const json_t *answer, const GError *error)
{
  ObkCredentialDone done = g_steal_pointer (&login->done);

  obk_poller_cancel_timer (login->poller, &login->timer);
  g_clear_pointer (&login->token, obk_secret_unref);
  done (answer, error, login->user_data);
}

static void job_ended (ObkCertJob *job, gpointer user_data);

static void
begin (CertLogin *login)
{
  g_autoptr (GError) error = NULL;

  obk_cert_way_learn (login->way, login->known);
  login->running = obk_cert_job_start (login->way, obk_poller_context (login->poller), login->token,
                                       login->increment_us, login->deadline_us, job_ended, login, &error);
  login->begun = login->running != NULL;
  if (!login->begun)
    finish (login, NULL, error);
}

static void
job_ended (ObkCertJob *job, gpointer user_data)
{
  CertLogin *login = user_data;
  gboolean wanted = login->done != NULL && login->begun;

  login->running = NULL;
  if (obk_cert_job_expires_unix (job) != 0)
    login->expires_unix = obk_cert_job_expires_unix (job);
  if (wanted)
    finish (login, obk_cert_job_answer (job), obk_cert_job_error (job));
  else if (login->done != NULL)
    begin (login);
}

static void
give_up (CertLogin *login)
{
  if (login->begun && login->running != NULL)
    obk_cert_job_cancel (login->running);
  login->begun = FALSE;
}

static void
expired (ObkTimer *timer)
{
  CertLogin *login = OBK_CONTAINER_OF (timer, CertLogin, timer);
  g_autoptr (GError) error = NULL;

  if (!login->begun)
    error = g_error_new_literal (OBK_ERROR, OBK_ERROR_CREDENTIAL_SILENT,
                                 "the PKCS#11 token is still busy with what it was asked before");
  else if (obk_cert_job_is_at_token (login->running))
    error = g_error_new_literal (OBK_ERROR, OBK_ERROR_CREDENTIAL_SILENT,
                                 "no answer of the PKCS#11 token within auth.loginTimeout");
  else
    error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "no answer of OpenBao within auth.loginTimeout");
  give_up (login);
  finish (login, NULL, error);
}

static void
ask (CertLogin *login, ObkSecret *token, gint64 increment_us, gint64 deadline_us, ObkCredentialDone done,
     gpointer user_data)
{
  login->done = done;
  login->user_data = user_data;
  login->token = token != NULL ? obk_secret_ref (token) : NULL;
  login->increment_us = increment_us;
  login->deadline_us = deadline_us;
  login->begun = FALSE;
  obk_poller_set_timer (login->poller, &login->timer, deadline_us);
  if (login->running == NULL)
    begin (login);
}

static void
log_in (ObkCredential *credential, gint64 deadline_us, ObkCredentialDone done, gpointer user_data)
{
  ask ((CertLogin *)credential, NULL, 0, deadline_us, done, user_data);
}

static void
renew (ObkCredential *credential, ObkSecret *token, gint64 increment_us, gint64 deadline_us, ObkCredentialDone done,
       gpointer user_data)
{
  ask ((CertLogin *)credential, token, increment_us, deadline_us, done, user_data);
}

static void
cancel (ObkCredential *credential)
{
  CertLogin *login = (CertLogin *)credential;

  give_up (login);
  login->done = NULL;
  g_clear_pointer (&login->token, obk_secret_unref);
  obk_poller_cancel_timer (login->poller, &login->timer);
}

static void
tune (ObkCredential *credential, gint64 timeout_us, gboolean log_request_ids)
{
  obk_cert_way_tune (((CertLogin *)credential)->way, timeout_us, log_request_ids);
}

static gint64
ttl_seconds (ObkCredential *credential)
{
  const CertLogin *login = (CertLogin *)credential;

  return login->expires_unix == 0 ? -1 : MAX (login->expires_unix - obk_clock_unix (), 0);
}

/* --- files --- */

/* So that its expiry is known before a login has been tried. What is wrong with it is found there. */
static void
read_expiry (CertLogin *login)
{
  g_autoptr (ObkSecret) pem = NULL;
  g_autoptr (ObkClientChain) chain = NULL;

  if (login->certificate_path == NULL)
    return;
  pem = obk_safe_file_read (login->certificate_path, OBK_FILE_MASK_PRIVATE, OBK_CLIENT_CHAIN_MAX_BYTES, NULL);
  if (pem != NULL)
    chain = obk_client_chain_new_pem (obk_secret_data (pem), obk_secret_length (pem), NULL);
  login->expires_unix = chain != NULL ? obk_client_chain_expires_unix (chain) : 0;
}

static void
file_changed (gpointer user_data)
{
  CertLogin *login = user_data;

  read_expiry (login);
  if (login->base.changed != NULL)
    login->base.changed (login->base.changed_data);
}

static void
watch_files (CertLogin *login, const char *ca_cert_path)
{
  const char *paths[G_N_ELEMENTS (login->watches)] = {
    login->certificate_path,
    obk_cert_way_pin_path (login->way),
    ca_cert_path,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (paths[i] != NULL)
      login->watches[i] = obk_file_watch_new (paths[i], file_changed, login);
}

/* --- life --- */

static void
cert_login_free (ObkCredential *credential)
{
  CertLogin *login = (CertLogin *)credential;

  cancel (credential);
  if (login->running != NULL)
    obk_cert_job_abandon (login->running);
  for (gsize i = 0; i < G_N_ELEMENTS (login->watches); i++)
    obk_file_watch_free (login->watches[i]);
  obk_cert_way_release (login->way);
  g_free (login->certificate_path);
  g_free (login);
}

ObkCredential *
obk_cert_login_new (ObkPoller *poller, const ObkCertLoginOptions *options, GError **error)
{
  g_autofree char *ca_cert_path = NULL;
  ObkCertWay *way = NULL;
  CertLogin *login = NULL;

  g_return_val_if_fail (poller != NULL && options != NULL, NULL);

  way = obk_cert_way_new (options, error);
  ca_cert_path = way != NULL ? obk_credential_path (options->ca_cert_file, error) : NULL;
  if (ca_cert_path == NULL)
    {
      g_clear_pointer (&way, obk_cert_way_release);
      return NULL;
    }
  login = g_new0 (CertLogin, 1);
  login->base = (ObkCredential){
    .operation = OBK_OPERATION_CERT_LOGIN,
    .log_in = log_in,
    .renew = renew,
    .cancel = cancel,
    .tune = tune,
    .ttl_seconds = ttl_seconds,
    .free = cert_login_free,
  };
  login->poller = poller;
  login->way = way;
  login->known = options->known;
  login->timer.expired = expired;
  login->certificate_path = g_strdup (obk_cert_way_certificate_path (way));
  watch_files (login, ca_cert_path);
  read_expiry (login);
  return &login->base;
}
