/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by NSS between a private Unix socket, where curl speaks plain HTTP, and OpenBao. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "openbao/endpoint.h"
#include "openbao/link.h"

G_BEGIN_DECLS

typedef struct _ObkTunnel ObkTunnel;

/**
 * obk_tunnel_new:
 * @ca_cert_file: the only trust; a path or credential:NAME. Read now, and watched: a change takes effect for new
 *   connections, a bad one is logged and the old trust stays
 * @fips: whether NSS must run in FIPS mode
 * @error: OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_TLS_FAILED, OBK_ERROR_SOCKET_UNAVAILABLE
 *
 * The socket is made in a private directory (mode 0700): below $RUNTIME_DIRECTORY when that is set, else in a fresh
 * temporary one. Only our own process may connect. The calling thread's default main context must be the poller's.
 */
ObkTunnel *obk_tunnel_new (ObkPoller *poller, const char *ca_cert_file, gboolean fips, GError **error);
void obk_tunnel_free (ObkTunnel *tunnel); /* after all that uses it */

/* Returns: when the authority in use runs out (obk_ca_bundle_expires_unix()) */
gint64 obk_tunnel_ca_expires_unix (const ObkTunnel *tunnel);

/* Who connections from now on are, to a server that asks (tls.h). @identity: (nullable): outlives the tunnel */
void obk_tunnel_set_identity (ObkTunnel *tunnel, struct _ObkTlsIdentity *identity);

/* Where curl connects to. */
const char *obk_tunnel_socket_path (const ObkTunnel *tunnel);

/**
 * obk_tunnel_open:
 * @fd: (out) (transfer full): a socket for curl to connect. What arrives from it goes to @endpoint
 * @readable: called when there may be something to read on @fd
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE, OBK_ERROR_NO_DESCRIPTORS
 *
 * Returns: (transfer none): its way through the tunnel, until obk_tunnel_close()
 */
ObkLink *obk_tunnel_open (ObkTunnel *tunnel, ObkEndpoint *endpoint, int *fd, ObkLinkReadable readable,
                          gpointer user_data, GError **error);

/* Curl has connected or written: goes on with @link at once. Never calls back. */
void obk_tunnel_step (ObkTunnel *tunnel, ObkLink *link);

/* Curl has closed its end. */
void obk_tunnel_close (ObkTunnel *tunnel, ObkLink *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkTunnel, obk_tunnel_free)

G_END_DECLS
