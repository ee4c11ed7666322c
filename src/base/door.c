/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts connections from one listening socket. */
#include "base/door.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/names.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MAX_ACCEPTED_AT_ONCE 64 /* then others of the main loop have their turn */
#define RETRY_US (G_USEC_PER_SEC / 5)

struct _ObkDoor
{
  ObkPoller *poller;
  ObkDoorAccepted accepted;
  gpointer user_data;
  ObkWatch watch;
  ObkTimer again; /* when there was more to do than we could */
};

static void
log_trouble (int failure)
{
  g_autoptr (GError) error
      = g_error_new (OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot accept: %s", g_strerror (failure));
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL, "clients have to wait"); /* most likely no descriptors are left */
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

/* Whether accept() failed of the one connection, which has gone, and not of the socket or of us. */
static gboolean
is_of_connection (int failure)
{
  return failure == EINTR || failure == ECONNABORTED || failure == EPROTO || failure == EPERM;
}

static void
accept_more (ObkDoor *door)
{
  for (guint i = 0; i < MAX_ACCEPTED_AT_ONCE; i++)
    {
      int fd = accept4 (door->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd >= 0)
        door->accepted (fd, door->user_data);
      else if (errno == EAGAIN)
        return;
      else if (!is_of_connection (errno))
        {
          log_trouble (errno);
          obk_poller_set_timer (door->poller, &door->again, obk_clock_boot_us () + RETRY_US);
          return;
        }
    }
  obk_poller_set_timer (door->poller, &door->again, obk_clock_boot_us ());
}

static void
door_ready (ObkWatch *watch, guint32 events)
{
  accept_more (OBK_CONTAINER_OF (watch, ObkDoor, watch));
}

static void
door_again (ObkTimer *timer)
{
  accept_more (OBK_CONTAINER_OF (timer, ObkDoor, again));
}

ObkDoor *
obk_door_new (ObkPoller *poller, int fd, ObkDoorAccepted accepted, gpointer user_data, GError **error)
{
  g_autoptr (ObkDoor) door = NULL;

  g_return_val_if_fail (poller != NULL && fd >= 0 && accepted != NULL, NULL);

  door = g_new0 (ObkDoor, 1);
  door->poller = poller;
  door->accepted = accepted;
  door->user_data = user_data;
  door->watch.fd = fd;
  door->watch.ready = door_ready;
  door->again.expired = door_again;
  return obk_poller_add (poller, &door->watch, EPOLLIN, error) ? g_steal_pointer (&door) : NULL;
}

void
obk_door_free (ObkDoor *door)
{
  if (door == NULL)
    return;
  obk_poller_cancel_timer (door->poller, &door->again);
  obk_poller_remove (door->poller, &door->watch);
  g_free (door);
}
