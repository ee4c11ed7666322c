/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS handshake for the sake of what the server shows, also when that is refused. Blocking; for reports. */
#pragma once

#include <glib.h>

#include "openbao/ca-bundle.h"

G_BEGIN_DECLS

/* One certificate of the server's. */
typedef struct
{
  char *subject;
  char *issuer;
  GStrv names; /* alternative names: DNS names and IP addresses; %NULL-ended */
  gint64 not_before_unix;
  gint64 not_after_unix;
} ObkPeerCertificate;

/* A plain value; obk_handshake_clear() empties it. */
typedef struct
{
  char *protocol;   /* (nullable): "TLS 1.3" */
  GPtrArray *chain; /* of ObkPeerCertificate, the server's own first; empty when it showed none */
} ObkHandshake;

/**
 * obk_handshake_run:
 * @fd: connected and non-blocking; borrowed
 * @server_name: as obk_tls_new() takes it
 * @deadline_us: on the boot clock
 * @handshake: (out caller-allocates): filled also when it fails, as far as it has come
 * @error: OBK_ERROR_TLS_FAILED, OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_TIMEOUT
 *
 * Verified as every connection is.
 */
gboolean obk_handshake_run (int fd, const char *server_name, ObkCaBundle *trusted, gint64 deadline_us,
                            ObkHandshake *handshake, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void obk_handshake_clear (ObkHandshake *handshake);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkHandshake, obk_handshake_clear)

G_END_DECLS
