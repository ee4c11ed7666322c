/* SPDX-License-Identifier: Apache-2.0 */
/* Telling systemd how we are: READY, RELOADING, STATUS, WATCHDOG, STOPPING. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void obk_notify_ready (void);
void obk_notify_stopping (void);
/* To be followed by obk_notify_ready(), whatever came of it. */
void obk_notify_reloading (void);
/* @status: one line; sent only when it differs from the last one */
void obk_notify_status (const char *status);
/* Beats from the main loop at half of the interval that systemd asks for; nothing when it asks for none. */
void obk_notify_start_watchdog (void);

G_END_DECLS
