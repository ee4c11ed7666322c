/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint is sent for the client credentials grant (RFC 6749, section 4.4). Pure. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

/* A plain value; everything is borrowed. */
typedef struct
{
  const char *client_id;
  gboolean secret_in_body;      /* client_secret_post; else client_secret_basic */
  const char *const *scopes;    /* %NULL-ended; none: no scope is named */
  const char *audience;         /* "" for none; no standard, but some endpoints want it */
  const char *const *resources; /* %NULL-ended (RFC 8707) */
} ObkOauth2Request;

/* Returns: (transfer full): the form to POST */
ObkSecret *obk_oauth2_request_body (const ObkOauth2Request *request, const ObkSecret *client_secret);

/**
 * obk_oauth2_request_credentials:
 *
 * Identifier and secret are encoded like a form's values before they are base64 (RFC 6749, section 2.3.1).
 *
 * Returns: (transfer full) (nullable): the line "Authorization: Basic …"; %NULL when the secret goes into the body
 */
ObkSecret *obk_oauth2_request_credentials (const ObkOauth2Request *request, const ObkSecret *client_secret);

G_END_DECLS
