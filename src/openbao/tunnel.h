/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by NSS between a private Unix socket, where curl speaks plain HTTP, and OpenBao. */
#pragma once

#include <glib.h>

#include "base/poller.h"

G_BEGIN_DECLS

/**
 * ObkEndpoint:
 *
 * One OpenBao address: host, port, the TLS name to verify. Reference-counted, immutable but for the failure
 * that the tunnel remembers. Of one main context.
 */
typedef struct _ObkEndpoint ObkEndpoint;

/* @url: "https://HOST[:PORT][/PREFIX]", validated by config/ */
ObkEndpoint *obk_endpoint_new (const char *url, const char *tls_server_name, GError **error);
ObkEndpoint *obk_endpoint_ref (ObkEndpoint *endpoint);
void obk_endpoint_unref (ObkEndpoint *endpoint);
const char *obk_endpoint_host (const ObkEndpoint *endpoint);
guint16 obk_endpoint_port (const ObkEndpoint *endpoint);
const char *obk_endpoint_tls_server_name (const ObkEndpoint *endpoint);
const char *obk_endpoint_path_prefix (const ObkEndpoint *endpoint); /* "" or "/PREFIX" */

typedef struct _ObkTunnel ObkTunnel;

/**
 * obk_tunnel_new:
 * @ca_cert_file: the only trust; a path or credential:NAME. Read now, and watched: a change takes effect for new
 *   connections, a bad one is logged and the old trust stays
 * @fips: whether NSS must run in FIPS mode
 * @error: OBK_ERROR_FILE, OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_TLS_FAILED
 *
 * The socket is made in a private directory (mode 0700): below $RUNTIME_DIRECTORY when that is set, else in a fresh
 * temporary one. Only our own process may connect.
 */
ObkTunnel *obk_tunnel_new (ObkPoller *poller, const char *ca_cert_file, gboolean fips, GError **error);
void obk_tunnel_free (ObkTunnel *tunnel);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkEndpoint, obk_endpoint_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkTunnel, obk_tunnel_free)

G_END_DECLS
