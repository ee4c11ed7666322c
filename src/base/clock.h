/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: one for what is written to disk, one for delays, ages and deadlines. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_clock_unix:
 *
 * Returns: the system clock, Unix seconds. It may jump; never measure with it.
 */
gint64 obk_clock_unix (void);

/**
 * obk_clock_boot_us:
 *
 * Returns: CLOCK_BOOTTIME in microseconds: never jumps, and goes on while the machine sleeps.
 *   All deadlines in this project are on this clock; %OBK_NO_DEADLINE is none.
 */
gint64 obk_clock_boot_us (void);

#define OBK_NO_DEADLINE G_MAXINT64

/* One moment on both clocks. A plain value, passed in where a rule must be testable. */
typedef struct
{
  gint64 unix_s;
  gint64 boot_us;
} ObkNow;

ObkNow obk_clock_now (void);

G_END_DECLS
