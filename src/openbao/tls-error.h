/* SPDX-License-Identifier: Apache-2.0 */
/* NSS' and NSPR's error numbers in words that an operator can act on. */
#pragma once

#include <glib.h>

#include <prerror.h>

G_BEGIN_DECLS

/* Causes, by which doctor tells them apart. Some of ca-bundle.h. */
#define OBK_TLS_SAYS_NAME "name mismatch"
#define OBK_TLS_SAYS_ISSUER "unknown issuer"
#define OBK_TLS_SAYS_EXPIRED "certificate expired"
#define OBK_TLS_SAYS_NO_TLS "server does not speak TLS"
#define OBK_TLS_SAYS_CLIENT "client certificate refused"
#define OBK_TLS_SAYS_NOT_YET "certificate not yet valid"
#define OBK_TLS_SAYS_ISSUER_TIME "issuer's certificate expired, or not yet valid"
#define OBK_TLS_SAYS_USE "certificate not for this use"
#define OBK_TLS_SAYS_VERSION "protocol version"
#define OBK_TLS_SAYS_INTERNAL "internal error of the server"

/**
 * obk_tls_error_set:
 * @error: OBK_ERROR_CONNECTION_FAILED when @code is of the connection below TLS, else OBK_ERROR_TLS_FAILED
 * @code: PR_GetError()
 * @what: what failed; the text becomes "WHAT: CAUSE", or "connection lost: CAUSE"
 */
void obk_tls_error_set (GError **error, PRErrorCode code, const char *what);

/* Returns: whether @error (nullable) says that a certificate of the server's is not valid at the present time */
gboolean obk_tls_error_is_of_time (const GError *error);

G_END_DECLS
