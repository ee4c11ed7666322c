/* SPDX-License-Identifier: Apache-2.0 */
/* What a KMS request came to, in the log and in the metrics. */
#pragma once

#include <glib.h>

#include "base/correlation.h"
#include "identity/key-identity.h"
#include "kms/error-table.h"

G_BEGIN_DECLS

/* A plain value; all but the first two may be left out. */
typedef struct
{
  ObkMethod method;
  gint64 start_us;
  const GError *error;               /* (nullable): what it failed of */
  const ObkKeyIdentity *identity;    /* (nullable): the version that it was about, when that is known */
  const char *key_id;                /* (nullable): without one, the well-formed key_id that was asked for */
  const char *healthz;               /* (nullable): what Status said */
  const ObkCorrelation *correlation; /* (nullable) */
  const char *uid_hash;              /* (nullable): with it, when the request is to be told */
} ObkRequestOutcome;

/* Returns: "status", …: what logs and metrics call it */
const char *obk_method_name (ObkMethod method);

/* kms.request: debug for success, warn for failure (spec observability.md); and its count and duration. From any
 * thread, once a request. */
void obk_request_log (const ObkRequestOutcome *outcome);

G_END_DECLS
