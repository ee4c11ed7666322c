/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens on a socket, by the kernel's word: who has called listen(), and in which SELinux context. */
#pragma once

#include <glib.h>
#include <sys/socket.h>

G_BEGIN_DECLS

/* Returns: whether that is known of the socket at @path. One that systemd listens on starts its service by the
 * connection. */
gboolean obk_listener_read (const char *path, struct ucred *who) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full) (nullable): the context; with socket activation systemd has given the socket the domain of
 * what it starts */
char *obk_listener_label (const char *path);

G_END_DECLS
