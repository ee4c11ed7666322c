/* SPDX-License-Identifier: Apache-2.0 */
/* One address of OpenBao: where it is, and the name that its certificate must have. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reference-counted, immutable. Of one thread. */
typedef struct _ObkEndpoint ObkEndpoint;

/**
 * obk_endpoint_new:
 * @url: "https://HOST[:PORT][/PREFIX]", validated by config/
 * @tls_server_name: a DNS name or an IP address; what the certificate is held against
 * @error: OBK_ERROR_CONFIG_INVALID
 */
ObkEndpoint *obk_endpoint_new (const char *url, const char *tls_server_name, GError **error);
ObkEndpoint *obk_endpoint_ref (ObkEndpoint *endpoint);
void obk_endpoint_unref (ObkEndpoint *endpoint);

const char *obk_endpoint_host (const ObkEndpoint *endpoint); /* an IPv6 address without brackets */
guint16 obk_endpoint_port (const ObkEndpoint *endpoint);
const char *obk_endpoint_authority (const ObkEndpoint *endpoint); /* "HOST:PORT", brackets where needed */
const char *obk_endpoint_plain_url (const ObkEndpoint *endpoint); /* "http://HOST:PORT": what curl is told */

/* Returns: (nullable): "Host: HOST" with HTTPS' own port, which is left out there (RFC 9110, section 7.2). For curl,
 * which speaks plain HTTP and would name it */
char *obk_endpoint_host_line (const ObkEndpoint *endpoint);
const char *obk_endpoint_tls_server_name (const ObkEndpoint *endpoint);
const char *obk_endpoint_path_prefix (const ObkEndpoint *endpoint); /* "" or "/PREFIX" */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkEndpoint, obk_endpoint_unref)

G_END_DECLS
