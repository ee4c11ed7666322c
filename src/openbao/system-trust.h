/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate authorities that the machine trusts. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_system_trust_file:
 * @error: OBK_ERROR_FILE: there is none
 *
 * Returns: (transfer none): the PEM file that the distribution makes of what its administrator trusts for TLS servers
 */
const char *obk_system_trust_file (GError **error);

G_END_DECLS
