/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy.h"

#include "base/error.h"
#include "provider/scope.h"

#include <string.h>

static ObkConfig *
make_config (const char *mount)
{
  g_autofree char *text = g_strdup_printf ("configVersion: v1alpha1\n"
                                           "server: {socketGroup: g}\n"
                                           "openbao: {address: 'https://a', caCertFile: /a, tlsServerName: a,\n"
                                           "  instanceId: instance, namespace: team/a}\n"
                                           "auth: {jwt: {mountPath: auth/jwt, role: r, jwtFile: /j}}\n"
                                           "transit: {mountPath: '%s', keyName: the-key, keyIdScope: {\n"
                                           "  providerName: provider, clusterId: cluster, transitMountId: mount,\n"
                                           "  keyLineageId: lineage}}\n",
                                           mount);
  g_autoptr (GPtrArray) problems = NULL;
  ObkConfig *config = obk_config_parse (text, strlen (text), NULL, &problems);

  g_assert_nonnull (config);
  return config;
}

/* Returns: (transfer full): the rules, one "PATH CAPABILITIES;" each */
static char *
rules_of (const char *policy)
{
  g_autoptr (GRegex) regex
      = g_regex_new ("path \"((?:[^\"\\\\]|\\\\.)*)\" \\{\\s*capabilities = \\[([^]]*)\\]\\s*\\}", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  GString *rules = g_string_new (NULL);

  for (g_regex_match (regex, policy, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    {
      g_autofree char *path = g_match_info_fetch (match, 1);
      g_autofree char *capabilities = g_match_info_fetch (match, 2);

      g_string_append_printf (rules, "%s %s;", path, capabilities);
    }
  return g_string_free (rules, FALSE);
}

static void
test_rules (void)
{
  g_autoptr (ObkConfig) config = make_config ("kms/transit");
  g_autofree char *with = obk_policy_openbao (config, TRUE, NULL);
  g_autofree char *without = obk_policy_openbao (config, FALSE, NULL);
  g_autofree char *rules_with = rules_of (with);
  g_autofree char *rules_without = rules_of (without);

  g_assert_cmpstr (rules_with, ==,
                   "kms/transit/keys/the-key \"read\";kms/transit/config/keys \"read\";"
                   "kms/transit/encrypt/the-key \"update\";kms/transit/decrypt/the-key \"update\";"
                   "sys/capabilities-self \"update\";auth/token/renew-self \"update\";");
  g_assert_cmpstr (rules_without, ==,
                   "kms/transit/keys/the-key \"read\";kms/transit/config/keys \"read\";"
                   "kms/transit/encrypt/the-key \"update\";kms/transit/decrypt/the-key \"update\";"
                   "sys/capabilities-self \"update\";");
}

static void
test_quoting (void)
{
  g_autoptr (ObkConfig) config = make_config ("a\"b/c\\d/$e+{f}");
  g_autofree char *policy = obk_policy_openbao (config, TRUE, NULL);
  g_autofree char *rules = rules_of (policy);

  g_assert_true (g_str_has_prefix (rules, "a\\\"b/c\\\\d/$e+{f}/keys/the-key \"read\";"));
}

static void
test_mounts_that_mean_more (void)
{
  static const char *const mounts[] = { "+", "a/+/b", "a*", "a/{{identity.entity.id}}", "a${b}" };

  for (gsize i = 0; i < G_N_ELEMENTS (mounts); i++)
    {
      g_autoptr (ObkConfig) config = make_config (mounts[i]);
      g_autoptr (GError) error = NULL;

      g_assert_null (obk_policy_openbao (config, TRUE, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
    }
}

static void
test_scope (void)
{
  g_autoptr (ObkConfig) config = make_config ("transit");
  g_autoptr (ObkScope) scope = obk_scope_from_config (config);
  g_autofree char *fingerprint = obk_config_fingerprint (config);
  g_autofree char *expected = obk_scope_fingerprint (scope, "transit", "the-key");

  g_assert_cmpstr (scope->provider_name, ==, "provider");
  g_assert_cmpstr (scope->cluster_id, ==, "cluster");
  g_assert_cmpstr (scope->instance_id, ==, "instance");
  g_assert_cmpstr (scope->namespace, ==, "team/a");
  g_assert_cmpstr (scope->mount_id, ==, "mount");
  g_assert_cmpstr (scope->key_lineage_id, ==, "lineage");
  g_assert_cmpstr (fingerprint, ==, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/rules", test_rules);
  g_test_add_func ("/policy/quoting", test_quoting);
  g_test_add_func ("/policy/mounts-that-mean-more", test_mounts_that_mean_more);
  g_test_add_func ("/policy/scope", test_scope);
  return g_test_run ();
}
