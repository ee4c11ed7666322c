/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on the key's history share: configuration, ids, the state, one read of OpenBao, forms of output. */
#include "cli/registry-command.h"

#include "base/error.h"
#include "base/names.h"
#include "base/process.h"
#include "cli/ask.h"
#include "cli/state-owner.h"
#include "health/metadata-read.h"
#include "provider/scope.h"
#include "provider/session.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 22
#define INSTANCE_SUFFIX ".yaml"
#define LAST_TIME G_GINT64_CONSTANT (253402300799) /* the end of the year 9999, after which RFC 3339 has no form */

/* An error's own text says what went wrong; records are for those who ask for them by --log-level. */
static void
drop_record (const ObkLogRecord *record, gpointer user_data)
{
}

char *
obk_registry_command_name_units (const char *config_path)
{
  g_autofree char *directory = g_path_get_dirname (config_path);
  g_autofree char *base = g_path_get_basename (config_path);
  g_autofree char *usual_directory = g_path_get_dirname (OBK_DEFAULT_CONFIG);
  g_autofree char *usual_base = g_path_get_basename (OBK_DEFAULT_CONFIG);
  g_autofree char *name = NULL;

  if (strcmp (directory, usual_directory) == 0 && strcmp (base, usual_base) != 0
      && g_str_has_suffix (base, INSTANCE_SUFFIX) && strlen (base) > strlen (INSTANCE_SUFFIX)
      && base[strspn (base, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-")] == '\0')
    name = g_strdup_printf ("%s@%.*s", OBK_PROGRAM, (int)(strlen (base) - strlen (INSTANCE_SUFFIX)), base);
  else
    name = g_strdup (OBK_PROGRAM);
  return g_strdup_printf ("%s.socket %s.service", name, name);
}

char *
obk_registry_command_config_option (const char *config_path)
{
  g_autofree char *quoted = config_path != NULL ? g_shell_quote (config_path) : NULL;

  return quoted != NULL ? g_strdup_printf (" --config %s", quoted) : g_strdup ("");
}

gboolean
obk_registry_command_load (ObkRegistryCommand *command, const ObkGlobals *globals, ObkExit *exit)
{
  g_autoptr (GError) error = NULL;

  *command = (ObkRegistryCommand){ .config_path = globals->config_path };
  *exit = OBK_EXIT_FAILED;
  if (!obk_process_harden (&error))
    {
      obk_command_complain ("%s", error->message);
      return FALSE;
    }
  command->config = obk_command_load_config (globals);
  if (command->config == NULL)
    {
      *exit = OBK_EXIT_CONFIG;
      return FALSE;
    }
  if (globals->flags.log_level == NULL)
    obk_log_set_sink (drop_record, NULL);
  else
    obk_log_set_level (command->config->logging.level);
  command->scope = obk_scope_from_config (command->config);
  command->policy = obk_rotation_policy_from_config (command->config);
  command->units = obk_registry_command_name_units (obk_config_path (globals->config_path));
  return TRUE;
}

void
obk_registry_command_clear (ObkRegistryCommand *command)
{
  g_clear_pointer (&command->config, obk_config_free);
  g_clear_pointer (&command->scope, obk_scope_free);
  g_clear_pointer (&command->units, g_free);
}

gboolean
obk_registry_command_become_owner (const ObkRegistryCommand *command, GError **error)
{
  return obk_state_owner_become (command->config->state.path, error);
}

/* The state */

ObkState *
obk_registry_command_peek (const ObkRegistryCommand *command, GError **error)
{
  const char *path = command->config->state.path;
  ObkCheckpointStatus status = OBK_CHECKPOINT_ABSENT;
  ObkState *state = NULL;

  if (!obk_store_peek (path, command->scope, &state, &status, error))
    return NULL;
  if (state == NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED,
                 "there is no state at \"%s\": start serve once, or for a key that was already rotated run "
                 "\"" OBK_PROGRAM " recover-state\"",
                 path);
  return state;
}

ObkStore *
obk_registry_command_lock (const ObkRegistryCommand *command, GError **error)
{
  g_autoptr (GError) cause = NULL;
  ObkStore *store = obk_store_open (command->config->state.path, &cause);

  if (store == NULL && obk_error_code (cause) == OBK_ERROR_STATE_LOCKED)
    g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_LOCKED,
                 "the state is in use by a running provider or by another command: stop it by \"systemctl stop %s\" "
                 "(both units, or the API "
                 "server's next call starts it again; a static pod by moving its manifest away), then try again",
                 command->units);
  else if (store == NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return store;
}

gboolean
obk_registry_command_confirm (const char *what, const char *expected, const char *present, GError **error)
{
  if (strcmp (expected, present) == 0)
    return TRUE;
  g_set_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED,
               "%s is \"%s\" and not \"%s\" as expected: nothing is changed; look at the plan again", what, present,
               expected);
  return FALSE;
}

/* One read of OpenBao */

ObkKeyMetadata *
obk_registry_command_read_metadata (const ObkRegistryCommand *command, const char **reason, GError **error)
{
  const ObkConfig *config = command->config;
  g_autoptr (ObkPoller) poller = obk_poller_new (NULL, error);
  g_autoptr (ObkSession) session = poller != NULL ? obk_session_new (config, poller, error) : NULL;
  g_autoptr (GError) cause = NULL;
  const char *found = OBK_REASON_METADATA_READ_FAILED;
  ObkKeyMetadata *metadata = NULL;

  if (session != NULL && obk_ask_login (session, config->auth.login_timeout_us, &cause))
    metadata = obk_ask_metadata (session, &found, &cause);
  else if (session != NULL)
    found = obk_metadata_read_reason (cause, found);
  if (cause != NULL)
    g_propagate_prefixed_error (error, g_steal_pointer (&cause), "cannot read the key's metadata: ");
  if (reason != NULL)
    *reason = found;
  return metadata;
}

ObkExit
obk_registry_command_refuse (const GError *error)
{
  obk_command_complain ("%s", error->message);
  switch (obk_error_code (error))
    {
    case OBK_ERROR_CONFIG_INVALID:
      return OBK_EXIT_CONFIG;
    case OBK_ERROR_STATE_NOT_SAVED:
    case OBK_ERROR_UNKNOWN:
      return OBK_EXIT_FAILED;
    default:
      return OBK_EXIT_CHECK;
    }
}

/* Forms */

char *
obk_registry_command_time (gint64 unix_s)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (CLAMP (unix_s, 0, LAST_TIME));

  return g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ");
}

void
obk_registry_command_print_row (const char *label, const char *format, ...)
{
  g_autofree char *value = NULL;
  va_list arguments;

  va_start (arguments, format);
  value = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  printf ("%-*s %s\n", LABEL_WIDTH, label, value);
}

void
obk_registry_command_print_versions (const ObkState *state)
{
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      g_autofree char *created = obk_registry_command_time (snapshot->created_at_unix);

      printf (_ ("  version %-6u %-9s created %s\n"), snapshot->version, obk_snapshot_state_name (snapshot->state),
              created);
    }
}

void
obk_registry_command_add_versions (ObkCanonicalJson *json, const ObkState *state)
{
  obk_canonical_json_begin_array (json, "versions");
  for (guint i = 0; state != NULL && i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      g_autofree char *created = obk_registry_command_time (snapshot->created_at_unix);

      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_int (json, "version", snapshot->version);
      obk_canonical_json_string (json, "state", obk_snapshot_state_name (snapshot->state));
      obk_canonical_json_string (json, "createdAt", created);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
}

void
obk_registry_command_print_how_to_apply (const ObkRegistryCommand *command, const char *arguments)
{
  g_autofree char *config = obk_registry_command_config_option (command->config_path);

  printf (_ ("\nNothing is changed yet. To apply it on this node:\n"));
  printf ("  systemctl stop %s\n  %s %s%s\n  systemctl start %s\n", command->units, OBK_PROGRAM, arguments, config,
          command->units);
}

void
obk_registry_command_print_remarks (const char *title, const ObkRemark *remarks, gsize n)
{
  printf ("\n%s\n", title);
  for (gsize i = 0; i < n; i++)
    printf ("- %s\n", _ (remarks[i].text));
}

void
obk_registry_command_add_remarks (ObkCanonicalJson *json, const char *name, const ObkRemark *remarks, gsize n)
{
  obk_canonical_json_begin_array (json, name);
  for (gsize i = 0; i < n; i++)
    {
      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_string (json, "id", remarks[i].id);
      obk_canonical_json_string (json, "text", remarks[i].text);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
}
