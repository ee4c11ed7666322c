/* SPDX-License-Identifier: Apache-2.0 */
/* A change of the state that is planned, confirmed by the state's hash, and applied: what retiring and restoring share.
 */
#pragma once

#include "cli/registry-command.h"

G_BEGIN_DECLS

typedef struct
{
  const char *arguments;     /* the command without --apply: "retire-versions --before-version 2" */
  gboolean apply;            /* else it is a plan */
  const char *expected_hash; /* (nullable): of the state; set with @apply */

  /* Returns: (transfer full): the changed state, or %NULL with @error when it must not be */
  ObkState *(*change) (const ObkRegistryCommand *command, const ObkState *state, gpointer data, GError **error);
  gpointer data;

  const ObkRemark *conditions; /* what is to be seen to before it is applied, as far as this tool cannot see it */
  gsize n_conditions;
  const char *conditions_title; /* translated */
} ObkStateChange;

/* Plans or applies it, and prints the report. */
ObkExit obk_state_change_run (const ObkStateChange *change, const ObkGlobals *globals);

/* FALSE after a complaint: --apply goes with @option, the hash that the plan has printed. */
gboolean obk_state_change_check_options (gboolean apply, const char *option,
                                         const char *hash) G_GNUC_WARN_UNUSED_RESULT;

/* FALSE after a complaint that names @option: @text is no version number */
gboolean obk_state_change_parse_version (const char *option, const char *text,
                                         guint32 *version) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
