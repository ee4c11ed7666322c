/* SPDX-License-Identifier: Apache-2.0 */
/* A change of the state that is planned, confirmed by the state's hash, and applied: what retiring and restoring share.
 */
#include "cli/state-change.h"

#include "base/names.h"

#include <glib/gi18n.h>

#include <stdio.h>

/* What there is to report. */
typedef struct
{
  ObkState *before;
  ObkState *after; /* the same in content when there is nothing to change */
  gboolean applied;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_clear_pointer (&outcome->before, obk_state_free);
  g_clear_pointer (&outcome->after, obk_state_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

gboolean
obk_state_change_check_options (gboolean apply, const char *option, const char *hash)
{
  if (!apply || hash != NULL)
    return TRUE;
  obk_command_complain (_ ("--apply needs %s: run the command without --apply to see the plan and the hash"), option);
  return FALSE;
}

gboolean
obk_state_change_parse_version (const char *option, const char *text, guint32 *version)
{
  guint64 number = 0;

  if (text == NULL)
    obk_command_complain (_ ("%s is missing"), option);
  else if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT32, &number, NULL))
    obk_command_complain (_ ("%s: \"%s\" is not a key version; these are numbers from 1 on"), option, text);
  else
    {
      *version = (guint32)number;
      return TRUE;
    }
  return FALSE;
}

static gboolean
plan (const ObkRegistryCommand *command, const ObkStateChange *change, Outcome *outcome, GError **error)
{
  outcome->before = obk_registry_command_peek (command, error);
  if (outcome->before == NULL
      || (change->expected_hash != NULL
          && !obk_registry_command_confirm ("the state's hash", change->expected_hash, outcome->before->current_hash,
                                            error)))
    return FALSE;
  outcome->after = change->change (command, outcome->before, change->data, error);
  return outcome->after != NULL;
}

static gboolean
load (const ObkRegistryCommand *command, ObkStore *store, ObkState **state, GError **error)
{
  if (!obk_store_load (store, command->scope, state, error))
    return FALSE;
  if (*state == NULL) /* there is a message for it */
    *state = obk_registry_command_peek (command, error);
  return *state != NULL;
}

static gboolean
apply (const ObkRegistryCommand *command, const ObkStateChange *change, Outcome *outcome, GError **error)
{
  g_autoptr (ObkStore) store = obk_registry_command_lock (command, error);

  if (store == NULL || !load (command, store, &outcome->before, error)
      || !obk_registry_command_confirm ("the state's hash", change->expected_hash, outcome->before->current_hash,
                                        error))
    return FALSE;
  outcome->after = change->change (command, outcome->before, change->data, error);
  if (outcome->after == NULL)
    return FALSE;
  if (!obk_state_same_content (outcome->before, outcome->after) && !obk_store_save (store, outcome->after, error))
    return FALSE;
  outcome->applied = TRUE;
  return TRUE;
}

/* Returns: (nullable): the snapshot that @after had before, when it is another by now */
static const ObkSnapshot *
find_changed (const ObkState *before, const ObkSnapshot *after)
{
  for (guint i = 0; i < before->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (before->snapshots, ObkSnapshot, i);

      if (g_str_equal (snapshot->key_id, after->key_id))
        return snapshot->state != after->state ? snapshot : NULL;
    }
  return NULL;
}

static void
print_changes (const Outcome *outcome)
{
  gboolean any = FALSE;

  for (guint i = 0; i < outcome->after->snapshots->len; i++)
    {
      const ObkSnapshot *after = &g_array_index (outcome->after->snapshots, ObkSnapshot, i);
      const ObkSnapshot *before = find_changed (outcome->before, after);

      if (before == NULL)
        continue;
      printf (_ ("  version %-6u %s -> %s\n"), after->version, obk_snapshot_state_name (before->state),
              obk_snapshot_state_name (after->state));
      any = TRUE;
    }
  if (!any)
    printf (_ ("  nothing to change\n"));
}

static void
print_text (const ObkRegistryCommand *command, const ObkStateChange *change, const Outcome *outcome)
{
  gboolean same = obk_state_same_content (outcome->before, outcome->after);

  printf ("%s\n", outcome->applied ? _ ("Applied:") : _ ("Plan:"));
  print_changes (outcome);
  printf ("\n");
  obk_registry_command_print_row (_ ("state hash"), "%s", outcome->before->current_hash);
  if (outcome->applied && !same)
    obk_registry_command_print_row (_ ("new state hash"), "%s", outcome->after->current_hash);
  obk_registry_command_print_row (_ ("generation"), "%" G_GUINT64_FORMAT, outcome->after->generation);
  if (change->n_conditions > 0)
    obk_registry_command_print_remarks (change->conditions_title, change->conditions, change->n_conditions);
  if (!outcome->applied && !same)
    {
      g_autofree char *arguments
          = g_strdup_printf ("%s --apply --expected-state-hash %s", change->arguments, outcome->before->current_hash);

      obk_registry_command_print_how_to_apply (command, arguments);
    }
  else if (outcome->applied)
    printf (_ ("\nStart the provider again:\n  systemctl start %s\n"), command->units);
}

static void
add_changes (ObkCanonicalJson *json, const Outcome *outcome)
{
  obk_canonical_json_begin_array (json, "changes");
  for (guint i = 0; i < outcome->after->snapshots->len; i++)
    {
      const ObkSnapshot *after = &g_array_index (outcome->after->snapshots, ObkSnapshot, i);
      const ObkSnapshot *before = find_changed (outcome->before, after);

      if (before == NULL)
        continue;
      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_int (json, "version", after->version);
      obk_canonical_json_string (json, "from", obk_snapshot_state_name (before->state));
      obk_canonical_json_string (json, "to", obk_snapshot_state_name (after->state));
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
}

static void
print_json (const ObkStateChange *change, const Outcome *outcome)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "applied", outcome->applied);
  obk_canonical_json_string (json, "stateHash", outcome->before->current_hash);
  if (outcome->applied)
    obk_canonical_json_string (json, "newStateHash", outcome->after->current_hash);
  else
    obk_canonical_json_null (json, "newStateHash");
  obk_canonical_json_int (json, "generation", (gint64)outcome->after->generation);
  add_changes (json, outcome);
  obk_registry_command_add_versions (json, outcome->after);
  obk_registry_command_add_remarks (json, "conditions", change->conditions, change->n_conditions);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

ObkExit
obk_state_change_run (const ObkStateChange *change, const ObkGlobals *globals)
{
  g_auto (ObkRegistryCommand) command = { 0 };
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_OK;

  if (!obk_registry_command_load (&command, globals, &exit))
    return exit;
  if (!obk_registry_command_become_owner (&command, &error)
      || !(change->apply ? apply : plan) (&command, change, &outcome, &error))
    return obk_registry_command_refuse (error);
  if (globals->json)
    print_json (change, &outcome);
  else
    print_text (&command, change, &outcome);
  return OBK_EXIT_OK;
}
