/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes through a running provider and back. */
#pragma once

#include <glib.h>

#include "kms/client.h"

G_BEGIN_DECLS

#define OBK_EXCHANGE_TIMEOUT_US (10 * (gint64)G_USEC_PER_SEC) /* of each call */

/* Encrypt, Decrypt. @error: as the calls have it; OBK_ERROR_UNKNOWN when other bytes come back */
gboolean obk_exchange_run (ObkKmsClient *client, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
