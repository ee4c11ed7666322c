/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process may open another file or socket: its own lack of them is no fault of anybody else. */
#pragma once

#include <glib.h>

#include "base/error.h"

G_BEGIN_DECLS

#define OBK_DESCRIPTORS_MAX_ASKED 8

/* Tries. Returns: whether @n more can be had now; else errno is the cause */
gboolean obk_descriptors_left (guint n);

/* Returns: OBK_ERROR_NO_DESCRIPTORS when that is what @cause, an errno, says; else @otherwise */
ObkError obk_descriptors_code (int cause, ObkError otherwise);

G_END_DECLS
