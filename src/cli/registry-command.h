/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on the key's history share: configuration, ids, the state, one read of OpenBao, forms of output. */
#pragma once

#include <glib.h>

#include "base/canonical-json.h"
#include "cli/command.h"
#include "registry/rotation.h"
#include "registry/store.h"

G_BEGIN_DECLS

/* A plain value; obk_registry_command_clear() empties it. */
typedef struct
{
  ObkConfig *config;
  ObkScope *scope;
  ObkRotationPolicy policy;
  const char *config_path; /* (nullable): of --config */
  char *units;             /* what systemctl stops and starts: "bao-kms-provider.socket bao-kms-provider.service" */
} ObkRegistryCommand;

/* Complains and sets @exit when it fails. Still with the caller's ids. */
gboolean obk_registry_command_load (ObkRegistryCommand *command, const ObkGlobals *globals,
                                    ObkExit *exit) G_GNUC_WARN_UNUSED_RESULT;
void obk_registry_command_clear (ObkRegistryCommand *command);

/**
 * obk_registry_command_become_owner:
 *
 * Run by root, the rest is done as the owner of the state directory, which is the service's user: what is written can
 * be used by the service, and what the service may not read shows. The login comes after this for the same reason: the
 * JWT (root:openbao-kms 0640, or the service's own, which root would have to refuse) is read as the service reads it.
 * The configuration, whose place is in no other file, and what the caller names on the command line come before.
 */
gboolean obk_registry_command_become_owner (const ObkRegistryCommand *command, GError **error);

/* The state without the lock, for plans. @error: OBK_ERROR_STATE_REFUSED, also when there is none */
ObkState *obk_registry_command_peek (const ObkRegistryCommand *command, GError **error);
/* The lock, for changes. @error: as obk_store_open(), but OBK_ERROR_STATE_LOCKED names the units to stop */
ObkStore *obk_registry_command_lock (const ObkRegistryCommand *command, GError **error);
/* FALSE with OBK_ERROR_STATE_REFUSED when @expected is another than @present. @what: "the state's hash" */
gboolean obk_registry_command_confirm (const char *what, const char *expected, const char *present,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_registry_command_read_metadata:
 * @reason: (out) (optional): static: what /ready says of @error
 *
 * Logs in and reads once, in a main loop of its own; bounded by auth.loginTimeout and openbao.timeout.
 *
 * Returns: (transfer full): the metadata, with disable_upsert
 */
ObkKeyMetadata *obk_registry_command_read_metadata (const ObkRegistryCommand *command, const char **reason,
                                                    GError **error);

/* Complains. Returns: the exit code that @error has */
ObkExit obk_registry_command_refuse (const GError *error);

/* Returns: (transfer full): the units that use the configuration at @config_path: those of the instance NAME when it is
 *   NAME.yaml beside the usual one (spec deployment.md, "Several instances") */
char *obk_registry_command_name_units (const char *config_path);
/* Returns: (transfer full): what a command of this program needs to use the configuration at @config_path (nullable):
 *   " --config 'PATH'", or "" for the one that it finds by itself */
char *obk_registry_command_config_option (const char *config_path);

/* Returns: (transfer full): RFC 3339 in UTC, seconds: the form of all times in the reports */
char *obk_registry_command_time (gint64 unix_s);
/* A table's line: "label   value" */
void obk_registry_command_print_row (const char *label, const char *format, ...) G_GNUC_PRINTF (2, 3);
void obk_registry_command_print_versions (const ObkState *state);
/* The member "versions": what the state records, in its order */
void obk_registry_command_add_versions (ObkCanonicalJson *json, const ObkState *state);
/* How a plan is applied: @arguments of this program between the stop and the start of its units */
void obk_registry_command_print_how_to_apply (const ObkRegistryCommand *command, const char *arguments);

/* Something that a report says of itself or asks for: an identifier, and a sentence (N_()). */
typedef struct
{
  const char *id;
  const char *text;
} ObkRemark;

void obk_registry_command_print_remarks (const char *title, const ObkRemark *remarks, gsize n);
void obk_registry_command_add_remarks (ObkCanonicalJson *json, const char *name, const ObkRemark *remarks, gsize n);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkRegistryCommand, obk_registry_command_clear)

G_END_DECLS
