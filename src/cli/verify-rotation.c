/* SPDX-License-Identifier: Apache-2.0 */
/* "verify-rotation": rotation after the fact, and what cannot be seen from here. */
#include "cli/command.h"

#include "base/names.h"
#include "cli/rotation-report.h"

#include <glib/gi18n.h>

static ObkExit
run (const ObkGlobals *globals)
{
  return obk_rotation_report_run (OBK_ROTATION_VERIFY, globals);
}

const ObkCommand obk_command_verify_rotation = {
  .name = "verify-rotation",
  .summary = N_ ("Check on this node that a rotation is over, and name what cannot be seen from here."),
  .details = N_ ("OpenBao is read once and nothing is changed, so that it may be run beside a running provider."),
  .example = OBK_PROGRAM " verify-rotation",
  .run = run,
  .has_report = TRUE,
};
