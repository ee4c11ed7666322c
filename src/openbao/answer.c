/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP answer of OpenBao means: its JSON, or an error of the right class. */
#include "openbao/answer.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

typedef struct
{
  guint status;
  const char *phrase; /* somewhere in OpenBao's text */
  ObkError code;
} Phrase;

/* As OpenBao 2.5 to 2.7 word it (sdk/helper/keysutil/policy.go, builtin/logical/transit, builtin/credential/jwt,
 * vault/). Those of OBK_ERROR_AUTH_FAILED are said of logins only. */
static const Phrase phrases[] = {
  { 400, OBK_ANSWER_SAYS_NO_ROLE, OBK_ERROR_AUTH_FAILED }, /* the role */
  { 400, OBK_ANSWER_SAYS_AUDIENCE, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NO_AUDIENCE, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_SUBJECT, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_ISSUER, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_EXPIRED, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NOT_YET, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_FUTURE, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NO_KEY, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NO_KEYSET, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NO_ISSUER, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_CLAIMS, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_ROLE_TYPE, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NO_CLAIM, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_ALGORITHM, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_NOT_CONFIGURED, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_IS_CERT, OBK_ERROR_AUTH_FAILED },
  { 400, OBK_ANSWER_SAYS_IS_KUBERNETES, OBK_ERROR_AUTH_FAILED },
  { 500, OBK_ANSWER_SAYS_IS_APPROLE, OBK_ERROR_AUTH_FAILED },
  { 400, "encryption key not found", OBK_ERROR_KEY_MISSING },
  { 400, "message authentication failed", OBK_ERROR_TRANSIT_AUTHENTICATION_TAG },
  { 400, "higher than the latest", OBK_ERROR_STANDBY_LAGGING },
  { 400, "version is too new", OBK_ERROR_STANDBY_LAGGING },
  { 400, "no such key version", OBK_ERROR_VERSION_UNUSABLE },
  { 400, "less than the minimum", OBK_ERROR_VERSION_UNUSABLE },
  { 400, "below the minimum", OBK_ERROR_VERSION_UNUSABLE },
  { 400, "disallowed by policy", OBK_ERROR_VERSION_UNUSABLE },
  { 400, "soft-deleted key", OBK_ERROR_TRANSIT_REFUSED },
  { 403, OBK_ANSWER_SAYS_DENIED, OBK_ERROR_POLICY_DENIED },
  { 404, "namespace not found", OBK_ERROR_KEY_MISSING },
  { 404, OBK_ANSWER_SAYS_NO_ROUTE, OBK_ERROR_KEY_MISSING },
  { 503, OBK_ANSWER_SAYS_NAMESPACE_SEALED, OBK_ERROR_SEALED },
  { 503, "is sealed", OBK_ERROR_SEALED },
  { 503, OBK_ANSWER_SAYS_NAMESPACE_LOCKED, OBK_ERROR_UNAVAILABLE },
};

/* Returns: (nullable): {"errors": [text, ...]}, with an array of any length */
static const json_t *
errors_of (const json_t *body)
{
  const json_t *errors = json_object_get (body, "errors");
  const json_t *text = NULL;
  gsize i = 0;

  if (!json_is_array (errors))
    return NULL;
  json_array_foreach (errors, i, text)
    if (!json_is_string (text))
      return NULL;
  return errors;
}

/* Returns: (nullable): the row that says what @errors mean under @status */
static const Phrase *
find_phrase (const json_t *errors, guint status, gboolean login)
{
  for (guint i = 0; i < G_N_ELEMENTS (phrases); i++)
    {
      const json_t *text = NULL;
      gsize n = 0;

      if (phrases[i].status != status || (phrases[i].code == OBK_ERROR_AUTH_FAILED && !login))
        continue;
      json_array_foreach (errors, n, text)
        if (strstr (json_string_value (text), phrases[i].phrase) != NULL)
          return &phrases[i];
    }
  return NULL;
}

/* What @status means when its text says no more. */
static ObkError
code_of (guint status, gboolean login)
{
  switch (status)
    {
    case 400:
      return login ? OBK_ERROR_AUTH_FAILED : OBK_ERROR_TRANSIT_REFUSED;
    case 401:
      return OBK_ERROR_AUTH_FAILED;
    case 403:
      return login ? OBK_ERROR_AUTH_FAILED : OBK_ERROR_POLICY_DENIED;
    case 404:
      return OBK_ERROR_KEY_MISSING;
    case 429:
      return OBK_ERROR_RATE_LIMITED;
    default:
      return OBK_ERROR_UNAVAILABLE;
    }
}

static void
refuse_status (const ObkHttpResponse *response, const char *authority, gboolean login, GError **error)
{
  g_autoptr (json_t) body = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), NULL);
  const json_t *errors = errors_of (body);
  const Phrase *phrase = find_phrase (errors, response->status, login);
  ObkError code = code_of (response->status, login);
  const char *detail = code == OBK_ERROR_RATE_LIMITED ? "a rate-limit quota is used up" : NULL;

  if (errors == NULL && response->status < 500 && response->status != 429)
    {
      obk_refuse (error, OBK_ERROR_UNAVAILABLE, "\"%s\": status %u " OBK_ANSWER_SAYS_FOREIGN, authority,
                  response->status);
      return;
    }
  if (phrase != NULL)
    detail = phrase->phrase;
  if (phrase != NULL && code != OBK_ERROR_AUTH_FAILED)
    code = phrase->code;
  obk_refuse (error, code, "\"%s\": status %u%s%s", authority, response->status, detail != NULL ? ": " : "",
              detail != NULL ? detail : "");
}

json_t *
obk_answer_read (const ObkHttpResponse *response, const char *authority, gboolean login, GError **error)
{
  g_autoptr (json_t) body = NULL;
  g_autoptr (GError) cause = NULL;

  g_return_val_if_fail (response != NULL && authority != NULL, NULL);

  if (response->status == 204)
    return json_object ();
  if (response->status != 200)
    {
      refuse_status (response, authority, login, error);
      return NULL;
    }
  body = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), &cause);
  if (!json_is_object (body))
    {
      obk_refuse (error, OBK_ERROR_UNAVAILABLE, "\"%s\": status 200 " OBK_ANSWER_SAYS_FOREIGN ": it is %s", authority,
                  cause != NULL ? cause->message : "no JSON object");
      return NULL;
    }
  return g_steal_pointer (&body);
}
