/* SPDX-License-Identifier: Apache-2.0 */
/* The session in use, and the one that is to follow it: it must prove itself first, and no call is dropped. */
#pragma once

#include <glib.h>

#include "health/prober.h"
#include "provider/session.h"

G_BEGIN_DECLS

/* Of the main loop. */
typedef struct _ObkHandover ObkHandover;

typedef struct
{
  /* The session in use has logged in. */
  void (*logged_in) (gpointer user_data);
  /**
   * ended:
   * @error: %NULL: what was proposed is in use; OBK_ERROR_STATE_REFUSED, OBK_ERROR_KEY_MISSING: it leads to another
   *   key, or to none, and has been dropped
   */
  void (*ended) (const GError *error, gpointer user_data);
  gpointer user_data;
} ObkHandoverCallbacks;

/* @session: (transfer full): the first one, which need not prove anything */
ObkHandover *obk_handover_new (ObkPoller *poller, ObkSession *session);
void obk_handover_free (ObkHandover *handover); /* after all that uses what it has given out */

/* Returns: (transfer none): the one in use; another one later */
ObkSession *obk_handover_session (ObkHandover *handover);
/* Returns: (transfer none): always goes by the session in use */
ObkTransit *obk_handover_transit (ObkHandover *handover);

/* @prober: (nullable): knows the key; borrowed. %NULL: it is about to go, and nothing is proved any more */
void obk_handover_set_prober (ObkHandover *handover, ObkProber *prober, const ObkHandoverCallbacks *callbacks);

/* Goes by those fields of @config from now on that a reload puts in force at once. */
void obk_handover_tune (ObkHandover *handover, const ObkConfig *config);

/**
 * obk_handover_propose:
 * @session: (transfer full): takes the place of one that was proposed before
 * @share: whether the token in use is good for it, too; else it logs in by itself
 *
 * It takes over as soon as it has logged in and has shown that it leads to the same key; it is tried again and again
 * until then. Calls that run on the former one end there, and then it is closed.
 */
void obk_handover_propose (ObkHandover *handover, ObkSession *session, gboolean share);
void obk_handover_withdraw (ObkHandover *handover);

/* An operator asks for another try: at once, where the last login or proof failed. */
void obk_handover_retry (ObkHandover *handover);

/* Returns: (nullable): why what was proposed is not in use yet; "" when nobody knows yet; %NULL when there is nothing
 */
const char *obk_handover_trouble (const ObkHandover *handover);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkHandover, obk_handover_free)

G_END_DECLS
