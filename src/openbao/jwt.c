/* SPDX-License-Identifier: Apache-2.0 */
/* What a JWT must say before it is sent: looked at without verifying its signature, which is OpenBao's affair. Pure. */
#include "openbao/jwt.h"

#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"

#include <string.h>

#define MAX_DATE G_GINT64_CONSTANT (253402300799) /* the end of year 9999, Unix seconds */

/* Base64url without padding (RFC 7515, section 2). Returns: (transfer full) (nullable) */
static ObkSecret *
decode_part (const char *text, gsize length)
{
  g_autoptr (ObkSecret) standard = NULL;
  char *to = NULL;
  gsize padded = (length + 3) / 4 * 4;

  if (length == 0 || length % 4 == 1)
    return NULL;
  standard = obk_secret_new (padded);
  to = obk_secret_writable (standard);
  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isalnum (text[i]) && text[i] != '-' && text[i] != '_')
        return NULL;
      to[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
  memset (to + length, '=', padded - length);
  obk_secret_set_length (standard, padded);
  return obk_secret_decode_base64 (obk_secret_data (standard), padded);
}

static json_t *
parse_part (const char *what, const char *text, gsize length, GError **error)
{
  g_autoptr (ObkSecret) decoded = decode_part (text, length);
  g_autoptr (json_t) value = NULL;
  g_autoptr (GError) cause = NULL;

  if (decoded == NULL)
    {
      obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the %s is not base64url", what);
      return NULL;
    }
  value = obk_json_parse (obk_secret_data (decoded), obk_secret_length (decoded), &cause);
  if (value == NULL)
    obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the %s is %s", what, cause->message);
  else if (!json_is_object (value))
    obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the %s is not an object", what);
  return json_is_object (value) ? g_steal_pointer (&value) : NULL;
}

/* The claims of the JWS compact form HEADER.CLAIMS.SIGNATURE (RFC 7519, section 7.2). */
static json_t *
parse_claims (const char *jwt, gsize length, GError **error)
{
  const char *end = jwt + length;
  const char *claims_at = memchr (jwt, '.', length);
  const char *signature_at = claims_at != NULL ? memchr (claims_at + 1, '.', (gsize)(end - claims_at - 1)) : NULL;
  g_autoptr (json_t) header = NULL;
  g_autoptr (json_t) claims = NULL;
  g_autoptr (ObkSecret) signature = NULL;

  if (signature_at == NULL || memchr (signature_at + 1, '.', (gsize)(end - signature_at - 1)) != NULL)
    {
      obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "it does not have three parts");
      return NULL;
    }
  header = parse_part ("header", jwt, (gsize)(claims_at - jwt), error);
  if (header == NULL)
    return NULL;
  claims = parse_part ("set of claims", claims_at + 1, (gsize)(signature_at - claims_at - 1), error);
  if (claims == NULL)
    return NULL;
  signature = decode_part (signature_at + 1, (gsize)(end - signature_at - 1));
  if (signature == NULL)
    obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "the signature is not base64url");
  return signature != NULL ? g_steal_pointer (&claims) : NULL;
}

/* A NumericDate: seconds since the epoch, perhaps with a fraction (RFC 7519, section 2). */
static gboolean
parse_date (const json_t *claims, const char *name, gint64 *us, GError **error)
{
  const json_t *value = json_object_get (claims, name);

  if (!json_is_number (value))
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is %s", name,
                       value == NULL ? "missing" : "not a number");
  if (json_is_integer (value))
    {
      json_int_t seconds = json_integer_value (value);

      if (seconds < 0 || seconds > MAX_DATE)
        return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is out of range", name);
      *us = seconds * G_USEC_PER_SEC;
    }
  else
    {
      double seconds = json_real_value (value);

      if (!(seconds >= 0 && seconds <= (double)MAX_DATE))
        return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is out of range", name);
      *us = (gint64)(seconds * G_USEC_PER_SEC);
    }
  return TRUE;
}

static gboolean
check_not_ahead (const json_t *claims, const char *name, gint64 latest_us, GError **error)
{
  gint64 us = 0;

  if (json_object_get (claims, name) == NULL)
    return TRUE;
  if (!parse_date (claims, name, &us, error))
    return FALSE;
  return us <= latest_us
         || obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is further ahead than auth.jwt.clockSkewLeeway",
                        name);
}

static gboolean
check_dates (const json_t *claims, const ObkJwtRules *rules, gint64 now_unix, gint64 *expires_unix, GError **error)
{
  gint64 now_us = now_unix * G_USEC_PER_SEC;
  gint64 latest_us = now_us + rules->clock_skew_leeway_us;
  gint64 expires_us = 0;

  if (!parse_date (claims, "exp", &expires_us, error))
    return FALSE;
  if (expires_unix != NULL)
    *expires_unix = expires_us / G_USEC_PER_SEC;
  if (expires_us <= now_us)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "it has expired: " OBK_JWT_SAYS_EXP " has passed");
  if (expires_us - now_us <= rules->min_remaining_ttl_us)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                       OBK_JWT_SAYS_EXP " leaves no more than auth.jwt.minRemainingTtl");
  return check_not_ahead (claims, "nbf", latest_us, error) && check_not_ahead (claims, "iat", latest_us, error);
}

static gboolean
check_string (const json_t *claims, const char *name, const char *expected, GError **error)
{
  const json_t *value = json_object_get (claims, name);

  if (expected[0] == '\0')
    return TRUE;
  if (!json_is_string (value))
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is %s", name,
                       value == NULL ? "missing" : "not a string");
  return strcmp (json_string_value (value), expected) == 0
         || obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, "\"%s\" is not the expected one", name);
}

/* One string, or an array of them. */
static gboolean
check_audience (const json_t *claims, const char *const *expected, GError **error)
{
  const json_t *value = json_object_get (claims, "aud");
  gsize n = json_is_array (value) ? json_array_size (value) : 1;
  gboolean found = FALSE;

  if (expected[0] == NULL)
    return TRUE;
  if (value == NULL)
    return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, OBK_JWT_SAYS_AUD " is missing");
  for (gsize i = 0; i < n; i++)
    {
      const json_t *one = json_is_array (value) ? json_array_get (value, i) : value;

      if (!json_is_string (one))
        return obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID,
                           OBK_JWT_SAYS_AUD " is neither a string nor an array of strings");
      found = found || g_strv_contains (expected, json_string_value (one));
    }
  return found || obk_refuse (error, OBK_ERROR_CREDENTIAL_INVALID, OBK_JWT_SAYS_AUD " is not the expected one");
}

gboolean
obk_jwt_check (const char *jwt, gsize length, const ObkJwtRules *rules, gint64 now_unix, gint64 *expires_unix,
               GError **error)
{
  g_autoptr (json_t) claims = NULL;

  g_return_val_if_fail (jwt != NULL && rules != NULL, FALSE);
  g_return_val_if_fail (now_unix >= 0 && now_unix <= MAX_DATE, FALSE);

  claims = parse_claims (jwt, length, error);
  return claims != NULL && check_dates (claims, rules, now_unix, expires_unix, error)
         && check_string (claims, "iss", rules->expected_issuer, error)
         && check_audience (claims, rules->expected_audience, error)
         && check_string (claims, "sub", rules->expected_subject, error);
}

void
obk_jwt_rules_copy (ObkJwtRules *to, const ObkJwtRules *from)
{
  *to = *from;
  to->expected_issuer = g_strdup (from->expected_issuer);
  to->expected_audience = (const char *const *)g_strdupv ((char **)from->expected_audience);
  to->expected_subject = g_strdup (from->expected_subject);
}

void
obk_jwt_rules_clear (ObkJwtRules *rules)
{
  g_free ((char *)rules->expected_issuer);
  g_strfreev ((char **)rules->expected_audience);
  g_free ((char *)rules->expected_subject);
  *rules = (ObkJwtRules){ 0 };
}
