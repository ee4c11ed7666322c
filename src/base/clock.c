/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: one for what is written to disk, one for delays, ages and deadlines. */
#include "base/clock.h"

#include <time.h>

gint64
obk_clock_unix (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return now.tv_sec;
}

gint64
obk_clock_boot_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

ObkNow
obk_clock_now (void)
{
  return (ObkNow){ .unix_s = obk_clock_unix (), .boot_us = obk_clock_boot_us () };
}
