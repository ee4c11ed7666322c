/* SPDX-License-Identifier: Apache-2.0 */
/* Holding back identical failures, and counting what was held back. */
#pragma once

#include <glib.h>

#include "base/log.h"

G_BEGIN_DECLS

/**
 * ObkLogLimit:
 *
 * Records at warn and above of one kind (same event and level, and same operation, error class, reason and so on;
 * causes, ids and durations may differ) pass five times in ten seconds; the rest of that window is counted. A reload's
 * outcome always passes. Not safe for several threads: the sink has the lock.
 */
typedef struct _ObkLogLimit ObkLogLimit;

#define OBK_LOG_LIMIT_BURST 5
#define OBK_LOG_LIMIT_WINDOW_US (10 * G_USEC_PER_SEC)

ObkLogLimit *obk_log_limit_new (void);
void obk_log_limit_free (ObkLogLimit *limit);

/**
 * obk_log_limit_admit:
 * @now_us: CLOCK_BOOTTIME, for which obk_log_limit_sweep() has been called
 *
 * Returns: whether to write @record; else it has been counted
 */
gboolean obk_log_limit_admit (ObkLogLimit *limit, const ObkLogRecord *record, gint64 now_us);

/* @summary: the kind's event, level and fields, and "suppressed", its count */
typedef void (*ObkLogLimitSummary) (const ObkLogRecord *summary, gpointer user_data);

/**
 * obk_log_limit_sweep:
 * @now_us: CLOCK_BOOTTIME; %OBK_NO_DEADLINE closes all windows
 *
 * Closes the windows that are over and gives a summary of each that held something back.
 */
void obk_log_limit_sweep (ObkLogLimit *limit, gint64 now_us, ObkLogLimitSummary summary, gpointer user_data);

/* Returns: when the first window that holds something back is over; %OBK_NO_DEADLINE when none does */
gint64 obk_log_limit_next (const ObkLogLimit *limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkLogLimit, obk_log_limit_free)

G_END_DECLS
