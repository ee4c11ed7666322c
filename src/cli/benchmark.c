/* SPDX-License-Identifier: Apache-2.0 */
/* "benchmark": how long Encrypt and Decrypt take, and how many there can be, with bytes that are no secret. */
#include "cli/benchmark-load.h"

#include "base/error.h"
#include "base/names.h"
#include "base/process.h"

#include <glib/gi18n.h>

#include <stdio.h>

#define DEFAULT_ITERATIONS 1000
#define MAX_ITERATIONS 1000000
#define MAX_CONCURRENCY 256

static char *socket_path = NULL;
static int iterations = DEFAULT_ITERATIONS;
static int concurrency = 1;

static const char *const operation_names[] = { "encrypt", "decrypt" };

guint
obk_benchmark_warmup (guint calls)
{
  return MIN (calls / 10, OBK_BENCHMARK_MAX_WARMUP);
}

static gboolean
check_options (void)
{
  if (iterations < 1 || iterations > MAX_ITERATIONS)
    obk_command_complain (_ ("--iterations must be 1 to %d"), MAX_ITERATIONS);
  else if (concurrency < 1 || concurrency > MAX_CONCURRENCY)
    obk_command_complain (_ ("--concurrency must be 1 to %d"), MAX_CONCURRENCY);
  else if (concurrency > iterations)
    obk_command_complain (_ ("--concurrency must not be more than --iterations"));
  else
    return TRUE;
  return FALSE;
}

static void
print_text (const ObkBenchmark *benchmark)
{
  if (socket_path != NULL)
    printf (_ ("the provider at \"%s\", %u at once\n\n"), socket_path, benchmark->concurrency);
  else
    printf (_ ("OpenBao itself, %u at once\n\n"), benchmark->concurrency);
  printf ("%-8s %9s %10s %9s %9s %9s %9s %9s\n", "", _ ("calls"), _ ("calls/s"), _ ("p50 ms"), _ ("p90 ms"),
          _ ("p95 ms"), _ ("p99 ms"), _ ("max ms"));
  for (guint i = 0; i < OBK_BENCHMARK_N_OPERATIONS; i++)
    {
      ObkSummary summary = obk_samples_summarize (&benchmark->samples[i]);

      printf ("%-8s %9u %10.0f %9.3f %9.3f %9.3f %9.3f %9.3f\n", operation_names[i], summary.calls, summary.rate,
              summary.p50_ms, summary.p90_ms, summary.p95_ms, summary.p99_ms, summary.max_ms);
    }
}

static void
add_operation (ObkCanonicalJson *json, const char *name, const ObkSummary *summary)
{
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "operation", name);
  obk_canonical_json_int (json, "calls", summary->calls);
  obk_canonical_json_double (json, "seconds", summary->seconds);
  obk_canonical_json_double (json, "callsPerSecond", summary->rate);
  obk_canonical_json_begin_object (json, "latencyMs");
  obk_canonical_json_double (json, "mean", summary->mean_ms);
  obk_canonical_json_double (json, "min", summary->min_ms);
  obk_canonical_json_double (json, "p50", summary->p50_ms);
  obk_canonical_json_double (json, "p90", summary->p90_ms);
  obk_canonical_json_double (json, "p95", summary->p95_ms);
  obk_canonical_json_double (json, "p99", summary->p99_ms);
  obk_canonical_json_double (json, "max", summary->max_ms);
  obk_canonical_json_end_object (json);
  obk_canonical_json_end_object (json);
}

static void
print_json (const ObkBenchmark *benchmark)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *path = socket_path != NULL ? g_utf8_make_valid (socket_path, -1) : NULL;
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "target", path != NULL ? "socket" : "openbao");
  if (path != NULL)
    obk_canonical_json_string (json, "socket", path);
  obk_canonical_json_int (json, "concurrency", benchmark->concurrency);
  obk_canonical_json_begin_array (json, "operations");
  for (guint i = 0; i < OBK_BENCHMARK_N_OPERATIONS; i++)
    {
      ObkSummary summary = obk_samples_summarize (&benchmark->samples[i]);

      add_operation (json, operation_names[i], &summary);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

/* Returns: whether it was measured; @exit is set and a complaint made when not */
static gboolean
measure (ObkBenchmark *benchmark, const ObkGlobals *globals, ObkExit *exit)
{
  g_auto (ObkRegistryCommand) command = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean measured = FALSE;

  if (socket_path != NULL)
    measured = obk_process_harden (&error) && obk_benchmark_run_socket (benchmark, socket_path, &error);
  else if (!obk_registry_command_load (&command, globals, exit))
    return FALSE;
  else
    measured = obk_registry_command_become_owner (&command, &error)
               && obk_benchmark_run_openbao (benchmark, &command, &error);
  *exit = measured ? OBK_EXIT_OK : obk_registry_command_refuse (error);
  return measured;
}

static ObkExit
run (const ObkGlobals *globals)
{
  ObkBenchmark benchmark = { .iterations = (guint)iterations, .concurrency = (guint)concurrency };
  ObkExit exit = OBK_EXIT_OK;

  if (!check_options ())
    return OBK_EXIT_USAGE;
  if (measure (&benchmark, globals, &exit) && globals->json)
    print_json (&benchmark);
  else if (exit == OBK_EXIT_OK)
    print_text (&benchmark);
  for (guint i = 0; i < OBK_BENCHMARK_N_OPERATIONS; i++)
    obk_samples_clear (&benchmark.samples[i]);
  return exit;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path,
      N_ ("Ask the running provider through its socket, and not OpenBao itself"), N_ ("PATH") },
    { "iterations", 0, 0, G_OPTION_ARG_INT, &iterations,
      N_ ("How many calls to count of each operation, 1000 by default"), "N" },
    { "concurrency", 0, 0, G_OPTION_ARG_INT, &concurrency, N_ ("How many calls are under way at once, 1 by default"),
      "C" },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_benchmark = {
  .name = "benchmark",
  .summary = N_ ("Measure Encrypt and Decrypt: OpenBao itself, or a running provider."),
  .details = N_ ("Without --socket OpenBao itself is asked, by the configuration and as the provider does it. The "
                 "bytes are no secret. It ends with the first call that fails."),
  .example = OBK_PROGRAM " benchmark --socket " OBK_DEFAULT_SOCKET " --concurrency 16",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
