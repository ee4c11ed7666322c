/* SPDX-License-Identifier: Apache-2.0 */
/* "retire-versions": old versions are taken out of local decryption. */
#include "cli/command.h"

#include "base/clock.h"
#include "base/names.h"
#include "cli/state-change.h"
#include "registry/retirement.h"

#include <glib/gi18n.h>

static char *before_version_text = NULL;
static gboolean want_apply = FALSE;
static char *expected_state_hash = NULL;

/* What this tool, which sees one node's state alone, cannot see (spec registry.md, "Retirement and recovery"). */
static const ObkRemark conditions[] = {
  { "looked_at_all_nodes",
    N_ ("look at every node, running now or not: when it last promoted, was stopped, or served under an older version; "
        "the latest of these moments counts") },
  { "rewritten",
    N_ ("wait four minutes from that moment (the API server's poll of 1 min and its data key's 3 min), then rewrite "
        "every encrypted object of the cluster") },
  { "waited",
    N_ ("look at all nodes again when retiring: if a later such moment is found, wait four minutes from it, rewrite "
        "and look again") },
  { "same_settings", N_ ("all nodes have the same rotation and status settings") },
  { "no_backup_needs_them",
    N_ ("no backup of etcd that may be restored holds data of the older versions, or restore-versions comes first "
        "then") },
  { "all_nodes_before_minimum",
    N_ ("retire on every node; only then may OpenBao's min_decryption_version be raised, not before") },
};

static ObkState *
retire (const ObkRegistryCommand *command, const ObkState *state, gpointer data, GError **error)
{
  const guint32 *before_version = data;

  return obk_retirement_retire (state, *before_version, obk_clock_unix (), &command->policy, error);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autofree char *arguments = NULL;
  guint32 before_version = 0;

  if (!obk_state_change_parse_version ("--before-version", before_version_text, &before_version)
      || !obk_state_change_check_options (want_apply, "--expected-state-hash", expected_state_hash))
    return OBK_EXIT_USAGE;
  arguments = g_strdup_printf ("retire-versions --before-version %u", before_version);
  return obk_state_change_run (
      &(ObkStateChange){
          .arguments = arguments,
          .apply = want_apply,
          .expected_hash = expected_state_hash,
          .change = retire,
          .data = &before_version,
          .conditions = conditions,
          .n_conditions = G_N_ELEMENTS (conditions),
          .conditions_title = _ ("What this command cannot see, and you must see to:"),
      },
      globals);
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "before-version", 0, 0, G_OPTION_ARG_STRING, &before_version_text,
      N_ ("Remove the retired versions below this one"), "N" },
    { "apply", 0, 0, G_OPTION_ARG_NONE, &want_apply, N_ ("Make the change, instead of planning it"), NULL },
    { "expected-state-hash", 0, 0, G_OPTION_ARG_STRING, &expected_state_hash,
      N_ ("The state's hash, as the plan has shown it"), N_ ("HASH") },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_retire_versions = {
  .name = "retire-versions",
  .summary = N_ ("Plan or make the removal of retired versions from this node's decryption."),
  .details = N_ ("Without --apply it shows the plan, and the hash that --apply wants. The provider is stopped while a "
                 "plan is applied."),
  .example = OBK_PROGRAM " retire-versions --before-version 2",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
