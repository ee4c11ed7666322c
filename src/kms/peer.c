/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a Unix socket, and whether that one may connect. */
#include "kms/peer.h"

#include "base/error.h"

#include <errno.h>
#include <sys/socket.h>

#define FEW_GROUPS 32
#define MAX_GROUPS 65536 /* the kernel's own limit, NGROUPS_MAX */

static gboolean
refuse_errno (const char *what, GError **error)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot read the peer's %s: %s", what, g_strerror (errno));
  return FALSE;
}

static gboolean
read_groups (ObkPeer *peer, int fd, guint room, GError **error)
{
  socklen_t length = (socklen_t)(room * sizeof (gid_t));

  g_array_set_size (peer->groups, room);
  if (getsockopt (fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups->data, &length) == 0)
    {
      g_array_set_size (peer->groups, (guint)(length / sizeof (gid_t)));
      return TRUE;
    }
  /* On ERANGE the kernel says how much room it takes. */
  if (errno == ERANGE && length / sizeof (gid_t) > room && length / sizeof (gid_t) <= MAX_GROUPS)
    return read_groups (peer, fd, (guint)(length / sizeof (gid_t)), error);
  return refuse_errno ("groups", error);
}

gboolean
obk_peer_read (ObkPeer *peer, int fd, GError **error)
{
  g_auto (ObkPeer) read = { 0 };
  struct ucred credentials;
  socklen_t length = sizeof credentials;

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return refuse_errno ("credentials", error);
  read.uid = credentials.uid;
  read.gid = credentials.gid;
  read.pid = credentials.pid;
  read.groups = g_array_new (FALSE, FALSE, sizeof (gid_t));
  if (!read_groups (&read, fd, FEW_GROUPS, error))
    return FALSE;
  *peer = read;
  read.groups = NULL;
  return TRUE;
}

void
obk_peer_clear (ObkPeer *peer)
{
  g_clear_pointer (&peer->groups, g_array_unref);
}

static gboolean
is_member (const ObkPeer *peer, gid_t group)
{
  if (peer->gid == group)
    return TRUE;
  for (guint i = 0; peer->groups != NULL && i < peer->groups->len; i++)
    if (g_array_index (peer->groups, gid_t, i) == group)
      return TRUE;
  return FALSE;
}

gboolean
obk_peer_may_connect (const ObkPeer *peer, const ObkPeerPolicy *policy)
{
  if (peer->uid == policy->own_uid)
    return TRUE;
  if (policy->n_allowed_uids == 0)
    return peer->uid == 0 || is_member (peer, policy->group);
  for (gsize i = 0; i < policy->n_allowed_uids; i++)
    if (peer->uid == policy->allowed_uids[i])
      return TRUE;
  return FALSE;
}
