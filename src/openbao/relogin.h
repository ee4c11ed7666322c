/* SPDX-License-Identifier: Apache-2.0 */
/* How often a refused token may be answered by another login. Pure. */
#pragma once

#include <glib.h>

#include "base/backoff.h"

G_BEGIN_DECLS

#define OBK_RELOGIN_MIN_US (5 * G_USEC_PER_SEC)
#define OBK_RELOGIN_MAX_US (30 * G_USEC_PER_SEC)

/**
 * ObkRelogin:
 *
 * A plain value, started by OBK_RELOGIN_INIT. OpenBao answers 403 to a token that it does not know, which another
 * login mends, and to what the policy denies, which it does not. So the first refusal gets a login at once; further
 * ones at most one in 5 s, and that doubles to 30 s while the fresh token is refused as well.
 *
 * Source: spec openbao.md, "Retry timing".
 */
typedef struct
{
  ObkBackoff pause;
  gint64 last_us;    /* when the last one passed */
  gint64 next_us;    /* none before */
  gboolean was_vain; /* its token has been refused soon after */
} ObkRelogin;

#define OBK_RELOGIN_INIT                                                                                               \
  {                                                                                                                    \
    .pause = OBK_BACKOFF_INIT (OBK_RELOGIN_MIN_US, OBK_RELOGIN_MAX_US, 0)                                              \
  }

/* The token in use has been refused. Returns: whether to log in again */
gboolean obk_relogin_refused (ObkRelogin *relogin, gint64 now_us);

/* A re-login has ended. */
void obk_relogin_ended (ObkRelogin *relogin, gboolean passed, gint64 now_us);

G_END_DECLS
