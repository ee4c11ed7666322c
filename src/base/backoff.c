/* SPDX-License-Identifier: Apache-2.0 */
/* Growing, jittered delays between tries. */
#include "base/backoff.h"

gint64
obk_backoff_next (ObkBackoff *backoff, double random)
{
  g_return_val_if_fail (backoff != NULL, 0);

  if (backoff->current_us <= 0)
    backoff->current_us = backoff->initial_us;
  else if (backoff->current_us > backoff->max_us / 2)
    backoff->current_us = backoff->max_us; /* and doubling could overflow */
  else
    backoff->current_us *= 2;
  backoff->current_us = MIN (backoff->current_us, backoff->max_us);
  return obk_backoff_jittered (backoff->current_us, backoff->jitter, random);
}

void
obk_backoff_reset (ObkBackoff *backoff)
{
  backoff->current_us = 0;
}

gint64
obk_backoff_jittered (gint64 us, double jitter, double random)
{
  g_return_val_if_fail (jitter >= 0 && jitter <= 1, us);
  g_return_val_if_fail (random >= 0 && random < 1, us);

  return us + (gint64)((double)us * jitter * (2 * random - 1));
}
