/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT from an OAuth 2.0 token endpoint: asked for before each login, and never kept. */
#pragma once

#include "base/poller.h"
#include "openbao/jwt-supply.h"
#include "openbao/jwt.h"
#include "openbao/oauth2-request.h"

G_BEGIN_DECLS

typedef struct
{
  const char *token_url; /* https, validated by config/ */
  ObkOauth2Request request;
  const char *client_secret_file; /* or credential:NAME; may be missing until it is needed */
  const char *ca_cert_file;       /* likewise, but read now and watched; "": the system's trust */
  gboolean fips;
  ObkJwtRules rules; /* what the JWT must say */
} ObkOauth2Options;

/**
 * obk_oauth2_new:
 * @poller: borrowed; outlives this
 * @options: copied
 * @error: OBK_ERROR_CONFIG_INVALID, OBK_ERROR_FILE (the system has no trust), OBK_ERROR_CREDENTIAL_INVALID,
 * OBK_ERROR_TLS_FAILED, OBK_ERROR_SOCKET_UNAVAILABLE
 *
 * It has a tunnel of its own, with its own trust. A fetch takes half of the time that it is given, so that the
 * login has the rest. It fails with OBK_ERROR_OAUTH2_UNAVAILABLE when the endpoint cannot be reached or has no time,
 * with OBK_ERROR_OAUTH2_REJECTED when it refuses or what it grants will not do, and with
 * OBK_ERROR_CREDENTIAL_INVALID for the secret's file.
 */
ObkJwtSupply *obk_oauth2_new (ObkPoller *poller, const ObkOauth2Options *options, GError **error);

/* Returns: (transfer full): the secret, without the one newline that may end its file. @error:
 * OBK_ERROR_CREDENTIAL_INVALID */
ObkSecret *obk_oauth2_read_secret (const char *path, GError **error);

G_END_DECLS
