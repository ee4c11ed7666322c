/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring OpenBao as the provider uses it: one thread, and connections that are kept. */
#include "cli/benchmark-load.h"

#include "base/error.h"
#include "provider/session.h"

#include <glib/gi18n.h>

#include <string.h>

#define ASSOCIATED_DATA "openbao-kubernetes-kms/benchmark/v1"

typedef struct _Run Run;

/* One of the calls that are under way at once. */
typedef struct
{
  Run *run;
  ObkCall *call;
  char *ciphertext; /* (nullable): the last one */
  gint64 sent_ns;
} Caller;

struct _Run
{
  GMainLoop *loop;
  ObkTransit *transit;
  guint32 version;
  ObkBenchmarkOperation operation;
  ObkSamples *samples;
  guint busy;
  guint8 plaintext[OBK_BENCHMARK_PLAINTEXT];
  char *associated_data_base64;
  Caller *callers;
  guint n_callers;
  GError *error; /* of the first call that failed */
};

static void send_next (Caller *caller);

/* Takes the answer's time, and makes the next call. @error: (nullable) */
static void
finish (Caller *caller, const GError *error)
{
  Run *run = caller->run;

  caller->call = NULL;
  run->busy--;
  if (error != NULL && run->error == NULL)
    run->error = g_error_copy (error);
  obk_samples_finish (run->samples, caller->sent_ns, error == NULL);
  if (run->error == NULL)
    send_next (caller);
  if (run->busy == 0)
    g_main_loop_quit (run->loop);
}

static void
encrypted (const char *ciphertext, const GError *error, gpointer user_data)
{
  Caller *caller = user_data;

  if (error == NULL)
    {
      g_free (caller->ciphertext);
      caller->ciphertext = g_strdup (ciphertext);
    }
  finish (caller, error);
}

static void
decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  Caller *caller = user_data;
  g_autoptr (GError) wrong = NULL;

  if (error == NULL
      && (obk_secret_length (plaintext) != OBK_BENCHMARK_PLAINTEXT
          || memcmp (obk_secret_data (plaintext), caller->run->plaintext, OBK_BENCHMARK_PLAINTEXT) != 0))
    wrong = g_error_new_literal (OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("what came back is not what was encrypted"));
  finish (caller, wrong != NULL ? wrong : error);
}

static void
send_next (Caller *caller)
{
  Run *run = caller->run;

  if (!obk_samples_start (run->samples))
    return;
  run->busy++;
  caller->sent_ns = obk_samples_now_ns ();
  if (run->operation == OBK_BENCHMARK_ENCRYPT)
    caller->call = obk_transit_encrypt (run->transit, run->version, run->plaintext, sizeof run->plaintext,
                                        run->associated_data_base64, OBK_NO_DEADLINE, encrypted, caller);
  else
    caller->call = obk_transit_decrypt (run->transit, caller->ciphertext, run->associated_data_base64, OBK_NO_DEADLINE,
                                        decrypted, caller);
}

static void
run_operation (Run *run, ObkBenchmark *benchmark, ObkBenchmarkOperation operation)
{
  run->operation = operation;
  run->samples = &benchmark->samples[operation];
  /* The warmup is there for every caller: each has a connection to make. */
  obk_samples_init (run->samples, MAX (obk_benchmark_warmup (benchmark->iterations), benchmark->concurrency),
                    benchmark->iterations, 0);
  for (guint i = 0; i < run->n_callers; i++)
    send_next (&run->callers[i]);
  if (run->busy > 0)
    g_main_loop_run (run->loop);
}

static void
run_clear (Run *run)
{
  for (guint i = 0; i < run->n_callers; i++)
    {
      g_clear_pointer (&run->callers[i].call, obk_call_cancel);
      g_free (run->callers[i].ciphertext);
    }
  g_free (run->callers);
  g_free (run->associated_data_base64);
  g_clear_error (&run->error);
  g_clear_pointer (&run->loop, g_main_loop_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static gboolean
run_with_session (ObkBenchmark *benchmark, ObkSession *session, guint32 version, GError **error)
{
  g_auto (Run) run = { .transit = obk_session_transit (session), .version = version };

  run.loop = g_main_loop_new (NULL, FALSE);
  run.associated_data_base64 = g_base64_encode ((const guchar *)ASSOCIATED_DATA, strlen (ASSOCIATED_DATA));
  memset (run.plaintext, 'b', sizeof run.plaintext);
  run.n_callers = benchmark->concurrency;
  run.callers = g_new0 (Caller, run.n_callers);
  for (guint i = 0; i < run.n_callers; i++)
    run.callers[i].run = &run;
  obk_auth_start (obk_session_auth (session));
  for (ObkBenchmarkOperation operation = 0; operation < OBK_BENCHMARK_N_OPERATIONS && run.error == NULL; operation++)
    run_operation (&run, benchmark, operation);
  if (run.error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&run.error));
  return FALSE;
}

gboolean
obk_benchmark_run_openbao (ObkBenchmark *benchmark, const ObkRegistryCommand *command, GError **error)
{
  g_autoptr (ObkKeyMetadata) metadata = obk_registry_command_read_metadata (command, NULL, error);
  g_autoptr (ObkPoller) poller = metadata != NULL ? obk_poller_new (NULL, error) : NULL;
  g_autoptr (ObkSession) session = poller != NULL ? obk_session_new (command->config, poller, error) : NULL;

  return session != NULL && run_with_session (benchmark, session, metadata->latest_version, error);
}
