/* SPDX-License-Identifier: Apache-2.0 */
/* What a token endpoint is sent for the client credentials grant (RFC 6749, section 4.4). Pure. */
#include "openbao/oauth2-request.h"

#include <string.h>

#define START 511 /* bytes; most requests fit */

/* application/x-www-form-urlencoded, as RFC 6749, appendix B, has it. */
static void
append_encoded (ObkSecret *to, const char *text, gsize length)
{
  static const char digits[] = "0123456789ABCDEF";

  for (gsize i = 0; i < length; i++)
    {
      guint8 byte = (guint8)text[i];
      char encoded[] = { '%', digits[byte >> 4], digits[byte & 0xf] };

      if (g_ascii_isalnum (text[i]) || byte == '-' || byte == '.' || byte == '_')
        obk_secret_append (to, text + i, 1);
      else if (byte == ' ')
        obk_secret_append (to, "+", 1);
      else
        obk_secret_append (to, encoded, sizeof encoded);
      obk_wipe (encoded, sizeof encoded);
    }
}

/* @name needs no encoding. */
static void
append_field (ObkSecret *to, const char *name, const char *value, gsize length)
{
  if (obk_secret_length (to) > 0)
    obk_secret_append (to, "&", 1);
  obk_secret_append (to, name, strlen (name));
  obk_secret_append (to, "=", 1);
  append_encoded (to, value, length);
}

ObkSecret *
obk_oauth2_request_body (const ObkOauth2Request *request, const ObkSecret *client_secret)
{
  g_autofree char *scope = NULL;
  ObkSecret *body = NULL;

  g_return_val_if_fail (request != NULL && client_secret != NULL, NULL);

  scope = g_strjoinv (" ", (char **)request->scopes);
  body = obk_secret_new (START);
  append_field (body, "grant_type", "client_credentials", strlen ("client_credentials"));
  if (request->secret_in_body)
    {
      append_field (body, "client_id", request->client_id, strlen (request->client_id));
      append_field (body, "client_secret", obk_secret_data (client_secret), obk_secret_length (client_secret));
    }
  if (*scope != '\0')
    append_field (body, "scope", scope, strlen (scope));
  if (*request->audience != '\0')
    append_field (body, "audience", request->audience, strlen (request->audience));
  for (const char *const *resource = request->resources; *resource != NULL; resource++)
    append_field (body, "resource", *resource, strlen (*resource));
  return body;
}

ObkSecret *
obk_oauth2_request_credentials (const ObkOauth2Request *request, const ObkSecret *client_secret)
{
  static const char start[] = "Authorization: Basic ";
  g_autoptr (ObkSecret) pair = NULL;
  ObkSecret *line = NULL;

  g_return_val_if_fail (request != NULL && client_secret != NULL, NULL);

  if (request->secret_in_body)
    return NULL;
  pair = obk_secret_new (START);
  append_encoded (pair, request->client_id, strlen (request->client_id));
  obk_secret_append (pair, ":", 1);
  append_encoded (pair, obk_secret_data (client_secret), obk_secret_length (client_secret));
  line = obk_secret_new (START);
  obk_secret_append (line, start, strlen (start));
  obk_secret_append_base64 (line, obk_secret_data (pair), obk_secret_length (pair));
  return line;
}
