/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of the configuration file, with the place and the text of what it says. */
#include "config/config.h"

#include "config-build.h"
#include "config/field.h"
#include "config/value.h"

#include <string.h>

/* The least that is complete. Cases change one piece of it. */
static const char base[] = "configVersion: v1alpha1\n"          /* 1 */
                           "server:\n"                          /* 2 */
                           "  socketGroup: kms\n"               /* 3 */
                           "openbao:\n"                         /* 4 */
                           "  address: https://bao.test:8200\n" /* 5 */
                           "  caCertFile: /ca.pem\n"            /* 6 */
                           "  tlsServerName: bao.test\n"        /* 7 */
                           "  instanceId: bao-1\n"              /* 8 */
                           "auth:\n"                            /* 9 */
                           "  jwt:\n"                           /* 10 */
                           "    mountPath: auth/jwt\n"          /* 11 */
                           "    role: kms\n"                    /* 12 */
                           "    jwtFile: /identity.jwt\n"       /* 13 */
                           "transit:\n"                         /* 14 */
                           "  mountPath: transit\n"             /* 15 */
                           "  keyName: k8s\n"                   /* 16 */
                           "  keyIdScope:\n"                    /* 17 */
                           "    providerName: p\n"              /* 18 */
                           "    clusterId: c\n"                 /* 19 */
                           "    transitMountId: m\n"            /* 20 */
                           "    keyLineageId: l\n";             /* 21 */

/* In place of lines 9 to 13 */
static const char jwt[] = "  jwt:\n    mountPath: auth/jwt\n    role: kms\n    jwtFile: /identity.jwt\n";
static const char cert[] = "  method: cert\n"        /* 10 */
                           "  cert:\n"               /* 11 */
                           "    mountPath: auth/c\n" /* 12 */
                           "    source: pkcs11\n"    /* 13 */
                           "    pkcs11:\n"           /* 14 */
                           "      maxSessions: 2\n"; /* 15 */
static const char oauth2[] = "  jwt:\n"              /* 10 */
                             "    source: oauth2\n"
                             "    mountPath: auth/jwt\n"
                             "    role: kms\n"
                             "    expectedIssuer: https://idp.test\n"   /* 14 */
                             "    expectedAudience: [bao]\n"            /* 15 */
                             "    oauth2:\n"                            /* 16 */
                             "      tokenUrl: https://idp.test/token\n" /* 17 */
                             "      clientId: id\n"                     /* 18 */
                             "      clientSecretFile: /secret\n";       /* 19 */

typedef struct
{
  const char *name;
  const char *section; /* (nullable): in place of jwt */
  const char *find;    /* the piece of the text to change */
  const char *replace;
  const char *expected; /* the problems, each "LINE:COLUMN: FIELD: TEXT", between newlines; or "FIELD = VALUE" */
} Case;

static char *
replace (const char *text, const char *find, const char *with)
{
  const char *at = strstr (text, find);

  g_assert_nonnull (at);
  return g_strdup_printf ("%.*s%s%s", (int)(at - text), text, with, at + strlen (find));
}

static char *
problems_text (GPtrArray *problems)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < problems->len; i++)
    g_ptr_array_add (lines, obk_config_problem_format (g_ptr_array_index (problems, i), "F"));
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (GStrv)lines->pdata);
}

static char *
build (const Case *c)
{
  g_autofree char *text = replace (base, jwt, c->section != NULL ? c->section : jwt);

  return replace (text, c->find, c->replace);
}

static void
test_refused (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *text = build (c);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) config = obk_config_parse (text, strlen (text), NULL, &problems);
  g_autofree char *found = problems_text (problems);
  g_auto (GStrv) lines = g_strsplit (c->expected, "\n", -1);
  g_autofree char *expected = NULL;

  for (gsize i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strconcat ("F:", lines[i], NULL);

      g_free (lines[i]);
      lines[i] = line;
    }
  expected = g_strjoinv ("\n", lines);
  g_assert_cmpstr (found, ==, expected);
  g_assert_null (config);
}

static void
test_accepted (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *text = build (c);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) config = obk_config_parse (text, strlen (text), NULL, &problems);
  g_autofree char *found = problems_text (problems);
  g_auto (GStrv) sides = g_strsplit (c->expected, " = ", 2);
  g_autofree char *value = NULL;

  g_assert_cmpstr (found, ==, "");
  g_assert_nonnull (config);
  if (config == NULL)
    return;
  value = obk_value_to_text (obk_config_field_find (sides[0]), config);
  g_assert_cmpstr (value, ==, sides[1]);
}

#define NEAR_END "    keyLineageId: l\n"
#define SERVER "  socketGroup: kms\n"

#define NOT_RELATIVE "must be a relative path, without a slash at the start"
#define BAD_SEGMENT "must not have an empty, \".\" or \"..\" segment"
#define QUOTES "must be a string; put it in quotes"
#define NOT_URL "must be an https URL"
#define NOT_CREDENTIAL "must be an absolute path or \"credential:NAME\""
#define NOT_ADDRESS                                                                                                    \
  "must be IP:PORT as in 127.0.0.1:8081, 0.0.0.0:8081 or [::1]:8081, localhost:PORT, unix:/PATH, or empty to switch "  \
  "it off; no other name is looked up"

static const Case refused[] = {
  /* the form of the file */
  { "empty", NULL, base, "", "1:1: the file is empty" },
  { "only-comment", NULL, base, "# nothing\n", "2:1: the file is empty" },
  { "not-yaml", NULL, "server:\n", "server: {\n",
    "4:8: while parsing a flow mapping: did not find expected ',' or '}'" },
  { "tab", NULL, "  socketGroup", "\tsocketGroup",
    "3:1: while scanning for the next token: found character that cannot start any token" },
  { "control-character", NULL, "kms\n", "k\001s\n", "3:17: control characters are not allowed" },
  { "not-utf8", NULL, "kms\n", "\u00e4\xff\n", "3:17: the file is not UTF-8 here" },
  { "anchor", NULL, "kms\n", "&a kms\n", "3:16: server.socketGroup: anchors are not allowed; write the value out" },
  { "anchor-on-section", NULL, "server:\n", "server: &a\n",
    "2:9: server: anchors are not allowed; write the value out" },
  { "alias", NULL, "clusterId: c\n", "clusterId: *a\n",
    "19:16: transit.keyIdScope.clusterId: aliases are not allowed; write the value out" },
  { "alias-in-list", NULL, SERVER, SERVER "  allowedUids: [*a]\n",
    "4:17: server.allowedUids[0]: aliases are not allowed; write the value out" },
  { "tag", NULL, "kms\n", "!!str kms\n", "3:16: server.socketGroup: tags are not allowed; write the value without" },
  { "tag-on-list", NULL, SERVER, SERVER "  allowedUids: !!seq []\n",
    "4:16: server.allowedUids: tags are not allowed; write the value without" },
  { "second-document", NULL, NEAR_END, NEAR_END "---\nmore: 1\n", "22:1: a second document is not allowed" },
  { "list-at-top", NULL, base, "- 1\n", "1:1: must be a section with fields" },
  { "word-at-top", NULL, base, "word\n", "1:1: must be a section with fields" },
  { "complex-key", NULL, "server:\n", "server:\n  ? [a]\n  : b\n", "3:5: server: a field name must be a plain word" },
  { "zero-in-value", NULL, "socketGroup: kms", "socketGroup: \"k\\0\"",
    "3:16: server.socketGroup: a zero character is not allowed" },
  { "too-deep", NULL, "kms\n", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
    "3:30: server.socketGroup[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested too deeply" },

  /* names */
  { "unknown", NULL, "configVersion: v1alpha1\n", "configVersion: v1alpha1\nnonsense: 1\n",
    "2:1: nonsense: unknown field" },
  { "misspelt", NULL, SERVER, SERVER "  socketPth: /x\n",
    "4:3: server.socketPth: unknown field; did you mean \"server.socketPath\"?" },
  { "wrong-case", NULL, SERVER, SERVER "  socketpath: /x\n",
    "4:3: server.socketpath: unknown field; did you mean \"server.socketPath\"?" },
  { "wrong-section", NULL, "transit:\n", "transit:\n  clusterId: x\n",
    "15:3: transit.clusterId: unknown field; did you mean \"transit.keyIdScope.clusterId\"?" },
  { "dotted", NULL, "configVersion: v1alpha1\n", "configVersion: v1alpha1\nstate.path: /x\n",
    "2:1: state.path: unknown field" },
  { "merge", NULL, SERVER, SERVER "  <<: {}\n", "4:3: server.<<: unknown field" },
  { "duplicate", NULL, SERVER, SERVER "  \"socketGroup\": x\n",
    "4:3: server.socketGroup: stands here for a second time; the first is in line 3" },
  { "duplicate-section", NULL, NEAR_END, NEAR_END "server: {}\n",
    "22:1: server: stands here for a second time; the first is in line 2" },
  { "all-at-once", NULL, "  socketGroup: kms\nopenbao:\n", "  socketMode: 1\n  socketGrup: kms\nopenbao:\n  x: 1\n",
    "2:1: server.socketGroup: is missing; it is required\n"
    "3:15: server.socketMode: must not give access to the world, nor have execute or special bits\n"
    "4:3: server.socketGrup: unknown field; did you mean \"server.socketGroup\"?\n"
    "6:3: openbao.x: unknown field" },

  /* types */
  { "section-is-word", NULL,
    "  keyIdScope:\n    providerName: p\n    clusterId: c\n    transitMountId: m\n    keyLineageId: l\n",
    "  keyIdScope: p\n", "17:15: transit.keyIdScope: must be a section with fields" },
  { "section-is-list", NULL, "server:\n  socketGroup: kms\n", "server: [1]\n",
    "2:9: server: must be a section with fields" },
  { "value-is-list", NULL, "keyName: k8s", "keyName: [k8s]",
    "16:12: transit.keyName: must be a single value, not a list or a section" },
  { "value-is-section", NULL, "keyName: k8s", "keyName: {k: 8}",
    "16:12: transit.keyName: must be a single value, not a list or a section" },
  { "list-is-word", NULL, SERVER, SERVER "  allowedUids: 1000\n", "4:16: server.allowedUids: must be a list" },
  { "item-is-list", NULL, SERVER, SERVER "  allowedUids: [[1]]\n",
    "4:17: server.allowedUids[0]: must be a single value" },
  { "string-is-boolean", NULL, "clusterId: c", "clusterId: Yes", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-octal", NULL, "clusterId: c", "clusterId: 007", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-hex", NULL, "clusterId: c", "clusterId: 0x1F", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-float", NULL, "clusterId: c", "clusterId: 1.50", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-exponent", NULL, "clusterId: c", "clusterId: 1e3", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-base-60", NULL, "clusterId: c", "clusterId: 1:30", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-has-underscores", NULL, "clusterId: c", "clusterId: 1_000",
    "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-is-infinite", NULL, "clusterId: c", "clusterId: -.inf", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "string-has-plus", NULL, "clusterId: c", "clusterId: +5", "19:16: transit.keyIdScope.clusterId: " QUOTES },
  { "number-in-quotes", NULL, SERVER, SERVER "  maxConcurrentStatus: \"5\"\n",
    "4:24: server.maxConcurrentStatus: must be a number, without quotes" },
  { "number-is-word", NULL, SERVER, SERVER "  maxConcurrentStatus: five\n",
    "4:24: server.maxConcurrentStatus: must be a whole number in decimal digits" },
  { "number-is-fraction", NULL, SERVER, SERVER "  maxConcurrentStatus: 5.0\n",
    "4:24: server.maxConcurrentStatus: must be a whole number in decimal digits" },
  { "number-is-octal", NULL, SERVER, SERVER "  maxConcurrentStatus: 010\n",
    "4:24: server.maxConcurrentStatus: must be a whole number in decimal digits" },
  { "boolean-in-quotes", NULL, NEAR_END, NEAR_END "rotation:\n  rejectVersionRollback: 'true'\n",
    "23:26: rotation.rejectVersionRollback: must be true or false, without quotes" },
  { "boolean-is-number", NULL, NEAR_END, NEAR_END "rotation:\n  rejectVersionRollback: 1\n",
    "23:26: rotation.rejectVersionRollback: must be true or false" },
  { "duration-without-unit", NULL, NEAR_END, NEAR_END "status:\n  probeInterval: 30\n",
    "23:18: status.probeInterval: a unit is missing; write it like \"90s\", \"1h30m\" or \"500ms\"" },

  /* each field's own rule */
  { "version", NULL, "v1alpha1", "v1", "1:16: configVersion: must be \"v1alpha1\"" },
  { "socket-path-relative", NULL, SERVER, SERVER "  socketPath: kms.sock\n",
    "4:15: server.socketPath: must be an absolute path" },
  { "socket-path-elsewhere", NULL, SERVER, SERVER "  socketPath: /srv/kms.sock\n",
    "4:15: server.socketPath: must lie below one of these directories: " OBK_SOCKET_DIRECTORIES },
  { "socket-path-beside", NULL, SERVER, SERVER "  socketPath: /run/openbao-kms-x/kms.sock\n",
    "4:15: server.socketPath: must lie below one of these directories: " OBK_SOCKET_DIRECTORIES },
  { "socket-path-up", NULL, SERVER, SERVER "  socketPath: /run/openbao-kms/../kms.sock\n",
    "4:15: server.socketPath: " BAD_SEGMENT },
  { "socket-path-long", NULL, SERVER,
    SERVER "  socketPath: /run/openbao-kms/"
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    "4:15: server.socketPath: must not be longer than 107 bytes" },
  { "socket-path-empty", NULL, SERVER, SERVER "  socketPath: ''\n",
    "4:15: server.socketPath: must be an absolute path" },
  { "socket-path-is-directory", NULL, SERVER, SERVER "  socketPath: /run/openbao-kms/\n",
    "4:15: server.socketPath: must name a file, not a directory" },
  { "socket-mode-world", NULL, SERVER, SERVER "  socketMode: '0662'\n",
    "4:15: server.socketMode: must not give access to the world, nor have execute or special bits" },
  { "socket-mode-execute", NULL, SERVER, SERVER "  socketMode: '0760'\n",
    "4:15: server.socketMode: must not give access to the world, nor have execute or special bits" },
  { "socket-mode-special", NULL, SERVER, SERVER "  socketMode: '2660'\n",
    "4:15: server.socketMode: must not give access to the world, nor have execute or special bits" },
  { "socket-mode-not-octal", NULL, SERVER, SERVER "  socketMode: '0680'\n",
    "4:15: server.socketMode: must be an octal mode like \"0660\"" },
  { "socket-group-empty", NULL, "kms\n", "''\n", "3:16: server.socketGroup: is missing; it is required" },
  { "socket-group-gid", NULL, "kms\n", "'12x'\n", "3:16: server.socketGroup: must be a group's name or a decimal gid" },
  { "socket-group-no-gid", NULL, "kms\n", "4294967295\n",
    "3:16: server.socketGroup: must be a group's name or a decimal gid" },
  { "socket-group-odd", NULL, "kms\n", "'a:b'\n", "3:16: server.socketGroup: must be a group's name or a decimal gid" },
  { "uid-negative", NULL, SERVER, SERVER "  allowedUids:\n    - 0\n    - -1\n",
    "6:7: server.allowedUids[1]: must be a user's number in decimal digits" },
  { "uid-none", NULL, SERVER, SERVER "  allowedUids: [4294967295]\n",
    "4:17: server.allowedUids[0]: must be a user's number in decimal digits" },
  { "uid-twice", NULL, SERVER, SERVER "  allowedUids: [7, 8, 7]\n",
    "4:23: server.allowedUids[2]: stands in the list twice" },
  { "metrics-no-port", NULL, SERVER, SERVER "  metricsAddress: localhost\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-no-host", NULL, SERVER, SERVER "  metricsAddress: ':80'\n", "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-port-high", NULL, SERVER, SERVER "  metricsAddress: 0.0.0.0:65536\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-bare-ipv6", NULL, SERVER, SERVER "  metricsAddress: '::1:80'\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-name", NULL, SERVER, SERVER "  metricsAddress: node.example:8081\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-short-ipv4", NULL, SERVER, SERVER "  metricsAddress: '127.1:80'\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "metrics-ipv4-in-brackets", NULL, SERVER, SERVER "  metricsAddress: '[127.0.0.1]:80'\n",
    "4:19: server.metricsAddress: " NOT_ADDRESS },
  { "health-name", NULL, SERVER, SERVER "  healthAddress: localhost.example:8082\n",
    "4:18: server.healthAddress: " NOT_ADDRESS },
  { "metrics-unix-relative", NULL, SERVER, SERVER "  metricsAddress: unix:x\n",
    "4:19: server.metricsAddress: must be an absolute path" },
  { "health-is-metrics", NULL, SERVER, SERVER "  healthAddress: 127.0.0.1:8081\n",
    "4:18: server.healthAddress: must not be that of server.metricsAddress" },
  { "concurrency-none", NULL, SERVER, SERVER "  maxConcurrentEncrypt: 0\n",
    "4:25: server.maxConcurrentEncrypt: must be from 1 to 4096" },
  { "concurrency-high", NULL, SERVER, SERVER "  maxConcurrentDecrypt: 4097\n",
    "4:25: server.maxConcurrentDecrypt: must be from 1 to 4096" },
  { "address-http", NULL, "https://bao", "http://bao", "5:12: openbao.address: " NOT_URL },
  { "address-no-scheme", NULL, "https://bao", "bao", "5:12: openbao.address: " NOT_URL },
  { "address-no-host", NULL, "https://bao.test:8200", "https:///x", "5:12: openbao.address: must have a host" },
  { "address-user", NULL, "https://", "https://u:p@", "5:12: openbao.address: must not hold a user name or password" },
  { "address-query", NULL, ":8200", ":8200/?", "5:12: openbao.address: must not have a query (\"?\")" },
  { "address-fragment", NULL, ":8200", ":8200#f", "5:12: openbao.address: must not have a fragment (\"#\")" },
  { "address-port", NULL, ":8200", ":0", "5:12: openbao.address: must not have port 0" },
  { "address-port-high", NULL, ":8200", ":65536", "5:12: openbao.address: " NOT_URL },
  { "address-space", NULL, "bao.test:8200", "\"bao test\"", "5:12: openbao.address: " NOT_URL },
  { "address-encoded-host", NULL, "bao.test:8200", "b%61o", "5:12: openbao.address: " NOT_URL },
  { "address-dots", NULL, ":8200", ":8200/a/../b",
    "5:12: openbao.address: must not have an empty, \".\" or \"..\" segment in its path" },
  { "address-slashes", NULL, ":8200", ":8200//",
    "5:12: openbao.address: must not have an empty, \".\" or \"..\" segment in its path" },
  { "additional-is-first", NULL, "  caCertFile", "  additionalAddresses: ['https://bao.test:8200']\n  caCertFile",
    "6:24: openbao.additionalAddresses: must not hold openbao.address again" },
  { "additional-twice", NULL, "  caCertFile", "  additionalAddresses: ['https://a', 'https://a']\n  caCertFile",
    "6:38: openbao.additionalAddresses[1]: stands in the list twice" },
  { "additional-http", NULL, "  caCertFile", "  additionalAddresses: ['http://a']\n  caCertFile",
    "6:25: openbao.additionalAddresses[0]: " NOT_URL },
  { "additional-many", NULL, "  caCertFile",
    "  additionalAddresses: ['https://1', 'https://2', 'https://3', 'https://4', 'https://5', 'https://6', "
    "'https://7', "
    "'https://8', 'https://9']\n  caCertFile",
    "6:24: openbao.additionalAddresses: must not hold more than 8 entries" },
  { "namespace-absolute", NULL, "  caCertFile", "  namespace: /a\n  caCertFile",
    "6:14: openbao.namespace: " NOT_RELATIVE },
  { "namespace-trailing", NULL, "  caCertFile", "  namespace: a/\n  caCertFile",
    "6:14: openbao.namespace: " BAD_SEGMENT },
  { "namespace-up", NULL, "  caCertFile", "  namespace: a/../b\n  caCertFile",
    "6:14: openbao.namespace: " BAD_SEGMENT },
  { "namespace-here", NULL, "  caCertFile", "  namespace: .\n  caCertFile", "6:14: openbao.namespace: " BAD_SEGMENT },
  { "namespace-percent", NULL, "  caCertFile", "  namespace: a%2fb\n  caCertFile",
    "6:14: openbao.namespace: must not hold \"%\"" },
  { "namespace-control", NULL, "  caCertFile", "  namespace: \"a\\u0085b\"\n  caCertFile",
    "6:14: openbao.namespace: must not hold control characters" },
  { "namespace-space", NULL, "  caCertFile", "  namespace: \" a\"\n  caCertFile",
    "6:14: openbao.namespace: must not begin or end with white space" },
  { "ca-relative", NULL, "/ca.pem", "ca.pem", "6:15: openbao.caCertFile: " NOT_CREDENTIAL },
  { "ca-credential", NULL, "/ca.pem", "credential:a/b", "6:15: openbao.caCertFile: does not name a credential" },
  { "ca-credential-empty", NULL, "/ca.pem", "'credential:'", "6:15: openbao.caCertFile: does not name a credential" },
  { "instance-space", NULL, "bao-1", "\"bao-1\\u00a0\"",
    "8:15: openbao.instanceId: must not begin or end with white space" },
  { "cluster-control", NULL, "clusterId: c", "clusterId: \"c\\tc\"",
    "19:16: transit.keyIdScope.clusterId: must not hold control characters" },
  { "cluster-delete", NULL, "clusterId: c", "clusterId: \"c\\x7fc\"",
    "19:16: transit.keyIdScope.clusterId: must not hold control characters" },
  { "timeout-none", NULL, "  caCertFile", "  timeout: 0s\n  caCertFile",
    "6:12: openbao.timeout: must be more than 0s" },
  { "fips-mode", NULL, "  caCertFile", "  fipsMode: true\n  caCertFile",
    "6:13: openbao.fipsMode: must be \"auto\" or \"on\"" },
  { "mount-absolute", NULL, "mountPath: transit", "mountPath: /transit", "15:14: transit.mountPath: " NOT_RELATIVE },
  { "mount-segment", NULL, "mountPath: transit", "mountPath: a//b", "15:14: transit.mountPath: " BAD_SEGMENT },
  { "mount-percent", NULL, "mountPath: transit", "mountPath: a%b", "15:14: transit.mountPath: must not hold \"%\"" },
  { "key-dash-first", NULL, "k8s", "-k8s",
    "16:12: transit.keyName: must be of letters, digits and \"_\", and inside also of \".\" and \"-\"" },
  { "key-dot-last", NULL, "k8s", "k8s.",
    "16:12: transit.keyName: must be of letters, digits and \"_\", and inside also of \".\" and \"-\"" },
  { "key-slash", NULL, "k8s", "k/s",
    "16:12: transit.keyName: must be of letters, digits and \"_\", and inside also of \".\" and \"-\"" },
  { "key-not-ascii", NULL, "k8s", "k\u00e4s",
    "16:12: transit.keyName: must be of letters, digits and \"_\", and inside also of \".\" and \"-\"" },
  { "state-relative", NULL, NEAR_END, NEAR_END "state:\n  path: x\n", "23:9: state.path: must be an absolute path" },
  { "rotation-mode", NULL, NEAR_END, NEAR_END "rotation:\n  mode: active\n",
    "23:9: rotation.mode: must be \"observed\"" },
  { "stable-count", NULL, NEAR_END, NEAR_END "rotation:\n  requireStableObservationCount: 0\n",
    "23:34: rotation.requireStableObservationCount: must be from 1 to 2147483647" },
  { "activation-delay", NULL, NEAR_END, NEAR_END "rotation:\n  activationDelay: -1s\n",
    "23:20: rotation.activationDelay: negative; write it like \"90s\", \"1h30m\" or \"500ms\"" },
  { "grace-negative", NULL, NEAR_END, NEAR_END "bootstrap:\n  graceTimeout: -1s\n",
    "23:17: bootstrap.graceTimeout: negative; write it like \"90s\", \"1h30m\" or \"500ms\"" },
  { "retry-none", NULL, NEAR_END, NEAR_END "bootstrap:\n  retryInterval: 0s\n",
    "23:18: bootstrap.retryInterval: must be more than 0s" },
  { "log-level", NULL, NEAR_END, NEAR_END "logging:\n  level: warning\n",
    "23:10: logging.level: must be \"debug\", \"info\", \"warn\" or \"error\"; did you mean \"warn\"?" },
  { "log-format", NULL, NEAR_END, NEAR_END "logging:\n  format: xml\n",
    "23:11: logging.format: must be \"json\", \"text\" or \"journal\"" },

  /* what is required, and when */
  { "missing-field", NULL, "  tlsServerName: bao.test\n", "",
    "4:1: openbao.tlsServerName: is missing; it is required" },
  { "missing-value", NULL, "tlsServerName: bao.test",
    "tlsServerName:", "7:17: openbao.tlsServerName: is missing; it is required" },
  { "missing-section", NULL, "server:\n  socketGroup: kms\n", "",
    "1:1: server.socketGroup: is missing; it is required" },
  { "missing-jwt", NULL, "    mountPath: auth/jwt\n    role: kms\n    jwtFile: /identity.jwt\n", "",
    "10:3: auth.jwt.mountPath: is missing; it is required with auth.method jwt\n"
    "10:3: auth.jwt.role: is missing; it is required with auth.method jwt\n"
    "10:3: auth.jwt.jwtFile: is missing; it is required with auth.jwt.source file" },
  { "missing-oauth2", oauth2,
    "    expectedIssuer: https://idp.test\n    expectedAudience: [bao]\n    oauth2:\n      tokenUrl: "
    "https://idp.test/token\n"
    "      clientId: id\n      clientSecretFile: /secret\n",
    "",
    "10:3: auth.jwt.expectedIssuer: is missing; it is required with auth.jwt.source oauth2\n"
    "10:3: auth.jwt.expectedAudience: is missing; it is required with auth.jwt.source oauth2\n"
    "10:3: auth.jwt.oauth2.tokenUrl: is missing; it is required with auth.jwt.source oauth2\n"
    "10:3: auth.jwt.oauth2.clientId: is missing; it is required with auth.jwt.source oauth2\n"
    "10:3: auth.jwt.oauth2.clientSecretFile: is missing; it is required with auth.jwt.source oauth2" },
  { "missing-cert", cert, "    mountPath: auth/c\n    source: pkcs11\n    pkcs11:\n      maxSessions: 2\n",
    "    name: n\n",
    "11:3: auth.cert.mountPath: is missing; it is required with auth.method cert\n"
    "11:3: auth.cert.source: is missing; it is required with auth.method cert\n"
    "11:3: auth.cert.pkcs11.certificateFile: is missing; it is required with auth.method cert and no uri\n"
    "11:3: auth.cert.pkcs11.modulePath: is missing; it is required with auth.method cert and no uri\n"
    "11:3: auth.cert.pkcs11.tokenLabel: is missing; it is required with auth.method cert and no uri\n"
    "11:3: auth.cert.pkcs11.keyLabel: is missing; it is required with auth.method cert and no uri\n"
    "11:3: auth.cert.pkcs11.pinFile: is missing; it is required with auth.method cert and no uri\n"
    "11:3: auth.cert.pkcs11.maxSessions: is missing; it is required with auth.method cert" },
  { "auth-method", NULL, "auth:\n  jwt:\n", "auth:\n  method: jwtt\n  jwt:\n",
    "10:11: auth.method: must be \"jwt\" or \"cert\"; did you mean \"jwt\"?" },

  /* rules between fields */
  { "staleness", NULL, NEAR_END, NEAR_END "status:\n  statusMaxStaleness: 30s\n",
    "23:23: status.statusMaxStaleness: must be more than status.probeInterval (30s)" },
  { "staleness-default", NULL, NEAR_END, NEAR_END "status:\n  probeInterval: 2m\n",
    "22:1: status.statusMaxStaleness: must be more than status.probeInterval (2m0s)" },
  { "renewal", NULL, "auth:\n", "auth:\n  tokenRenewalIncrement: 5m\n",
    "10:26: auth.tokenRenewalIncrement: must be more than auth.loginBeforeTokenExpiry (5m0s)" },
  { "correlation-needs", NULL, NEAR_END,
    NEAR_END "logging:\n  logOpenBaoRequestIDs: false\n  debugCorrelation:\n    enabled: true\n    ttl: 61m\n",
    "24:3: logging.debugCorrelation.incidentId: must have 1 to 64 characters when logging.debugCorrelation is enabled\n"
    "25:14: logging.debugCorrelation.enabled: needs logging.level debug\n"
    "25:14: logging.debugCorrelation.enabled: needs logging.logOpenBaoRequestIDs\n"
    "26:10: logging.debugCorrelation.ttl: must be more than 0s and at most 1h when logging.debugCorrelation is "
    "enabled" },
  { "correlation-long-incident", NULL, NEAR_END,
    NEAR_END "logging:\n  level: debug\n  debugCorrelation:\n    enabled: on\n    ttl: 0s\n    incidentId: "
             "\"\u00e4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
    "26:10: logging.debugCorrelation.ttl: must be more than 0s and at most 1h when logging.debugCorrelation is "
    "enabled\n"
    "27:17: logging.debugCorrelation.incidentId: must have 1 to 64 characters when logging.debugCorrelation is "
    "enabled" },

  /* oauth2 */
  { "token-url", oauth2, "tokenUrl: https", "tokenUrl: http", "17:17: auth.jwt.oauth2.tokenUrl: " NOT_URL },
  { "oauth2-method", oauth2, "      clientId: id\n", "      clientId: id\n      authMethod: none\n",
    "19:19: auth.jwt.oauth2.authMethod: must be \"client_secret_basic\" or \"client_secret_post\"" },
  { "scope-space", oauth2, "      clientId: id\n", "      clientId: id\n      scopes: [a b]\n",
    "19:15: auth.jwt.oauth2.scopes: a scope must not hold spaces, quotes or backslashes" },
  { "resource-fragment", oauth2, "      clientId: id\n", "      clientId: id\n      resources: ['https://x/#f']\n",
    "19:19: auth.jwt.oauth2.resources[0]: must be an absolute URI without fragment (RFC 8707)" },
  { "resource-relative", oauth2, "      clientId: id\n", "      clientId: id\n      resources: [x]\n",
    "19:19: auth.jwt.oauth2.resources[0]: must be an absolute URI without fragment (RFC 8707)" },
  { "audience-twice", oauth2, "[bao]", "[bao, bao]", "15:29: auth.jwt.expectedAudience[1]: stands in the list twice" },
  { "audience-empty", oauth2, "[bao]", "['']", "15:24: auth.jwt.expectedAudience[0]: must not be empty" },

  /* PKCS#11 */
  { "spiffe", cert, "source: pkcs11\n", "source: spiffe\n",
    "13:13: auth.cert.source: \"spiffe\" is not supported: its agent is not there yet when the API server needs us to "
    "start; keep the key in a PKCS#11 token (\"pkcs11\")\n"
    "14:5: auth.cert.pkcs11.certificateFile: is missing; it is required with auth.method cert and no uri\n"
    "14:5: auth.cert.pkcs11.modulePath: is missing; it is required with auth.method cert and no uri\n"
    "14:5: auth.cert.pkcs11.tokenLabel: is missing; it is required with auth.method cert and no uri\n"
    "14:5: auth.cert.pkcs11.keyLabel: is missing; it is required with auth.method cert and no uri\n"
    "14:5: auth.cert.pkcs11.pinFile: is missing; it is required with auth.method cert and no uri" },
  { "sessions", cert, "maxSessions: 2\n", "maxSessions: 1\n      uri: pkcs11:object=a\n",
    "15:20: auth.cert.pkcs11.maxSessions: must be from 2 to 2147483647" },
  { "uri-excludes", cert, "maxSessions: 2\n",
    "maxSessions: 2\n      uri: pkcs11:object=a?pin-source=file:/p\n      modulePath: /m\n      tokenLabel: t\n"
    "      keyLabel: k\n      pinFile: /p\n",
    "17:19: auth.cert.pkcs11.modulePath: must not be given with auth.cert.pkcs11.uri, which replaces it\n"
    "18:19: auth.cert.pkcs11.tokenLabel: must not be given with auth.cert.pkcs11.uri, which replaces it\n"
    "19:17: auth.cert.pkcs11.keyLabel: must not be given with auth.cert.pkcs11.uri, which replaces it\n"
    "20:16: auth.cert.pkcs11.pinFile: must not be given with auth.cert.pkcs11.uri, whose pin-source replaces it" },
  { "uri-scheme", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs12:object=a\n",
    "16:12: auth.cert.pkcs11.uri: must begin with \"pkcs11:\"" },
  { "uri-pin", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a?pin-value=1234\n",
    "16:12: auth.cert.pkcs11.uri: must not hold the PIN itself; use pin-source=file:PATH" },
  { "uri-pin-command", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a?pin-source=%7cid\n",
    "16:12: auth.cert.pkcs11.uri: pin-source must be file:PATH with an absolute path" },
  { "uri-pin-elsewhere", cert, "maxSessions: 2\n",
    "maxSessions: 2\n      uri: pkcs11:object=a?pin-source=file://host/p\n",
    "16:12: auth.cert.pkcs11.uri: pin-source must be file:PATH with an absolute path" },
  { "uri-no-key", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:token=a\n",
    "16:12: auth.cert.pkcs11.uri: must name the key by object or id" },
  { "uri-twice", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a;object=b\n",
    "16:12: auth.cert.pkcs11.uri: holds an attribute twice" },
  { "uri-unknown", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a;pin-source=file:/x\n",
    "16:12: auth.cert.pkcs11.uri: holds an attribute that RFC 7512 does not know in that place" },
  { "uri-encoding", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a%2\n",
    "16:12: auth.cert.pkcs11.uri: holds a wrong percent-encoding" },
  { "uri-zero", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:object=a%00b\n",
    "16:12: auth.cert.pkcs11.uri: holds a wrong percent-encoding" },
};

static const Case accepted[] = {
  { "least", NULL, "kms\n", "kms\n", "server.socketPath = /run/openbao-kms/kms.sock" },
  { "byte-order-mark", NULL, "configVersion",
    "\xef\xbb\xbf"
    "configVersion",
    "configVersion = v1alpha1" },
  { "document-marks", NULL, "configVersion", "%YAML 1.1\n---\nconfigVersion", "configVersion = v1alpha1" },
  { "mode-plain", NULL, SERVER, SERVER "  socketMode: 0600\n", "server.socketMode = 0600" },
  { "mode-quoted", NULL, SERVER, SERVER "  socketMode: \"600\"\n", "server.socketMode = 0600" },
  { "mode-go", NULL, SERVER, SERVER "  socketMode: 0o640\n", "server.socketMode = 0640" },
  { "group-gid", NULL, "kms\n", "1234\n", "server.socketGroup = 1234" },
  { "socket-path-below", NULL, SERVER, SERVER "  socketPath: /var/run/openbao-kms/a/b.sock\n",
    "server.socketPath = /var/run/openbao-kms/a/b.sock" },
  { "uids", NULL, SERVER, SERVER "  allowedUids: [0, 4294967294]\n", "server.allowedUids = [0, 4294967294]" },
  { "metrics-off", NULL, SERVER, SERVER "  metricsAddress: ''\n", "server.metricsAddress = " },
  { "metrics-null", NULL, SERVER, SERVER "  metricsAddress: ~\n", "server.metricsAddress = 127.0.0.1:8081" },
  { "metrics-ipv6", NULL, SERVER, SERVER "  metricsAddress: '[::1]:0'\n  healthAddress: '[::1]:0'\n",
    "server.metricsAddress = [::1]:0" },
  { "metrics-any", NULL, SERVER, SERVER "  metricsAddress: 0.0.0.0:8081\n", "server.metricsAddress = 0.0.0.0:8081" },
  { "metrics-localhost", NULL, SERVER, SERVER "  metricsAddress: localhost:8081\n",
    "server.metricsAddress = localhost:8081" },
  { "metrics-unix", NULL, SERVER, SERVER "  metricsAddress: unix:/run/m.sock\n",
    "server.metricsAddress = unix:/run/m.sock" },
  { "addresses", NULL, "  caCertFile", "  additionalAddresses:\n  - HTTPS://[::1]/prefix/\n  - https://b\n  caCertFile",
    "openbao.additionalAddresses = [HTTPS://[::1]/prefix/, https://b]" },
  { "namespace", NULL, "  caCertFile", "  namespace: \"a b/\u00e4<&>\"\n  caCertFile",
    "openbao.namespace = a b/\u00e4<&>" },
  { "credential", NULL, "/identity.jwt", "credential:id.jwt", "auth.jwt.jwtFile = credential:id.jwt" },
  { "fips-on", NULL, "  caCertFile", "  fipsMode: on\n  caCertFile", "openbao.fipsMode = on" },
  { "string-of-digits", NULL, "clusterId: c", "clusterId: 12345", "transit.keyIdScope.clusterId = 12345" },
  { "string-date", NULL, "clusterId: c", "clusterId: 2024-01-01", "transit.keyIdScope.clusterId = 2024-01-01" },
  { "string-quoted-boolean", NULL, "clusterId: c", "clusterId: 'true'", "transit.keyIdScope.clusterId = true" },
  { "string-block", NULL, "clusterId: c", "clusterId: >-\n      a\n      b", "transit.keyIdScope.clusterId = a b" },
  { "key-name", NULL, "k8s", "_k-8.s_", "transit.keyName = _k-8.s_" },
  { "boolean-words", NULL, NEAR_END, NEAR_END "rotation:\n  rejectVersionRollback: Off\n",
    "rotation.rejectVersionRollback = false" },
  { "null-section", NULL, NEAR_END, NEAR_END "rotation:\n", "rotation.mode = observed" },
  { "grace-none", NULL, NEAR_END, NEAR_END "bootstrap:\n  graceTimeout: 0s\n", "bootstrap.graceTimeout = 0s" },
  { "duration", NULL, NEAR_END, NEAR_END "status:\n  deepProbeInterval: 1h30m\n",
    "status.deepProbeInterval = 1h30m0s" },
  { "login-timeout-least", NULL, "kms\n", "kms\n", "auth.loginTimeout = 5s" },
  { "login-timeout-follows", NULL, "  caCertFile", "  timeout: 7s\n  caCertFile", "auth.loginTimeout = 7s" },
  { "login-timeout-given", NULL, "auth:\n", "auth:\n  loginTimeout: 1s\n", "auth.loginTimeout = 1s" },
  { "correlation", NULL, NEAR_END,
    NEAR_END "logging:\n  level: debug\n  debugCorrelation: {enabled: true, ttl: 1h, incidentId: x}\n",
    "logging.debugCorrelation.ttl = 1h0m0s" },
  { "correlation-off", NULL, NEAR_END, NEAR_END "logging:\n  debugCorrelation: {ttl: 2h}\n",
    "logging.debugCorrelation.ttl = 2h0m0s" },
  { "oauth2", oauth2, "clientId: id", "clientId: id\n      scopes: [a, b]", "auth.jwt.oauth2.scopes = [a, b]" },
  { "cert", cert, "maxSessions: 2\n",
    "maxSessions: 4\n      certificateFile: /c\n      modulePath: /m\n      tokenLabel: t\n      keyLabel: k\n"
    "      pinFile: credential:pin\n",
    "auth.cert.pkcs11.pinFile = credential:pin" },
  { "cert-uri", cert, "maxSessions: 2\n",
    "maxSessions: 2\n      uri: pkcs11:token=my%20token;object=k;type=private?pin-source=file:/p&module-name=m\n",
    "auth.cert.pkcs11.uri = pkcs11:token=my%20token;object=k;type=private?pin-source=file:/p&module-name=m" },
  { "cert-uri-and-pin", cert, "maxSessions: 2\n", "maxSessions: 2\n      uri: pkcs11:id=%01\n      pinFile: /p\n",
    "auth.cert.pkcs11.pinFile = /p" },
  { "empty-is-unset", cert, "maxSessions: 2\n",
    "maxSessions: 2\n      uri: pkcs11:id=%01\n      modulePath: ''\n  jwt:\n    role: ''\n", "auth.jwt.role = " },
};

static void
add_cases (const char *prefix, const Case *cases, gsize n, GTestDataFunc function)
{
  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *path = g_strconcat (prefix, cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], function);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions (); /* each case by itself */
  add_cases ("/config-rules/refused/", refused, G_N_ELEMENTS (refused), test_refused);
  add_cases ("/config-rules/accepted/", accepted, G_N_ELEMENTS (accepted), test_accepted);
  return g_test_run ();
}
