/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that ask a PKCS#11 token, which may hold them for ever: counted, so that the end of the process can wait. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* From any thread; nobody joins it. @error: OBK_ERROR_UNKNOWN: there is no thread to be had */
gboolean obk_token_thread_start (GThreadFunc function, gpointer data, GError **error);

/* At the end of the process. Returns: whether all of them have ended, @patience_us being the time they get: if not,
 * what exit() does to libraries would happen under their feet. */
gboolean obk_token_threads_wait (gint64 patience_us);

G_END_DECLS
