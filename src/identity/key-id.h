/* SPDX-License-Identifier: Apache-2.0 */
/* key_id: derived from scope, version and creation time; opaque and safe to log. */
#pragma once

#include <glib.h>

#include "identity/scope.h"

G_BEGIN_DECLS

#define OBK_KEY_ID_LENGTH 48

/* @version, @created_at_unix: positive. Returns: (transfer full): spec identity.md, "key_id" */
char *obk_key_id_derive (const ObkScope *scope, guint32 version, gint64 created_at_unix);

/* Whether the bytes have exactly the form of a key_id; nothing is said of whether it is known. */
gboolean obk_key_id_is_well_formed (const char *text, gsize length);

G_END_DECLS
