/* SPDX-License-Identifier: Apache-2.0 */
/* A token and its lease: read from OpenBao's answers, and when it must be refreshed. Pure. */
#include "openbao/lease.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define MAX_TOKEN 8192                                     /* bytes; it goes into a header */
#define MAX_SECONDS (10 * 365 * G_GINT64_CONSTANT (86400)) /* longer leases count as this */

/* What both answers have. */
typedef struct
{
  const json_t *auth; /* borrowed */
  gint64 lease_us;
  gboolean renewable;
} Grant;

static gboolean
parse_grant (const json_t *answer, Grant *grant, GError **error)
{
  gint64 seconds = 0;

  if (!obk_json_get_object (answer, "auth", &grant->auth, error))
    return FALSE;
  if (json_is_object (json_object_get (grant->auth, "mfa_requirement")))
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_JSON, OBK_LEASE_SAYS_MFA);
      return FALSE;
    }
  if (!obk_json_get_int (grant->auth, "lease_duration", &seconds, error)
      || !obk_json_get_boolean (grant->auth, "renewable", &grant->renewable, error))
    return FALSE;
  grant->lease_us = CLAMP (seconds, 0, MAX_SECONDS) * G_USEC_PER_SEC;
  if (seconds <= 0)
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_JSON, "the token's lease is not positive");
  return seconds > 0;
}

/* It becomes a header's value. Returns: (transfer full) (nullable) */
static ObkSecret *
parse_token (const json_t *auth, GError **error)
{
  const char *token = NULL;
  gsize length = 0;

  if (!obk_json_get_string (auth, "client_token", &token, error))
    return NULL;
  length = strlen (token);
  for (gsize i = 0; token[i] != '\0'; i++)
    if (!g_ascii_isgraph (token[i]))
      length = 0;
  if (length > 0 && length <= MAX_TOKEN)
    return obk_secret_new_copy (token, length);
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_JSON, "\"client_token\" is not usable as a token");
  return NULL;
}

/* For doctor, which can do without. Returns: (transfer full) (nullable) */
static GStrv
parse_policies (const json_t *auth)
{
  g_autoptr (GStrvBuilder) policies = g_strv_builder_new ();
  const json_t *one = NULL;
  gsize i = 0;

  json_array_foreach (json_object_get (auth, "token_policies"), i, one)
    {
      if (json_is_string (one))
        g_strv_builder_add (policies, json_string_value (one));
    }
  return g_strv_builder_end (policies);
}

/* Likewise. It becomes a part of a command. Returns: (transfer full) (nullable) */
static char *
parse_entity (const json_t *auth)
{
  const char *id = json_string_value (json_object_get (auth, "entity_id"));

  if (json_array_size (json_object_get (auth, "identity_policies")) == 0 || id == NULL
      || id[strspn (id, G_CSET_DIGITS G_CSET_a_2_z "-")] != '\0')
    return NULL;
  return g_strdup (id);
}

static gboolean
unusable (GError **error, const GError *cause)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNAVAILABLE, "the answer cannot be used: %s", cause->message);
  return FALSE;
}

gboolean
obk_lease_login (const json_t *answer, gint64 asked_us, gint64 now_us, gint64 login_before_us, ObkLease *lease,
                 GError **error)
{
  g_autoptr (GError) cause = NULL;
  Grant grant = { 0 };

  g_return_val_if_fail (lease != NULL && login_before_us > 0, FALSE);

  if (!parse_grant (answer, &grant, &cause))
    return unusable (error, cause);
  lease->token = parse_token (grant.auth, &cause);
  if (lease->token == NULL)
    return unusable (error, cause);
  lease->policies = parse_policies (grant.auth);
  lease->entity = parse_entity (grant.auth);
  lease->uses = json_integer_value (json_object_get (grant.auth, "num_uses"));
  lease->issued_us = now_us;
  lease->expires_us = asked_us + grant.lease_us;
  lease->window_us = grant.lease_us > login_before_us ? login_before_us : grant.lease_us / 3;
  lease->renewable = grant.renewable;
  return TRUE;
}

gboolean
obk_lease_renew (ObkLease *lease, const json_t *answer, gint64 asked_us, gint64 login_before_us, gboolean *enough,
                 GError **error)
{
  g_autoptr (GError) cause = NULL;
  Grant grant = { 0 };

  g_return_val_if_fail (lease != NULL && lease->token != NULL && enough != NULL, FALSE);

  if (!parse_grant (answer, &grant, &cause))
    return unusable (error, cause);
  lease->expires_us = asked_us + grant.lease_us;
  *enough = grant.lease_us > lease->window_us;
  lease->renewable = grant.renewable && *enough;
  /* A window of a third is never made of a shrinking grant: it would shrink along, up to the very end. */
  if (grant.lease_us > login_before_us)
    lease->window_us = login_before_us;
  return TRUE;
}

gboolean
obk_lease_is_valid (const ObkLease *lease, gint64 now_us)
{
  return lease->token != NULL && now_us < lease->expires_us;
}

void
obk_lease_clear (ObkLease *lease)
{
  obk_secret_unref (lease->token);
  g_strfreev (lease->policies);
  g_free (lease->entity);
  *lease = (ObkLease){ 0 };
}
