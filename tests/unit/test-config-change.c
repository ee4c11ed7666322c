/* SPDX-License-Identifier: Apache-2.0 */
#include "config/change.h"

#include <string.h>

static const char base[] = "configVersion: v1alpha1\n"
                           "server: {socketGroup: kms}\n"
                           "openbao: {address: 'https://bao.test:8200', caCertFile: /ca.pem, tlsServerName: bao.test,\n"
                           "  instanceId: bao-1}\n"
                           "auth: {jwt: {mountPath: auth/jwt, role: kms, jwtFile: /identity.jwt}}\n"
                           "transit: {mountPath: transit, keyName: k8s, keyIdScope: {providerName: p, clusterId: c,\n"
                           "  transitMountId: m, keyLineageId: l}}\n";

static ObkConfig *
parse (const char *text)
{
  g_autoptr (GPtrArray) problems = NULL;
  ObkConfig *config = obk_config_parse (text, strlen (text), NULL, &problems);

  g_assert_nonnull (config);
  return config;
}

static ObkConfig *
with (const char *find, const char *instead)
{
  const char *at = strstr (base, find);
  g_autofree char *text = NULL;

  g_assert_nonnull (at);
  text = g_strdup_printf ("%.*s%s%s", (int)(at - base), base, instead, at + strlen (find));
  return parse (text);
}

/* Each type of value */
static void
test_finds_what_differs (void)
{
  static const struct
  {
    const char *find;
    const char *instead;
    const char *changed;
  } cases[] = {
    { "auth: ", "auth: ", "" },
    { "socketGroup: kms", "socketGroup: other", "server.socketGroup" },
    { "socketGroup: kms", "socketGroup: kms, socketMode: '0600'", "server.socketMode" },
    { "socketGroup: kms", "socketGroup: kms, socketMode: '0660'", "" }, /* written, and the default */
    { "socketGroup: kms", "socketGroup: kms, allowedUids: [1]", "server.allowedUids" },
    { "socketGroup: kms", "socketGroup: kms, allowedUids: []", "" },
    { "socketGroup: kms", "socketGroup: kms, maxConcurrentStatus: 17", "server.maxConcurrentStatus" },
    { "instanceId: bao-1", "instanceId: bao-1, fipsMode: 'on'", "openbao.fipsMode" },
    { "instanceId: bao-1", "instanceId: bao-1, additionalAddresses: ['https://b:1']", "openbao.additionalAddresses" },
    { "instanceId: bao-1", "instanceId: bao-1, timeout: 2000ms", "" },
    { "instanceId: bao-1", "instanceId: bao-1, timeout: 3s", "openbao.timeout" },
    { "auth: ", "rotation: {rejectVersionRollback: false}\nauth: ", "rotation.rejectVersionRollback" },
    { "keyName: k8s", "keyName: k9s", "transit.keyName" },
    { "role: kms, jwtFile: /identity.jwt", "role: other, jwtFile: /other.jwt", "auth.jwt.role, auth.jwt.jwtFile" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkConfig) before = parse (base);
      g_autoptr (ObkConfig) after = with (cases[i].find, cases[i].instead);
      g_autoptr (GPtrArray) changes = obk_config_changes (before, after);
      g_autoptr (GPtrArray) back = obk_config_changes (after, before);
      g_autofree char *names = obk_config_changes_names (changes);
      g_autofree char *names_back = obk_config_changes_names (back);

      g_assert_cmpstr (names, ==, cases[i].changed);
      g_assert_cmpstr (names_back, ==, cases[i].changed);
    }
}

static void
test_tells_lists_apart (void)
{
  g_autoptr (ObkConfig) one = with ("socketGroup: kms", "socketGroup: kms, allowedUids: [1, 2]");
  g_autoptr (ObkConfig) two = with ("socketGroup: kms", "socketGroup: kms, allowedUids: [1, 3]");
  g_autoptr (GPtrArray) changes = obk_config_changes (one, two);

  g_assert_true (obk_config_changes_touch (changes, "server.allowedUids"));
}

static void
test_asks_for_kinds (void)
{
  g_autoptr (ObkConfig) before = parse (base);
  g_autoptr (ObkConfig) after = with ("role: kms", "role: other");
  g_autoptr (GPtrArray) changes = obk_config_changes (before, after);

  g_assert_true (obk_config_changes_have (changes, OBK_RELOAD_WHEN_PROVED));
  g_assert_false (obk_config_changes_have (changes, OBK_RELOAD_AT_ONCE));
  g_assert_false (obk_config_changes_have (changes, OBK_RELOAD_REFUSED));
  g_assert_true (obk_config_changes_touch (changes, "auth.jwt.role"));
  g_assert_true (obk_config_changes_touch (changes, "auth."));
  g_assert_false (obk_config_changes_touch (changes, "auth.jwt"));
  g_assert_false (obk_config_changes_touch (changes, "transit."));
}

/* Spec configuration.md, "Reload": these, and FIPS mode, which NSS cannot leave within a process */
static void
test_refuses_identity_socket_and_state (void)
{
  static const char *const refused[] = {
    "server.socketPath",
    "server.socketMode",
    "server.socketGroup",
    "openbao.namespace",
    "openbao.instanceId",
    "openbao.fipsMode",
    "transit.keyIdScope.providerName",
    "transit.keyIdScope.clusterId",
    "transit.keyIdScope.transitMountId",
    "transit.keyIdScope.keyLineageId",
    "state.path",
    NULL,
  };

  for (gsize i = 0; i < obk_config_n_fields (); i++)
    g_assert_cmpint (obk_config_fields[i].reload == OBK_RELOAD_REFUSED, ==,
                     g_strv_contains (refused, obk_config_fields[i].name));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config-change/finds-what-differs", test_finds_what_differs);
  g_test_add_func ("/config-change/tells-lists-apart", test_tells_lists_apart);
  g_test_add_func ("/config-change/asks-for-kinds", test_asks_for_kinds);
  g_test_add_func ("/config-change/refuses-identity-socket-and-state", test_refuses_identity_socket_and_state);
  return g_test_run ();
}
