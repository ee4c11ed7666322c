/* SPDX-License-Identifier: Apache-2.0 */
/* "recover-state": the first state for a key that was already rotated, or a new one over one that cannot go on. */
#include "cli/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/names.h"
#include "base/safe-file.h"
#include "cli/registry-command.h"
#include "cli/state-change.h"
#include "registry/damage.h"
#include "registry/document.h"
#include "registry/retirement.h"

#include <glib/gi18n.h>

#include <stdio.h>

static gboolean want_apply = FALSE;
static gboolean want_replace = FALSE;
static char *expected_plan_hash = NULL;
static char *expected_state_hash = NULL;
static char *compare_path = NULL;

/* What one run works on. */
typedef struct
{
  ObkRegistryCommand command;
  ObkState *peer;   /* (nullable): of --compare */
  ObkStore *store;  /* (nullable): with the lock, when the plan is applied */
  ObkState *old;    /* (nullable): what is replaced, when it loads */
  char *refusal;    /* (nullable): why what is replaced does not load */
  ObkDamage damage; /* of that */
  ObkState *next;
  char *plan_hash;
  guint32 latest;
  gboolean applied;
  GPtrArray *kept; /* (nullable): of filenames */
} Recovery;

static void
recovery_clear (Recovery *recovery)
{
  g_clear_pointer (&recovery->store, obk_store_free);
  g_clear_pointer (&recovery->peer, obk_state_free);
  g_clear_pointer (&recovery->old, obk_state_free);
  g_clear_pointer (&recovery->refusal, g_free);
  obk_damage_clear (&recovery->damage);
  g_clear_pointer (&recovery->next, obk_state_free);
  g_clear_pointer (&recovery->plan_hash, g_free);
  g_clear_pointer (&recovery->kept, g_ptr_array_unref);
  obk_registry_command_clear (&recovery->command);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Recovery, recovery_clear)

/* Wherever the caller has put it: read with the caller's ids. */
static gboolean
read_peer (Recovery *recovery, GError **error)
{
  g_autoptr (ObkSecret) text = NULL;

  if (compare_path == NULL)
    return TRUE;
  text = obk_safe_file_read (compare_path, OBK_FILE_MASK_PUBLIC, OBK_STATE_MAX_SIZE, error);
  if (text != NULL)
    recovery->peer
        = obk_document_read_state (obk_secret_data (text), obk_secret_length (text), recovery->command.scope, error);
  if (recovery->peer == NULL)
    g_prefix_error (error, "the peer's state \"%s\" cannot be compared with: ", compare_path);
  return recovery->peer != NULL;
}

/* What is there now: with the lock when the plan is applied, without it and without changing anything else. */
static gboolean
load (Recovery *recovery, GError **error)
{
  const ObkRegistryCommand *command = &recovery->command;
  ObkCheckpointStatus status = OBK_CHECKPOINT_ABSENT;

  if (!want_apply)
    return obk_store_peek (command->config->state.path, command->scope, &recovery->old, &status, error);
  return obk_store_load (recovery->store, command->scope, &recovery->old, error);
}

/* What may be replaced, and what may not. */
static gboolean
read_old (Recovery *recovery, GError **error)
{
  const ObkRegistryCommand *command = &recovery->command;
  const char *path = command->config->state.path;
  g_autoptr (GError) cause = NULL;

  if (!load (recovery, &cause))
    {
      recovery->refusal = g_strdup (cause->message);
      if (want_replace)
        return obk_damage_read (path, command->scope, &recovery->damage, error);
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (recovery->old != NULL && !want_replace)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "there is a state at \"%s\" (generation %" G_GUINT64_FORMAT "), so there is nothing to recover; "
                       "--replace rebuilds over one that can no longer go on",
                       path, recovery->old->generation);
  if (recovery->old == NULL && want_replace)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                       "there is no state at \"%s\" that could be replaced: leave --replace out", path);
  return TRUE;
}

static const char *
replaced_hash (const Recovery *recovery)
{
  if (recovery->refusal != NULL)
    return recovery->damage.hash;
  return recovery->old != NULL ? recovery->old->current_hash : NULL;
}

static gboolean
make_plan (Recovery *recovery, GError **error)
{
  const ObkRegistryCommand *command = &recovery->command;
  g_autoptr (ObkKeyMetadata) metadata = NULL;

  if (expected_state_hash != NULL
      && !obk_registry_command_confirm ("the state's hash", expected_state_hash, replaced_hash (recovery), error))
    return FALSE;
  metadata = obk_registry_command_read_metadata (command, NULL, error);
  if (metadata == NULL)
    return FALSE;
  recovery->latest = metadata->latest_version;
  recovery->next = obk_retirement_recover (
      &(ObkRecovery){
          .scope = command->scope,
          .metadata = metadata,
          .replaced = recovery->refusal != NULL ? recovery->damage.state : recovery->old,
          .unloadable = recovery->refusal != NULL,
          .peer = recovery->peer,
          .now_unix = obk_clock_unix (),
      },
      error);
  if (recovery->next == NULL)
    return FALSE;
  recovery->plan_hash = obk_retirement_plan_hash (recovery->next);
  return expected_plan_hash == NULL
         || obk_registry_command_confirm ("the plan's hash", expected_plan_hash, recovery->plan_hash, error);
}

static gboolean
save (Recovery *recovery, GError **error)
{
  if (recovery->refusal == NULL)
    recovery->applied = obk_store_save (recovery->store, recovery->next, error);
  else
    recovery->applied = obk_store_replace (recovery->store, &recovery->damage, recovery->next, obk_clock_unix (),
                                           &recovery->kept, error);
  return recovery->applied;
}

/* The lock is held while OpenBao is asked: what the plan is about stays as it is. */
static gboolean
recover (Recovery *recovery, GError **error)
{
  if (!read_peer (recovery, error) || !obk_registry_command_become_owner (&recovery->command, error))
    return FALSE;
  if (want_apply)
    {
      recovery->store = obk_registry_command_lock (&recovery->command, error);
      if (recovery->store == NULL)
        return FALSE;
    }
  return read_old (recovery, error) && make_plan (recovery, error) && (!want_apply || save (recovery, error));
}

/* The report */

/* What the operator must know, as far as it applies. Returns: (transfer full): of ObkRemark */
static GArray *
find_conditions (const Recovery *recovery)
{
  static const ObkRemark read_once
      = { "read_once",
          N_ ("OpenBao was read once, and a standby that lags shows less than there is: make sure that the active "
              "version of this plan is the key's latest") };
  static const ObkRemark not_compared
      = { "not_compared",
          N_ ("no peer's state was compared: --compare takes over the versions that other nodes have removed") };
  static const ObkRemark all_nodes
      = { "all_nodes",
          N_ ("versions are lost or changed: if OpenBao was restored to before a rotation, stop all API servers and "
              "recover every node before one is started, since the same version number may come again with another "
              "key") };
  static const ObkRemark no_history
      = { "no_history", N_ ("the replaced file cannot be read as a state: what it had recorded as removed or rejected "
                            "is not taken over; the file itself is kept") };
  GArray *conditions = g_array_new (FALSE, FALSE, sizeof (ObkRemark));
  gboolean any_rejected = FALSE;

  for (guint i = 0; i < recovery->next->snapshots->len; i++)
    any_rejected |= g_array_index (recovery->next->snapshots, ObkSnapshot, i).state == OBK_SNAPSHOT_REJECTED;
  g_array_append_val (conditions, read_once);
  if (recovery->peer == NULL)
    g_array_append_val (conditions, not_compared);
  if (any_rejected)
    g_array_append_val (conditions, all_nodes);
  if (recovery->refusal != NULL && recovery->damage.state == NULL)
    g_array_append_val (conditions, no_history);
  return conditions;
}

/* Returns: the generation that the new state has, or will have */
static guint64
next_generation (const Recovery *recovery)
{
  if (recovery->applied)
    return recovery->next->generation;
  if (recovery->refusal != NULL)
    return recovery->damage.generation + 1;
  return recovery->old != NULL ? recovery->old->generation + 1 : 1;
}

static char *
format_arguments (const Recovery *recovery)
{
  GString *text = g_string_new ("recover-state");

  if (compare_path != NULL)
    {
      g_autofree char *quoted = g_shell_quote (compare_path);

      g_string_append_printf (text, " --compare %s", quoted);
    }
  if (want_replace)
    g_string_append_printf (text, " --replace --expected-state-hash %s", replaced_hash (recovery));
  g_string_append_printf (text, " --apply --expected-plan-hash %s", recovery->plan_hash);
  return g_string_free (text, FALSE);
}

static void
print_text (const Recovery *recovery, const GArray *conditions)
{
  printf ("%s\n", recovery->applied ? _ ("Applied:") : _ ("Plan:"));
  obk_registry_command_print_versions (recovery->next);
  printf ("\n");
  obk_registry_command_print_row (_ ("plan hash"), "%s", recovery->plan_hash);
  if (want_replace)
    obk_registry_command_print_row (_ ("replaced state hash"), "%s", replaced_hash (recovery));
  if (recovery->refusal != NULL)
    obk_registry_command_print_row (_ ("why it is replaced"), "%s", recovery->refusal);
  obk_registry_command_print_row (_ ("generation"), "%" G_GUINT64_FORMAT, next_generation (recovery));
  if (recovery->applied)
    obk_registry_command_print_row (_ ("new state hash"), "%s", recovery->next->current_hash);
  for (guint i = 0; recovery->kept != NULL && i < recovery->kept->len; i++)
    obk_registry_command_print_row (_ ("kept aside"), "%s", (const char *)recovery->kept->pdata[i]);
  obk_registry_command_print_remarks (_ ("What you must see to:"), (const ObkRemark *)(gconstpointer)conditions->data,
                                      conditions->len);
  if (recovery->applied)
    printf (_ ("\nStart the provider again:\n  systemctl start %s\n"), recovery->command.units);
  else
    {
      g_autofree char *arguments = format_arguments (recovery);

      obk_registry_command_print_how_to_apply (&recovery->command, arguments);
    }
}

static void
add_replaced (ObkCanonicalJson *json, const Recovery *recovery)
{
  g_autofree char *refusal = recovery->refusal != NULL ? g_utf8_make_valid (recovery->refusal, -1) : NULL;

  if (!want_replace)
    {
      obk_canonical_json_null (json, "replaced");
      return;
    }
  obk_canonical_json_begin_object (json, "replaced");
  obk_canonical_json_string (json, "stateHash", replaced_hash (recovery));
  obk_canonical_json_boolean (json, "loads", recovery->refusal == NULL);
  if (refusal != NULL)
    obk_canonical_json_string (json, "refusal", refusal);
  obk_canonical_json_begin_array (json, "kept");
  for (guint i = 0; recovery->kept != NULL && i < recovery->kept->len; i++)
    {
      g_autofree char *path = g_utf8_make_valid (recovery->kept->pdata[i], -1);

      obk_canonical_json_string (json, NULL, path);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
}

static void
print_json (const Recovery *recovery, const GArray *conditions)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "applied", recovery->applied);
  obk_canonical_json_string (json, "planHash", recovery->plan_hash);
  obk_canonical_json_boolean (json, "comparedWithPeer", recovery->peer != NULL);
  add_replaced (json, recovery);
  obk_canonical_json_int (json, "generation", (gint64)next_generation (recovery));
  if (recovery->applied)
    obk_canonical_json_string (json, "newStateHash", recovery->next->current_hash);
  else
    obk_canonical_json_null (json, "newStateHash");
  obk_canonical_json_int (json, "latestVersion", recovery->latest);
  obk_registry_command_add_versions (json, recovery->next);
  obk_registry_command_add_remarks (json, "conditions", (const ObkRemark *)(gconstpointer)conditions->data,
                                    conditions->len);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

static gboolean
check_options (void)
{
  if (expected_state_hash != NULL && !want_replace)
    {
      obk_command_complain (_ ("--expected-state-hash goes with --replace; without it there is no state"));
      return FALSE;
    }
  return obk_state_change_check_options (want_apply, "--expected-plan-hash", expected_plan_hash)
         && obk_state_change_check_options (want_apply && want_replace, "--expected-state-hash", expected_state_hash);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_auto (Recovery) recovery = { 0 };
  g_autoptr (GArray) conditions = NULL;
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_OK;

  if (!check_options ())
    return OBK_EXIT_USAGE;
  if (!obk_registry_command_load (&recovery.command, globals, &exit))
    return exit;
  if (!recover (&recovery, &error))
    return obk_registry_command_refuse (error);
  conditions = find_conditions (&recovery);
  if (globals->json)
    print_json (&recovery, conditions);
  else
    print_text (&recovery, conditions);
  return OBK_EXIT_OK;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "compare", 0, 0, G_OPTION_ARG_FILENAME, &compare_path,
      N_ ("A copy of a peer's state file: check against it, and take its removed versions over"), N_ ("FILE") },
    { "replace", 0, 0, G_OPTION_ARG_NONE, &want_replace, N_ ("Rebuild over a state that can no longer go on"), NULL },
    { "apply", 0, 0, G_OPTION_ARG_NONE, &want_apply, N_ ("Make the change, instead of planning it"), NULL },
    { "expected-plan-hash", 0, 0, G_OPTION_ARG_STRING, &expected_plan_hash,
      N_ ("The plan's hash, as the plan has shown it"), N_ ("HASH") },
    { "expected-state-hash", 0, 0, G_OPTION_ARG_STRING, &expected_state_hash,
      N_ ("The replaced state's hash, as the plan has shown it"), N_ ("HASH") },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_recover_state = {
  .name = "recover-state",
  .summary = N_ ("Plan or make this node's first state for a rotated key, or replace one that cannot go on."),
  .details = N_ ("Without --apply it shows the plan, and the hash that --apply wants. The provider is stopped while a "
                 "plan is applied."),
  .example = OBK_PROGRAM " recover-state --compare /root/peer/key-registry.json",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
