/* SPDX-License-Identifier: Apache-2.0 */
/* The CA file: the bundle that is in force, read again when the file changes. */
#pragma once

#include <glib.h>

#include "openbao/ca-bundle.h"

G_BEGIN_DECLS

typedef struct _ObkTrust ObkTrust;

/**
 * obk_trust_new:
 * @ca_cert_file: a path or credential:NAME
 * @changed: called from the thread-default main context when another bundle is in force
 * @error: OBK_ERROR_CREDENTIAL_INVALID
 *
 * A later file that cannot be used is logged, and the bundle stays.
 */
ObkTrust *obk_trust_new (const char *ca_cert_file, void (*changed) (gpointer user_data), gpointer user_data,
                         GError **error);
void obk_trust_free (ObkTrust *trust);

/* Returns: (transfer none): the bundle in force */
ObkCaBundle *obk_trust_bundle (ObkTrust *trust);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkTrust, obk_trust_free)

G_END_DECLS
