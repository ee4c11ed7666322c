/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/error.h"
#include "config/field.h"
#include "config/value.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The least that is complete */
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

#define NEAR_END "    keyLineageId: l\n"
#define SERVER "  socketGroup: kms\n"
#define NOT_ADDRESS                                                                                                    \
  "must be IP:PORT as in 127.0.0.1:8081, 0.0.0.0:8081 or [::1]:8081, localhost:PORT, unix:/PATH, or empty to switch "  \
  "it off; no other name is looked up"

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

static ObkConfig *
parse (const char *text, const ObkConfigFlags *flags, char **found)
{
  g_autoptr (GPtrArray) problems = NULL;
  ObkConfig *config = obk_config_parse (text, strlen (text), flags, &problems);

  *found = problems_text (problems);
  return config;
}

/* @paths: of the files that are read, with spaces */
static void
assert_read_files (const ObkConfig *config, const char *paths)
{
  g_autoptr (GPtrArray) files = obk_config_read_files (config);
  g_autofree char *joined = NULL;

  g_ptr_array_add (files, NULL);
  joined = g_strjoinv (" ", (GStrv)files->pdata);
  g_assert_cmpstr (joined, ==, paths);
}

static void
assert_value (const ObkConfig *config, const char *name, const char *value, ObkOrigin origin)
{
  const ObkConfigField *field = obk_config_field_find (name);
  g_autofree char *text = obk_value_to_text (field, config);

  g_assert_cmpstr (text, ==, value);
  g_assert_cmpint (obk_config_field_origin (field, config), ==, origin);
}

static void
test_values (void)
{
  g_autofree char *found = NULL;
  g_autoptr (ObkConfig) config = parse (base, NULL, &found);

  g_assert_cmpstr (found, ==, "");
  g_assert_cmpstr (config->server.socket_group, ==, "kms");
  g_assert_cmpuint (config->server.socket_mode, ==, 0660);
  g_assert_cmpuint (config->server.allowed_uids->len, ==, 0);
  g_assert_cmpuint (config->server.max_concurrent_status, ==, 16);
  g_assert_cmpuint (config->server.max_concurrent_encrypt, ==, 32);
  g_assert_cmpuint (config->server.max_concurrent_decrypt, ==, 64);
  g_assert_cmpstr (config->openbao.namespace, ==, "");
  g_assert_cmpint (config->openbao.timeout_us, ==, 2 * G_USEC_PER_SEC);
  g_assert_cmpint (config->openbao.fips_mode, ==, OBK_FIPS_AUTO);
  g_assert_cmpint (config->auth.method, ==, OBK_AUTH_JWT);
  g_assert_cmpint (config->auth.jwt.source, ==, OBK_JWT_FILE);
  g_assert_cmpint (config->auth.jwt.oauth2.auth_method, ==, OBK_OAUTH2_BASIC);
  g_assert_null (config->auth.jwt.expected_audience[0]);
  g_assert_cmpint (config->logging.level, ==, OBK_LOG_INFO);
  g_assert_cmpint (config->logging.format, ==, OBK_LOG_FORMAT_JSON);
  g_assert_true (config->logging.openbao_request_ids);
  g_assert_true (config->rotation.reject_version_rollback);
  g_assert_cmpuint (config->rotation.stable_observation_count, ==, 3);
  assert_value (config, "server.socketGroup", "kms", OBK_ORIGIN_FILE);
  assert_value (config, "server.socketPath", "/run/openbao-kms/kms.sock", OBK_ORIGIN_DEFAULT);
  assert_read_files (config, "/ca.pem /identity.jwt");
}

/* Every field once, in JSON, which is YAML too. */
static void
test_json (void)
{
  static const char text[]
      = "{\"configVersion\": \"v1alpha1\",\n"
        "\"server\": {\"socketPath\": \"/run/openbao-kms/a\", \"socketMode\": \"0600\", \"socketGroup\": \"g\",\n"
        " \"allowedUids\": [3], \"metricsAddress\": \"\", \"healthAddress\": \"unix:/h\", \"maxConcurrentStatus\": 1,\n"
        " \"maxConcurrentEncrypt\": 2, \"maxConcurrentDecrypt\": 4096},\n"
        "\"openbao\": {\"address\": \"https://a\", \"additionalAddresses\": [\"https://b\"], \"namespace\": \"n\",\n"
        " \"caCertFile\": \"/a\", \"tlsServerName\": \"t\", \"timeout\": \"1s\", \"fipsMode\": \"on\", \"instanceId\": "
        "\"i\"},\n"
        "\"auth\": {\"method\": \"cert\", \"loginBeforeTokenExpiry\": \"1s\", \"tokenRenewalIncrement\": \"2s\",\n"
        " \"loginTimeout\": \"3s\", \"jwt\": {\"source\": \"oauth2\", \"mountPath\": \"j\", \"role\": \"r\", "
        "\"jwtFile\": \"/j\",\n"
        "  \"minRemainingTtl\": \"1s\", \"clockSkewLeeway\": \"0s\", \"expectedIssuer\": \"i\", \"expectedAudience\": "
        "[\"a\"],\n"
        "  \"expectedSubject\": \"s\", \"oauth2\": {\"tokenUrl\": \"https://t\", \"clientId\": \"c\",\n"
        "   \"authMethod\": \"client_secret_post\", \"clientSecretFile\": \"/s\", \"caCertFile\": \"/c\",\n"
        "   \"scopes\": [\"s\"], \"audience\": \"a\", \"resources\": [\"urn:r\"]}},\n"
        " \"cert\": {\"mountPath\": \"c\", \"name\": \"n\", \"minRemainingTtl\": \"1s\", \"clockSkewLeeway\": \"0s\",\n"
        "  \"source\": \"pkcs11\", \"pkcs11\": {\"certificateFile\": \"/f\", \"modulePath\": \"/m\", \"tokenLabel\": "
        "\"t\",\n"
        "   \"keyLabel\": \"k\", \"pinFile\": \"credential:p\", \"uri\": \"\", \"maxSessions\": 2}}},\n"
        "\"transit\": {\"mountPath\": \"m\", \"keyName\": \"k\", \"keyIdScope\": {\"providerName\": \"p\",\n"
        "  \"clusterId\": \"c\", \"transitMountId\": \"t\", \"keyLineageId\": \"l\"}},\n"
        "\"bootstrap\": {\"graceTimeout\": \"0s\", \"retryInterval\": \"1s\"},\n"
        "\"status\": {\"probeInterval\": \"1s\", \"deepProbeInterval\": \"1s\", \"statusMaxStaleness\": \"2s\"},\n"
        "\"state\": {\"path\": \"/s\"},\n"
        "\"rotation\": {\"mode\": \"observed\", \"activationDelay\": \"1s\", \"requireStableObservationCount\": 1,\n"
        " \"rejectVersionRollback\": false},\n"
        "\"logging\": {\"level\": \"debug\", \"format\": \"journal\", \"logOpenBaoRequestIDs\": true,\n"
        " \"debugCorrelation\": {\"enabled\": true, \"ttl\": \"1s\", \"incidentId\": \"i\"}}}\n";
  g_autofree char *found = NULL;
  g_autoptr (ObkConfig) config = parse (text, NULL, &found);

  g_assert_cmpstr (found, ==, "");
  for (gsize i = 0; i < obk_config_n_fields (); i++)
    g_assert_cmpint (obk_config_field_origin (&obk_config_fields[i], config), ==, OBK_ORIGIN_FILE);
  g_assert_cmpuint (config->server.socket_mode, ==, 0600);
  g_assert_cmpuint (g_array_index (config->server.allowed_uids, guint32, 0), ==, 3);
  g_assert_cmpint (config->openbao.fips_mode, ==, OBK_FIPS_ON);
  g_assert_cmpint (config->auth.method, ==, OBK_AUTH_CERT);
  g_assert_cmpint (config->auth.jwt.source, ==, OBK_JWT_OAUTH2);
  g_assert_cmpint (config->auth.jwt.oauth2.auth_method, ==, OBK_OAUTH2_POST);
  g_assert_cmpstr (config->auth.cert.source, ==, "pkcs11");
  g_assert_cmpuint (config->auth.cert.pkcs11.max_sessions, ==, 2);
  g_assert_cmpstr (config->transit.scope.mount_id, ==, "t");
  g_assert_cmpint (config->status.max_staleness_us, ==, 2 * G_USEC_PER_SEC);
  g_assert_cmpint (config->logging.level, ==, OBK_LOG_DEBUG);
  g_assert_cmpint (config->logging.format, ==, OBK_LOG_FORMAT_JOURNAL);
  g_assert_true (config->logging.debug_correlation.enabled);
  g_assert_false (config->rotation.reject_version_rollback);
  assert_read_files (config, "/a /j /s /c /f credential:p");
}

/* What the rest of config/ takes for granted about the table */
static void
test_table (void)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) offsets = g_hash_table_new (g_direct_hash, g_direct_equal);
  g_autoptr (GHashTable) left = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *last = "";

  for (gsize i = 0; i < obk_config_n_fields (); i++)
    {
      const ObkConfigField *field = &obk_config_fields[i];
      const char *dot = strrchr (field->name, '.');
      g_autofree char *section = g_strndup (field->name, dot != NULL ? (gsize)(dot - field->name) : 0);

      g_assert_true (g_hash_table_add (names, (gpointer)field->name));
      g_assert_true (g_hash_table_add (offsets, GSIZE_TO_POINTER (field->offset)));
      g_assert_true (field->preset == NULL || field->required == OBK_REQUIRED_NEVER);
      g_assert_cmpint (field->is_read_file, ==, g_str_has_suffix (field->name, "File"));
      g_assert_true ((field->type == OBK_TYPE_CHOICE) <= (field->choices != NULL && field->preset != NULL));
      g_assert_true ((field->type == OBK_TYPE_STRING) <= ((field->rule != NULL) != (field->choices != NULL)));
      g_assert_true ((field->type == OBK_TYPE_STRINGS) <= (field->rule != NULL && field->max > 0));
      g_assert_true (g_str_has_suffix (field->help, "."));
      /* Its members stand together: once left, a section is not come back to, but from a section inside of it. */
      if (strcmp (section, last) != 0 && !g_str_has_prefix (section, last))
        g_hash_table_add (left, g_strdup (last));
      g_assert_false (g_hash_table_contains (left, section));
      last = g_intern_string (section);
    }
}

static void
test_children (void)
{
  ObkConfigChildren children = { .section = "auth.cert" };
  g_autoptr (GString) seen = g_string_new (NULL);

  while (obk_config_children_next (&children))
    g_string_append_printf (seen, "%s%s ", children.leaf, children.field == NULL ? "/" : "");
  g_assert_cmpstr (seen->str, ==, "mountPath name minRemainingTtl clockSkewLeeway source pkcs11/ ");

  children = (ObkConfigChildren){ .section = "" };
  g_string_truncate (seen, 0);
  while (obk_config_children_next (&children))
    g_string_append_printf (seen, "%s%s ", children.name, children.field == NULL ? "/" : "");
  g_assert_cmpstr (seen->str, ==,
                   "configVersion server/ openbao/ auth/ transit/ bootstrap/ status/ state/ rotation/ logging/ ");
}

static void
clear_environment (void)
{
  static const char *const names[] = { "BAO_KMS_PROVIDER_CONFIG",
                                       "BAO_KMS_PROVIDER_CONFIG_PATH",
                                       "BAO_KMS_PROVIDER_LOG_LEVEL",
                                       "BAO_KMS_PROVIDER_LOGGING_LEVEL",
                                       "BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS",
                                       "BAO_KMS_PROVIDER_SERVER_METRICSADDRESS",
                                       "BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS",
                                       "BAO_KMS_PROVIDER_SERVER_HEALTHADDRESS" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
}

static void
test_environment (void)
{
  g_autofree char *text
      = replace (base, SERVER, SERVER "  metricsAddress: 127.0.0.1:1\n  healthAddress: 127.0.0.2:2\n");
  g_autofree char *found = NULL;
  g_autoptr (ObkConfig) config = NULL;

  clear_environment ();
  g_setenv ("BAO_KMS_PROVIDER_LOGGING_LEVEL", "error", TRUE);
  g_setenv ("BAO_KMS_PROVIDER_SERVER_METRICSADDRESS", "127.0.0.3:3", TRUE);
  g_setenv ("BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS", "127.0.0.4:4", TRUE);
  g_setenv ("BAO_KMS_PROVIDER_SERVER_HEALTHADDRESS", "127.0.0.5:5", TRUE);
  config = parse (text, NULL, &found);
  g_assert_cmpstr (found, ==, "");
  assert_value (config, "logging.level", "error", OBK_ORIGIN_ENVIRONMENT);
  assert_value (config, "server.metricsAddress", "127.0.0.3:3", OBK_ORIGIN_ENVIRONMENT);
  assert_value (config, "server.healthAddress", "127.0.0.4:4", OBK_ORIGIN_ENVIRONMENT);
  g_clear_pointer (&config, obk_config_free);
  g_clear_pointer (&found, g_free);

  /* Set to nothing is not set; the first of two names wins. */
  g_setenv ("BAO_KMS_PROVIDER_LOG_LEVEL", "warn", TRUE);
  g_setenv ("BAO_KMS_PROVIDER_SERVER_METRICSADDRESS", "", TRUE);
  config = parse (text, NULL, &found);
  g_assert_cmpstr (found, ==, "");
  assert_value (config, "logging.level", "warn", OBK_ORIGIN_ENVIRONMENT);
  assert_value (config, "server.metricsAddress", "127.0.0.1:1", OBK_ORIGIN_FILE);
  clear_environment ();
}

static void
test_flags (void)
{
  const ObkConfigFlags flags = { .log_level = "debug", .metrics_address = "" };
  g_autofree char *found = NULL;
  g_autoptr (ObkConfig) config = NULL;

  clear_environment ();
  g_setenv ("BAO_KMS_PROVIDER_LOG_LEVEL", "warn", TRUE);
  g_setenv ("BAO_KMS_PROVIDER_SERVER_HEALTH_ADDRESS", "127.0.0.4:4", TRUE);
  config = parse (base, &flags, &found);
  g_assert_cmpstr (found, ==, "");
  assert_value (config, "logging.level", "debug", OBK_ORIGIN_FLAG);
  assert_value (config, "server.metricsAddress", "", OBK_ORIGIN_FLAG);
  assert_value (config, "server.healthAddress", "127.0.0.4:4", OBK_ORIGIN_ENVIRONMENT);
  clear_environment ();
}

static void
test_wrong_overrides (void)
{
  const ObkConfigFlags flags = { .log_level = "loud", .health_address = "127.0.0.1:8081" };
  g_autofree char *text = replace (base, NEAR_END, NEAR_END "logging: {level: quiet}\n");
  g_autofree char *found = NULL;

  clear_environment ();
  g_setenv ("BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS", "nowhere", TRUE);
  g_assert_null (parse (text, &flags, &found));
  g_assert_cmpstr (found, ==,
                   "--log-level: logging.level: must be \"debug\", \"info\", \"warn\" or \"error\"\n"
                   "BAO_KMS_PROVIDER_SERVER_METRICS_ADDRESS: server.metricsAddress: " NOT_ADDRESS "\n"
                   "F:22:18: logging.level: must be \"debug\", \"info\", \"warn\" or \"error\"");
  g_clear_pointer (&found, g_free);

  /* A rule between fields names what won. */
  clear_environment ();
  g_assert_null (parse (base, &(ObkConfigFlags){ .health_address = "127.0.0.1:8081" }, &found));
  g_assert_cmpstr (found, ==, "--health-address: server.healthAddress: must not be that of server.metricsAddress");
}

static void
test_many_problems (void)
{
  g_autoptr (GString) text = g_string_new (base);
  g_autoptr (GPtrArray) problems = NULL;
  const ObkConfigProblem *last = NULL;

  for (guint i = 0; i < 500; i++)
    g_string_append_printf (text, "nonsense%u: 1\n", i);
  g_assert_null (obk_config_parse (text->str, text->len, NULL, &problems));
  g_assert_cmpuint (problems->len, ==, 101);
  last = g_ptr_array_index (problems, 100);
  g_assert_cmpstr (last->text, ==, "there are more problems, which are not listed");

  for (guint i = 0; i < 600; i++)
    g_string_append_printf (text, "more%u: 1\n", i);
  g_clear_pointer (&problems, g_ptr_array_unref);
  g_assert_null (obk_config_parse (text->str, text->len, NULL, &problems));
  g_assert_cmpuint (problems->len, ==, 1);
  last = g_ptr_array_index (problems, 0);
  g_assert_cmpstr (last->text, ==, "too many entries");
}

/* A problem is one line of moderate length, whatever stands in the file. */
static void
test_odd_names (void)
{
  g_autofree char *long_name = g_strnfill (1000, 'x');
  g_autofree char *text = g_strdup_printf ("%s\"a\\nb\\e[31m\": 1\n\"%s\u00e4\": 1\n", base, long_name);
  g_autofree char *found = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_null (parse (text, NULL, &found));
  lines = g_strsplit (found, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
  g_assert_cmpstr (lines[0], ==, "F:22:1: a?b?[31m: unknown field");
  g_assert_true (g_str_has_prefix (lines[1], "F:23:1: xxxx"));
  g_assert_cmpuint (strlen (lines[1]), <, 400);
}

typedef struct
{
  char *directory;
  char *path;
} Files;

static void
set_up_files (Files *files, gconstpointer data)
{
  clear_environment ();
  files->directory = g_dir_make_tmp ("obk-config-XXXXXX", NULL);
  files->path = g_build_filename (files->directory, "config.yaml", NULL);
  g_assert_true (g_file_set_contents (files->path, base, -1, NULL));
  g_assert_cmpint (chmod (files->path, 0640), ==, 0);
}

static void
tear_down_files (Files *files, gconstpointer data)
{
  g_unlink (files->path);
  g_assert_cmpint (g_rmdir (files->directory), ==, 0);
  g_free (files->path);
  g_free (files->directory);
}

static void
assert_load_fails (const char *path, const char *part)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (obk_config_load (path, NULL, &problems, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, part));
  g_assert_nonnull (problems);
}

static void
test_file (Files *files, gconstpointer data)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkConfig) config = obk_config_load (files->path, NULL, &problems, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  g_assert_cmpuint (problems->len, ==, 0);
}

static void
test_file_from_environment (Files *files, gconstpointer data)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkConfig) config = NULL;

  g_assert_cmpstr (obk_config_path (NULL), ==, "/etc/openbao-kms/config.yaml");
  g_setenv ("BAO_KMS_PROVIDER_CONFIG_PATH", files->path, TRUE);
  config = obk_config_load (NULL, NULL, &problems, &error);
  g_assert_no_error (error);
  g_assert_nonnull (config);
  g_setenv ("BAO_KMS_PROVIDER_CONFIG", "/first", TRUE);
  g_assert_cmpstr (obk_config_path (NULL), ==, "/first");
  g_assert_cmpstr (obk_config_path ("/flag"), ==, "/flag");
  clear_environment ();
}

static void
test_file_unsafe (Files *files, gconstpointer data)
{
  static const struct
  {
    guint mode;
    const char *bits;
  } modes[] = { { 0660, "0020" }, { 0650, "0010" }, { 0644, "0004" }, { 0642, "0002" }, { 0641, "0001" } };
  g_autofree char *link = g_build_filename (files->directory, "link", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpint (chmod (files->path, modes[i].mode), ==, 0);
      assert_load_fails (files->path, modes[i].bits);
    }
  g_assert_cmpint (chmod (files->path, 0600), ==, 0);
  g_assert_cmpint (symlink (files->path, link), ==, 0);
  assert_load_fails (link, "symbolic link");
  g_unlink (link);
  assert_load_fails (files->directory, "not a regular file");
  assert_load_fails (link, "No such file");
}

static void
test_file_of_another_user (Files *files, gconstpointer data)
{
  if (geteuid () != 0)
    {
      g_test_skip ("needs root, to give a file away");
      return;
    }
  g_assert_cmpint (chown (files->path, 65534, (gid_t)-1), ==, 0);
  assert_load_fails (files->path, "belongs to uid 65534");
}

static void
test_file_size (Files *files, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (base);
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (ObkConfig) config = NULL;

  g_string_append_c (text, '#');
  while (text->len < 256 * 1024)
    g_string_append_c (text, ' ');
  g_assert_true (
      g_file_set_contents_full (files->path, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  config = obk_config_load (files->path, NULL, &problems, NULL);
  g_assert_nonnull (config);
  g_string_append_c (text, ' ');
  g_assert_true (
      g_file_set_contents_full (files->path, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  assert_load_fails (files->path, "larger than 262144 bytes");
}

static void
test_file_with_problems (Files *files, gconstpointer data)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;
  g_autofree char *expected = NULL;

  g_assert_true (g_file_set_contents_full (files->path, "configVersion: v1alpha1\nx: 1\n", -1,
                                           G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  g_assert_null (obk_config_load (files->path, NULL, &problems, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
  g_assert_cmpuint (problems->len, ==, 15);
  expected = g_strdup_printf ("15 problems in \"%s\"", files->path);
  g_assert_cmpstr (error->message, ==, expected);
  line = obk_config_problem_format (g_ptr_array_index (problems, 14), files->path);
  g_clear_pointer (&expected, g_free);
  expected = g_strdup_printf ("%s:2:1: x: unknown field", files->path);
  g_assert_cmpstr (line, ==, expected);
}

static void
test_example (void)
{
  g_autofree char *text = NULL;
  g_autofree char *found = NULL;
  g_autoptr (ObkConfig) config = NULL;
  gsize length = 0;

  clear_environment ();
  g_assert_true (g_file_get_contents (g_getenv ("OBK_EXAMPLE_CONFIG"), &text, &length, NULL));
  config = parse (text, NULL, &found);
  g_assert_cmpstr (found, ==, "");
  g_assert_cmpstr (config->transit.key_name, ==, "kubernetes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  clear_environment ();
  g_test_add_func ("/config/values", test_values);
  g_test_add_func ("/config/json-with-every-field", test_json);
  g_test_add_func ("/config/table", test_table);
  g_test_add_func ("/config/children", test_children);
  g_test_add_func ("/config/environment", test_environment);
  g_test_add_func ("/config/flags", test_flags);
  g_test_add_func ("/config/wrong-overrides", test_wrong_overrides);
  g_test_add_func ("/config/many-problems", test_many_problems);
  g_test_add_func ("/config/odd-names", test_odd_names);
  g_test_add_func ("/config/example", test_example);
  g_test_add ("/config/file/good", Files, NULL, set_up_files, test_file, tear_down_files);
  g_test_add ("/config/file/from-environment", Files, NULL, set_up_files, test_file_from_environment, tear_down_files);
  g_test_add ("/config/file/unsafe", Files, NULL, set_up_files, test_file_unsafe, tear_down_files);
  g_test_add ("/config/file/of-another-user", Files, NULL, set_up_files, test_file_of_another_user, tear_down_files);
  g_test_add ("/config/file/size", Files, NULL, set_up_files, test_file_size, tear_down_files);
  g_test_add ("/config/file/with-problems", Files, NULL, set_up_files, test_file_with_problems, tear_down_files);
  return g_test_run ();
}
