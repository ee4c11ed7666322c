/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed attempt at one address is worth: whether to go on to the next one, and as the answer to the call. Pure.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  OBK_WORTH_CUT_SHORT, /* silence that we did not hear to its end */
  OBK_WORTH_NO_CONNECTION,
  OBK_WORTH_SILENCE, /* for all of openbao.timeout */
  OBK_WORTH_ANSWER
} ObkWorth;

/* Whether another address may do better. All that we ask of OpenBao may be asked twice: nothing is lost by it. */
gboolean obk_worth_going_on (const GError *error);

/* @waited_out: whether it had all of openbao.timeout. Returns: more for what says more of OpenBao */
ObkWorth obk_worth_of (const GError *error, gboolean waited_out);

G_END_DECLS
