/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/document.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

#include <string.h>

static json_t *
load_vectors (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("OBK_VECTORS"), "registry.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  json_t *vectors = NULL;
  gsize length = 0;

  g_assert_true (g_file_get_contents (path, &text, &length, &error));
  vectors = obk_json_parse (text, length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (json_array_size (vectors), >, 0);
  return vectors;
}

static const char *
string_of (const json_t *object, const char *name)
{
  return json_string_value (json_object_get (object, name));
}

/* jansson keeps the order of the members, so this is an encoding by another hand. */
static void
write_value (ObkCanonicalJson *json, const char *name, json_t *value)
{
  const char *member = NULL;
  json_t *inner = NULL;
  size_t i = 0;

  if (json_is_string (value))
    obk_canonical_json_string (json, name, json_string_value (value));
  else if (json_is_null (value))
    obk_canonical_json_null (json, name);
  else if (json_is_integer (value))
    obk_canonical_json_int (json, name, json_integer_value (value));
  else if (json_is_array (value))
    {
      obk_canonical_json_begin_array (json, name);
      json_array_foreach (value, i, inner)
        write_value (json, NULL, inner);
      obk_canonical_json_end_array (json);
    }
  else
    {
      g_assert_true (json_is_object (value));
      obk_canonical_json_begin_object (json, name);
      json_object_foreach (value, member, inner)
        write_value (json, member, inner);
      obk_canonical_json_end_object (json);
    }
}

static char *
encode (json_t *value, guint indent)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (indent);
  g_autofree char *text = NULL;

  write_value (json, NULL, value);
  text = obk_canonical_json_steal (json, NULL);
  return indent > 0 ? g_strconcat (text, "\n", NULL) : g_steal_pointer (&text);
}

static ObkScope
scope_of (const json_t *state)
{
  const json_t *snapshot = json_array_get (json_object_get (state, "snapshots"), 0);
  ObkScope scope = {
    .provider_name = (char *)string_of (snapshot, "providerName"),
    .cluster_id = (char *)string_of (snapshot, "clusterId"),
    .instance_id = (char *)string_of (snapshot, "openbaoInstanceId"),
    .namespace = (char *)string_of (snapshot, "openbaoNamespace"),
    .mount_id = (char *)string_of (snapshot, "transitMountId"),
    .key_lineage_id = (char *)string_of (snapshot, "transitKeyLineageId"),
  };

  return scope;
}

/* Writes what the vector says from nothing but its values. */
static ObkState *
build (const json_t *vector)
{
  const ObkScope scope = scope_of (vector);
  ObkState *state = obk_state_new (&scope);
  json_t *object = NULL;
  size_t i = 0;

  state->generation = (guint64)json_integer_value (json_object_get (vector, "generation"));
  state->previous_hash = g_strdup (string_of (vector, "previousHash"));
  json_array_foreach (json_object_get (vector, "snapshots"), i, object)
    {
      ObkSnapshotState kind = OBK_SNAPSHOT_ACTIVE;
      ObkSnapshot *snapshot = NULL;

      g_assert_true (obk_snapshot_state_parse (string_of (object, "state"), &kind));
      snapshot = obk_state_add (state, (guint32)json_integer_value (json_object_get (object, "transitVersion")),
                                json_integer_value (json_object_get (object, "transitVersionCreatedAtUnix")), kind);
      snapshot->observed_at_unix = json_integer_value (json_object_get (object, "observedAtUnix"));
      snapshot->stable_count = json_integer_value (json_object_get (object, "stableObservationCount"));
      snapshot->stable_at_unix = json_integer_value (json_object_get (object, "stableAtUnix"));
      snapshot->promoted_at_unix = json_integer_value (json_object_get (object, "promotedAtUnix"));
    }
  return state;
}

static void
test_writes_vectors (void)
{
  g_autoptr (json_t) vectors = load_vectors ();
  json_t *vector = NULL;
  size_t i = 0;

  json_array_foreach (vectors, i, vector)
    {
      json_t *wanted = json_object_get (vector, "state");
      g_autofree char *wanted_state = encode (wanted, 2);
      g_autofree char *wanted_checkpoint = encode (json_object_get (vector, "checkpoint"), 2);
      g_autoptr (ObkState) state = build (wanted);
      gsize length = 0;
      gsize checkpoint_length = 0;
      g_autofree char *text = obk_document_write_state (state, &length);
      g_autofree char *checkpoint
          = obk_document_write_checkpoint (state->generation, state->current_hash, &checkpoint_length);

      g_test_message ("%s", string_of (vector, "name"));
      g_assert_cmpstr (text, ==, wanted_state);
      g_assert_cmpuint (length, ==, strlen (text));
      g_assert_cmpstr (checkpoint, ==, wanted_checkpoint);
      g_assert_cmpuint (checkpoint_length, ==, strlen (checkpoint));
      g_assert_cmpstr (state->current_hash, ==, string_of (wanted, "currentHash"));
    }
}

static void
test_reads_vectors (void)
{
  g_autoptr (json_t) vectors = load_vectors ();
  json_t *vector = NULL;
  size_t i = 0;

  json_array_foreach (vectors, i, vector)
    {
      json_t *given = json_object_get (vector, "state");
      const ObkScope scope = scope_of (given);
      g_autofree char *text = encode (given, 2);
      g_autofree char *checkpoint_text = encode (json_object_get (vector, "checkpoint"), 2);
      g_auto (ObkCheckpoint) checkpoint = { 0 };
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkState) state = obk_document_read_state (text, strlen (text), &scope, &error);
      g_autofree char *again = NULL;
      gsize length = 0;

      g_assert_no_error (error);
      g_assert_cmpstr (obk_state_active (state)->key_id, ==, string_of (given, "activeKeyId"));
      again = obk_document_write_state (state, &length);
      g_assert_cmpstr (again, ==, text);
      g_assert_true (obk_document_read_checkpoint (checkpoint_text, strlen (checkpoint_text), &checkpoint, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (checkpoint.generation, ==, state->generation);
      g_assert_cmpstr (checkpoint.current_hash, ==, state->current_hash);
    }
}

/* One way to spoil a document: where, what is put there (JSON; %NULL: taken out), and what is then said. */
typedef struct
{
  const char *path; /* member names and indices, by '/' */
  const char *value;
  const char *text; /* how the error begins */
} Damage;

/* Returns: (transfer none): the object or array that holds the last part of @path, which is @last */
static json_t *
parent_of (json_t *document, const char *path, const char **last)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  json_t *at = document;
  guint n = g_strv_length (parts);

  for (guint i = 0; i + 1 < n; i++)
    at = json_is_array (at) ? json_array_get (at, (size_t)g_ascii_strtoull (parts[i], NULL, 10))
                            : json_object_get (at, parts[i]);
  g_assert_nonnull (at);
  *last = strrchr (path, '/') != NULL ? strrchr (path, '/') + 1 : path;
  return at;
}

static void
apply (json_t *document, const char *path, const char *value)
{
  const char *last = NULL;
  json_t *at = parent_of (document, path, &last);
  json_t *put = value != NULL ? json_loads (value, JSON_DECODE_ANY, NULL) : NULL;
  size_t index = (size_t)g_ascii_strtoull (last, NULL, 10);

  g_assert_true (value == NULL || put != NULL);
  if (json_is_array (at) && index < json_array_size (at))
    g_assert_cmpint (put != NULL ? json_array_set_new (at, index, put) : json_array_remove (at, index), ==, 0);
  else if (json_is_array (at))
    g_assert_cmpint (json_array_append_new (at, put), ==, 0);
  else
    g_assert_cmpint (put != NULL ? json_object_set_new (at, last, put) : json_object_del (at, last), ==, 0);
}

/* With a hash that matches, so that it is not the hash that is refused. */
static void
seal (json_t *document)
{
  g_autoptr (json_t) body = json_deep_copy (document);
  g_autofree char *text = NULL;
  g_autofree char *hash = NULL;
  g_autofree char *value = NULL;

  json_object_del (body, "currentHash");
  text = encode (body, 0);
  hash = obk_hash (text, -1);
  value = g_strconcat ("krs1.", hash, NULL);
  json_object_set_new (document, "currentHash", json_string (value));
}

static json_t *
rotated (void)
{
  g_autoptr (json_t) vectors = load_vectors ();

  g_assert_cmpstr (string_of (json_array_get (vectors, 1), "name"), ==, "rotated");
  return json_deep_copy (json_object_get (json_array_get (vectors, 1), "state"));
}

static void
assert_state_refused (const char *text, gsize length, const char *beginning)
{
  g_autoptr (json_t) original = rotated ();
  const ObkScope scope = scope_of (original);
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = obk_document_read_state (text, length, &scope, &error);

  g_assert_null (state);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_test_message ("%s", error->message);
  if (!g_str_has_prefix (error->message, beginning))
    g_assert_cmpstr (error->message, ==, beginning);
}

static const Damage sealed_damages[] = {
  { "schemaVersion", "\"keyregistry.openbao-kms/v1\"",
    "its schemaVersion is not \"keyregistry.openbao-kms/v1alpha1\"" },
  { "schemaVersion", "1", "\"schemaVersion\" is not a string" },
  { "schemaVersion", NULL, "\"schemaVersion\" is missing" },
  { "generation", "0", "its generation is 0; the first is 1" },
  { "generation", "-1", "its generation is -1" },
  { "generation", "\"2\"", "\"generation\" is not an integer" },
  { "generation", "1", "generation 1 has a previousHash" },
  { "generation", NULL, "\"generation\" is missing" },
  { "previousHash", NULL, "generation 2 has no previousHash" },
  { "previousHash", "\"\"", "its previousHash is malformed" },
  { "previousHash", "\"krs2.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"", "its previousHash is malformed" },
  { "previousHash", "7", "\"previousHash\" is not a string" },
  { "activeKeyId", NULL, "\"activeKeyId\" is missing" },
  { "activeKeyId", "\"\"", "its activeKeyId is not that of the active snapshot" },
  { "activeKeyId", "\"obk2.SU0bKFnl1E6uEttJ3yhQy_uGBWZ6MUOJrNH4VJwtz0k\"",
    "its activeKeyId is not that of the active snapshot" },
  { "snapshots", NULL, "\"snapshots\" is missing" },
  { "snapshots", "[]", "it has no snapshots" },
  { "snapshots", "{\"a\":1}", "\"snapshots\" is not an array" },
  { "snapshots/0/state", "\"retired\"", "0 snapshots are active" },
  { "snapshots/1/state", "\"active\"", "2 snapshots are active" },
  { "snapshots/1/state", "\"Retired\"", "snapshot 2: \"state\" is none of the five" },
  { "snapshots/0/comment", "\"x\"", "snapshot 1: unknown member \"comment\"" },
  { "comment", "\"x\"", "unknown member \"comment\"" },
  { "snapshots/2", "7", "snapshot 3: not a JSON object" },
  { "snapshots/0/aadMode", "\"aad.optional\"", "snapshot 1: \"aadMode\" is not \"aad.required\"" },
  { "snapshots/0/aadMode", NULL, "snapshot 1: \"aadMode\" is missing" },
  { "snapshots/0/kubernetesKeyId", "\"obk2.x\"", "snapshot 1: \"kubernetesKeyId\" is malformed" },
  { "snapshots/1/kubernetesKeyId", "\"obk2.ImmpIXr3v4Fw4Im7457LAJiZdLOqK2dL6Nm3DEk-KEY\"",
    "the kubernetesKeyId of version 1 stands twice" },
  { "snapshots/1/transitVersion", "3", "the kubernetesKeyId of version 3 is not derived from its snapshot" },
  { "snapshots/1/transitVersion", "0", "snapshot 2: \"transitVersion\" is out of range" },
  { "snapshots/1/transitVersion", "4294967296", "snapshot 2: \"transitVersion\" is out of range" },
  { "snapshots/1/transitVersionCreatedAtUnix", "1700000061",
    "the kubernetesKeyId of version 1 is not derived from its snapshot" },
  { "snapshots/1/transitVersionCreatedAtUnix", "0", "version 1 created at 0 cannot be" },
  { "snapshots/1/transitVersionCreatedAtUnix", "-5", "version 1 created at -5 cannot be" },
  { "snapshots/0/observedAtUnix", "-1", "version 2 has a negative time or count" },
  { "snapshots/0/stableObservationCount", "-1", "version 2 has a negative time or count" },
  { "snapshots/0/stableAtUnix", "-1", "version 2 has a negative time or count" },
  { "snapshots/0/promotedAtUnix", "-1", "version 2 has a negative time or count" },
  { "snapshots/0/stableAtUnix", "1700000059", "version 2 was stable before it was observed" },
  { "snapshots/0/promotedAtUnix", "1700000059", "version 2 was promoted before it was observed" },
  { "snapshots/0/observedAtUnix", NULL, "version 2 was counted, stable or promoted but never observed" },
  { "snapshots/0/observedAtUnix", "\"1700000060\"", "snapshot 1: \"observedAtUnix\" is not an integer" },
  { "snapshots/1/clusterId", "\"other\"", "snapshot 2: its identity scope is not that of the first snapshot" },
  { "snapshots/1/clusterId", "null", "snapshot 2: \"clusterId\" is not a string" },
  { "snapshots/0/providerName", NULL, "snapshot 1: \"providerName\" is missing" },
};

static void
test_refuses_damage (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (sealed_damages); i++)
    {
      g_autoptr (json_t) document = rotated ();
      g_autofree char *text = NULL;

      apply (document, sealed_damages[i].path, sealed_damages[i].value);
      seal (document);
      text = encode (document, 2);
      assert_state_refused (text, strlen (text), sealed_damages[i].text);
    }
}

/* Damage that has a hash of before, or that is in the text and not in the values. */
static void
test_refuses_text (void)
{
  static const struct
  {
    const char *from;
    const char *to;
    const char *text;
  } cases[] = {
    { "\"observedAtUnix\": 1700000000", "\"observedAtUnix\": 1699999999",
      "its currentHash does not match its content" },
    { "krs1.evEb", "krs1.evEc", "its currentHash does not match its content" },
    { "krs1.evEb", "krs1.evE", "its currentHash is malformed" },
    { "krs1.evEb", "krs1.evE=", "its currentHash is malformed" },
    { "krs1.evEb", "", "its currentHash is malformed" },
    { "\"generation\": 2", "\"generation\": 2.0", "\"generation\" is not an integer" },
    { "\"generation\": 2", "\"generation\": 2e0", "\"generation\" is not an integer" },
    { "\"generation\": 2", "\"generation\": 02", "not valid JSON at line 3" },
    { "\"generation\": 2", "\"generation\": 9223372036854775808", "not valid JSON at line 3" },
    { "\"generation\": 2", "\"generation\": 2, \"generation\": 2", "not valid JSON at line 3, column" },
    { "\"aadMode\": \"aad.required\",", "\"aadMode\": \"aad.required\", \"aadMode\": \"aad.required\",",
      "not valid JSON at line 18" },
    { "\"generation\": 2", "\"generation\": 2 /* two */", "not valid JSON at line 3" },
    { "  ]\n}\n", "  ]\n}\n{}", "not valid JSON at line 40, column 1: something follows the value" },
    { "  ]\n}\n", "  ],\n}\n", "not valid JSON at line" },
    { "  ]\n}\n", "  ]\n", "not valid JSON at line 39, column 0: it ends too early" },
    { "workload-a", "workload-\xff", "not valid JSON at line 9, column" },
  };
  g_autoptr (json_t) document = rotated ();
  g_autofree char *text = encode (document, 2);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *at = strstr (text, cases[i].from);
      g_autofree char *head = g_strndup (text, at - text);
      g_autofree char *changed = g_strconcat (head, cases[i].to, at + strlen (cases[i].from), NULL);

      assert_state_refused (changed, strlen (changed), cases[i].text);
    }
  assert_state_refused ("", 0, "not valid JSON");
  assert_state_refused ("[]", 2, "not a JSON object");
  assert_state_refused ("null", 4, "not a JSON object");
  assert_state_refused (text, strlen (text) + 1, "not valid JSON: it holds a zero byte");
}

static void
test_refuses_scope (void)
{
  static const struct
  {
    gsize offset;
    const char *value;
    const char *name;
  } cases[] = {
    { G_STRUCT_OFFSET (ObkScope, provider_name), "other", "providerName" },
    { G_STRUCT_OFFSET (ObkScope, cluster_id), "other", "clusterId" },
    { G_STRUCT_OFFSET (ObkScope, instance_id), "other", "openbaoInstanceId" },
    { G_STRUCT_OFFSET (ObkScope, namespace), "other", "openbaoNamespace" },
    { G_STRUCT_OFFSET (ObkScope, mount_id), "other", "transitMountId" },
    { G_STRUCT_OFFSET (ObkScope, key_lineage_id), "other", "transitKeyLineageId" },
  };
  g_autoptr (json_t) document = rotated ();
  g_autofree char *text = encode (document, 2);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ObkScope scope = scope_of (document);
      g_autoptr (GError) error = NULL;
      g_autofree char *wanted
          = g_strdup_printf ("its snapshots are of another identity scope than the configuration's: \"%s\" differs; if "
                             "it is the configuration that is wrong, set it back",
                             cases[i].name);

      G_STRUCT_MEMBER (const char *, &scope, cases[i].offset) = cases[i].value;
      g_assert_null (obk_document_read_state (text, strlen (text), &scope, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
      g_assert_cmpstr (error->message, ==, wanted);
    }
}

/* What the format leaves out when it is zero or empty may also be there; the order in the file is the hash's business.
 */
static void
test_accepts (void)
{
  g_autoptr (json_t) document = rotated ();
  const ObkScope scope = scope_of (document);
  g_autofree char *text = json_dumps (document, JSON_COMPACT);
  g_autoptr (GString) changed = g_string_new (" ");
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = NULL;
  g_autofree char *first = g_strndup (text, (gsize)(strstr (text, "\"aadMode\"") - text));

  g_string_append (changed, first);
  g_string_append (changed, "\"openbaoNamespace\":\"\",\t");
  g_string_append (changed, text + strlen (first));
  state = obk_document_read_state (changed->str, changed->len, &scope, &error);
  g_assert_no_error (error);
  g_assert_null (state->scope->namespace);
}

static void
test_sorts (void)
{
  g_autoptr (json_t) document = rotated ();
  const ObkScope scope = scope_of (document);
  json_t *snapshots = json_object_get (document, "snapshots");
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkState) state = NULL;
  g_autofree char *text = NULL;

  json_array_append (snapshots, json_array_get (snapshots, 0));
  json_array_remove (snapshots, 0);
  seal (document);
  text = encode (document, 2);
  state = obk_document_read_state (text, strlen (text), &scope, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_array_index (state->snapshots, ObkSnapshot, 0).version, ==, 2);
  g_assert_cmpstr (state->current_hash, ==, string_of (document, "currentHash"));
}

static void
test_refuses_checkpoint (void)
{
  static const Damage cases[] = {
    { "schemaVersion", "\"keyregistry.openbao-kms/v1alpha1\"", "its schemaVersion is not" },
    { "schemaVersion", NULL, "\"schemaVersion\" is missing" },
    { "generation", "0", "its generation is 0; the first is 1" },
    { "generation", "\"1\"", "\"generation\" is not an integer" },
    { "generation", NULL, "\"generation\" is missing" },
    { "currentHash", NULL, "\"currentHash\" is missing" },
    { "currentHash", "\"krs1.\"", "its currentHash is malformed" },
    { "previousHash", "\"\"", "unknown member \"previousHash\"" },
  };
  g_autoptr (json_t) vectors = load_vectors ();
  json_t *original = json_object_get (json_array_get (vectors, 0), "checkpoint");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (json_t) document = json_deep_copy (original);
      g_auto (ObkCheckpoint) checkpoint = { 0 };
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL;

      apply (document, cases[i].path, cases[i].value);
      text = encode (document, 2);
      g_assert_false (obk_document_read_checkpoint (text, strlen (text), &checkpoint, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
      g_test_message ("%s", error->message);
      g_assert_true (g_str_has_prefix (error->message, cases[i].text));
      g_assert_null (checkpoint.current_hash);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/registry/document/writes-vectors", test_writes_vectors);
  g_test_add_func ("/registry/document/reads-vectors", test_reads_vectors);
  g_test_add_func ("/registry/document/refuses-damage", test_refuses_damage);
  g_test_add_func ("/registry/document/refuses-text", test_refuses_text);
  g_test_add_func ("/registry/document/refuses-scope", test_refuses_scope);
  g_test_add_func ("/registry/document/refuses-checkpoint", test_refuses_checkpoint);
  g_test_add_func ("/registry/document/accepts", test_accepts);
  g_test_add_func ("/registry/document/sorts", test_sorts);
  return g_test_run ();
}
