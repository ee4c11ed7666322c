/* SPDX-License-Identifier: Apache-2.0 */
/* What the journal knows each event by. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Returns: (nullable): the MESSAGE_ID (sd-journal(3)) of an OBK_EVENT_…: the same for ever, and in the catalogue */
const char *obk_message_id (const char *event);

G_END_DECLS
