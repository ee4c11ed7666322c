/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/encryption-config.h"

#include <string.h>

#define HEAD "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
#define ENTRY(list) "- resources: [" list "]\n  providers:\n"
#define KMS(members) "  - kms: {" members "}\n"
#define OURS KMS ("apiVersion: v2, name: openbao, endpoint: unix:///run/openbao-kms/kms.sock, timeout: 3s")
#define IDENTITY "  - identity: {}\n"
#define AESCBC "  - aescbc:\n      keys:\n      - name: key1\n        secret: c2VjcmV0IGlzIHNlY3VyZQ==\n"

typedef struct
{
  const char *name;
  const char *text;
  ObkCheckResult result;
  const char *says[4]; /* texts and remedies, one after the other; each somewhere */
} Case;

static char *
all_of (const ObkCheckReport *report)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);

      g_string_append_printf (all, "[%s] %s (%s)\n", obk_check_result_name (finding->result), finding->text,
                              finding->remedy != NULL ? finding->remedy : "");
    }
  return g_string_free (all, FALSE);
}

static ObkCheckReport *
judge (const char *text)
{
  ObkCheckReport *report = obk_check_report_new ();
  ObkEncryptionQuestion question = {
    .provider_name = "openbao",
    .socket_path = "/run/openbao-kms/kms.sock",
    .openbao_timeout_us = 2 * G_USEC_PER_SEC,
  };

  obk_encryption_config_judge (text, strlen (text), "e.yaml", &question, report);
  return report;
}

static void
test_case (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (ObkCheckReport) report = judge (one->text);
  g_autofree char *all = all_of (report);

  g_test_message ("%s", all);
  g_assert_cmpint (report->findings->len, >, 0);
  g_assert_cmpstr (obk_check_result_name (obk_check_report_result (report)), ==, obk_check_result_name (one->result));
  for (guint i = 0; i < report->findings->len; i++)
    {
      const ObkCheckFinding *finding = g_ptr_array_index (report->findings, i);

      g_assert_true (finding->result != OBK_CHECK_FAIL || finding->remedy != NULL);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (one->says) && one->says[i] != NULL; i++)
    g_assert_nonnull (strstr (all, one->says[i]));
}

static const Case cases[] = {
  /* good */
  { "ours-alone",
    HEAD ENTRY ("secrets") OURS,
    OBK_CHECK_OK,
    { "[ok] e.yaml: secrets go through our provider, which writes" } },
  { "json",
    "{\"apiVersion\":\"apiserver.config.k8s.io/"
    "v1\",\"kind\":\"EncryptionConfiguration\",\"resources\":[{\"resources\":["
    "\"secrets\"],\"providers\":[{\"kms\":{\"apiVersion\":\"v2\",\"name\":\"openbao\",\"endpoint\":"
    "\"unix:///run/openbao-kms/kms.sock\",\"timeout\":\"3s\"}}]}]}",
    OBK_CHECK_OK,
    { NULL } },
  { "default-timeout",
    HEAD ENTRY ("secrets") KMS ("apiVersion: v2, name: openbao, endpoint: unix:///run/openbao-kms/kms.sock"),
    OBK_CHECK_OK,
    { NULL } },
  { "wildcard-of-the-core-group", HEAD ENTRY ("'*.'") OURS, OBK_CHECK_OK, { NULL } },
  { "wildcard-of-all", HEAD ENTRY ("'*.*'") OURS, OBK_CHECK_OK, { NULL } },
  { "more-resources", HEAD ENTRY ("secrets, configmaps, pandas.awesome.bears.example") OURS, OBK_CHECK_OK, { NULL } },

  /* what is warned about */
  { "identity-first",
    HEAD ENTRY ("secrets") IDENTITY OURS,
    OBK_CHECK_WARN,
    { "e.yaml:6: secrets are written by \"identity\"", "which only reads yet", "put our kms provider first" } },
  { "identity-left-over",
    HEAD ENTRY ("secrets") OURS IDENTITY,
    OBK_CHECK_WARN,
    { "\"identity\" is still read", "in clear" } },
  { "older-provider-left", HEAD ENTRY ("secrets") OURS AESCBC, OBK_CHECK_WARN, { "\"aescbc\" is still read" } },
  { "older-provider-first", HEAD ENTRY ("secrets") AESCBC OURS, OBK_CHECK_WARN, { "written by \"aescbc\"" } },
  { "short-timeout",
    HEAD ENTRY ("secrets")
        KMS ("apiVersion: v2, name: openbao, endpoint: unix:///run/openbao-kms/kms.sock, timeout: 1s"),
    OBK_CHECK_WARN,
    { "timeout 1s is shorter than openbao.timeout", "write timeout: 3s" } },
  { "resources-without-us",
    HEAD ENTRY ("secrets") OURS ENTRY ("configmaps") AESCBC,
    OBK_CHECK_WARN,
    { "configmaps do not go through our provider" } },
  { "secrets-in-no-entry", HEAD ENTRY ("configmaps") OURS, OBK_CHECK_WARN, { "Secrets are in no entry" } },
  { "an-earlier-entry-has-secrets",
    HEAD ENTRY ("'*.*'") AESCBC ENTRY ("secrets") OURS,
    OBK_CHECK_WARN,
    { "the first entry that fits Secrets is without our provider" } },
  { "another-name",
    HEAD ENTRY ("secrets") KMS ("apiVersion: v2, name: other, endpoint: unix:///run/openbao-kms/kms.sock"),
    OBK_CHECK_WARN,
    { "is named \"other\"", "bears that name" } },

  /* what fails */
  { "no-version",
    HEAD ENTRY ("secrets") KMS ("name: openbao, endpoint: unix:///run/openbao-kms/kms.sock"),
    OBK_CHECK_FAIL,
    { "without one it is v1", "write apiVersion: v2" } },
  { "version-1",
    HEAD ENTRY ("secrets") KMS ("apiVersion: v1, name: openbao, endpoint: unix:///run/openbao-kms/kms.sock"),
    OBK_CHECK_FAIL,
    { "apiVersion \"v1\"", "write apiVersion: v2" } },
  { "another-socket",
    HEAD ENTRY ("secrets") KMS ("apiVersion: v2, name: openbao, endpoint: unix:///run/other.sock"),
    OBK_CHECK_FAIL,
    { "unix:///run/other.sock", "write endpoint: unix:///run/openbao-kms/kms.sock" } },
  { "a-path-for-an-endpoint",
    HEAD ENTRY ("secrets") KMS ("apiVersion: v2, name: openbao, endpoint: /run/openbao-kms/kms.sock"),
    OBK_CHECK_FAIL,
    { "must begin with \"unix://\"" } },
  { "a-cache",
    HEAD ENTRY ("secrets")
        KMS ("apiVersion: v2, name: openbao, cachesize: 10, endpoint: unix:///run/openbao-kms/kms.sock"),
    OBK_CHECK_FAIL,
    { "cachesize is not allowed" } },
  { "no-timeout-at-all",
    HEAD ENTRY ("secrets")
        KMS ("apiVersion: v2, name: openbao, endpoint: unix:///run/openbao-kms/kms.sock, timeout: 0s"),
    OBK_CHECK_FAIL,
    { "no duration above zero" } },
  { "without-us",
    HEAD ENTRY ("secrets") AESCBC,
    OBK_CHECK_FAIL,
    { "no kms provider is named \"openbao\"", "- kms: {" } },
  { "name-twice",
    HEAD ENTRY ("secrets") OURS ENTRY ("configmaps") OURS,
    OBK_CHECK_FAIL,
    { "a second kms provider of the name \"openbao\"" } },
  { "name-with-colon",
    HEAD ENTRY ("secrets") OURS KMS ("apiVersion: v2, name: 'a:b', endpoint: unix:///run/x.sock"),
    OBK_CHECK_FAIL,
    { "has a \":\" in it" } },
  { "unknown-field",
    HEAD ENTRY ("secrets")
        KMS ("apiVersion: v2, name: openbao, endPoint: unix:///run/openbao-kms/kms.sock, timeout: 3s"),
    OBK_CHECK_FAIL,
    { "unknown field \"endPoint\"", "write \"endpoint\"" } },
  { "unknown-provider",
    HEAD ENTRY ("secrets") OURS "  - aesxyz: {}\n",
    OBK_CHECK_FAIL,
    { "unknown field \"aesxyz\"" } },
  { "two-types-in-one",
    HEAD ENTRY ("secrets") OURS "  - identity: {}\n    aescbc: {}\n",
    OBK_CHECK_FAIL,
    { "exactly one type" } },
  { "identity-without-braces",
    HEAD ENTRY ("secrets") OURS "  - identity\n",
    OBK_CHECK_FAIL,
    { "identity must be written", "- identity: {}" } },
  { "keys-without-secret",
    HEAD ENTRY ("secrets") OURS "  - aesgcm: {keys: [{name: a}]}\n",
    OBK_CHECK_FAIL,
    { "without name or secret" } },
  { "no-keys",
    HEAD ENTRY ("secrets") OURS "  - secretbox: {keys: []}\n",
    OBK_CHECK_FAIL,
    { "secretbox without keys" } },
  { "no-resources", HEAD "- providers:\n" OURS, OBK_CHECK_FAIL, { "an entry without resources" } },
  { "no-providers",
    HEAD ENTRY ("secrets") OURS "- resources: [configmaps]\n",
    OBK_CHECK_FAIL,
    { "an entry without providers" } },
  { "star-alone", HEAD ENTRY ("'*'") OURS, OBK_CHECK_FAIL, { "\"*\" is no resource" } },
  { "resource-twice", HEAD ENTRY ("secrets, secrets") OURS, OBK_CHECK_FAIL, { "listed twice" } },
  { "resource-twice-by-a-dot",
    HEAD ENTRY ("secrets, secrets.") OURS,
    OBK_CHECK_FAIL,
    { "\"secrets.\" is listed twice" } },
  { "core-group-by-a-dot", HEAD ENTRY ("secrets.") OURS, OBK_CHECK_OK, { NULL } },
  { "extensions", HEAD ENTRY ("'*.extensions'") OURS, OBK_CHECK_FAIL, { "extensions is no more" } },
  { "of-extensions",
    HEAD ENTRY ("foo.extensions") OURS,
    OBK_CHECK_FAIL,
    { "extensions is no more", "networking.k8s.io" } },
  { "events-of-their-group",
    HEAD ENTRY ("events.events.k8s.io") OURS,
    OBK_CHECK_FAIL,
    { "stored as events", "write events" } },
  { "group-of-events", HEAD ENTRY ("'*.events.k8s.io'") OURS, OBK_CHECK_FAIL, { "stored as events" } },
  { "events-later",
    HEAD ENTRY ("secrets") OURS ENTRY ("secret, events.events.k8s.io") OURS,
    OBK_CHECK_FAIL,
    { "events.events.k8s.io" } },
  { "across-groups", HEAD ENTRY ("'*.', foos.*") OURS, OBK_CHECK_FAIL, { "\"foos.*\": a resource of all groups" } },
  { "without-an-api-1", HEAD ENTRY ("apiserveripinfo") OURS, OBK_CHECK_FAIL, { "the API server's own" } },
  { "without-an-api-2", HEAD ENTRY ("serviceipallocations") OURS, OBK_CHECK_FAIL, { "the API server's own" } },
  { "without-an-api-3", HEAD ENTRY ("servicenodeportallocations") OURS, OBK_CHECK_FAIL, { "the API server's own" } },
  { "core-group-beside-another", HEAD ENTRY ("deployments.apps, '*.'") OURS, OBK_CHECK_OK, { NULL } },
  { "overlap-of-wildcards", HEAD ENTRY ("'*.', '*.*'") OURS, OBK_CHECK_FAIL, { "overlaps" } },
  { "overlap-with-all", HEAD ENTRY ("secrets, '*.*'") OURS, OBK_CHECK_FAIL, { "overlaps" } },
  { "overlap-with-core", HEAD ENTRY ("secrets, '*.'") OURS, OBK_CHECK_FAIL, { "\"secrets\" overlaps with others" } },
  { "overlap-with-group",
    HEAD ENTRY ("'*.apps', deployments.apps") OURS,
    OBK_CHECK_FAIL,
    { "\"deployments.apps\" overlaps" } },
  { "groups-beside-each-other", HEAD ENTRY ("secrets, '*.apps', a.batch") OURS, OBK_CHECK_OK, { NULL } },
  { "capitals", HEAD ENTRY ("Secrets") OURS, OBK_CHECK_FAIL, { "capital letters" } },
  { "old-form",
    "apiVersion: v1\nkind: EncryptionConfig\nresources:\n" ENTRY ("secrets") OURS,
    OBK_CHECK_WARN,
    { "before 1.13" } },
  { "another-kind",
    "apiVersion: v1\nkind: Secret\nresources:\n" ENTRY ("secrets") OURS,
    OBK_CHECK_FAIL,
    { "write apiVersion: apiserver.config.k8s.io/v1", "write kind: EncryptionConfiguration" } },
  { "fields-beside-kms",
    HEAD ENTRY ("secrets") "  - kms:\n    apiVersion: v2\n    name: openbao\n    endpoint: unix:///run/a.sock\n",
    OBK_CHECK_FAIL,
    { "e.yaml:6: \"kms:\" has nothing below it", "(indent it below kms: by two spaces more)" } },
  { "tab", HEAD ENTRY ("secrets") "\t- identity: {}\n", OBK_CHECK_FAIL, { "no tabs" } },
  { "key-twice", HEAD "resources: []\n", OBK_CHECK_FAIL, { "second time", "each key once" } },
  { "second-document", HEAD ENTRY ("secrets") OURS "---\n{}\n", OBK_CHECK_FAIL, { "second document", "one document" } },
  { "secret-of-17-bytes",
    HEAD ENTRY ("secrets") OURS "  - aescbc: {keys: [{name: a, secret: MTIzNDU2Nzg5MDEyMzQ1Njc=}]}\n",
    OBK_CHECK_FAIL,
    { "a secret of aescbc has 17 bytes; it must be 16, 24 or 32", "the whole secret" } },
  { "secret-of-32-bytes",
    HEAD ENTRY ("secrets") OURS
    "  - secretbox: {keys: [{name: a, secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=}]}\n",
    OBK_CHECK_WARN,
    { "still read" } },
  { "secretbox-of-16-bytes",
    HEAD ENTRY ("secrets") OURS "  - secretbox: {keys: [{name: a, secret: MTIzNDU2Nzg5MDEyMzQ1Ng==}]}\n",
    OBK_CHECK_FAIL,
    { "a secret of secretbox has 16 bytes; it must be 32" } },
  { "secret-without-base64",
    HEAD ENTRY ("secrets") OURS "  - aesgcm: {keys: [{name: a, secret: 'a secret'}]}\n",
    OBK_CHECK_FAIL,
    { "is not base64" } },
  { "null-identity", HEAD ENTRY ("secrets") OURS "  - identity:\n", OBK_CHECK_FAIL, { "identity: {}" } },
  { "anchor", HEAD ENTRY ("secrets") "  - identity: &a {}\n" OURS, OBK_CHECK_SKIP, { "cannot judge" } },
  { "nothing", "", OBK_CHECK_FAIL, { "e.yaml" } },
  { "a-list", "- a\n", OBK_CHECK_FAIL, { "must be a mapping" } },
  { "no-yaml", "a: [\n", OBK_CHECK_FAIL, { "e.yaml:" } },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/encryption-config/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  return g_test_run ();
}
