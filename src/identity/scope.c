/* SPDX-License-Identifier: Apache-2.0 */
/* The identity scope, and the fingerprint by which nodes' configurations are compared. */
#include "identity/scope.h"

#include "base/canonical-json.h"
#include "base/hash.h"

#define FINGERPRINT_PREFIX "cfg1."
#define FINGERPRINT_DOMAIN "openbao-kubernetes-kms/config-identity/v1"

ObkScope *
obk_scope_copy (const ObkScope *scope)
{
  ObkScope *copy = NULL;

  g_return_val_if_fail (scope != NULL, NULL);

  copy = g_new0 (ObkScope, 1);
  copy->provider_name = g_strdup (scope->provider_name);
  copy->cluster_id = g_strdup (scope->cluster_id);
  copy->instance_id = g_strdup (scope->instance_id);
  copy->namespace = obk_scope_has_namespace (scope) ? g_strdup (scope->namespace) : NULL;
  copy->mount_id = g_strdup (scope->mount_id);
  copy->key_lineage_id = g_strdup (scope->key_lineage_id);
  return copy;
}

void
obk_scope_free (ObkScope *scope)
{
  if (scope == NULL)
    return;
  g_free (scope->provider_name);
  g_free (scope->cluster_id);
  g_free (scope->instance_id);
  g_free (scope->namespace);
  g_free (scope->mount_id);
  g_free (scope->key_lineage_id);
  g_free (scope);
}

gboolean
obk_scope_has_namespace (const ObkScope *scope)
{
  return scope->namespace != NULL && scope->namespace[0] != '\0';
}

gboolean
obk_scope_equal (const ObkScope *a, const ObkScope *b)
{
  gboolean has_namespace = obk_scope_has_namespace (a);

  return g_str_equal (a->provider_name, b->provider_name) && g_str_equal (a->cluster_id, b->cluster_id)
         && g_str_equal (a->instance_id, b->instance_id) && has_namespace == obk_scope_has_namespace (b)
         && (!has_namespace || g_str_equal (a->namespace, b->namespace)) && g_str_equal (a->mount_id, b->mount_id)
         && g_str_equal (a->key_lineage_id, b->key_lineage_id);
}

char *
obk_scope_fingerprint (const ObkScope *scope, const char *mount_path, const char *key_name)
{
  g_autoptr (ObkCanonicalJson) json = NULL;
  g_autofree char *text = NULL;
  g_autofree char *hash = NULL;
  gsize length = 0;

  g_return_val_if_fail (scope != NULL && mount_path != NULL && key_name != NULL, NULL);

  json = obk_canonical_json_new (0);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "domain", FINGERPRINT_DOMAIN);
  obk_canonical_json_string (json, "provider_name", scope->provider_name);
  obk_canonical_json_string (json, "cluster_id", scope->cluster_id);
  obk_canonical_json_string (json, "openbao_instance_id", scope->instance_id);
  if (obk_scope_has_namespace (scope))
    obk_canonical_json_string (json, "openbao_namespace", scope->namespace);
  obk_canonical_json_string (json, "transit_mount_id", scope->mount_id);
  obk_canonical_json_string (json, "key_lineage_id", scope->key_lineage_id);
  obk_canonical_json_string (json, "transit_mount_path", mount_path);
  obk_canonical_json_string (json, "transit_key_name", key_name);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, &length);
  hash = obk_hash (text, (gssize)length);
  return g_strconcat (FINGERPRINT_PREFIX, hash, NULL);
}
