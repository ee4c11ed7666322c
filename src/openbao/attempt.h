/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a request at one address: read, counted, logged, and the address judged by it. Only for client.c. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/correlation.h"
#include "openbao/addresses.h"
#include "openbao/http.h"

G_BEGIN_DECLS

typedef struct
{
  ObkAddresses *addresses;
  ObkAddressTry where;
  const char *operation;       /* OBK_OPERATION_…, static */
  gboolean anonymous;          /* a login */
  gboolean silence_tells;      /* it had time enough for silence to say something of the address */
  gboolean log_request_id;     /* OpenBao's */
  ObkCorrelation *correlation; /* (nullable): with @uid_hash */
  const char *uid_hash;
} ObkAttempt;

/**
 * obk_attempt_end:
 * @response, @error: as ObkHttpDone has them
 *
 * Returns: (transfer full) (nullable): the answer's body; else @failure is set
 */
json_t *obk_attempt_end (const ObkAttempt *attempt, const ObkHttpResponse *response, const GError *error, gint64 now_us,
                         GError **failure) G_GNUC_WARN_UNUSED_RESULT;

/* It was broken off by who had asked, which says nothing of the address. */
void obk_attempt_cancelled (const ObkAttempt *attempt, gint64 now_us);

G_END_DECLS
