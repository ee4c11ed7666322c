/* SPDX-License-Identifier: Apache-2.0 */
/* Where the JWT of a login comes from: a file, or something on the network. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

/**
 * ObkJwtSupplyDone:
 * @jwt: (nullable): one that has passed obk_jwt_check(), borrowed
 * @error: (nullable): OBK_ERROR_CREDENTIAL_INVALID, OBK_ERROR_OAUTH2_UNAVAILABLE, OBK_ERROR_OAUTH2_REJECTED
 */
typedef void (*ObkJwtSupplyDone) (ObkSecret *jwt, const GError *error, gpointer user_data);

/* An abstract supply; jwt-file.h and oauth2.h make one. Used on the main loop: by jwt-login.h, and by doctor. */
typedef struct _ObkJwtSupply ObkJwtSupply;
struct _ObkJwtSupply
{
  /* One at a time. @done runs once on the main loop, perhaps from within this call, by @deadline_us (CLOCK_BOOTTIME)
   * at the latest, and not after a cancel. Blocks on nothing but a local file. */
  void (*fetch) (ObkJwtSupply *supply, gint64 deadline_us, ObkJwtSupplyDone done, gpointer user_data);
  void (*cancel) (ObkJwtSupply *supply); /* (nullable) when it always answers at once */

  /* Seconds until the JWT runs out, as last seen; -1 when unknown. */
  gint64 (*ttl_seconds) (ObkJwtSupply *supply);

  /* Set by its user: called on the main loop when another JWT may be there. */
  void (*changed) (gpointer user_data);
  gpointer changed_data;

  void (*free) (ObkJwtSupply *supply); /* cancels what is under way */
};

void obk_jwt_supply_free (ObkJwtSupply *supply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkJwtSupply, obk_jwt_supply_free)

G_END_DECLS
