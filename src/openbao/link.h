/* SPDX-License-Identifier: Apache-2.0 */
/* One connection through the tunnel: curl's plain HTTP on one side, TLS to OpenBao on the other. */
#pragma once

#include <glib.h>

#include "base/poller.h"
#include "base/secret.h"
#include "openbao/endpoint.h"
#include "openbao/trust.h"

G_BEGIN_DECLS

struct _ObkTlsIdentity;

/* What all links of a tunnel share; the tunnel owns it. */
typedef struct
{
  ObkPoller *poller;
  ObkTrust *trust;
  struct _ObkTlsIdentity *identity; /* (nullable) */
  ObkSecret *scratch;               /* for bytes on their way; wiped after each turn */
} ObkLinkShared;

typedef enum
{
  OBK_LINK_WAITING,   /* for curl to connect */
  OBK_LINK_RESOLVING, /* the name */
  OBK_LINK_CONNECTING,
  OBK_LINK_HANDSHAKE,
  OBK_LINK_OPEN,
  OBK_LINK_ENDED, /* OpenBao has gone; what it said is still being delivered, or curl's end still open */
  OBK_LINK_CLOSED
} ObkLinkStage;

/* Reference-counted: who waits for an answer may ask for the cause when the connection is gone. */
typedef struct _ObkLink ObkLink;

/* Curl's end may have become readable, or has been closed on the other side. May do anything to the link. */
typedef void (*ObkLinkReadable) (gpointer user_data);

/* Nothing happens before obk_link_start(). */
ObkLink *obk_link_new (ObkLinkShared *shared, ObkEndpoint *endpoint, ObkLinkReadable readable, gpointer user_data);
ObkLink *obk_link_ref (ObkLink *link);
void obk_link_unref (ObkLink *link); /* the last one must have been closed */

/* @plain_fd: the tunnel's end of curl's connection (transfer full). Resolves and connects. */
void obk_link_start (ObkLink *link, int plain_fd);

/* Curl has written: passes it on at once, without waiting for the poller to see it. Never calls back. */
void obk_link_step (ObkLink *link);

/* Closes both sides at once; no callback comes any more. */
void obk_link_close (ObkLink *link);

/* Closes it now if it is idle, else when it becomes so: it must not be used for another request. */
void obk_link_retire (ObkLink *link);

/* Whether a request is under way on it. One that is not is closed after %OBK_LINK_IDLE_SECONDS. */
#define OBK_LINK_IDLE_SECONDS 90
void obk_link_set_busy (ObkLink *link, gboolean busy);

/* An answer on it holds a secret. NSS keeps the last bytes that it has deciphered until it deciphers others or is
 * closed, and cannot be told to wipe them: from now on the link is closed after so short a time. */
#define OBK_LINK_SECRET_IDLE_SECONDS 2
void obk_link_expect_secret (ObkLink *link);

ObkLinkStage obk_link_stage (const ObkLink *link);

/**
 * obk_link_error:
 *
 * Returns: (nullable): why it failed: OBK_ERROR_DNS_FAILED, OBK_ERROR_CONNECTION_FAILED, OBK_ERROR_TLS_FAILED; %NULL
 *   while it has not, and when OpenBao has ended it in good order
 */
const GError *obk_link_error (const ObkLink *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkLink, obk_link_unref)

G_END_DECLS
