/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt-fixture.h"

#include "base/error.h"

#include <string.h>

#define NOW 1800000000
#define NOW_TEXT "1800000000"
#define SECOND ((gint64)G_USEC_PER_SEC)
#define HEADER "{\"alg\":\"RS256\",\"kid\":\"HIDDEN\"}"
#define LATER "\"exp\":1800003600"

/* @problem: (nullable): what the refusal says; %NULL when the JWT is to pass */
static void
check_jwt (const char *jwt, const ObkJwtRules *rules, const char *problem)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = obk_jwt_check (jwt, strlen (jwt), rules, NOW, NULL, &error);

  if (problem == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (ok);
      return;
    }
  g_assert_false (ok);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  if (strstr (error->message, problem) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, problem);
  g_assert_null (strstr (error->message, "HIDDEN"));
}

static void
check_claims (const char *claims, const ObkJwtRules *rules, const char *problem)
{
  g_autofree char *jwt = jwt_make (HEADER, claims);

  check_jwt (jwt, rules, problem);
}

static void
test_parts (void)
{
  g_autofree char *header = jwt_encode (HEADER);
  g_autofree char *claims = jwt_encode ("{" LATER "}");
  static const struct
  {
    const char *format; /* of header and claims */
    const char *problem;
  } rows[] = {
    { "%s.%s." JWT_SIGNATURE, NULL },
    { "%s.%s", "three parts" },
    { "%s%s", "three parts" },
    { "%s.%s.c2ln.c2ln", "three parts" },
    { "%s.%s." JWT_SIGNATURE ".", "three parts" },
    { "%s.%s.", "signature is not base64url" },
    { "%s.%s." JWT_SIGNATURE "\n", "signature is not base64url" },
    { "%s.%s.c2k=", "signature is not base64url" },
    { "%s.%s.c2lnb", "signature is not base64url" }, /* no bytes have that length */
    { "%s.%s.c2l", "signature is not base64url" },   /* bits that encode nothing are set */
    { "%s.%s.+/+/", "signature is not base64url" },  /* of the other alphabet */
    { "%s.%s.-_-_", NULL },
    { " %s.%s." JWT_SIGNATURE, "header is not base64url" },
    { "%s.%s==." JWT_SIGNATURE, "claims is not base64url" },
    { "%s.." JWT_SIGNATURE "%.0s", "claims is not base64url" },
    { ".%2$s." JWT_SIGNATURE "%1$.0s", "header is not base64url" },
  };

  check_jwt ("", &jwt_any, "three parts");
  check_jwt ("..", &jwt_any, "header is not base64url");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *jwt = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      jwt = g_strdup_printf (rows[i].format, header, claims);
#pragma GCC diagnostic pop
      check_jwt (jwt, &jwt_any, rows[i].problem);
    }
}

static void
test_json (void)
{
  static const char *const objects[][2] = {
    { "", "not base64url" },
    { "HIDDEN", "not valid JSON" },
    { "[\"HIDDEN\"]", "not an object" },
    { "\"HIDDEN\"", "not an object" },
    { "{\"HIDDEN\":1,\"HIDDEN\":2}", "a member appears twice" },
    { "{\"a\":\"HIDDEN\"} x", "something follows" },
    { "{\"a\":\"\xff\"}", "not UTF-8" },
    { "{\"exp\":9223372036854775808}", "out of range" },
    { "{\"exp\":1e999}", "out of range" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (objects); i++)
    {
      g_autofree char *as_header = jwt_make (objects[i][0], "{" LATER "}");

      check_jwt (as_header, &jwt_any, objects[i][1]);
      check_claims (objects[i][0], &jwt_any, objects[i][1]);
    }
}

static void
test_dates (void)
{
  static const char *const rows[][2] = {
    { "{}", "\"exp\" is missing" },
    { "{\"exp\":null}", "\"exp\" is not a number" },
    { "{\"exp\":\"HIDDEN\"}", "\"exp\" is not a number" },
    { "{\"exp\":" NOW_TEXT "}", "expired" },
    { "{\"exp\":0}", "expired" },
    { "{\"exp\":-1}", "out of range" },
    { "{\"exp\":-0.5}", "out of range" },
    { "{\"exp\":1800000120}", "minRemainingTtl" },
    { "{\"exp\":1800000120.0}", "minRemainingTtl" },
    { "{\"exp\":1800000120.5}", NULL },
    { "{\"exp\":1800000121}", NULL },
    { "{\"exp\":1.9e9}", NULL },
    { "{\"exp\":253402300799}", NULL },
    { "{\"exp\":253402300800}", "out of range" },
    { "{\"exp\":1e300}", "out of range" },
    { "{\"exp\":9223372036854775807}", "out of range" },
    { "{" LATER ",\"nbf\":0,\"iat\":0}", NULL },
    { "{" LATER ",\"nbf\":1800000030,\"iat\":1800000030.0}", NULL },
    { "{" LATER ",\"nbf\":1800000030.5}", "\"nbf\" is further ahead" },
    { "{" LATER ",\"nbf\":1800000031}", "\"nbf\" is further ahead" },
    { "{" LATER ",\"iat\":1800000031}", "\"iat\" is further ahead" },
    { "{" LATER ",\"nbf\":null}", "\"nbf\" is not a number" },
    { "{" LATER ",\"iat\":\"HIDDEN\"}", "\"iat\" is not a number" },
    { "{" LATER ",\"iat\":-1}", "\"iat\" is out of range" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    check_claims (rows[i][0], &jwt_any, rows[i][1]);
}

static void
test_expires (void)
{
  g_autofree char *good = jwt_make (HEADER, "{\"exp\":1800003600.9}");
  g_autofree char *expired = jwt_make (HEADER, "{\"exp\":1700000000}");
  gint64 expires_unix = 0;

  g_assert_true (obk_jwt_check (good, strlen (good), &jwt_any, NOW, &expires_unix, NULL));
  g_assert_cmpint (expires_unix, ==, NOW + 3600);
  g_assert_false (obk_jwt_check (expired, strlen (expired), &jwt_any, NOW, &expires_unix, NULL));
  g_assert_cmpint (expires_unix, ==, 1700000000);
}

static void
test_expected (void)
{
  static const char *const audience[] = { "bao", "other", NULL };
  static const char *const rows[][2] = {
    { "{" LATER ",\"iss\":\"me\",\"aud\":\"bao\",\"sub\":\"kms\"}", NULL },
    { "{" LATER ",\"iss\":\"me\",\"aud\":[\"HIDDEN\",\"other\"],\"sub\":\"kms\"}", NULL },
    { "{" LATER ",\"aud\":\"bao\",\"sub\":\"kms\"}", "\"iss\" is missing" },
    { "{" LATER ",\"iss\":[\"me\"],\"aud\":\"bao\",\"sub\":\"kms\"}", "\"iss\" is not a string" },
    { "{" LATER ",\"iss\":\"HIDDEN\",\"aud\":\"bao\",\"sub\":\"kms\"}", "\"iss\" is not the expected one" },
    { "{" LATER ",\"iss\":\"me\",\"sub\":\"kms\"}", "\"aud\" is missing" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":\"HIDDEN\",\"sub\":\"kms\"}", "\"aud\" is not the expected one" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":[],\"sub\":\"kms\"}", "\"aud\" is not the expected one" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":[\"bao\",1],\"sub\":\"kms\"}", "\"aud\" is neither" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":{\"bao\":1},\"sub\":\"kms\"}", "\"aud\" is neither" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":\"bao\"}", "\"sub\" is missing" },
    { "{" LATER ",\"iss\":\"me\",\"aud\":\"bao\",\"sub\":\"Kms\"}", "\"sub\" is not the expected one" },
  };
  ObkJwtRules rules = jwt_any;

  rules.expected_issuer = "me";
  rules.expected_audience = audience;
  rules.expected_subject = "kms";
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    check_claims (rows[i][0], &rules, rows[i][1]);
}

static void
test_copy (void)
{
  char *audience[] = { g_strdup ("bao"), NULL };
  char *issuer = g_strdup ("me");
  ObkJwtRules rules = jwt_any, copy = { 0 };

  rules.expected_issuer = issuer;
  rules.expected_audience = (const char *const *)audience;
  obk_jwt_rules_copy (&copy, &rules);
  memset (issuer, 'x', strlen (issuer));
  g_free (issuer);
  memset (audience[0], 'x', strlen (audience[0]));
  g_free (g_steal_pointer (&audience[0]));
  check_claims ("{" LATER ",\"iss\":\"me\",\"aud\":\"bao\"}", &copy, NULL);
  check_claims ("{" LATER ",\"iss\":\"me\",\"aud\":\"xxx\"}", &copy, "\"aud\"");
  obk_jwt_rules_clear (&copy);
  g_assert_null (copy.expected_issuer);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jwt/parts", test_parts);
  g_test_add_func ("/jwt/json", test_json);
  g_test_add_func ("/jwt/dates", test_dates);
  g_test_add_func ("/jwt/expires", test_expires);
  g_test_add_func ("/jwt/expected", test_expected);
  g_test_add_func ("/jwt/copy", test_copy);
  return g_test_run ();
}
