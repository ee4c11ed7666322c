/* SPDX-License-Identifier: Apache-2.0 */
/* Growing, jittered delays between tries. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A plain value; its owner sets the first three once. */
typedef struct
{
  gint64 initial_us;
  gint64 max_us;
  double jitter; /* 0.25: up to a quarter more or less */
  gint64 current_us;
} ObkBackoff;

#define OBK_BACKOFF_INIT(initial, max, jit)                                                                            \
  {                                                                                                                    \
    .initial_us = (initial), .max_us = (max), .jitter = (jit)                                                          \
  }

/**
 * obk_backoff_next:
 * @random: in [0, 1), from the caller, so that tests can fix it
 *
 * Returns: microseconds to wait after one more failure: the initial delay, doubling to the
 *   maximum, each jittered (the jitter may not exceed the maximum by more than its share)
 */
gint64 obk_backoff_next (ObkBackoff *backoff, double random);
void obk_backoff_reset (ObkBackoff *backoff);

/* Returns: @us, up to @jitter of it more or less, for fixed delays that must not march in step */
gint64 obk_backoff_jittered (gint64 us, double jitter, double random);

G_END_DECLS
