/* SPDX-License-Identifier: Apache-2.0 */
/* The process that runs the checks with the service's ids, and what it tells the one that reports. */
#pragma once

#include <glib.h>

#include "cli/doctor/doctor.h"

G_BEGIN_DECLS

typedef struct _ObkDoctorWorker ObkDoctorWorker;

/**
 * obk_doctor_worker_new:
 * @options: copied
 * @is_worker: (out): this is the new process, which has done its work and has nothing to do but to end
 * @error: OBK_ERROR_UNKNOWN
 *
 * Starts it: all checks of OBK_CHECK_AS_SERVICE, in order. Before there are threads.
 *
 * Returns: (nullable): for the process that reports
 */
ObkDoctorWorker *obk_doctor_worker_new (const ObkDoctorOptions *options, gboolean *is_worker, GError **error);
void obk_doctor_worker_free (ObkDoctorWorker *worker); /* ends it */

/**
 * obk_doctor_worker_next:
 * @id: of the check that it is at, for the progress that is shown
 *
 * Returns: (transfer full): what its next check has found; a failure when the process has ended before its time
 */
ObkCheckReport *obk_doctor_worker_next (ObkDoctorWorker *worker, const char *id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkDoctorWorker, obk_doctor_worker_free)

G_END_DECLS
