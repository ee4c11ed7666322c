/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by NSS between a private Unix socket, where curl speaks plain HTTP, and OpenBao. */
#include "openbao/tunnel.h"

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "openbao/nss.h"
#include "openbao/private-socket.h"

#include <errno.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LINK_DESCRIPTORS 4            /* curl's end, ours, the connection, and its duplicate */
#define TRIM_US (1 * G_USEC_PER_SEC)  /* after a link's end; others of the same burst go in the meantime */
#define SCRATCH_BYTES (16 * 1024 - 1) /* a TLS record, and the whole of a block of the secret pool */

struct _ObkTunnel
{
  ObkLinkShared shared;
  ObkPrivateSocket *socket;
  ObkWatch listening;
  GPtrArray *links;    /* all, with a reference */
  GHashTable *waiting; /* name of curl's end -> link, until it has connected */
  ObkTimer trim;
};

/* Links that were verified against the old bundle go as soon as they are idle. */
static void
trust_changed (gpointer user_data)
{
  ObkTunnel *tunnel = user_data;

  for (guint i = 0; i < tunnel->links->len; i++)
    obk_link_retire (g_ptr_array_index (tunnel->links, i));
}

static void
accept_all (ObkTunnel *tunnel)
{
  int fd = -1;

  while ((fd = obk_private_socket_accept (tunnel->socket)) >= 0)
    {
      gpointer name = GUINT_TO_POINTER (obk_private_socket_peer (fd));
      ObkLink *link = g_hash_table_lookup (tunnel->waiting, name);

      if (link == NULL) /* curl has given it up already */
        {
          close (fd);
          continue;
        }
      g_hash_table_remove (tunnel->waiting, name);
      obk_link_start (link, fd);
    }
}

static void
listening_ready (ObkWatch *watch, guint32 events)
{
  accept_all (OBK_CONTAINER_OF (watch, ObkTunnel, listening));
}

/* A TLS connection takes some 100 KiB in small blocks, which glibc would keep after a burst of calls. */
static void
trim_memory (ObkTimer *timer)
{
  (void)malloc_trim (0);
}

ObkTunnel *
obk_tunnel_new (ObkPoller *poller, const char *ca_cert_file, gboolean fips, GError **error)
{
  g_autoptr (ObkTunnel) tunnel = g_new0 (ObkTunnel, 1);

  g_return_val_if_fail (poller != NULL && ca_cert_file != NULL, NULL);

  tunnel->shared.poller = poller;
  tunnel->shared.scratch = obk_secret_new (SCRATCH_BYTES);
  tunnel->links = g_ptr_array_new ();
  tunnel->waiting = g_hash_table_new (NULL, NULL);
  tunnel->trim.expired = trim_memory;
  if (!obk_nss_start (fips, error))
    return NULL;
  tunnel->shared.trust = obk_trust_new (ca_cert_file, trust_changed, tunnel, error);
  if (tunnel->shared.trust == NULL)
    return NULL;
  tunnel->socket = obk_private_socket_new (error);
  if (tunnel->socket == NULL)
    return NULL;
  tunnel->listening = (ObkWatch){ .fd = obk_private_socket_fd (tunnel->socket), .ready = listening_ready };
  if (!obk_poller_add (poller, &tunnel->listening, EPOLLIN, error))
    return NULL;
  return g_steal_pointer (&tunnel);
}

void
obk_tunnel_free (ObkTunnel *tunnel)
{
  if (tunnel == NULL)
    return;
  while (tunnel->links->len > 0)
    obk_tunnel_close (tunnel, g_ptr_array_index (tunnel->links, 0));
  obk_poller_cancel_timer (tunnel->shared.poller, &tunnel->trim);
  obk_poller_remove (tunnel->shared.poller, &tunnel->listening);
  obk_private_socket_free (tunnel->socket);
  obk_trust_free (tunnel->shared.trust);
  obk_secret_unref (tunnel->shared.scratch);
  g_ptr_array_unref (tunnel->links);
  g_hash_table_unref (tunnel->waiting);
  g_free (tunnel);
}

gint64
obk_tunnel_ca_expires_unix (const ObkTunnel *tunnel)
{
  return obk_ca_bundle_expires_unix (obk_trust_bundle (tunnel->shared.trust));
}

void
obk_tunnel_set_identity (ObkTunnel *tunnel, struct _ObkTlsIdentity *identity)
{
  g_return_if_fail (tunnel != NULL);

  tunnel->shared.identity = identity;
}

const char *
obk_tunnel_socket_path (const ObkTunnel *tunnel)
{
  return obk_private_socket_path (tunnel->socket);
}

ObkLink *
obk_tunnel_open (ObkTunnel *tunnel, ObkEndpoint *endpoint, int *fd, ObkLinkReadable readable, gpointer user_data,
                 GError **error)
{
  ObkLink *link = NULL;
  guint32 name = 0;

  g_return_val_if_fail (tunnel != NULL && endpoint != NULL && fd != NULL && readable != NULL, NULL);

  /* All or none: a connection that we cannot accept ourselves would look like an OpenBao that is silent. */
  if (!obk_descriptors_left (LINK_DESCRIPTORS))
    {
      obk_refuse (error, obk_descriptors_code (errno, OBK_ERROR_SOCKET_UNAVAILABLE),
                  "\"%s\": no connection is begun: %s", obk_endpoint_authority (endpoint), g_strerror (errno));
      return NULL;
    }
  *fd = obk_private_socket_client (&name, error);
  if (*fd < 0)
    return NULL;
  link = obk_link_new (&tunnel->shared, endpoint, readable, user_data);
  g_ptr_array_add (tunnel->links, link);
  /* A name may come again when its socket was closed before it connected. */
  g_hash_table_replace (tunnel->waiting, GUINT_TO_POINTER (name), link);
  return link;
}

void
obk_tunnel_step (ObkTunnel *tunnel, ObkLink *link)
{
  if (obk_link_stage (link) == OBK_LINK_WAITING)
    accept_all (tunnel);
  else
    obk_link_step (link);
}

static gboolean
is_link (gpointer name, gpointer link, gpointer wanted)
{
  return link == wanted;
}

void
obk_tunnel_close (ObkTunnel *tunnel, ObkLink *link)
{
  g_return_if_fail (tunnel != NULL && link != NULL);

  if (obk_link_stage (link) == OBK_LINK_WAITING)
    g_hash_table_foreach_remove (tunnel->waiting, is_link, link);
  g_ptr_array_remove_fast (tunnel->links, link);
  obk_link_close (link);
  obk_link_unref (link);
  if (tunnel->trim.position == 0)
    obk_poller_set_timer (tunnel->shared.poller, &tunnel->trim, obk_clock_boot_us () + TRIM_US);
}
