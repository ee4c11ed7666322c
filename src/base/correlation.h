/* SPDX-License-Identifier: Apache-2.0 */
/* Debug correlation: for a limited time log records say, by hash, which request of the API server they belong to. */
#pragma once

#include <glib.h>

#include "base/log.h"

G_BEGIN_DECLS

/* Reference-counted and immutable. */
typedef struct _ObkCorrelation ObkCorrelation;

/* @incident_id: what the logs are wanted for. @ttl_us: from now on */
ObkCorrelation *obk_correlation_new (const char *incident_id, gint64 ttl_us);
ObkCorrelation *obk_correlation_ref (ObkCorrelation *correlation);
void obk_correlation_unref (ObkCorrelation *correlation);

/**
 * obk_correlation_hash:
 * @correlation: (nullable)
 * @uid: (nullable): a request's, @length bytes
 *
 * Returns: (transfer full) (nullable): what to tell the request by; %NULL when that is not wanted, or not any more
 */
char *obk_correlation_hash (const ObkCorrelation *correlation, const char *uid, gsize length);

/* Adds the three fields; nothing without @uid_hash. They are borrowed until the record is emitted. */
void obk_correlation_log (const ObkCorrelation *correlation, const char *uid_hash, ObkLogRecord *record);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCorrelation, obk_correlation_unref)

G_END_DECLS
