/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint's answer means: the access token, or an error of the right class. Pure. */
#include "openbao/oauth2-answer.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define MAX_LIFETIME_SECONDS (10 * 365 * G_GINT64_CONSTANT (86400)) /* longer ones count as this */
#define MAX_LIFETIME_DIGITS 18

/* RFC 6749, sections 4.1.2.1 and 5.2; RFC 8707, section 2. Other words of the answer may be anything. */
static const char *const known_errors[] = { "invalid_request",
                                            OBK_OAUTH2_SAYS_CLIENT,
                                            "invalid_grant",
                                            "unauthorized_client",
                                            "unsupported_grant_type",
                                            OBK_OAUTH2_SAYS_SCOPE,
                                            OBK_OAUTH2_SAYS_TARGET,
                                            "access_denied",
                                            "server_error",
                                            "temporarily_unavailable",
                                            "slow_down",
                                            "insufficient_scope",
                                            NULL };

G_GNUC_PRINTF (4, 5)
static gboolean
refuse (GError **error, ObkError code, const char *authority, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, OBK_ERROR, (int)code, "token endpoint \"%s\": %s", authority, text);
  return FALSE;
}

static void
refuse_status (const ObkHttpResponse *response, const char *authority, GError **error)
{
  g_autoptr (json_t) body = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), NULL);
  const char *said = json_string_value (json_object_get (body, "error"));
  gboolean known = said != NULL && g_strv_contains (known_errors, said);
  gboolean unavailable = response->status == 429 || response->status >= 500;

  refuse (error, unavailable ? OBK_ERROR_OAUTH2_UNAVAILABLE : OBK_ERROR_OAUTH2_REJECTED, authority, "status %u%s%s",
          response->status, known ? ": " : "", known ? said : "");
}

/* A number by the standard; there are endpoints that quote it. */
static gboolean
parse_lifetime (const json_t *body, gint64 *seconds)
{
  const json_t *value = json_object_get (body, "expires_in");
  guint64 digits = 0;

  *seconds = OBK_OAUTH2_NO_LIFETIME;
  if (value == NULL)
    return TRUE;
  if (json_is_integer (value))
    *seconds = json_integer_value (value);
  else if (json_is_real (value) && json_real_value (value) >= 0)
    *seconds = (gint64)MIN (json_real_value (value), (double)MAX_LIFETIME_SECONDS);
  else if (json_is_string (value) && json_string_length (value) <= MAX_LIFETIME_DIGITS
           && g_ascii_string_to_unsigned (json_string_value (value), 10, 0, G_MAXINT64, &digits, NULL))
    *seconds = (gint64)digits;
  else
    return FALSE;
  *seconds = MIN (*seconds, MAX_LIFETIME_SECONDS);
  return *seconds >= 0;
}

/* Returns: (transfer full) (nullable): what an answer with status 200 grants; "" in the error's place is never logged
 */
static ObkSecret *
read_grant (const json_t *body, gint64 *lifetime_seconds, const char **problem)
{
  const char *type = json_string_value (json_object_get (body, "token_type"));
  const json_t *token = json_object_get (body, "access_token");

  if (!json_is_string (token) || json_string_length (token) == 0)
    *problem = "the answer has no \"access_token\"";
  else if (type == NULL)
    *problem = "the answer has no \"token_type\"";
  else if (g_ascii_strcasecmp (type, "Bearer") != 0)
    *problem = "its \"token_type\" is not Bearer";
  else if (!parse_lifetime (body, lifetime_seconds))
    *problem = "its \"expires_in\" is not a number of seconds";
  else
    return obk_secret_new_copy (json_string_value (token), json_string_length (token));
  return NULL;
}

ObkSecret *
obk_oauth2_answer_read (const ObkHttpResponse *response, const char *authority, gint64 *lifetime_seconds,
                        GError **error)
{
  g_autoptr (json_t) body = NULL;
  g_autoptr (GError) cause = NULL;
  ObkSecret *token = NULL;
  const char *problem = NULL;

  g_return_val_if_fail (response != NULL && authority != NULL && lifetime_seconds != NULL, NULL);

  if (response->status != 200)
    {
      refuse_status (response, authority, error);
      return NULL;
    }
  body = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), &cause);
  if (json_is_object (body))
    token = read_grant (body, lifetime_seconds, &problem);
  else
    refuse (error, OBK_ERROR_OAUTH2_REJECTED, authority, OBK_OAUTH2_SAYS_NO_JSON "%s",
            cause != NULL ? cause->message : "no JSON object");
  if (problem != NULL)
    refuse (error, OBK_ERROR_OAUTH2_REJECTED, authority, "%s", problem);
  return token;
}
