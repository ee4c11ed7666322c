/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS client connection by NSS on a non-blocking descriptor. */
#pragma once

#include <glib.h>

#include "openbao/ca-bundle.h"

#include <prio.h>

G_BEGIN_DECLS

/* Of one thread: NSS' own locks are off. */
typedef struct _ObkTls ObkTls;

typedef enum
{
  OBK_TLS_DONE,
  OBK_TLS_AGAIN, /* when the descriptor is ready again; see obk_tls_wants_write() */
  OBK_TLS_END,   /* the server has ended the connection */
  OBK_TLS_FAILED
} ObkTlsResult;

/* Who we are, to a server that asks. Borrowed by those who get it. */
typedef struct _ObkTlsIdentity
{
  CERTCertificate *certificate;
  SECKEYPrivateKey *key;
  gboolean without_pss; /* it signs by PKCS #1 v1.5 alone, which TLS 1.3 has no use for */
  gboolean asked_for;   /* set by TLS: a server has asked, and got it */
} ObkTlsIdentity;

/**
 * obk_tls_new:
 * @fd: connected and non-blocking; borrowed, and outlives this
 * @server_name: what is sent as SNI and verified
 * @identity: (nullable): outlives this
 * @error: OBK_ERROR_TLS_FAILED
 *
 * TLS 1.2 and 1.3 within what the system's crypto policy allows. No session is resumed: with connections kept alive it
 * would save little, and a resumed one would not be held against the trust that is in force by then.
 */
ObkTls *obk_tls_new (int fd, const char *server_name, ObkCaBundle *trusted, ObkTlsIdentity *identity, GError **error);
void obk_tls_free (ObkTls *tls); /* tells the server, if that can be done at once */

/* Go on with the handshake. Never %OBK_TLS_END. @error: OBK_ERROR_TLS_FAILED, OBK_ERROR_CONNECTION_FAILED */
ObkTlsResult obk_tls_handshake (ObkTls *tls, GError **error);

/* At most one record's worth. With %OBK_TLS_DONE at least one byte. */
ObkTlsResult obk_tls_read (ObkTls *tls, char *buffer, gsize size, gsize *n, GError **error);

/* What was not taken (@n says how much was) must come again, beginning with the same byte. */
ObkTlsResult obk_tls_write (ObkTls *tls, const char *data, gsize size, gsize *n, GError **error);

/**
 * obk_tls_readable:
 * @ending: whether the server has ended the connection, too: behind what can be read comes no further event
 *
 * The descriptor has become readable. Until then reading is not tried once it has come up short.
 */
void obk_tls_readable (ObkTls *tls, gboolean ending);

/* Whether what came last was held up by the descriptor not being writable. */
gboolean obk_tls_wants_write (const ObkTls *tls);

/* Returns: (transfer none): NSS' own, to be asked about the connection */
PRFileDesc *obk_tls_nss (const ObkTls *tls);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkTls, obk_tls_free)

G_END_DECLS
