/* SPDX-License-Identifier: Apache-2.0 */
/* "rotation-plan": rotation as it stands. */
#include "cli/command.h"

#include "base/names.h"
#include "cli/rotation-report.h"

#include <glib/gi18n.h>

static ObkExit
run (const ObkGlobals *globals)
{
  return obk_rotation_report_run (OBK_ROTATION_PLAN, globals);
}

const ObkCommand obk_command_rotation_plan = {
  .name = "rotation-plan",
  .summary = N_ ("Show how rotation stands: versions, checks, and when a new version will be used."),
  .details = N_ ("OpenBao is read once and nothing is changed, so that it may be run beside a running provider."),
  .example = OBK_PROGRAM " rotation-plan --output json",
  .run = run,
  .has_report = TRUE,
};
