/* SPDX-License-Identifier: Apache-2.0 */
/* The state and checkpoint documents, byte for byte (spec registry.md, "Files"). */
#include "registry/document.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

#include <string.h>

#define AAD_MODE "aad.required"
#define INDENT 2

#define SCHEMA_VERSION "schemaVersion"
#define GENERATION "generation"
#define PREVIOUS_HASH "previousHash"
#define CURRENT_HASH "currentHash"
#define ACTIVE_KEY_ID "activeKeyId"
#define SNAPSHOTS "snapshots"

#define PROVIDER_NAME "providerName"
#define CLUSTER_ID "clusterId"
#define INSTANCE_ID "openbaoInstanceId"
#define NAMESPACE "openbaoNamespace"
#define MOUNT_ID "transitMountId"
#define KEY_LINEAGE_ID "transitKeyLineageId"
#define VERSION "transitVersion"
#define CREATED_AT "transitVersionCreatedAtUnix"
#define KEY_ID "kubernetesKeyId"
#define STATE "state"
#define MODE "aadMode"
#define OBSERVED_AT "observedAtUnix"
#define STABLE_COUNT "stableObservationCount"
#define STABLE_AT "stableAtUnix"
#define PROMOTED_AT "promotedAtUnix"

static const char *const state_members[]
    = { SCHEMA_VERSION, GENERATION, PREVIOUS_HASH, CURRENT_HASH, ACTIVE_KEY_ID, SNAPSHOTS, NULL };
static const char *const checkpoint_members[] = { SCHEMA_VERSION, GENERATION, CURRENT_HASH, NULL };
static const char *const snapshot_members[] = {
  PROVIDER_NAME, CLUSTER_ID, INSTANCE_ID, NAMESPACE,   MOUNT_ID,     KEY_LINEAGE_ID, VERSION,     CREATED_AT,
  KEY_ID,        STATE,      MODE,        OBSERVED_AT, STABLE_COUNT, STABLE_AT,      PROMOTED_AT, NULL,
};

/* Makes of what base/json.h found a refusal. Returns: @ok */
static gboolean
or_refuse (gboolean ok, GError **error)
{
  if (!ok && error != NULL && *error != NULL)
    (*error)->code = OBK_ERROR_STATE_REFUSED;
  return ok;
}

static void
write_optional_int (ObkCanonicalJson *json, const char *name, gint64 value)
{
  if (value != 0)
    obk_canonical_json_int (json, name, value);
}

static void
write_snapshot (ObkCanonicalJson *json, const ObkScope *scope, const ObkSnapshot *snapshot)
{
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, PROVIDER_NAME, scope->provider_name);
  obk_canonical_json_string (json, CLUSTER_ID, scope->cluster_id);
  obk_canonical_json_string (json, INSTANCE_ID, scope->instance_id);
  if (obk_scope_has_namespace (scope))
    obk_canonical_json_string (json, NAMESPACE, scope->namespace);
  obk_canonical_json_string (json, MOUNT_ID, scope->mount_id);
  obk_canonical_json_string (json, KEY_LINEAGE_ID, scope->key_lineage_id);
  obk_canonical_json_int (json, VERSION, snapshot->version);
  obk_canonical_json_int (json, CREATED_AT, snapshot->created_at_unix);
  obk_canonical_json_string (json, KEY_ID, snapshot->key_id);
  obk_canonical_json_string (json, STATE, obk_snapshot_state_name (snapshot->state));
  obk_canonical_json_string (json, MODE, AAD_MODE);
  write_optional_int (json, OBSERVED_AT, snapshot->observed_at_unix);
  write_optional_int (json, STABLE_COUNT, snapshot->stable_count);
  write_optional_int (json, STABLE_AT, snapshot->stable_at_unix);
  write_optional_int (json, PROMOTED_AT, snapshot->promoted_at_unix);
  obk_canonical_json_end_object (json);
}

/* @current_hash: %NULL for the body, which the hash is taken of */
static char *
write_members (const ObkState *state, const char *active_key_id, const char *current_hash, guint indent, gsize *length)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (indent);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, SCHEMA_VERSION, OBK_STATE_SCHEMA);
  obk_canonical_json_int (json, GENERATION, (gint64)state->generation);
  if (state->previous_hash != NULL)
    obk_canonical_json_string (json, PREVIOUS_HASH, state->previous_hash);
  if (current_hash != NULL)
    obk_canonical_json_string (json, CURRENT_HASH, current_hash);
  obk_canonical_json_string (json, ACTIVE_KEY_ID, active_key_id);
  obk_canonical_json_begin_array (json, SNAPSHOTS);
  for (guint i = 0; i < state->snapshots->len; i++)
    write_snapshot (json, state->scope, obk_state_at (state, i));
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  return obk_canonical_json_steal (json, length);
}

static char *
hash_of (const ObkState *state, const char *active_key_id)
{
  gsize length = 0;
  g_autofree char *body = write_members (state, active_key_id, NULL, 0, &length);
  g_autofree char *hash = obk_hash (body, (gssize)length);

  return g_strconcat (OBK_STATE_HASH_PREFIX, hash, NULL);
}

/* @text: (transfer full) */
static char *
with_newline (char *text, gsize *length)
{
  text = g_realloc (text, *length + 2);
  text[(*length)++] = '\n';
  text[*length] = '\0';
  return text;
}

char *
obk_document_write_state (ObkState *state, gsize *length)
{
  const ObkSnapshot *active = NULL;

  g_return_val_if_fail (state != NULL && length != NULL, NULL);
  g_return_val_if_fail (state->generation > 0 && state->generation <= G_MAXINT64, NULL);
  active = obk_state_active (state);
  g_return_val_if_fail (active != NULL, NULL);

  g_free (state->current_hash);
  state->current_hash = hash_of (state, active->key_id);
  return with_newline (write_members (state, active->key_id, state->current_hash, INDENT, length), length);
}

char *
obk_document_write_checkpoint (guint64 generation, const char *current_hash, gsize *length)
{
  g_autoptr (ObkCanonicalJson) json = NULL;

  g_return_val_if_fail (generation > 0 && generation <= G_MAXINT64, NULL);
  g_return_val_if_fail (current_hash != NULL && length != NULL, NULL);

  json = obk_canonical_json_new (INDENT);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, SCHEMA_VERSION, OBK_CHECKPOINT_SCHEMA);
  obk_canonical_json_int (json, GENERATION, (gint64)generation);
  obk_canonical_json_string (json, CURRENT_HASH, current_hash);
  obk_canonical_json_end_object (json);
  return with_newline (obk_canonical_json_steal (json, length), length);
}

gboolean
obk_document_is_hash (const char *hash)
{
  return hash != NULL && g_str_has_prefix (hash, OBK_STATE_HASH_PREFIX)
         && obk_hash_is_valid (hash + strlen (OBK_STATE_HASH_PREFIX), strlen (hash) - strlen (OBK_STATE_HASH_PREFIX));
}

/* What both documents begin with. */
static gboolean
read_head (const json_t *document, const char *schema, const char *const *members, guint64 *generation, char **hash,
           GError **error)
{
  const char *found_schema = NULL;
  const char *found_hash = NULL;
  gint64 number = 0;

  if (!json_is_object (document))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "not a JSON object");
  if (!or_refuse (obk_json_get_string (document, SCHEMA_VERSION, &found_schema, error), error))
    return FALSE;
  if (!g_str_equal (found_schema, schema))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, OBK_STATE_OTHER_FORMAT " \"%s\"", schema);
  if (!or_refuse (obk_json_only (document, members, error), error)
      || !or_refuse (obk_json_get_int (document, GENERATION, &number, error), error)
      || !or_refuse (obk_json_get_string (document, CURRENT_HASH, &found_hash, error), error))
    return FALSE;
  if (number <= 0)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its generation is %" G_GINT64_FORMAT "; the first is 1",
                       number);
  if (!obk_document_is_hash (found_hash))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its " CURRENT_HASH " is malformed");
  *generation = (guint64)number;
  *hash = g_strdup (found_hash);
  return TRUE;
}

static gboolean
read_optional_string (const json_t *object, const char *name, const char **value, GError **error)
{
  return json_object_get (object, name) == NULL || obk_json_get_string (object, name, value, error);
}

static gboolean
read_optional_int (const json_t *object, const char *name, gint64 *value, GError **error)
{
  return json_object_get (object, name) == NULL || obk_json_get_int (object, name, value, error);
}

/* @scope: its strings are borrowed from @object */
static gboolean
read_scope (const json_t *object, ObkScope *scope, GError **error)
{
  const char *namespace = NULL;

  if (!obk_json_get_string (object, PROVIDER_NAME, (const char **)&scope->provider_name, error)
      || !obk_json_get_string (object, CLUSTER_ID, (const char **)&scope->cluster_id, error)
      || !obk_json_get_string (object, INSTANCE_ID, (const char **)&scope->instance_id, error)
      || !read_optional_string (object, NAMESPACE, &namespace, error)
      || !obk_json_get_string (object, MOUNT_ID, (const char **)&scope->mount_id, error)
      || !obk_json_get_string (object, KEY_LINEAGE_ID, (const char **)&scope->key_lineage_id, error))
    return FALSE;
  scope->namespace = (char *)namespace;
  return TRUE;
}

static gboolean
read_values (const json_t *object, ObkSnapshot *snapshot, GError **error)
{
  const char *key_id = NULL;
  const char *name = NULL;
  const char *mode = NULL;
  gint64 version = 0;

  if (!obk_json_get_int (object, VERSION, &version, error)
      || !obk_json_get_int (object, CREATED_AT, &snapshot->created_at_unix, error)
      || !obk_json_get_string (object, KEY_ID, &key_id, error) || !obk_json_get_string (object, STATE, &name, error)
      || !obk_json_get_string (object, MODE, &mode, error)
      || !read_optional_int (object, OBSERVED_AT, &snapshot->observed_at_unix, error)
      || !read_optional_int (object, STABLE_COUNT, &snapshot->stable_count, error)
      || !read_optional_int (object, STABLE_AT, &snapshot->stable_at_unix, error)
      || !read_optional_int (object, PROMOTED_AT, &snapshot->promoted_at_unix, error))
    return FALSE;
  if (version <= 0 || version > G_MAXUINT32)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "\"" VERSION "\" is out of range");
  if (!obk_key_id_is_well_formed (key_id, strlen (key_id)))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "\"" KEY_ID "\" is malformed");
  if (!obk_snapshot_state_parse (name, &snapshot->state))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "\"" STATE "\" is none of the five that there are");
  if (!g_str_equal (mode, AAD_MODE))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "\"" MODE "\" is not \"" AAD_MODE "\"");
  snapshot->version = (guint32)version;
  g_strlcpy (snapshot->key_id, key_id, sizeof snapshot->key_id);
  return TRUE;
}

/* The first snapshot gives the state its scope; the others must have the same. */
static gboolean
read_snapshot (const json_t *object, ObkState **state, GError **error)
{
  ObkSnapshot snapshot = { 0 };
  ObkScope scope = { 0 };

  if (!json_is_object (object))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "not a JSON object");
  if (!obk_json_only (object, snapshot_members, error) || !read_scope (object, &scope, error)
      || !read_values (object, &snapshot, error))
    return FALSE;
  if (*state == NULL)
    *state = obk_state_new (&scope);
  else if (!obk_scope_equal ((*state)->scope, &scope))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its identity scope is not that of the first snapshot");
  g_array_append_val ((*state)->snapshots, snapshot);
  return TRUE;
}

static ObkState *
read_snapshots (const json_t *document, GError **error)
{
  g_autoptr (ObkState) state = NULL;
  const json_t *snapshots = NULL;
  json_t *object = NULL;
  size_t i = 0;

  if (!or_refuse (obk_json_get_array (document, SNAPSHOTS, &snapshots, error), error))
    return NULL;
  json_array_foreach (snapshots, i, object)
    if (!or_refuse (read_snapshot (object, &state, error), error))
      {
        g_prefix_error (error, "snapshot %" G_GSIZE_FORMAT ": ", i + 1);
        return NULL;
      }
  if (state == NULL)
    obk_refuse (error, OBK_ERROR_STATE_REFUSED, "it has no snapshots");
  return g_steal_pointer (&state);
}

static gboolean
check_chain (const ObkState *state, GError **error)
{
  if (state->generation == 1 && state->previous_hash != NULL)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "generation 1 has a " PREVIOUS_HASH);
  if (state->generation > 1 && state->previous_hash == NULL)
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "generation %" G_GUINT64_FORMAT " has no " PREVIOUS_HASH,
                       state->generation);
  if (state->previous_hash != NULL && !obk_document_is_hash (state->previous_hash))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its " PREVIOUS_HASH " is malformed");
  return TRUE;
}

static gboolean
check_hash (const ObkState *state, const char *active_key_id, GError **error)
{
  g_autofree char *hash = hash_of (state, active_key_id);

  if (!g_str_equal (hash, state->current_hash))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its " CURRENT_HASH " does not match its content");
  return TRUE;
}

static gboolean
check_active (const ObkState *state, const char *active_key_id, GError **error)
{
  if (!obk_state_validate (state, error))
    return FALSE;
  if (!g_str_equal (obk_state_active (state)->key_id, active_key_id))
    return obk_refuse (error, OBK_ERROR_STATE_REFUSED, "its " ACTIVE_KEY_ID " is not that of the active snapshot");
  return TRUE;
}

/* Says which member differs; the values are the configuration's business. */
static gboolean
check_scope (const ObkScope *found, const ObkScope *wanted, GError **error)
{
  const char *member = KEY_LINEAGE_ID;

  if (obk_scope_equal (found, wanted))
    return TRUE;
  if (!g_str_equal (found->provider_name, wanted->provider_name))
    member = PROVIDER_NAME;
  else if (!g_str_equal (found->cluster_id, wanted->cluster_id))
    member = CLUSTER_ID;
  else if (!g_str_equal (found->instance_id, wanted->instance_id))
    member = INSTANCE_ID;
  else if (obk_scope_has_namespace (found) != obk_scope_has_namespace (wanted)
           || (obk_scope_has_namespace (found) && !g_str_equal (found->namespace, wanted->namespace)))
    member = NAMESPACE;
  else if (!g_str_equal (found->mount_id, wanted->mount_id))
    member = MOUNT_ID;
  return obk_refuse (error, OBK_ERROR_STATE_REFUSED,
                     "its snapshots are " OBK_STATE_OTHER_SCOPE
                     " than the configuration's: \"%s\" differs; if it is the "
                     "configuration that is wrong, set it back",
                     member);
}

ObkState *
obk_document_read_state (const char *text, gsize length, const ObkScope *scope, GError **error)
{
  g_autoptr (json_t) document = NULL;
  g_autoptr (ObkState) state = NULL;
  g_autofree char *hash = NULL;
  const char *active_key_id = NULL;
  const char *previous_hash = NULL;
  guint64 generation = 0;

  g_return_val_if_fail (text != NULL && scope != NULL, NULL);

  document = obk_json_parse (text, length, error);
  if (!or_refuse (document != NULL, error)
      || !read_head (document, OBK_STATE_SCHEMA, state_members, &generation, &hash, error)
      || !or_refuse (read_optional_string (document, PREVIOUS_HASH, &previous_hash, error), error)
      || !or_refuse (obk_json_get_string (document, ACTIVE_KEY_ID, &active_key_id, error), error))
    return NULL;
  state = read_snapshots (document, error);
  if (state == NULL)
    return NULL;
  state->generation = generation;
  state->current_hash = g_steal_pointer (&hash);
  state->previous_hash = g_strdup (previous_hash);
  if (!check_chain (state, error) || !check_hash (state, active_key_id, error)
      || !check_active (state, active_key_id, error) || !check_scope (state->scope, scope, error))
    return NULL;
  obk_state_sort (state);
  return g_steal_pointer (&state);
}

gboolean
obk_document_read_checkpoint (const char *text, gsize length, ObkCheckpoint *checkpoint, GError **error)
{
  g_autoptr (json_t) document = NULL;

  g_return_val_if_fail (text != NULL && checkpoint != NULL, FALSE);

  document = obk_json_parse (text, length, error);
  return or_refuse (document != NULL, error)
         && read_head (document, OBK_CHECKPOINT_SCHEMA, checkpoint_members, &checkpoint->generation,
                       &checkpoint->current_hash, error);
}

void
obk_checkpoint_clear (ObkCheckpoint *checkpoint)
{
  g_clear_pointer (&checkpoint->current_hash, g_free);
  checkpoint->generation = 0;
}
