/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation as it stands: what "rotation-plan" and "verify-rotation" report. */
#pragma once

#include "cli/registry-command.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_ROTATION_PLAN,
  OBK_ROTATION_VERIFY /* the same after the fact: a rotation that is not over fails, and the limits are named */
} ObkRotationReportKind;

/**
 * obk_rotation_report_run:
 *
 * Reads the state without its lock and the key's metadata once, judges them as the next probe would, prints, and
 * changes nothing. Source: spec cli.md.
 *
 * Returns: OBK_EXIT_CHECK when a check has failed
 */
ObkExit obk_rotation_report_run (ObkRotationReportKind kind, const ObkGlobals *globals);

G_END_DECLS
