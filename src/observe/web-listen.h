/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets of server.metricsAddress and server.healthAddress. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A cause, by which doctor tells it apart. */
#define OBK_WEB_LISTEN_SAYS_IN_USE "Address already in use"

typedef struct _ObkWebListen ObkWebListen;

/**
 * obk_web_listen_new:
 * @address: HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets or "localhost", or unix:/PATH
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE
 *
 * "localhost" is 127.0.0.1 and [::1], as far as this machine has them, each with a socket. No name is looked up, since
 * that may take as long as the resolver likes. A Unix socket is for everyone whom its directory lets in.
 */
ObkWebListen *obk_web_listen_new (const char *address, GError **error);

/* Whether it could be listened on. Nothing is left behind, and nothing taken away. */
gboolean obk_web_listen_examine (const char *address, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void obk_web_listen_free (ObkWebListen *listen);

/* Returns: (element-type gint): the listening descriptors, non-blocking; the object's */
const GArray *obk_web_listen_fds (const ObkWebListen *listen);

/* Whether others than this machine may reach it. */
gboolean obk_web_listen_is_public (const ObkWebListen *listen);

/* Returns: (transfer full): where it listens, with the port that the kernel chose for port 0: "127.0.0.1:8082" */
char *obk_web_listen_describe (const ObkWebListen *listen);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkWebListen, obk_web_listen_free)

G_END_DECLS
