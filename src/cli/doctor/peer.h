/* SPDX-License-Identifier: Apache-2.0 */
/* A process of its own that checks with other rights, and what it tells the one that reports. */
#pragma once

#include <glib.h>

#include "cli/doctor/check.h"

G_BEGIN_DECLS

typedef struct _ObkCheckPeer ObkCheckPeer;

/**
 * obk_check_peer_start:
 * @fd: (out): where the new process sends its reports; -1 in the one that reads them
 * @error: OBK_ERROR_UNKNOWN
 *
 * Forks; before there are threads. The new process has nothing to do but to check, to send, and to end.
 *
 * Returns: (transfer full) (nullable): in the process that reads; %NULL in the new one, and with @error
 */
ObkCheckPeer *obk_check_peer_start (int *fd, GError **error);
void obk_check_peer_free (ObkCheckPeer *peer); /* ends it */

/* Returns: FALSE when nobody reads any more */
gboolean obk_check_report_send (const ObkCheckReport *report, int fd) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_check_peer_next:
 * @id: of the check that it is at, for the progress that is shown
 *
 * Returns: (transfer full): the next report; a failure when the process has ended before its time
 */
ObkCheckReport *obk_check_peer_next (ObkCheckPeer *peer, const char *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCheckPeer, obk_check_peer_free)

G_END_DECLS
