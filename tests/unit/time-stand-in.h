/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the place of base/clock and of the timers of base/poller in a program that is not linked with the whole
 * library: time stands still but for stand_in_advance(), so that hours pass in no time and a second is exact.
 */
#pragma once

#include "base/poller.h"

ObkPoller *stand_in_poller_new (void);
void stand_in_poller_free (ObkPoller *poller); /* no timer may be left */

/* The system clock jumps; nothing else moves. It begins at 1,800,000,000. */
void stand_in_jump (gint64 seconds);

/* Time passes, and nobody notices: timers that are due expire when stand_in_advance() comes. */
void stand_in_sleep (gint64 us);

/* Returns: microseconds to the first timer, 0 when it is due, -1 when there is none */
gint64 stand_in_next (ObkPoller *poller);

/* Lets all timers that are due by then expire, each at its time. 0: those that are due now. */
void stand_in_advance (ObkPoller *poller, gint64 us);
