/* SPDX-License-Identifier: Apache-2.0 */
/* All that one key version's identity gives: key_id, annotations, associated data. */
#include "identity/key-identity.h"

#include "config-build.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/names.h"
#include "identity/key-id.h"

#include <string.h>

#define PURPOSE "kubernetes-etcd-kms-v2"
#define MAX_ANNOTATIONS 8

struct _ObkKeyIdentity
{
  gint references;
  guint32 version;
  char *key_id;
  char *key_id_hash;
  char *version_text;
  char *mount_hash;
  char *key_hash;
  char *namespace_hash; /* %NULL without a namespace */
  char *associated_data;
  char *associated_data_base64;
  ObkAnnotation annotations[MAX_ANNOTATIONS];
  gsize n_annotations;
};

/* @value: of the identity's own strings, or static */
static void
add_annotation (ObkKeyIdentity *identity, const char *key, const char *value)
{
  ObkAnnotation *annotation = &identity->annotations[identity->n_annotations++];

  annotation->key = key;
  annotation->value = value;
  annotation->value_length = strlen (value);
}

static void
build_annotations (ObkKeyIdentity *identity)
{
  add_annotation (identity, OBK_ANNOTATION_PROVIDER, OBK_PROVIDER_MARKER);
  add_annotation (identity, OBK_ANNOTATION_KEY_ID_HASH, identity->key_id_hash);
  add_annotation (identity, OBK_ANNOTATION_KEY_VERSION, identity->version_text);
  add_annotation (identity, OBK_ANNOTATION_MOUNT_HASH, identity->mount_hash);
  add_annotation (identity, OBK_ANNOTATION_KEY_HASH, identity->key_hash);
  if (identity->namespace_hash != NULL)
    add_annotation (identity, OBK_ANNOTATION_NAMESPACE_HASH, identity->namespace_hash);
  add_annotation (identity, OBK_ANNOTATION_PLUGIN_VERSION, OBK_VERSION);
  add_annotation (identity, OBK_ANNOTATION_AAD_VERSION, OBK_AAD_VERSION);
}

static void
build_associated_data (ObkKeyIdentity *identity, const ObkScope *scope)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  g_autofree char *cluster_hash = obk_hash (scope->cluster_id, -1);
  g_autofree char *instance_hash = obk_hash (scope->instance_id, -1);
  gsize length = 0;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "aad_version", OBK_AAD_VERSION);
  obk_canonical_json_string (json, "purpose", PURPOSE);
  obk_canonical_json_string (json, "provider", OBK_PROVIDER_MARKER);
  obk_canonical_json_string (json, "provider_name", scope->provider_name);
  obk_canonical_json_string (json, "cluster_id_hash", cluster_hash);
  obk_canonical_json_string (json, "openbao_instance_hash", instance_hash);
  if (identity->namespace_hash != NULL)
    obk_canonical_json_string (json, "openbao_namespace_hash", identity->namespace_hash);
  obk_canonical_json_string (json, "transit_mount_hash", identity->mount_hash);
  obk_canonical_json_string (json, "transit_key_hash", identity->key_hash);
  obk_canonical_json_string (json, "key_id_hash", identity->key_id_hash);
  obk_canonical_json_string (json, "key_version", identity->version_text);
  obk_canonical_json_end_object (json);
  identity->associated_data = obk_canonical_json_steal (json, &length);
  identity->associated_data_base64 = g_base64_encode ((const guchar *)identity->associated_data, length);
}

ObkKeyIdentity *
obk_key_identity_new (const ObkScope *scope, guint32 version, gint64 created_at_unix)
{
  ObkKeyIdentity *identity = NULL;

  g_return_val_if_fail (scope != NULL && version > 0 && created_at_unix > 0, NULL);

  identity = g_new0 (ObkKeyIdentity, 1);
  identity->references = 1;
  identity->version = version;
  identity->key_id = obk_key_id_derive (scope, version, created_at_unix);
  identity->key_id_hash = obk_hash (identity->key_id, -1);
  identity->version_text = g_strdup_printf ("%" G_GUINT32_FORMAT, version);
  identity->mount_hash = obk_hash (scope->mount_id, -1);
  identity->key_hash = obk_hash (scope->key_lineage_id, -1);
  identity->namespace_hash = obk_scope_has_namespace (scope) ? obk_hash (scope->namespace, -1) : NULL;
  build_annotations (identity);
  build_associated_data (identity, scope);
  return identity;
}

ObkKeyIdentity *
obk_key_identity_ref (ObkKeyIdentity *identity)
{
  g_return_val_if_fail (identity != NULL, NULL);

  g_atomic_int_inc (&identity->references);
  return identity;
}

void
obk_key_identity_unref (ObkKeyIdentity *identity)
{
  if (identity == NULL || !g_atomic_int_dec_and_test (&identity->references))
    return;
  g_free (identity->key_id);
  g_free (identity->key_id_hash);
  g_free (identity->version_text);
  g_free (identity->mount_hash);
  g_free (identity->key_hash);
  g_free (identity->namespace_hash);
  g_free (identity->associated_data);
  g_free (identity->associated_data_base64);
  g_free (identity);
}

guint32
obk_key_identity_version (const ObkKeyIdentity *identity)
{
  return identity->version;
}

const char *
obk_key_identity_key_id (const ObkKeyIdentity *identity)
{
  return identity->key_id;
}

const char *
obk_key_identity_key_id_hash (const ObkKeyIdentity *identity)
{
  return identity->key_id_hash;
}

const char *
obk_key_identity_associated_data (const ObkKeyIdentity *identity)
{
  return identity->associated_data;
}

const char *
obk_key_identity_associated_data_base64 (const ObkKeyIdentity *identity)
{
  return identity->associated_data_base64;
}

const ObkAnnotation *
obk_key_identity_annotations (const ObkKeyIdentity *identity, gsize *n)
{
  *n = identity->n_annotations;
  return identity->annotations;
}

gboolean
obk_key_identity_check (const ObkKeyIdentity *identity, const ObkAnnotation *annotations, gsize n, GError **error)
{
  const char *differs = NULL;

  g_return_val_if_fail (identity != NULL, FALSE);

  for (gsize i = 0; i < identity->n_annotations && differs == NULL; i++)
    {
      const ObkAnnotation *ours = &identity->annotations[i];

      if (strcmp (ours->key, OBK_ANNOTATION_PLUGIN_VERSION) != 0
          && !obk_annotation_is (obk_annotations_find (annotations, n, ours->key), ours->value))
        differs = ours->key;
    }
  if (identity->namespace_hash == NULL && obk_annotations_find (annotations, n, OBK_ANNOTATION_NAMESPACE_HASH) != NULL)
    differs = OBK_ANNOTATION_NAMESPACE_HASH;
  if (differs != NULL)
    g_set_error (error, OBK_ERROR, OBK_ERROR_AAD_MISMATCH, "annotation \"%s\" is not this key's", differs);
  return differs == NULL;
}
