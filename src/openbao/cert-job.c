/* SPDX-License-Identifier: Apache-2.0 */
/* One login or renewal with a certificate, in a thread of its own. */
#include "openbao/cert-job.h"

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/json.h"
#include "base/names.h"
#include "openbao/login-call.h"
#include "openbao/token-thread.h"
#include "openbao/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MARGIN_US (100 * 1000) /* before the deadline, so that the true cause comes through */

struct _ObkCertWay
{
  gint references;
  char *mount_path;
  char *ca_cert_file;
  gboolean fips;
  ObkAddresses *addresses;
  char *namespace;
  ObkClientOptions client; /* the main loop's: see the job's */
  ObkSecret *body;         /* of the login */
  ObkCertSigner *signer;
  GMainContext
      *context; /* of the jobs, one after the other: GLib ends the process when it gets no descriptor for one */
};

struct _ObkCertJob
{
  ObkCertWay *way;         /* until the thread ends */
  ObkCertSigner *signer;   /* its */
  ObkClientOptions client; /* a copy of its, with its strings */
  GMainContext *main;      /* where the end is told */
  ObkCertJobEnded ended;
  gpointer user_data;
  gboolean abandoned;    /* the main loop's */
  GMainContext *context; /* the way's */
  gint cancelled;        /* atomic */
  gint at_token;         /* atomic: opening it; signing is the signer's to tell */

  ObkSecret *token; /* to renew; %NULL: a login */
  gint64 increment_us;
  gint64 deadline_us;

  /* the thread's, until it has ended */
  ObkCall *call;
  json_t *answer;
  GError *error;
  gint64 expires_unix;
};

/* --- way --- */

static ObkSecret *
make_body (const char *name, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  char *text = NULL;
  ObkSecret *secret = NULL;

  if (name[0] != '\0' && json_object_set_new (body, "name", json_string (name)) != 0)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "auth.cert.name is not UTF-8");
      return NULL;
    }
  text = json_dumps (body, JSON_COMPACT);
  secret = obk_secret_new_copy (text, strlen (text));
  free (text);
  return secret;
}

static void
way_unref (ObkCertWay *way)
{
  if (!g_atomic_int_dec_and_test (&way->references))
    return;
  obk_cert_signer_free (way->signer);
  g_clear_pointer (&way->context, g_main_context_unref);
  g_clear_pointer (&way->body, obk_secret_unref);
  obk_addresses_free (way->addresses);
  g_free (way->namespace);
  g_free (way->ca_cert_file);
  g_free (way->mount_path);
  g_free (way);
}

/* Returns: (nullable): %NULL where GLib would end the process */
static GMainContext *
make_context (GError **error)
{
  if (obk_descriptors_left (1))
    return g_main_context_new ();
  obk_refuse (error, obk_descriptors_code (errno, OBK_ERROR_UNKNOWN), "no descriptor for the login: %s",
              g_strerror (errno));
  return NULL;
}

ObkCertWay *
obk_cert_way_new (const ObkCertLoginOptions *options, GError **error)
{
  ObkCertWay *way = g_new0 (ObkCertWay, 1);

  way->references = 1;
  way->mount_path = g_strdup (options->mount_path);
  way->ca_cert_file = g_strdup (options->ca_cert_file);
  way->fips = options->fips;
  way->client = options->client;
  way->addresses = options->client.addresses;
  way->namespace = g_strdup (options->client.namespace);
  way->client.namespace = way->namespace;
  way->body = make_body (options->name, error);
  way->context = way->body != NULL ? make_context (error) : NULL;
  way->signer = way->context != NULL ? obk_cert_signer_new (&options->signer, error) : NULL;
  if (way->signer == NULL)
    g_clear_pointer (&way, way_unref);
  return way;
}

static ObkCertWay *
way_ref (ObkCertWay *way)
{
  g_atomic_int_inc (&way->references);
  return way;
}

const char *
obk_cert_way_certificate_path (const ObkCertWay *way)
{
  return obk_cert_signer_certificate_path (way->signer);
}

const char *
obk_cert_way_pin_path (const ObkCertWay *way)
{
  return obk_cert_signer_pin_path (way->signer);
}

void
obk_cert_way_learn (ObkCertWay *way, const ObkAddresses *known)
{
  obk_addresses_learn (way->addresses, known, obk_clock_boot_us ());
}

void
obk_cert_way_tune (ObkCertWay *way, gint64 timeout_us, gboolean log_request_ids)
{
  way->client.timeout_us = timeout_us;
  way->client.log_request_ids = log_request_ids;
}

/* --- in the thread --- */

static void
answered (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  ObkCertJob *job = user_data;

  job->call = NULL;
  job->answer = json != NULL ? json_incref ((json_t *)json) : NULL;
  job->error = error != NULL ? g_error_copy (error) : NULL;
}

/* What a failure of OpenBao's, or of TLS, comes down to. */
static void
explain (ObkCertJob *job)
{
  const GError *failure = obk_cert_signer_failure (job->signer);
  ObkError code = obk_error_code (job->error);

  if (job->error == NULL)
    return;
  if (failure != NULL)
    {
      g_clear_error (&job->error);
      job->error = g_error_copy (failure);
    }
  else if ((code == OBK_ERROR_TRANSIT_REFUSED || code == OBK_ERROR_AUTH_FAILED || code == OBK_ERROR_POLICY_DENIED)
           && !obk_cert_signer_identity (job->signer)->asked_for)
    g_prefix_error (&job->error, OBK_CERT_LOGIN_SAYS_NOT_ASKED " (tls_disable_client_certs?): ");
}

static gboolean
is_cancelled (const ObkCertJob *job)
{
  return g_atomic_int_get (&job->cancelled) != 0;
}

static void
converse (ObkCertJob *job, ObkClient *client)
{
  const ObkCertWay *way = job->way;
  gint64 deadline_us = job->deadline_us - ANSWER_MARGIN_US;

  job->call = job->token == NULL ? obk_login_call (client, OBK_OPERATION_CERT_LOGIN, way->mount_path, way->body,
                                                   deadline_us, answered, job)
                                 : obk_renewal_call (client, job->token, job->increment_us, deadline_us, answered, job);
  while (job->call != NULL && !is_cancelled (job))
    g_main_context_iteration (job->context, TRUE);
  g_clear_pointer (&job->call, obk_call_cancel);
}

/* A way of its own to OpenBao, which ends with it: the certificate is the connection's. */
static void
ask_openbao (ObkCertJob *job)
{
  const ObkCertWay *way = job->way;
  g_autoptr (ObkPoller) poller = obk_poller_new (job->context, &job->error);
  g_autoptr (ObkTunnel) tunnel = NULL;
  g_autoptr (ObkHttp) http = NULL;
  g_autoptr (ObkClient) client = NULL;

  if (poller != NULL)
    tunnel = obk_tunnel_new (poller, way->ca_cert_file, way->fips, &job->error);
  if (tunnel != NULL)
    {
      obk_tunnel_set_identity (tunnel, obk_cert_signer_identity (way->signer));
      http = obk_http_new (poller, tunnel, &job->error);
    }
  if (http != NULL)
    {
      client = obk_client_new (poller, http, &job->client);
      converse (job, client);
    }
}

static void
work (ObkCertJob *job)
{
  ObkCertSigner *signer = job->signer;
  gboolean ready = FALSE;

  g_atomic_int_set (&job->at_token, TRUE);
  ready = obk_cert_signer_open_key (signer, &job->error);
  g_atomic_int_set (&job->at_token, FALSE);
  job->expires_unix = obk_cert_signer_expires_unix (signer);
  if (ready && !is_cancelled (job))
    ask_openbao (job);
  explain (job);
  /* What was given up in the middle of it is over when its callbacks have run. */
  while (g_main_context_iteration (job->context, FALSE))
    ;
  g_atomic_int_set (&job->at_token, TRUE);
  obk_cert_signer_close (signer);
  g_atomic_int_set (&job->at_token, FALSE);
}

static gboolean
tell_end (gpointer data)
{
  ObkCertJob *job = data;

  if (!job->abandoned)
    job->ended (job, job->user_data);
  return G_SOURCE_REMOVE;
}

static void
job_free (gpointer data)
{
  ObkCertJob *job = data;

  g_clear_pointer (&job->answer, json_decref);
  g_clear_error (&job->error);
  g_clear_pointer (&job->token, obk_secret_unref);
  g_clear_pointer (&job->main, g_main_context_unref);
  g_main_context_unref (job->context);
  g_free (job);
}

static gpointer
run (gpointer data)
{
  ObkCertJob *job = data;
  g_autoptr (GMainContext) main = job->main != NULL ? g_main_context_ref (job->main) : NULL;
  g_autoptr (GSource) end = g_idle_source_new ();

  g_main_context_push_thread_default (job->context);
  if (!is_cancelled (job))
    work (job);
  g_main_context_pop_thread_default (job->context);
  way_unref (g_steal_pointer (&job->way)); /* here, since the last one ends with the token's module */
  g_source_set_priority (end, G_PRIORITY_DEFAULT);
  g_source_set_callback (end, tell_end, job, job_free);
  g_source_attach (end, main); /* not g_main_context_invoke(): it must not run in this thread */
  return NULL;
}

static gpointer
release (gpointer data)
{
  way_unref (data);
  return NULL;
}

/* --- on the main loop --- */

ObkCertJob *
obk_cert_job_start (ObkCertWay *way, GMainContext *main, ObkSecret *token, gint64 increment_us, gint64 deadline_us,
                    ObkCertJobEnded ended, gpointer user_data, GError **error)
{
  ObkCertJob *job = g_new0 (ObkCertJob, 1);

  job->way = way_ref (way);
  job->signer = way->signer;
  job->client = way->client;
  job->main = main != NULL ? g_main_context_ref (main) : NULL;
  job->ended = ended;
  job->user_data = user_data;
  job->context = g_main_context_ref (way->context);
  job->token = token != NULL ? obk_secret_ref (token) : NULL;
  job->increment_us = increment_us;
  job->deadline_us = deadline_us;
  if (obk_token_thread_start (run, job, error))
    return job;
  way_unref (way);
  job_free (job);
  return NULL;
}

void
obk_cert_way_release (ObkCertWay *way)
{
  (void)obk_token_thread_start (release, way, NULL); /* without a thread it stays: better than a wait */
}

void
obk_cert_job_cancel (ObkCertJob *job)
{
  g_atomic_int_set (&job->cancelled, TRUE);
  g_main_context_wakeup (job->context);
}

void
obk_cert_job_abandon (ObkCertJob *job)
{
  job->abandoned = TRUE;
  obk_cert_job_cancel (job);
}

gboolean
obk_cert_job_is_at_token (const ObkCertJob *job)
{
  return g_atomic_int_get (&job->at_token) != 0 || obk_cert_signer_is_signing (job->signer);
}

const json_t *
obk_cert_job_answer (const ObkCertJob *job)
{
  return job->answer;
}

const GError *
obk_cert_job_error (const ObkCertJob *job)
{
  return job->error;
}

gint64
obk_cert_job_expires_unix (const ObkCertJob *job)
{
  return job->expires_unix;
}
