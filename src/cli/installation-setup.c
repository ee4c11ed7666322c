/* SPDX-License-Identifier: Apache-2.0 */
/* The administrator's script: what is set in OpenBao, from the values, and then data/init/openbao-setup.sh. */
#include "cli/installation.h"

#include "base/canonical-json.h"
#include "base/duration.h"

#include <string.h>

#define AUTH_PREFIX "auth/"

static void
set_variable (GString *script, const char *name, const char *value)
{
  g_autofree char *quoted = g_shell_quote (value);

  g_string_append_printf (script, "%s=%s\n", name, quoted);
}

static void
set_list (GString *script, const char *name, GStrv values)
{
  g_autofree char *lines = g_strjoinv ("\n", values);

  set_variable (script, name, lines);
}

/* Left out when there is nothing in it */
static void
write_list (ObkCanonicalJson *json, const char *name, GStrv values)
{
  if (values[0] == NULL)
    return;
  obk_canonical_json_begin_array (json, name);
  for (char **value = values; *value != NULL; value++)
    obk_canonical_json_string (json, NULL, *value);
  obk_canonical_json_end_array (json);
}

static void
write_duration (ObkCanonicalJson *json, const char *name, gint64 us)
{
  g_autofree char *text = obk_duration_format (us);

  obk_canonical_json_string (json, name, text);
}

/* Returns: (transfer full): the body of the call that makes the role. It gets no more than its policy: not "default" */
static char *
role_json (const ObkConfig *values)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);

  obk_canonical_json_begin_object (json, NULL);
  if (values->auth.method == OBK_AUTH_JWT)
    {
      obk_canonical_json_string (json, "role_type", "jwt");
      obk_canonical_json_string (json, "user_claim", "sub");
      write_list (json, "bound_audiences", values->auth.jwt.expected_audience);
      obk_canonical_json_begin_object (json, "bound_claims");
      write_list (json, "sub", values->setup.jwt.subjects);
      obk_canonical_json_end_object (json);
    }
  else
    {
      write_list (json, "allowed_common_names", values->setup.cert.common_names);
      write_list (json, "allowed_dns_sans", values->setup.cert.dns_sans);
      write_list (json, "allowed_uri_sans", values->setup.cert.uri_sans);
    }
  write_list (json, "token_policies", (char *[]){ values->setup.policy_name, NULL });
  obk_canonical_json_boolean (json, "token_no_default_policy", TRUE);
  write_duration (json, "token_ttl", values->setup.token_ttl_us);
  write_duration (json, "token_max_ttl", values->setup.token_max_ttl_us);
  obk_canonical_json_end_object (json);
  return obk_canonical_json_steal (json, NULL);
}

static void
set_login (GString *script, const ObkConfig *values)
{
  gboolean is_jwt = values->auth.method == OBK_AUTH_JWT;
  const char *mount = is_jwt ? values->auth.jwt.mount_path : values->auth.cert.mount_path;
  g_autofree char *role = role_json (values);

  set_variable (script, "auth_method", is_jwt ? "jwt" : "cert");
  set_variable (script, "auth_mount", mount + strlen (AUTH_PREFIX));
  set_variable (script, "role", is_jwt ? values->auth.jwt.role : values->auth.cert.name);
  set_variable (script, "role_json", role);
  set_variable (script, "ca_file", is_jwt ? values->setup.jwt.ca_cert_file : values->setup.cert.ca_cert_file);
  if (!is_jwt)
    return;
  set_variable (script, "issuer", values->auth.jwt.expected_issuer);
  set_variable (script, "jwks_url", values->setup.jwt.jwks_url);
  set_variable (script, "discovery_url", values->setup.jwt.discovery_url);
  set_list (script, "public_key_files", values->setup.jwt.public_key_files);
}

char *
obk_installation_setup (const ObkInstallation *installation, const char *policy)
{
  const ObkConfig *values = installation->values;
  GString *script = g_string_new ("#!/bin/sh\n"
                                  "# For OpenBao's administrator: gives bao-kms-provider its key, policy and login.\n"
                                  "# Made by \"bao-kms-provider init\"; make it anew rather than change it.\n"
                                  "set -eu\n\n");
  g_autofree char *body = obk_installation_template ("openbao-setup.sh");

  set_variable (script, "address", values->openbao.address);
  set_variable (script, "namespace", values->openbao.namespace);
  set_variable (script, "mount", values->transit.mount_path);
  set_variable (script, "key", values->transit.key_name);
  set_variable (script, "new_key", installation->new_key ? "yes" : "");
  set_variable (script, "policy_name", values->setup.policy_name);
  set_variable (script, "policy", policy);
  set_login (script, values);
  g_string_append_printf (script, "\n%s", body);
  return g_string_free (script, FALSE);
}
