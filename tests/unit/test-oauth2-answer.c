/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/oauth2-answer.h"

#include "base/error.h"

#include <string.h>

static ObkSecret *
read_answer (guint status, const char *body, gint64 *lifetime_seconds, GError **error)
{
  g_autoptr (ObkSecret) bytes = obk_secret_new_copy (body, strlen (body));
  const ObkHttpResponse response = { .status = status, .body = bytes };

  return obk_oauth2_answer_read (&response, "idp.test:443", lifetime_seconds, error);
}

static void
test_granted (void)
{
  static const struct
  {
    const char *body;
    gint64 lifetime_seconds;
  } cases[] = {
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":300,\"scope\":\"x\"}", 300 },
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"bEARER\"}", OBK_OAUTH2_NO_LIFETIME },
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":\"3599\"}", 3599 },
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":1.5e3}", 1500 },
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":0}", 0 },
    { "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":9000000000000000000}", 315360000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 lifetime_seconds = -1;
      g_autoptr (ObkSecret) token = read_answer (200, cases[i].body, &lifetime_seconds, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (obk_secret_data (token), ==, "a.b.c");
      g_assert_cmpint (lifetime_seconds, ==, cases[i].lifetime_seconds);
    }
}

static void
test_refused (void)
{
  static const struct
  {
    guint status;
    const char *body;
    ObkError code;
    const char *text;
  } cases[] = {
    { 401, "{\"error\":\"invalid_client\",\"error_description\":\"s3cret\"}", OBK_ERROR_OAUTH2_REJECTED,
      "status 401: invalid_client" },
    { 400, "{\"error\":\"s3cret\"}", OBK_ERROR_OAUTH2_REJECTED, "status 400" },
    { 400, "<html>s3cret", OBK_ERROR_OAUTH2_REJECTED, "status 400" },
    { 400, "[\"error\"]", OBK_ERROR_OAUTH2_REJECTED, "status 400" },
    { 404, "", OBK_ERROR_OAUTH2_REJECTED, "status 404" },
    { 201, "{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\"}", OBK_ERROR_OAUTH2_REJECTED, "status 201" },
    { 204, "", OBK_ERROR_OAUTH2_REJECTED, "status 204" },
    { 429, "", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 429" },
    { 500, "{\"error\":\"server_error\"}", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 500: server_error" },
    { 503, "s3cret", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 503" },
    { 599, "", OBK_ERROR_OAUTH2_UNAVAILABLE, "status 599" },
    { 200, "access_token=s3cret&token_type=bearer", OBK_ERROR_OAUTH2_REJECTED, "the answer is not valid JSON" },
    { 200, "", OBK_ERROR_OAUTH2_REJECTED, "the answer is not valid JSON" },
    { 200, "[]", OBK_ERROR_OAUTH2_REJECTED, "the answer is no JSON object" },
    { 200, "{\"token_type\":\"Bearer\"}", OBK_ERROR_OAUTH2_REJECTED, "has no \"access_token\"" },
    { 200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", OBK_ERROR_OAUTH2_REJECTED, "has no \"access_token\"" },
    { 200, "{\"access_token\":1,\"token_type\":\"Bearer\"}", OBK_ERROR_OAUTH2_REJECTED, "has no \"access_token\"" },
    { 200, "{\"access_token\":\"s3cret\"}", OBK_ERROR_OAUTH2_REJECTED, "has no \"token_type\"" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":\"DPoP\"}", OBK_ERROR_OAUTH2_REJECTED, "is not Bearer" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":[\"Bearer\"]}", OBK_ERROR_OAUTH2_REJECTED,
      "has no \"token_type\"" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":\"Bearer\",\"expires_in\":\"soon\"}", OBK_ERROR_OAUTH2_REJECTED,
      "\"expires_in\" is not a number" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":\"Bearer\",\"expires_in\":-1}", OBK_ERROR_OAUTH2_REJECTED,
      "\"expires_in\" is not a number" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":\"Bearer\",\"expires_in\":-1.5}", OBK_ERROR_OAUTH2_REJECTED,
      "\"expires_in\" is not a number" },
    { 200, "{\"access_token\":\"s3cret\",\"token_type\":\"Bearer\",\"expires_in\":null}", OBK_ERROR_OAUTH2_REJECTED,
      "\"expires_in\" is not a number" },
    { 200, "{\"access_token\":\"s3cret\",\"access_token\":\"s3cret\",\"token_type\":\"Bearer\"}",
      OBK_ERROR_OAUTH2_REJECTED, "the answer is" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 lifetime_seconds = 0;

      g_assert_null (read_answer (cases[i].status, cases[i].body, &lifetime_seconds, &error));
      g_test_message ("%s", error->message);
      g_assert_error (error, OBK_ERROR, (int)cases[i].code);
      g_assert_true (g_str_has_prefix (error->message, "token endpoint \"idp.test:443\": "));
      g_assert_nonnull (strstr (error->message, cases[i].text));
      g_assert_null (strstr (error->message, "s3cret"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/oauth2-answer/granted", test_granted);
  g_test_add_func ("/oauth2-answer/refused", test_refused);
  return g_test_run ();
}
