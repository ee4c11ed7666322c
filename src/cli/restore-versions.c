/* SPDX-License-Identifier: Apache-2.0 */
/* "restore-versions": removed versions decrypt again. */
#include "cli/command.h"

#include "base/error.h"
#include "base/names.h"
#include "cli/state-change.h"
#include "registry/retirement.h"

#include <glib/gi18n.h>

static char *versions_text = NULL;
static gboolean want_apply = FALSE;
static char *expected_state_hash = NULL;

/* FALSE after a complaint */
static gboolean
parse_versions (const char *text, GArray *versions)
{
  g_auto (GStrv) words = text != NULL ? g_strsplit (text, ",", -1) : NULL;
  guint32 version = 0;

  if (words == NULL || words[0] == NULL)
    return obk_state_change_parse_version ("--versions", NULL, &version);
  for (char **word = words; *word != NULL; word++)
    {
      if (!obk_state_change_parse_version ("--versions", *word, &version))
        return FALSE;
      g_array_append_val (versions, version);
    }
  return TRUE;
}

static gboolean
has_finding (const GPtrArray *findings, const ObkProfileFinding *wanted)
{
  for (guint i = 0; i < findings->len; i++)
    if (g_str_equal (((const ObkProfileFinding *)findings->pdata[i])->text, wanted->text))
      return TRUE;
  return FALSE;
}

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED, "once restored it would make Status unhealthy: %s", what);
  return FALSE;
}

/* A version that OpenBao does not have any more would make Status unhealthy: only new findings count. */
static gboolean
check_with_openbao (const ObkRegistryCommand *command, const ObkState *before, const ObkState *after,
                    const GArray *versions, GError **error)
{
  g_autoptr (ObkKeyMetadata) metadata = obk_registry_command_read_metadata (command, NULL, error);
  g_autoptr (GPtrArray) old = metadata != NULL ? obk_profile_findings (metadata, before) : NULL;
  g_autoptr (GPtrArray) new = metadata != NULL ? obk_profile_findings (metadata, after) : NULL;

  if (metadata == NULL)
    return FALSE;
  for (guint i = 0; i < new->len; i++)
    if (!has_finding (old, new->pdata[i]))
      return refuse (error, ((const ObkProfileFinding *)new->pdata[i])->text);
  for (guint i = 0; i < versions->len; i++)
    if (g_array_index (versions, guint32, i) > metadata->latest_version)
      return refuse (error, "OpenBao does not have it: restore OpenBao from a newer backup, or try again if a standby "
                            "lags behind");
  return TRUE;
}

static ObkState *
restore (const ObkRegistryCommand *command, const ObkState *state, gpointer data, GError **error)
{
  const GArray *versions = data;
  g_autoptr (ObkState) next = obk_retirement_restore (state, versions, error);

  if (next == NULL || !check_with_openbao (command, state, next, versions, error))
    return NULL;
  return g_steal_pointer (&next);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autoptr (GArray) versions = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autofree char *arguments = NULL;

  if (!parse_versions (versions_text, versions)
      || !obk_state_change_check_options (want_apply, "--expected-state-hash", expected_state_hash))
    return OBK_EXIT_USAGE;
  arguments = g_strdup_printf ("restore-versions --versions %s", versions_text);
  return obk_state_change_run (
      &(ObkStateChange){
          .arguments = arguments,
          .apply = want_apply,
          .expected_hash = expected_state_hash,
          .change = restore,
          .data = versions,
      },
      globals);
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "versions", 0, 0, G_OPTION_ARG_STRING, &versions_text, N_ ("The removed versions to bring back"), "A,B" },
    { "apply", 0, 0, G_OPTION_ARG_NONE, &want_apply, N_ ("Make the change, instead of planning it"), NULL },
    { "expected-state-hash", 0, 0, G_OPTION_ARG_STRING, &expected_state_hash,
      N_ ("The state's hash, as the plan has shown it"), N_ ("HASH") },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_restore_versions = {
  .name = "restore-versions",
  .summary = N_ ("Plan or make the return of removed versions to this node's decryption."),
  .details = N_ ("Without --apply it shows the plan, and the hash that --apply wants. The provider is stopped while a "
                 "plan is applied."),
  .example = OBK_PROGRAM " restore-versions --versions 1,2",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
