/* SPDX-License-Identifier: Apache-2.0 */
/* One epoll set and one timer under one GLib source: GLib's own poll costs by the number of descriptors. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The struct that embeds @pointer as its @member. */
#define OBK_CONTAINER_OF(pointer, type, member) ((type *)(gpointer)((char *)(pointer)-G_STRUCT_OFFSET (type, member)))

typedef struct _ObkPoller ObkPoller;

/**
 * ObkWatch:
 *
 * A descriptor in the set; embed it in what owns the descriptor. @ready gets epoll's event bits. Events
 * are edge-triggered: @ready must go on until EAGAIN. A watch may be removed, and its owner freed
 * by obk_poller_defer_free(), inside any callback. Remove it before its descriptor is closed.
 */
typedef struct _ObkWatch ObkWatch;
struct _ObkWatch
{
  int fd;
  void (*ready) (ObkWatch *watch, guint32 events);
  guint32 events; /* the poller's: what is watched for; 0 outside the set */
};

/* @context: (nullable): the main context to attach to; the poller is used only from its thread */
ObkPoller *obk_poller_new (GMainContext *context, GError **error);
void obk_poller_free (ObkPoller *poller);

/* Returns: (transfer none) (nullable): what obk_poller_new() got */
GMainContext *obk_poller_context (const ObkPoller *poller);

/**
 * obk_poller_add:
 * @events: EPOLLIN, EPOLLOUT, EPOLLRDHUP; ask for EPOLLOUT only while a write is held up: each wake costs
 * @error: OBK_ERROR_UNKNOWN
 */
gboolean obk_poller_add (ObkPoller *poller, ObkWatch *watch, guint32 events, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Changes what an added watch waits for; what is ready already is reported again. */
void obk_poller_modify (ObkPoller *poller, ObkWatch *watch, guint32 events);
void obk_poller_remove (ObkPoller *poller, ObkWatch *watch);

/* Frees @data when the events at hand are all dispatched: some may still point to it. */
void obk_poller_defer_free (ObkPoller *poller, gpointer data, GDestroyNotify destroy);

/**
 * ObkTimer:
 *
 * A one-shot timer on CLOCK_BOOTTIME; embed it. Setting it again moves it; the one timer descriptor
 * is touched only when the earliest deadline becomes earlier. Never expires before the main loop turns.
 */
typedef struct _ObkTimer ObkTimer;
struct _ObkTimer
{
  void (*expired) (ObkTimer *timer);
  gint64 deadline_us;
  guint position; /* the poller's; 0 while not set */
};

/* @deadline_us: OBK_NO_DEADLINE cancels */
void obk_poller_set_timer (ObkPoller *poller, ObkTimer *timer, gint64 deadline_us);
void obk_poller_cancel_timer (ObkPoller *poller, ObkTimer *timer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkPoller, obk_poller_free)

G_END_DECLS
