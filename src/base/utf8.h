/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 in bytes that are counted, not ended by a zero. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether it is valid UTF-8. U+0000 is, which g_utf8_validate() takes for an end. */
gboolean obk_utf8_is_valid (const char *text, gsize length);

G_END_DECLS
