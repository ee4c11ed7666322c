/* SPDX-License-Identifier: Apache-2.0 */
/* What a single string of the configuration must look like. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  /* Returns: (transfer none) (nullable): what is wrong, for people; %NULL when nothing is */
  const char *(*check) (const char *text);
  const char *text;    /* for the reference page */
  const char *pattern; /* (nullable): an ECMA 262 expression that is not stricter than check(), for the schema */
} ObkConfigRule;

extern const ObkConfigRule obk_rule_identifier;
extern const ObkConfigRule obk_rule_printable; /* like an identifier, and may be empty */
extern const ObkConfigRule obk_rule_namespace;
extern const ObkConfigRule obk_rule_mount_path;
extern const ObkConfigRule obk_rule_key_name;
extern const ObkConfigRule obk_rule_absolute_path;
extern const ObkConfigRule obk_rule_credential; /* an absolute path or credential:NAME */
extern const ObkConfigRule obk_rule_socket_path;
extern const ObkConfigRule obk_rule_group;
extern const ObkConfigRule obk_rule_openbao_address;
extern const ObkConfigRule obk_rule_token_url;
extern const ObkConfigRule obk_rule_resource;
extern const ObkConfigRule obk_rule_listen_address;
extern const ObkConfigRule obk_rule_pkcs11_uri;

G_END_DECLS
