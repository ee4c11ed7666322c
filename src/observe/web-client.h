/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one page of the running provider's metrics or health address. For commands: it waits. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_WEB_CLIENT_MAX_BODY (4 * 1024 * 1024)

/**
 * obk_web_client_get:
 * @address: HOST:PORT or unix:/PATH, as configured
 * @path: "/ready"
 * @timeout_ms: for all of it
 * @status: (out): the HTTP status
 * @error: OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_TIMEOUT
 *
 * Returns: (transfer full): the body
 */
char *obk_web_client_get (const char *address, const char *path, guint timeout_ms, guint *status, GError **error);

G_END_DECLS
