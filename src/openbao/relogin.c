/* SPDX-License-Identifier: Apache-2.0 */
/* How often a refused token may be answered by another login. Pure. */
#include "openbao/relogin.h"

gboolean
obk_relogin_refused (ObkRelogin *relogin, gint64 now_us)
{
  g_return_val_if_fail (relogin != NULL, FALSE);

  /* Later than that it is another matter: the token may well have been revoked again. */
  if (now_us - relogin->last_us < OBK_RELOGIN_MAX_US)
    relogin->was_vain = TRUE;
  return now_us >= relogin->next_us;
}

void
obk_relogin_ended (ObkRelogin *relogin, gboolean passed, gint64 now_us)
{
  g_return_if_fail (relogin != NULL);

  if (!passed) /* says nothing of what its token would have been good for */
    {
      relogin->next_us = now_us + OBK_RELOGIN_MIN_US;
      return;
    }
  if (!relogin->was_vain)
    obk_backoff_reset (&relogin->pause);
  relogin->was_vain = FALSE;
  relogin->last_us = now_us;
  relogin->next_us = now_us + obk_backoff_next (&relogin->pause, 0);
}
