/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket and who may connect to it. */
#include "kms/listener.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/names.h"
#include "config-build.h"
#include "kms/peer.h"
#include "kms/socket-file.h"

#include <systemd/sd-daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ACCEPTED_AT_ONCE 64 /* then others of the main loop have their turn */
#define RETRY_US (G_USEC_PER_SEC / 5)
#define GROUP_BUFFER_STEP 4096
#define MAX_GROUP_BUFFER (1024 * 1024)

/* One socket; systemd may pass several. */
typedef struct
{
  ObkListener *listener;
  ObkWatch watch;
  ObkTimer again; /* when there was more to do than we could */
} Door;

struct _ObkListener
{
  ObkPoller *poller;
  ObkListenerAccepted accepted;
  gpointer user_data;
  GPtrArray *doors;    /* of Door */
  ObkSocketFile *file; /* %NULL when the sockets are systemd's */
  guint32 *allowed_uids;
  ObkPeerPolicy policy;
  guint64 refused_peers;
  guint64 stale_removed;
};

/* The socket group */

static gboolean
look_up_group (const char *name, gid_t *gid, GError **error)
{
  struct group entry;
  struct group *found = NULL;
  int failure = ERANGE;

  for (gsize size = GROUP_BUFFER_STEP; failure == ERANGE && size <= MAX_GROUP_BUFFER; size *= 2)
    {
      g_autofree char *buffer = g_malloc (size);

      failure = getgrnam_r (name, &entry, buffer, size, &found);
      if (found != NULL)
        *gid = entry.gr_gid;
    }
  if (found == NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "socket group \"%s\" %s%s", name,
                 failure == 0 ? "does not exist" : "cannot be looked up: ", failure == 0 ? "" : g_strerror (failure));
  return found != NULL;
}

static gboolean
find_group (const char *group, gid_t *gid, GError **error)
{
  guint64 number = 0;

  /* The greatest means "no change" to chown(). */
  if (g_ascii_string_to_unsigned (group, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    {
      *gid = (gid_t)number;
      return TRUE;
    }
  return look_up_group (group, gid, error);
}

/* Accepting */

static void
log_refused (const ObkPeer *peer)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_PEER_REFUSED);
  obk_log_int (&record, OBK_FIELD_UID, peer->uid);
  obk_log_int (&record, OBK_FIELD_GID, peer->gid);
  obk_log_int (&record, OBK_FIELD_PID, peer->pid);
  obk_log_emit (&record);
}

static void
log_trouble (const char *detail, const GError *error)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL, detail);
  obk_log_error (&record, error);
  obk_log_emit (&record);
}

static void
judge (ObkListener *listener, int fd)
{
  g_auto (ObkPeer) peer = { 0 };
  g_autoptr (GError) error = NULL;

  if (!obk_peer_read (&peer, fd, &error))
    log_trouble ("a connection was refused because nobody knows whose it is", error);
  else if (obk_peer_may_connect (&peer, &listener->policy))
    {
      listener->accepted (fd, listener->user_data);
      return;
    }
  else
    log_refused (&peer);
  listener->refused_peers++;
  close (fd);
}

/* Whether accept() failed of the one connection, which has gone, and not of the socket or of us. */
static gboolean
is_of_connection (int failure)
{
  return failure == EINTR || failure == ECONNABORTED || failure == EPROTO || failure == EPERM;
}

static void
accept_more (Door *door)
{
  ObkListener *listener = door->listener;

  for (guint i = 0; i < MAX_ACCEPTED_AT_ONCE; i++)
    {
      int fd = accept4 (door->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd >= 0)
        judge (listener, fd);
      else if (errno == EAGAIN)
        return;
      else if (!is_of_connection (errno))
        {
          g_autoptr (GError) error
              = g_error_new (OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot accept: %s", g_strerror (errno));

          log_trouble ("clients have to wait", error); /* most likely there are no descriptors left */
          obk_poller_set_timer (listener->poller, &door->again, obk_clock_boot_us () + RETRY_US);
          return;
        }
    }
  obk_poller_set_timer (listener->poller, &door->again, obk_clock_boot_us ());
}

static void
door_ready (ObkWatch *watch, guint32 events)
{
  accept_more (OBK_CONTAINER_OF (watch, Door, watch));
}

static void
door_again (ObkTimer *timer)
{
  accept_more (OBK_CONTAINER_OF (timer, Door, again));
}

static gboolean
add_door (ObkListener *listener, int fd, GError **error)
{
  Door *door = g_new0 (Door, 1);

  door->listener = listener;
  door->watch.fd = fd;
  door->watch.ready = door_ready;
  door->again.expired = door_again;
  g_ptr_array_add (listener->doors, door);
  return obk_poller_add (listener->poller, &door->watch, EPOLLIN, error);
}

static void
close_door (Door *door)
{
  ObkListener *listener = door->listener;

  obk_poller_cancel_timer (listener->poller, &door->again);
  obk_poller_remove (listener->poller, &door->watch);
  if (listener->file == NULL) /* systemd's; our own is closed with its file */
    close (door->watch.fd);
}

/* Where the sockets come from */

static gboolean
take_passed (ObkListener *listener, int fd, GError **error)
{
  int flags = fcntl (fd, F_GETFL);

  if (sd_is_socket_unix (fd, SOCK_STREAM, 1, NULL, 0) <= 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE,
                   "descriptor %d that systemd passed is not a listening Unix stream socket", fd);
      return FALSE;
    }
  if (flags < 0 || fcntl (fd, F_SETFL, flags | O_NONBLOCK) != 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE,
                   "cannot change descriptor %d that systemd passed: %s", fd, g_strerror (errno));
      return FALSE;
    }
  return add_door (listener, fd, error);
}

static void
log_stale (ObkListener *listener, const char *path)
{
  ObkLogRecord record;

  listener->stale_removed++;
  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_SOCKET_STALE_REMOVED);
  obk_log_string (&record, OBK_FIELD_PATH, path);
  obk_log_emit (&record);
}

static gboolean
make_own (ObkListener *listener, const ObkListenerOptions *options, GError **error)
{
  g_auto (GStrv) built_in = g_strsplit (OBK_SOCKET_DIRECTORIES, ":", -1);
  const ObkSocketFileOptions file_options = {
    .path = options->path,
    .directories = options->directories != NULL ? options->directories : (const char *const *)built_in,
    .mode = options->mode,
    .group = listener->policy.group,
  };
  gboolean stale_removed = FALSE;

  listener->file = obk_socket_file_new (&file_options, &stale_removed, error);
  if (stale_removed)
    log_stale (listener, options->path);
  return listener->file != NULL && add_door (listener, obk_socket_file_fd (listener->file), error);
}

static gboolean
open_doors (ObkListener *listener, const ObkListenerOptions *options, GError **error)
{
  int passed = sd_listen_fds (TRUE);

  if (passed < 0)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE, "cannot take what systemd passed: %s",
                   g_strerror (-passed));
      return FALSE;
    }
  if (passed == 0)
    return make_own (listener, options, error);
  for (int i = 0; i < passed; i++)
    if (!take_passed (listener, SD_LISTEN_FDS_START + i, error))
      return FALSE;
  return TRUE;
}

static void
log_listening (const ObkListener *listener, const ObkListenerOptions *options)
{
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_INFO, OBK_EVENT_SOCKET_LISTENING);
  if (listener->file != NULL)
    obk_log_string (&record, OBK_FIELD_PATH, options->path);
  else
    obk_log_string (&record, OBK_FIELD_DETAIL, "on what systemd passed");
  obk_log_emit (&record);
}

ObkListener *
obk_listener_new (ObkPoller *poller, const ObkListenerOptions *options, ObkListenerAccepted accepted,
                  gpointer user_data, GError **error)
{
  g_autoptr (ObkListener) listener = NULL;

  g_return_val_if_fail (poller != NULL && options != NULL && accepted != NULL, NULL);

  listener = g_new0 (ObkListener, 1);
  listener->poller = poller;
  listener->accepted = accepted;
  listener->user_data = user_data;
  listener->doors = g_ptr_array_new_with_free_func (g_free);
  listener->allowed_uids = g_memdup2 (options->allowed_uids, options->n_allowed_uids * sizeof (guint32));
  listener->policy.own_uid = geteuid ();
  listener->policy.allowed_uids = listener->allowed_uids;
  listener->policy.n_allowed_uids = options->n_allowed_uids;
  if (!find_group (options->group, &listener->policy.group, error) || !open_doors (listener, options, error))
    return NULL;
  log_listening (listener, options);
  return g_steal_pointer (&listener);
}

void
obk_listener_free (ObkListener *listener)
{
  if (listener == NULL)
    return;
  for (guint i = 0; i < listener->doors->len; i++)
    close_door (listener->doors->pdata[i]);
  g_ptr_array_unref (listener->doors);
  obk_socket_file_free (listener->file);
  g_free (listener->allowed_uids);
  g_free (listener);
}

guint64
obk_listener_refused_peers (const ObkListener *listener)
{
  return listener->refused_peers;
}

guint64
obk_listener_stale_removed (const ObkListener *listener)
{
  return listener->stale_removed;
}
