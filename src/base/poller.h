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
 * by obk_poller_defer_free(), inside any callback.
 */
typedef struct _ObkWatch ObkWatch;
struct _ObkWatch
{
  int fd;
  void (*ready) (ObkWatch *watch, guint32 events);
  gboolean added;
};

/* @context: the main context to attach to; the poller is used only from its thread */
ObkPoller *obk_poller_new (GMainContext *context, GError **error);
void obk_poller_free (ObkPoller *poller);

gboolean obk_poller_add (ObkPoller *poller, ObkWatch *watch, guint32 events, GError **error);
void obk_poller_remove (ObkPoller *poller, ObkWatch *watch);

/* Frees @data when the events at hand are all dispatched: some may still point to it. */
void obk_poller_defer_free (ObkPoller *poller, gpointer data, GDestroyNotify destroy);

/**
 * ObkTimer:
 *
 * A one-shot timer on CLOCK_BOOTTIME; embed it. Setting it again moves it; the one timer descriptor
 * is touched only when the earliest deadline becomes earlier.
 */
typedef struct _ObkTimer ObkTimer;
struct _ObkTimer
{
  void (*expired) (ObkTimer *timer);
  gint64 deadline_us;
  guint position; /* the poller's */
};

void obk_poller_set_timer (ObkPoller *poller, ObkTimer *timer, gint64 deadline_us);
void obk_poller_cancel_timer (ObkPoller *poller, ObkTimer *timer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkPoller, obk_poller_free)

G_END_DECLS
