/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/key-identity.h"

#include "config-build.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/names.h"
#include "identity/key-id.h"

#include <string.h>

static json_t *
load_vectors (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("OBK_VECTORS"), "identity.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length = 0;
  json_t *vectors = NULL;

  g_file_get_contents (path, &text, &length, &error);
  g_assert_no_error (error);
  vectors = obk_json_parse (text, length, &error);
  g_assert_no_error (error);
  return vectors;
}

static char *
member (const json_t *object, const char *name)
{
  return g_strdup (json_string_value (json_object_get (object, name)));
}

static ObkScope *
read_scope (const json_t *vector)
{
  const json_t *json = json_object_get (vector, "scope");
  ObkScope *scope = g_new0 (ObkScope, 1);

  scope->provider_name = member (json, "providerName");
  scope->cluster_id = member (json, "clusterId");
  scope->instance_id = member (json, "openbaoInstanceId");
  scope->namespace = member (json, "openbaoNamespace");
  scope->mount_id = member (json, "transitMountId");
  scope->key_lineage_id = member (json, "transitKeyLineageId");
  return scope;
}

/* All that the vector names and nothing else; plugin-version is each provider's own. */
static void
check_annotations (const ObkKeyIdentity *identity, const json_t *expected)
{
  gsize n = 0;
  const ObkAnnotation *annotations = obk_key_identity_annotations (identity, &n);

  g_assert_cmpuint (n, ==, json_object_size (expected));
  for (gsize i = 0; i < n; i++)
    {
      const char *value = json_string_value (json_object_get (expected, annotations[i].key));

      g_assert_nonnull (value);
      if (strcmp (annotations[i].key, OBK_ANNOTATION_PLUGIN_VERSION) == 0)
        value = OBK_VERSION;
      g_assert_cmpmem (annotations[i].value, annotations[i].value_length, value, strlen (value));
    }
}

static void
test_vectors (void)
{
  g_autoptr (json_t) vectors = load_vectors ();

  g_assert_cmpuint (json_array_size (vectors), >=, 4);
  for (size_t i = 0; i < json_array_size (vectors); i++)
    {
      const json_t *vector = json_array_get (vectors, i);
      g_autoptr (ObkScope) scope = read_scope (vector);
      guint32 version = (guint32)json_integer_value (json_object_get (vector, "transitVersion"));
      gint64 created = json_integer_value (json_object_get (vector, "transitVersionCreatedAtUnix"));
      g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (scope, version, created);
      g_autofree char *mount_path = member (vector, "transitMountPath");
      g_autofree char *key_name = member (vector, "transitKeyName");
      g_autofree char *fingerprint = obk_scope_fingerprint (scope, mount_path, key_name);
      const json_t *annotations = json_object_get (vector, "annotations");

      g_test_message ("%s", json_string_value (json_object_get (vector, "name")));
#define EXPECTED(object, name) json_string_value (json_object_get (object, name))
      g_assert_cmpstr (obk_key_identity_key_id (identity), ==, EXPECTED (vector, "keyId"));
      g_assert_cmpstr (obk_key_identity_key_id_hash (identity), ==, EXPECTED (annotations, OBK_ANNOTATION_KEY_ID_HASH));
      g_assert_cmpstr (obk_key_identity_associated_data (identity), ==, EXPECTED (vector, "associatedData"));
      g_assert_cmpstr (obk_key_identity_associated_data_base64 (identity), ==,
                       EXPECTED (vector, "associatedDataBase64"));
      g_assert_cmpstr (fingerprint, ==, EXPECTED (vector, "fingerprint"));
#undef EXPECTED
      g_assert_cmpuint (obk_key_identity_version (identity), ==, version);
      check_annotations (identity, annotations);
    }
}

/* A scope owns its strings, and these here need no freeing. */
#define TEXT(literal) ((char *)(literal))

static const ObkScope plain = {
  .provider_name = TEXT ("p"),
  .cluster_id = TEXT ("c"),
  .instance_id = TEXT ("i"),
  .mount_id = TEXT ("m"),
  .key_lineage_id = TEXT ("k"),
};
static const ObkScope with_namespace = {
  .provider_name = TEXT ("p"),
  .cluster_id = TEXT ("c"),
  .instance_id = TEXT ("i"),
  .namespace = TEXT ("n"),
  .mount_id = TEXT ("m"),
  .key_lineage_id = TEXT ("k"),
};

/* Whatever differs in the scope differs in the key_id, also where a part moves to its neighbour. */
static void
test_key_ids_differ (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  ObkScope scopes[9];

  for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
    scopes[i] = plain;
  scopes[1].provider_name = TEXT ("pc");
  scopes[2].cluster_id = TEXT ("ci");
  scopes[3].instance_id = TEXT ("im");
  scopes[4].namespace = TEXT ("m");
  scopes[5].mount_id = TEXT ("mk");
  scopes[6].key_lineage_id = TEXT ("k1");
  scopes[7].instance_id = TEXT ("i\xc3\xa9");
  scopes[8].instance_id = TEXT ("ie\xcc\x81"); /* the same to the eye */
  for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
    {
      g_assert_true (g_hash_table_add (seen, obk_key_id_derive (&scopes[i], 1, 1)));
      g_assert_true (g_hash_table_add (seen, obk_key_id_derive (&scopes[i], 11, 1)));
      g_assert_true (g_hash_table_add (seen, obk_key_id_derive (&scopes[i], 1, 11)));
      g_assert_true (g_hash_table_add (seen, obk_key_id_derive (&scopes[i], G_MAXUINT32, G_MAXINT64)));
    }
}

static void
test_key_id_form (void)
{
  g_autofree char *good = obk_key_id_derive (&plain, 1, 1);
  static const char *const bad[] = {
    "",
    "obk2.",
    "obk1.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk",
    "OBK2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk",
    "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQS",
    "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSkk",
    "obk2.ig7zS9/yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk",
    "obk2.ig7zS9+yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk",
    "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQS=",
    "obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQ\xc3\xa9",
    " obk2.g7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQSk",
  };

  g_assert_cmpuint (strlen (good), ==, OBK_KEY_ID_LENGTH);
  g_assert_true (obk_key_id_is_well_formed (good, OBK_KEY_ID_LENGTH));
  /* the last character's unused bits are not looked at */
  g_assert_true (obk_key_id_is_well_formed ("obk2.ig7zS9_yvQrdlcvWgJUhA5q_fQYupc5jRX5MzhAMQS_", OBK_KEY_ID_LENGTH));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (obk_key_id_is_well_formed (bad[i], strlen (bad[i])));
  /* a zero byte inside */
  good[20] = '\0';
  g_assert_false (obk_key_id_is_well_formed (good, OBK_KEY_ID_LENGTH));
}

static void
test_scope (void)
{
  g_autoptr (ObkScope) copy = obk_scope_copy (&with_namespace);
  g_autoptr (ObkScope) without = obk_scope_copy (&plain);
  ObkScope empty = plain;
  ObkScope other = with_namespace;
  g_autofree char *id = obk_key_id_derive (&plain, 1, 1);
  g_autofree char *id_of_empty = NULL;

  g_assert_true (obk_scope_equal (copy, &with_namespace));
  g_assert_true (obk_scope_equal (without, &plain));
  g_assert_false (obk_scope_equal (&plain, &with_namespace));
  g_assert_false (obk_scope_equal (&with_namespace, &plain));
  other.namespace = TEXT ("o");
  g_assert_false (obk_scope_equal (&other, &with_namespace));
  other = with_namespace;
  other.key_lineage_id = TEXT ("K");
  g_assert_false (obk_scope_equal (&other, &with_namespace));
  /* an empty namespace is none */
  empty.namespace = TEXT ("");
  id_of_empty = obk_key_id_derive (&empty, 1, 1);
  g_assert_true (obk_scope_equal (&empty, &plain));
  g_assert_cmpstr (id, ==, id_of_empty);
}

/* The associated data of a scope that needs every kind of escape, against an independent JSON reader. */
static void
test_unusual_scope (void)
{
  ObkScope scope = plain;
  g_autoptr (ObkKeyIdentity) identity = NULL;
  g_autoptr (json_t) back = NULL;
  const char *data = NULL;

  scope.provider_name = TEXT ("\"\\<&>\u2028\u2029\x7f\u00e9\U0001f600'");
  identity = obk_key_identity_new (&scope, 7, 1);
  data = obk_key_identity_associated_data (identity);
  g_assert_nonnull (
      strstr (data, "\"provider_name\":\"\\\"\\\\\\u003c\\u0026\\u003e\\u2028\\u2029\x7f\u00e9\U0001f600'\""));
  back = obk_json_parse (data, strlen (data), NULL);
  g_assert_cmpstr (json_string_value (json_object_get (back, "provider_name")), ==, scope.provider_name);
}

static void
test_check_accepts_own (void)
{
  const ObkScope *scopes[] = { &plain, &with_namespace };

  for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
    {
      g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (scopes[i], 3, 5);
      g_autoptr (GError) error = NULL;
      ObkAnnotation annotations[10];
      gsize n = 0;
      const ObkAnnotation *own = obk_key_identity_annotations (identity, &n);

      memcpy (annotations, own, n * sizeof *own);
      /* another release's version, and an annotation of somebody else, change nothing */
      for (gsize j = 0; j < n; j++)
        if (strcmp (annotations[j].key, OBK_ANNOTATION_PLUGIN_VERSION) == 0)
          annotations[j].value = "9.9.9", annotations[j].value_length = 5;
      annotations[n++] = (ObkAnnotation){ "other.example", NULL, 0 };

      g_assert_true (obk_annotations_check_limits (annotations, n, &error));
      g_assert_true (obk_annotations_check_form (annotations, n, scopes[i], &error));
      g_assert_true (obk_key_identity_check (identity, annotations, n, &error));
      g_assert_no_error (error);
      g_assert_true (obk_annotations_are_of_scope (annotations, n, scopes[i], obk_key_identity_key_id (identity)));
      g_assert_false (obk_annotations_are_of_scope (annotations, n, scopes[1 - i], obk_key_identity_key_id (identity)));
      g_assert_cmpuint (obk_annotations_key_version (annotations, n), ==, 3);
    }
}

typedef enum
{
  FINE,
  MALFORMED,
  MISMATCH
} Verdict;

static Verdict
judge (const ObkKeyIdentity *identity, const ObkScope *scope, const ObkAnnotation *annotations, gsize n)
{
  g_autoptr (GError) error = NULL;

  if (obk_annotations_check_form (annotations, n, scope, &error)
      && obk_key_identity_check (identity, annotations, n, &error))
    return FINE;
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  if (g_error_matches (error, OBK_ERROR, OBK_ERROR_ANNOTATION_INVALID))
    return MALFORMED;
  g_assert_error (error, OBK_ERROR, OBK_ERROR_AAD_MISMATCH);
  return MISMATCH;
}

/* One annotation is replaced at a time; @value %NULL takes it away. */
static void
test_check_refuses (void)
{
#define OTHER_HASH "qCXYChOIPSWs7scJIduEDiNOYvEUJtFS1Rsbz1eAWY4"
  static const struct
  {
    const char *key;
    const char *value;
    Verdict verdict;
  } cases[] = {
    { OBK_ANNOTATION_PROVIDER, NULL, MALFORMED },
    { OBK_ANNOTATION_PROVIDER, "", MALFORMED },
    { OBK_ANNOTATION_PROVIDER, "openbao-transit ", MALFORMED },
    { OBK_ANNOTATION_PROVIDER, "vault-transit", MALFORMED },
    { OBK_ANNOTATION_AAD_VERSION, NULL, MALFORMED },
    { OBK_ANNOTATION_AAD_VERSION, "v2", MALFORMED },
    { OBK_ANNOTATION_AAD_VERSION, "V1", MALFORMED },
    { OBK_ANNOTATION_PLUGIN_VERSION, NULL, MALFORMED },
    { OBK_ANNOTATION_PLUGIN_VERSION, "", MALFORMED },
    { OBK_ANNOTATION_PLUGIN_VERSION, "\n", FINE },
    { OBK_ANNOTATION_KEY_VERSION, NULL, MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "0", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "00", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "03", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "+3", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "-3", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, " 3", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "3 ", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "3.0", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "0x3", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "\xd9\xa3", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "4294967296", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "4294967299", MALFORMED }, /* 3 in 32 bits */
    { OBK_ANNOTATION_KEY_VERSION, "18446744073709551619", MALFORMED },
    { OBK_ANNOTATION_KEY_VERSION, "4294967295", MISMATCH },
    { OBK_ANNOTATION_KEY_VERSION, "4", MISMATCH },
    { OBK_ANNOTATION_KEY_VERSION, "33", MISMATCH },
    { OBK_ANNOTATION_KEY_ID_HASH, NULL, MALFORMED },
    { OBK_ANNOTATION_KEY_ID_HASH, OTHER_HASH "4", MALFORMED },
    { OBK_ANNOTATION_KEY_ID_HASH, OTHER_HASH, MISMATCH },
    { OBK_ANNOTATION_MOUNT_HASH, NULL, MALFORMED },
    { OBK_ANNOTATION_MOUNT_HASH, "m", MALFORMED },
    { OBK_ANNOTATION_MOUNT_HASH, OTHER_HASH, MISMATCH },
    { OBK_ANNOTATION_KEY_HASH, NULL, MALFORMED },
    { OBK_ANNOTATION_KEY_HASH, "qCXYChOIPSWs7scJIduEDiNOYvEUJtFS1Rsbz1eAWY=", MALFORMED },
    { OBK_ANNOTATION_KEY_HASH, OTHER_HASH, MISMATCH },
    { OBK_ANNOTATION_NAMESPACE_HASH, NULL, MALFORMED },
    { OBK_ANNOTATION_NAMESPACE_HASH, "", MALFORMED },
    { OBK_ANNOTATION_NAMESPACE_HASH, "qCXYChOIPSWs7scJIduEDiNOYvEUJtFS1Rsbz1eA+Y4", MALFORMED },
    { OBK_ANNOTATION_NAMESPACE_HASH, OTHER_HASH, MISMATCH },
  };
  g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (&with_namespace, 3, 5);
  gsize n = 0;
  const ObkAnnotation *own = obk_key_identity_annotations (identity, &n);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ObkAnnotation annotations[8];
      gsize m = 0;

      g_test_message ("%s = %s", cases[i].key, cases[i].value);
      for (gsize j = 0; j < n; j++)
        if (strcmp (own[j].key, cases[i].key) != 0)
          annotations[m++] = own[j];
      g_assert_cmpuint (m, ==, n - 1);
      if (cases[i].value != NULL)
        annotations[m++] = (ObkAnnotation){ cases[i].key, cases[i].value, strlen (cases[i].value) };
      g_assert_cmpint (judge (identity, &with_namespace, annotations, m), ==, cases[i].verdict);
    }
  g_assert_cmpint (judge (identity, &with_namespace, NULL, 0), ==, MALFORMED);
}

static void
test_surplus_namespace (void)
{
  g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (&plain, 3, 5);
  ObkAnnotation annotations[9];
  gsize n = 0;
  const ObkAnnotation *own = obk_key_identity_annotations (identity, &n);

  memcpy (annotations, own, n * sizeof *own);
  annotations[n] = (ObkAnnotation){ OBK_ANNOTATION_NAMESPACE_HASH, OTHER_HASH, OBK_HASH_LENGTH };
  g_assert_cmpint (judge (identity, &plain, annotations, n + 1), ==, MISMATCH);
  annotations[n].value_length = 0;
  g_assert_cmpint (judge (identity, &plain, annotations, n + 1), ==, MISMATCH);
  g_assert_false (obk_annotations_are_of_scope (annotations, n + 1, &plain, obk_key_identity_key_id (identity)));
  /* what is malformed comes first */
  annotations[0].value_length = 0;
  g_assert_cmpint (judge (identity, &plain, annotations, n + 1), ==, MALFORMED);
}

static void
test_last_counts (void)
{
  g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (&plain, 3, 5);
  ObkAnnotation annotations[9];
  gsize n = 0;
  const ObkAnnotation *own = obk_key_identity_annotations (identity, &n);

  memcpy (annotations + 1, own, n * sizeof *own);
  annotations[0] = (ObkAnnotation){ OBK_ANNOTATION_KEY_VERSION, "4", 1 };
  g_assert_cmpint (judge (identity, &plain, annotations, n + 1), ==, FINE);
  memcpy (annotations, own, n * sizeof *own);
  annotations[n] = (ObkAnnotation){ OBK_ANNOTATION_KEY_VERSION, "4", 1 };
  g_assert_cmpint (judge (identity, &plain, annotations, n + 1), ==, MISMATCH);
}

static void
assert_limits (const char *key, const char *value, gsize length, gboolean fine)
{
  const ObkAnnotation annotation = { key, value, length };
  g_autoptr (GError) error = NULL;

  g_test_message ("\"%s\"", key);
  g_assert_cmpint (obk_annotations_check_limits (&annotation, 1, &error), ==, fine);
  if (!fine)
    g_assert_error (error, OBK_ERROR, OBK_ERROR_REQUEST_LIMIT);
}

#define LABEL_62 "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwx"

static void
test_limits_keys (void)
{
  G_STATIC_ASSERT (sizeof LABEL_62 - 1 == 62);
  static const char *const good[] = {
    "a.b",
    "0.1",
    "a-b.c--d",
    LABEL_62 "y." LABEL_62 "y",
    OBK_ANNOTATION_PROVIDER,
    LABEL_62 "y." LABEL_62 "y." LABEL_62 "y." LABEL_62, /* 63 * 3 + 62 + 3 = 254, cut below */
  };
  static const char *const bad[] = {
    "",     "a",    "localhost", "a.",    ".a",         ".",     "a..b",  "A.b",   "a_.b",          "-a.b",
    "a-.b", "a.-b", "a.b-",      "a b.c", "\u00e9.com", "a/b.c", "a.b\n", "*.b.c", LABEL_62 "yz.a",
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *key = g_strndup (good[i], 253);

      assert_limits (key, "", 0, TRUE);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_limits (bad[i], "", 0, FALSE);
  assert_limits (good[G_N_ELEMENTS (good) - 1], "", 0, FALSE);
}

static void
test_limits_values (void)
{
  assert_limits ("a.b", NULL, 0, TRUE);
  assert_limits ("a.b", "a\0b\0", 4, TRUE); /* U+0000 is UTF-8 too */
  assert_limits ("a.b", "\0", 1, TRUE);
  assert_limits ("a.b", "\xf0\x9f\x98\x80", 4, TRUE);
  assert_limits ("a.b", "\xf0\x9f\x98\x80", 3, FALSE);
  assert_limits ("a.b", "\xf0\x9f\0\x98\x80", 5, FALSE);
  assert_limits ("a.b", "\xc0\x80", 2, FALSE);
  assert_limits ("a.b", "\xed\xa0\x80", 3, FALSE);
  assert_limits ("a.b", "\xff", 1, FALSE);
  assert_limits ("a.b", "ok\0\xff", 4, FALSE);
}

static void
test_limits_total (void)
{
  g_autofree char *value = g_strnfill (32767, 'x');
  const ObkAnnotation two[] = { { "a.b", value, 10000 }, { "c.d", value, 32767 - 10000 - 6 } };
  const ObkAnnotation more[] = { { "a.b", value, 10000 }, { "c.d", value, 32767 - 10000 - 5 } };

  assert_limits ("a.b", value, 32764, TRUE);
  assert_limits ("a.b", value, 32765, FALSE);
  g_assert_true (obk_annotations_check_limits (two, 2, NULL));
  g_assert_false (obk_annotations_check_limits (more, 2, NULL));
  g_assert_true (obk_annotations_check_limits (NULL, 0, NULL));
}

static void
test_hash (void)
{
  g_autofree char *empty = obk_hash ("", -1);
  g_autofree char *none = obk_hash (NULL, 0);
  g_autofree char *abc = obk_hash ("abcd", 3);

  g_assert_cmpstr (empty, ==, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
  g_assert_cmpstr (none, ==, empty);
  g_assert_cmpstr (abc, ==, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  g_assert_true (obk_hash_is_valid (abc, OBK_HASH_LENGTH));
  g_assert_false (obk_hash_is_valid (abc, OBK_HASH_LENGTH - 1));
  g_assert_false (obk_hash_is_valid ("", 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/vectors", test_vectors);
  g_test_add_func ("/identity/hash", test_hash);
  g_test_add_func ("/identity/key-id/differs-with-every-part", test_key_ids_differ);
  g_test_add_func ("/identity/key-id/form", test_key_id_form);
  g_test_add_func ("/identity/scope/copies-and-compares", test_scope);
  g_test_add_func ("/identity/associated-data/unusual-scope", test_unusual_scope);
  g_test_add_func ("/identity/annotations/accepts-own", test_check_accepts_own);
  g_test_add_func ("/identity/annotations/refuses-malformed-and-mismatch", test_check_refuses);
  g_test_add_func ("/identity/annotations/refuses-surplus-namespace", test_surplus_namespace);
  g_test_add_func ("/identity/annotations/last-of-two-counts", test_last_counts);
  g_test_add_func ("/identity/limits/keys", test_limits_keys);
  g_test_add_func ("/identity/limits/values", test_limits_values);
  g_test_add_func ("/identity/limits/total", test_limits_total);
  return g_test_run ();
}
