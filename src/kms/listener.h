/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket and who may connect to it. */
#pragma once

#include <glib.h>

#include "base/poller.h"

G_BEGIN_DECLS

typedef struct _ObkListener ObkListener;

typedef struct
{
  const char *path;
  const char *const *directories; /* below which @path may lie, %NULL-ended; %NULL: those of the build */
  guint mode;
  const char *group;           /* name or decimal gid */
  const guint32 *allowed_uids; /* empty: root, ourselves, and members of the group */
  gsize n_allowed_uids;
} ObkListenerOptions;

/* @fd: connected, non-blocking, close-on-exec; the callee takes it over. */
typedef void (*ObkListenerAccepted) (int fd, gpointer user_data);

/**
 * obk_listener_new:
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE, one message a cause (spec kms-v2.md, "Who may connect")
 *
 * Takes the sockets that systemd passed (LISTEN_FDS) as they are, or makes its own by rename. Accepts on the main
 * context of @poller.
 */
ObkListener *obk_listener_new (ObkPoller *poller, const ObkListenerOptions *options, ObkListenerAccepted accepted,
                               gpointer user_data, GError **error);

/* Who may connect from now on; who has, stays. @uids: empty as in the options */
void obk_listener_set_allowed_uids (ObkListener *listener, const guint32 *uids, gsize n_uids);

/* Accepts no more; a socket of our own is removed from its place. */
void obk_listener_free (ObkListener *listener);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkListener, obk_listener_free)

G_END_DECLS
