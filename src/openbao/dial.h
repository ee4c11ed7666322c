/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at a connection to OpenBao: the name, its addresses, a connected descriptor. */
#pragma once

#include <glib.h>

#include "openbao/endpoint.h"

G_BEGIN_DECLS

typedef struct _ObkDial ObkDial;

typedef struct
{
  /* The name has an address, which is being tried. */
  void (*resolved) (gpointer user_data);
  /* @fd: connected and non-blocking (transfer full); -1 with @error: OBK_ERROR_DNS_FAILED, OBK_ERROR_CONNECTION_FAILED,
   * OBK_ERROR_NO_DESCRIPTORS (transfer full). The attempt is over. */
  void (*done) (int fd, GError *error, gpointer user_data);
} ObkDialCallbacks;

/* All addresses of the name are tried in turn, the next one when one is slow. Never calls back from within. */
ObkDial *obk_dial_start (ObkEndpoint *endpoint, const ObkDialCallbacks *callbacks, gpointer user_data);

/* No callback comes any more. */
void obk_dial_cancel (ObkDial *dial);

G_END_DECLS
