/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts connections from one listening socket. */
#pragma once

#include <glib.h>

#include "base/poller.h"

G_BEGIN_DECLS

typedef struct _ObkDoor ObkDoor;

/* @fd: connected, non-blocking, close-on-exec; the callee takes it over. It must not free the door. */
typedef void (*ObkDoorAccepted) (int fd, gpointer user_data);

/**
 * obk_door_new:
 * @fd: non-blocking; borrowed, and to be closed after the door is freed
 *
 * Accepts on the main context of @poller, some at a time, so that others have their turn; when it cannot, which is
 * logged, it tries again a moment later.
 */
ObkDoor *obk_door_new (ObkPoller *poller, int fd, ObkDoorAccepted accepted, gpointer user_data, GError **error);
void obk_door_free (ObkDoor *door);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkDoor, obk_door_free)

G_END_DECLS
