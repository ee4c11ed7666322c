/* SPDX-License-Identifier: Apache-2.0 */
/* What a login proves itself with: the body of the login call, read and checked anew each time. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

/* An abstract source; jwt-file.h makes one. More sources follow this shape. */
typedef struct _ObkCredential ObkCredential;
struct _ObkCredential
{
  const char *operation; /* OBK_OPERATION_JWT_LOGIN, … */

  /* Returns: (transfer full): the login's JSON body; %NULL with OBK_ERROR_CREDENTIAL_INVALID. Does not block on
   * anything but a local file. */
  ObkSecret *(*login_body) (ObkCredential *credential, GError **error);

  /* Seconds until the credential runs out, as last read; -1 when unknown. */
  gint64 (*ttl_seconds) (ObkCredential *credential);

  /* Set by its user: called on the main loop when the credential may have changed. */
  void (*changed) (gpointer user_data);
  gpointer changed_data;

  void (*free) (ObkCredential *credential);
};

void obk_credential_free (ObkCredential *credential);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCredential, obk_credential_free)

G_END_DECLS
