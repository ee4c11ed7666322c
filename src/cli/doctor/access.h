/* SPDX-License-Identifier: Apache-2.0 */
/* Why the service cannot get at a file, and what opens it: the directories on the way first, then the file. */
#pragma once

#include "cli/doctor/doctor.h"

G_BEGIN_DECLS

/**
 * obk_doctor_closed_directory:
 * @path: absolute
 *
 * Returns: (transfer full) (nullable): the first directory above @path through which this process may not pass
 */
char *obk_doctor_closed_directory (const char *path);

/* Adds to the last finding which directory above @path to open to the service. Returns: whether one is closed */
gboolean obk_doctor_advise_on_way (ObkDoctor *doctor, ObkCheckReport *report, const char *path);

/* What a file may be like beside being root's, for obk_doctor_advise_on_file() */
typedef enum
{
  OBK_FILE_PRIVATE, /* of root and the service's group, 0640 */
  OBK_FILE_PUBLIC   /* of root, 0644 */
} ObkFileKind;

/**
 * obk_doctor_advise_on_file:
 * @path: that the service could not read, or must not have as it is
 *
 * Adds the remedy to the last finding: a link on the way, a directory that is closed, or else owner and mode. None for
 * a file that is not there.
 */
void obk_doctor_advise_on_file (ObkDoctor *doctor, ObkCheckReport *report, const char *path, ObkFileKind kind);

G_END_DECLS
