/* SPDX-License-Identifier: Apache-2.0 */
/* What `benchmark` measures: Encrypt and then Decrypt of bytes that are no secret, again and again. */
#pragma once

#include <glib.h>

#include "base/samples.h"
#include "cli/registry-command.h"

G_BEGIN_DECLS

#define OBK_BENCHMARK_PLAINTEXT 32 /* that of the seeds which an API server has encrypted */
#define OBK_BENCHMARK_MAX_WARMUP 100

typedef enum
{
  OBK_BENCHMARK_ENCRYPT,
  OBK_BENCHMARK_DECRYPT,
  OBK_BENCHMARK_N_OPERATIONS
} ObkBenchmarkOperation;

typedef struct
{
  guint iterations;                               /* calls to count, of each operation */
  guint concurrency;                              /* calls under way at once; at most iterations */
  ObkSamples samples[OBK_BENCHMARK_N_OPERATIONS]; /* what came of it */
} ObkBenchmark;

/* Each ends with the first call that fails. @error: that call's, or what kept it from being made */
gboolean obk_benchmark_run_socket (ObkBenchmark *benchmark, const char *path, GError **error);
gboolean obk_benchmark_run_openbao (ObkBenchmark *benchmark, const ObkRegistryCommand *command, GError **error);

/* How many calls come before those that count. */
guint obk_benchmark_warmup (guint calls);

G_END_DECLS
