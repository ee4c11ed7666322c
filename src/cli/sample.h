/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes that are sent to be encrypted, and must come back. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

#define OBK_SAMPLE_LENGTH 32

/* Returns: (transfer full) (nullable): new ones; %NULL with OBK_ERROR_UNKNOWN */
ObkSecret *obk_sample_new (GError **error);

/* Whether @back is @sample; else OBK_ERROR_TRANSIT_AUTHENTICATION_TAG */
gboolean obk_sample_check (const ObkSecret *sample, const ObkSecret *back, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
