/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates that somebody must replace: said once a day, from some days before their end. */
#pragma once

#include <glib.h>

#include "provider/session.h"

G_BEGIN_DECLS

/* How long before its end. An authority's successor must come to all nodes first. */
#define OBK_EXPIRY_AUTHORITY_SECONDS (14 * 86400)
#define OBK_EXPIRY_CLIENT_SECONDS (7 * 86400)

/* When it was last said, CLOCK_BOOTTIME; 0: not since it was renewed. */
typedef struct
{
  gint64 authority_us;
  gint64 client_us;
} ObkExpiry;

/* Logs what is due. To be called after a login, and now and then. */
void obk_expiry_look (ObkExpiry *expiry, ObkSession *session);

/* Returns: (transfer full) (nullable): "the CA certificate ends in 13 days", when one of them ends soon */
char *obk_expiry_trouble (ObkSession *session);

/* Whether something that lasts @left_s is to be said @ahead_s before its end, and has not been for a day. If so, it
 * counts as said. */
gboolean obk_expiry_is_due (gint64 *said_us, gint64 left_s, gint64 ahead_s, gint64 now_us);

G_END_DECLS
