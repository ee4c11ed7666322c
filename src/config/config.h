/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as plain values; every field is described once, in field-table.c. */
#pragma once

#include <glib.h>

#include "base/log.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_AUTH_JWT,
  OBK_AUTH_CERT
} ObkAuthMethod;
typedef enum
{
  OBK_JWT_FILE,
  OBK_JWT_OAUTH2
} ObkJwtSource;
typedef enum
{
  OBK_FIPS_AUTO,
  OBK_FIPS_ON
} ObkFipsMode;
typedef enum
{
  OBK_OAUTH2_BASIC,
  OBK_OAUTH2_POST
} ObkOauth2Method;
typedef enum
{
  OBK_LOG_FORMAT_JSON,
  OBK_LOG_FORMAT_TEXT,
  OBK_LOG_FORMAT_JOURNAL
} ObkLogFormat;

/**
 * ObkConfig:
 *
 * Strings that are not set are "" where the field has a default of "empty", lists are %NULL-ended and
 * never %NULL. Durations are microseconds. Paths may be "credential:NAME" where spec configuration.md
 * allows it (obk_credential_path()).
 */
typedef struct
{
  char *config_version;

  struct
  {
    char *socket_path;
    guint socket_mode;
    char *socket_group;   /* name or decimal gid */
    GArray *allowed_uids; /* of guint32 */
    char *metrics_address;
    char *health_address;
    guint max_concurrent_status;
    guint max_concurrent_encrypt;
    guint max_concurrent_decrypt;
  } server;

  struct
  {
    char *address;
    GStrv additional_addresses;
    char *namespace; /* "" without one */
    char *ca_cert_file;
    char *tls_server_name;
    gint64 timeout_us;
    ObkFipsMode fips_mode;
    char *instance_id;
  } openbao;

  struct
  {
    ObkAuthMethod method;
    gint64 login_before_token_expiry_us;
    gint64 token_renewal_increment_us;
    gint64 login_timeout_us; /* resolved: never 0 */

    struct
    {
      ObkJwtSource source;
      char *mount_path;
      char *role;
      char *jwt_file;
      gint64 min_remaining_ttl_us;
      gint64 clock_skew_leeway_us;
      char *expected_issuer;
      GStrv expected_audience;
      char *expected_subject;

      struct
      {
        char *token_url;
        char *client_id;
        ObkOauth2Method auth_method;
        char *client_secret_file;
        char *ca_cert_file;
        GStrv scopes;
        char *audience;
        GStrv resources;
      } oauth2;
    } jwt;

    struct
    {
      char *mount_path;
      char *name;
      gint64 min_remaining_ttl_us;
      gint64 clock_skew_leeway_us;
      char *source; /* "pkcs11" */

      struct
      {
        char *certificate_file;
        char *module_path;
        char *token_label;
        char *key_label;
        char *pin_file;
        char *uri;
        guint max_sessions;
      } pkcs11;
    } cert;
  } auth;

  struct
  {
    char *mount_path;
    char *key_name;

    struct
    {
      char *provider_name;
      char *cluster_id;
      char *mount_id;
      char *key_lineage_id;
    } scope;
  } transit;

  struct
  {
    gint64 grace_timeout_us;
    gint64 retry_interval_us;
  } bootstrap;

  struct
  {
    gint64 probe_interval_us;
    gint64 deep_probe_interval_us;
    gint64 max_staleness_us;
  } status;

  struct
  {
    char *path;
  } state;

  struct
  {
    char *mode; /* "observed" */
    gint64 activation_delay_us;
    guint stable_observation_count;
    gboolean reject_version_rollback;
  } rotation;

  struct
  {
    ObkLogLevel level;
    ObkLogFormat format;
    gboolean openbao_request_ids;

    struct
    {
      gboolean enabled;
      gint64 ttl_us;
      char *incident_id;
    } debug_correlation;
  } logging;

  /* What `init` needs beside; only of a values file (obk_config_load_values()). */
  struct
  {
    char *policy_name;
    gint64 token_ttl_us;
    gint64 token_max_ttl_us;

    struct
    {
      GStrv subjects;
      char *jwks_url;
      char *discovery_url;
      GStrv public_key_files;
      char *ca_cert_file;
    } jwt;

    struct
    {
      char *ca_cert_file;
      GStrv common_names;
      GStrv dns_sans;
      GStrv uri_sans;
    } cert;

    struct
    {
      GStrv resources; /* empty: secrets */
      gint64 timeout_us;
    } kubernetes;

    struct
    {
      guint uid;
      guint gid;
    } pod;
  } setup;

  guint8 *origins; /* of ObkOrigin, one for each row of the field table */
} ObkConfig;

/* Where a value came from. */
typedef enum
{
  OBK_ORIGIN_DEFAULT,
  OBK_ORIGIN_FILE,
  OBK_ORIGIN_ENVIRONMENT,
  OBK_ORIGIN_FLAG
} ObkOrigin;

/* What a program may want to know of a finding, whose text is in the reader's language. */
typedef enum
{
  OBK_PROBLEM_PLAIN,
  OBK_PROBLEM_YAML_FEATURE /* an anchor or an alias, which other readers of YAML take */
} ObkConfigProblemKind;

/* One finding; all are found in one pass. Texts are one line. */
typedef struct
{
  ObkConfigProblemKind kind;
  char *field;  /* "auth.jwt.role"; "" for the file as a whole */
  char *source; /* (nullable): the flag or variable that is wrong, when it is not the file */
  guint line;   /* from 1; 0 when there is no place */
  guint column; /* from 1; in characters */
  char *text;   /* what is wrong and what to do */
} ObkConfigProblem;

/* Values from the command line; %NULL where the flag was not given. */
typedef struct
{
  const char *log_level;
  const char *metrics_address;
  const char *health_address;
} ObkConfigFlags;

/* @given: (nullable): of --config. Returns: (transfer none): that, else the environment's, else the default */
const char *obk_config_path (const char *given);

/**
 * obk_config_load:
 * @path: the file; %NULL for obk_config_path()'s
 * @flags: (nullable): win over the environment, which wins over the file
 * @problems: (out) (transfer container) (element-type ObkConfigProblem): everything that is wrong; empty on success
 * @error: OBK_ERROR_CONFIG_INVALID: "N problems in \"PATH\"", or what keeps the file from being read at all
 *
 * Returns: (transfer full): the configuration, or %NULL
 */
ObkConfig *obk_config_load (const char *path, const ObkConfigFlags *flags, GPtrArray **problems, GError **error);

/* The same of a text. Returns: (transfer full): the configuration, or %NULL with at least one problem */
ObkConfig *obk_config_parse (const char *text, gsize length, const ObkConfigFlags *flags, GPtrArray **problems);
void obk_config_free (ObkConfig *config);

/**
 * obk_config_load_values:
 *
 * Like obk_config_load() for the file that `init` makes a configuration from: the fields of the configuration, of which
 * some need not be given, and the section "setup". Neither flags nor the environment count, and others may read it.
 */
ObkConfig *obk_config_load_values (const char *path, GPtrArray **problems, GError **error);

/* Returns: "PATH:LINE:COLUMN: FIELD: TEXT", or "--flag: FIELD: TEXT" (transfer full) */
char *obk_config_problem_format (const ObkConfigProblem *problem, const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkConfig, obk_config_free)

G_END_DECLS
