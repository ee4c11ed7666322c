/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 URIs (RFC 7512), as far as a configuration needs them. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_pkcs11_uri_check:
 *
 * The URI must name a key (object or id), hold only attributes of RFC 7512, each once, and no pin-value; pin-source
 * must be a file: URI.
 *
 * Returns: (transfer none) (nullable): what is wrong, for people; %NULL when nothing is
 */
const char *obk_pkcs11_uri_check (const char *uri);

/**
 * obk_pkcs11_uri_get:
 * @uri: one that passes obk_pkcs11_uri_check()
 * @name: "token", "object", "id", "pin-source", …
 *
 * Returns: (transfer full) (nullable): the attribute's bytes without percent-encoding, zero-terminated; %NULL when the
 * URI has none of that name. pin-source without its "file:"
 */
char *obk_pkcs11_uri_get (const char *uri, const char *name);

G_END_DECLS
