/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a Unix socket, and whether that one may connect. */
#pragma once

#include <glib.h>

#include <sys/types.h>

G_BEGIN_DECLS

/* As the kernel noted it when the peer connected. A plain value. */
typedef struct
{
  uid_t uid;
  gid_t gid;
  pid_t pid;
  GArray *groups; /* (nullable): of gid_t, the supplementary ones */
} ObkPeer;

/* @error: OBK_ERROR_UNKNOWN; then there is no telling who it is */
gboolean obk_peer_read (ObkPeer *peer, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void obk_peer_clear (ObkPeer *peer);

typedef struct
{
  uid_t own_uid;
  gid_t group;                 /* whose members pass, when no ids are listed */
  const guint32 *allowed_uids; /* when there are any, they alone pass, and own_uid */
  gsize n_allowed_uids;
} ObkPeerPolicy;

/* Spec kms-v2.md, "Who may connect" */
gboolean obk_peer_may_connect (const ObkPeer *peer, const ObkPeerPolicy *policy);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkPeer, obk_peer_clear)

G_END_DECLS
