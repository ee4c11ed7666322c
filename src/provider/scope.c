/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the values that the registry goes by. */
#include "provider/scope.h"

ObkScope *
obk_scope_from_config (const ObkConfig *config)
{
  ObkScope *scope = NULL;

  g_return_val_if_fail (config != NULL, NULL);

  scope = g_new0 (ObkScope, 1);
  scope->provider_name = g_strdup (config->transit.scope.provider_name);
  scope->cluster_id = g_strdup (config->transit.scope.cluster_id);
  scope->instance_id = g_strdup (config->openbao.instance_id);
  scope->namespace = config->openbao.namespace[0] != '\0' ? g_strdup (config->openbao.namespace) : NULL;
  scope->mount_id = g_strdup (config->transit.scope.mount_id);
  scope->key_lineage_id = g_strdup (config->transit.scope.key_lineage_id);
  return scope;
}

ObkRotationPolicy
obk_rotation_policy_from_config (const ObkConfig *config)
{
  return (ObkRotationPolicy){
    .activation_delay_us = config->rotation.activation_delay_us,
    .stable_observation_count = config->rotation.stable_observation_count,
    .reject_version_rollback = config->rotation.reject_version_rollback,
    .probe_interval_us = config->status.probe_interval_us,
    .max_staleness_us = config->status.max_staleness_us,
  };
}

char *
obk_config_fingerprint (const ObkConfig *config)
{
  g_autoptr (ObkScope) scope = obk_scope_from_config (config);

  return obk_scope_fingerprint (scope, config->transit.mount_path, config->transit.key_name);
}
