/* SPDX-License-Identifier: Apache-2.0 */
/* Which known name was meant by one that is not known. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * obk_suggestion:
 * @text: what was written
 * @known: %NULL-ended
 *
 * Letter case does not count. Whether two names are near goes by the number of inserted, removed, replaced or swapped
 * characters: a third of the length at most.
 *
 * Returns: (transfer none) (nullable): the nearest of @known; the first one when several are equally near
 */
const char *obk_suggestion (const char *text, const char *const *known);

G_END_DECLS
