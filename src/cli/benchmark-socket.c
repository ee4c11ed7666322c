/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring a running provider through its socket: a thread and a connection for each call under way. */
#include "cli/benchmark-load.h"

#include "base/error.h"
#include "kms/client.h"

#include <glib/gi18n.h>

#include <string.h>

#define TIMEOUT_US (10 * G_USEC_PER_SEC) /* of one call */
#define UID "benchmark"

typedef struct
{
  const char *path;
  ObkBenchmarkOperation operation;
  guint calls;
  gint *stop; /* of all: one has failed */
  ObkSamples samples;
  GError *error;
} Worker;

static ObkSecret *
make_plaintext (void)
{
  ObkSecret *plaintext = obk_secret_new (OBK_BENCHMARK_PLAINTEXT);

  memset (obk_secret_writable (plaintext), 'b', OBK_BENCHMARK_PLAINTEXT);
  obk_secret_set_length (plaintext, OBK_BENCHMARK_PLAINTEXT);
  return plaintext;
}

static gboolean
decrypt_once (ObkKmsClient *client, const ObkKmsEncrypted *encrypted, const ObkSecret *plaintext, GError **error)
{
  g_autoptr (ObkSecret) back = obk_kms_client_decrypt (client, TIMEOUT_US, encrypted, UID, error);

  if (back == NULL)
    return FALSE;
  if (obk_secret_length (back) == obk_secret_length (plaintext)
      && memcmp (obk_secret_data (back), obk_secret_data (plaintext), obk_secret_length (back)) == 0)
    return TRUE;
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "%s", _ ("what came back is not what was encrypted"));
  return FALSE;
}

static gboolean
encrypt_once (ObkKmsClient *client, ObkSecret *plaintext, GError **error)
{
  g_auto (ObkKmsEncrypted) encrypted = { 0 };

  return obk_kms_client_encrypt (client, TIMEOUT_US, plaintext, UID, &encrypted, error);
}

/* The calls of one thread. */
static gboolean
work (Worker *worker, GError **error)
{
  g_autoptr (ObkKmsClient) client = obk_kms_client_new (worker->path, TIMEOUT_US, error);
  g_autoptr (ObkSecret) plaintext = make_plaintext ();
  g_auto (ObkKmsEncrypted) encrypted = { 0 };
  gboolean decrypts = worker->operation == OBK_BENCHMARK_DECRYPT;

  if (client == NULL)
    return FALSE;
  if (decrypts && !obk_kms_client_encrypt (client, TIMEOUT_US, plaintext, UID, &encrypted, error))
    return FALSE;
  while (g_atomic_int_get (worker->stop) == 0 && obk_samples_start (&worker->samples))
    {
      gint64 sent_ns = obk_samples_now_ns ();

      if (decrypts ? !decrypt_once (client, &encrypted, plaintext, error) : !encrypt_once (client, plaintext, error))
        return FALSE;
      obk_samples_finish (&worker->samples, sent_ns, TRUE);
    }
  return TRUE;
}

static gpointer
work_in_thread (gpointer data)
{
  Worker *worker = data;

  obk_samples_init (&worker->samples, obk_benchmark_warmup (worker->calls), worker->calls, 0);
  if (!work (worker, &worker->error))
    g_atomic_int_set (worker->stop, 1);
  return NULL;
}

static gboolean
run_operation (ObkBenchmark *benchmark, ObkBenchmarkOperation operation, const char *path, GError **error)
{
  guint n = benchmark->concurrency;
  g_autofree Worker *workers = g_new0 (Worker, n);
  g_autofree GThread **threads = g_new0 (GThread *, n);
  ObkSamples *samples = &benchmark->samples[operation];
  gboolean passed = TRUE;
  gint stop = 0;

  for (guint i = 0; i < n; i++)
    {
      workers[i] = (Worker){ .path = path, .operation = operation, .stop = &stop };
      workers[i].calls = benchmark->iterations / n + (i < benchmark->iterations % n);
      threads[i] = g_thread_new ("benchmark", work_in_thread, &workers[i]);
    }
  obk_samples_init (samples, 0, benchmark->iterations, 0);
  for (guint i = 0; i < n; i++)
    {
      g_thread_join (threads[i]);
      if (workers[i].error != NULL && passed)
        {
          g_propagate_error (error, g_steal_pointer (&workers[i].error));
          passed = FALSE;
        }
      g_clear_error (&workers[i].error);
      if (i == 0)
        samples->first_ns = workers[0].samples.first_ns;
      obk_samples_merge (samples, &workers[i].samples);
      obk_samples_clear (&workers[i].samples);
    }
  return passed;
}

gboolean
obk_benchmark_run_socket (ObkBenchmark *benchmark, const char *path, GError **error)
{
  return run_operation (benchmark, OBK_BENCHMARK_ENCRYPT, path, error)
         && run_operation (benchmark, OBK_BENCHMARK_DECRYPT, path, error);
}
