/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket and who may connect to it. */
#include "kms/listener.h"

#include "base/door.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"
#include "base/socket-file.h"
#include "config-build.h"
#include "kms/peer.h"

#include <systemd/sd-daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_BUFFER_STEP 4096
#define MAX_GROUP_BUFFER (1024 * 1024)

struct _ObkListener
{
  ObkPoller *poller;
  ObkListenerAccepted accepted;
  gpointer user_data;
  GPtrArray *doors;    /* of ObkDoor: systemd may pass several sockets */
  GArray *passed;      /* of int: what systemd passed */
  ObkSocketFile *file; /* %NULL when the sockets are systemd's */
  guint32 *allowed_uids;
  ObkPeerPolicy policy;
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
judge (int fd, gpointer user_data)
{
  ObkListener *listener = user_data;
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
  obk_metric_count (OBK_METRIC_PEER_REFUSED, NULL, NULL);
  close (fd);
}

static gboolean
add_door (ObkListener *listener, int fd, GError **error)
{
  ObkDoor *door = obk_door_new (listener->poller, fd, judge, listener, error);

  if (door != NULL)
    g_ptr_array_add (listener->doors, door);
  return door != NULL;
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
  g_array_append_val (listener->passed, fd);
  return add_door (listener, fd, error);
}

static void
log_stale (const char *path)
{
  ObkLogRecord record;

  obk_metric_count (OBK_METRIC_SOCKET_RESTARTS, NULL, NULL);
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
    log_stale (options->path);
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
  listener->doors = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_door_free);
  listener->passed = g_array_new (FALSE, FALSE, sizeof (int));
  listener->policy.own_uid = geteuid ();
  obk_listener_set_allowed_uids (listener, options->allowed_uids, options->n_allowed_uids);
  if (!find_group (options->group, &listener->policy.group, error) || !open_doors (listener, options, error))
    return NULL;
  log_listening (listener, options);
  return g_steal_pointer (&listener);
}

void
obk_listener_set_allowed_uids (ObkListener *listener, const guint32 *uids, gsize n_uids)
{
  g_return_if_fail (listener != NULL);

  g_free (listener->allowed_uids);
  listener->allowed_uids = g_memdup2 (uids, n_uids * sizeof (guint32));
  listener->policy.allowed_uids = listener->allowed_uids;
  listener->policy.n_allowed_uids = n_uids;
}

void
obk_listener_free (ObkListener *listener)
{
  if (listener == NULL)
    return;
  g_ptr_array_unref (listener->doors);
  for (guint i = 0; i < listener->passed->len; i++)
    close (g_array_index (listener->passed, int, i));
  g_array_unref (listener->passed);
  obk_socket_file_free (listener->file);
  g_free (listener->allowed_uids);
  g_free (listener);
}
