/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/advice.h"

#include "base/error.h"
#include "cli/doctor/doctor.h"
#include "openbao/answer.h"
#include "openbao/jwt.h"
#include "openbao/pin.h"
#include "openbao/pkcs11.h"
#include "openbao/tls-error.h"
#include "registry/profile.h"

#include <secerr.h>
#include <sslerr.h>
#include <string.h>

#define NOW 1800000000
#define S ((gint64)G_USEC_PER_SEC)

static void
assert_advises (const ObkAdvice *table, const char *problem, const char *remedy)
{
  const ObkAdvice *row = obk_advice_find (table, problem);

  g_test_message ("%s", problem);
  g_assert_nonnull (row);
  g_assert_nonnull (strstr (row->remedy, remedy));
}

/* A row that an earlier one hides is never taken. */
static void
test_no_row_hides_another (void)
{
  const ObkAdvice *const tables[]
      = { obk_advice_on_certificate, obk_advice_on_jwt_login, obk_advice_on_cert_login, obk_advice_on_jwt,
          obk_advice_on_tls,         obk_advice_on_outage,    obk_advice_on_oauth2,     obk_advice_on_key };

  for (gsize i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const ObkAdvice *row = tables[i]; row->phrase != NULL; row++)
      {
        g_autofree char *problem = g_strdup_printf ("something %s, and more", row->phrase);

        g_assert_true (obk_advice_find (tables[i], problem) == row);
        g_assert_nonnull (row->remedy);
      }
  g_assert_null (obk_advice_find (obk_advice_on_key, "something else"));
}

static void
test_adds (void)
{
  g_autoptr (ObkCheckReport) report = obk_check_report_new ();
  const ObkCheckFinding *finding = NULL;

  obk_check_fail (report, "no");
  g_assert_false (obk_advice_add (obk_advice_on_key, "something else", report));
  g_assert_true (obk_advice_add (obk_advice_on_key, "it " OBK_PROFILE_SAYS_DELETABLE, report));
  finding = g_ptr_array_index (report->findings, 0);
  g_assert_cmpstr (finding->remedy, ==, "forbid its deletion");
  g_assert_cmpstr (finding->command, ==, "bao write <mount>/keys/<key>/config deletion_allowed=false");
}

/* What OpenBao says of logins, as it words it. */
static void
test_jwt_login (void)
{
  static const struct
  {
    guint status;
    const char *text, *remedy;
  } cases[] = {
    { 400, "role \\\"kms\\\" could not be found", "auth.jwt.role is not there" },
    { 400, "error validating token: invalid audience (aud) claim: audience claim does not match", "bound_audiences" },
    { 400, "error validating token: invalid subject (sub) claim", "bound_subject" },
    { 400, "error validating token: invalid issuer (iss) claim", "bound_issuer" },
    { 400, "error validating claims: claim \\\"x\\\" does not match any associated bound claim values",
      "bound_claims" },
    { 400, "error validating token: error verifying token: no known key successfully validated the token signature",
      "jwks_url" },
    { 400, "error validating token: invalid expiration time (exp) claim: token is expired", "has ended" },
    { 400, "error validating token: invalid not before (nbf) claim: token not yet valid", "begins later" },
    { 400, "error validating token: invalid issued at (iat) claim: token issued in the future", "was issued later" },
    { 400, "role with oidc role_type is not allowed", "role_type jwt" },
    { 400, "claim \\\"email\\\" not found in token", "user_claim" },
    { 400, "error validating token: invalid algorithm (alg) header parameter: token signed with unexpected algorithm",
      "jwt_supported_algs" },
    { 400, "could not load configuration", "write its config" },
    { 400, "no client certificate found", "type jwt" },
    { 400, "invalid role name \\\"kms\\\"", "type jwt" },
    { 500, "missing role_id", "type jwt" },
    { 400, "error validating token: error verifying token signature: fetching keys oidc: get keys failed Get",
      "jwks_url" },
    { 400, "error configuring token validator: keyset configuration error: Get", "oidc_discovery_url" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *body = g_strdup_printf ("{\"errors\":[\"%s\"]}", cases[i].text);
      g_autoptr (ObkSecret) secret = obk_secret_new_copy (body, strlen (body));
      ObkHttpResponse response = { .status = cases[i].status, .body = secret };
      g_autoptr (GError) error = NULL;

      g_assert_null (obk_answer_read (&response, "bao:8200", TRUE, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_AUTH_FAILED);
      assert_advises (obk_advice_on_jwt_login, error->message, cases[i].remedy);
    }
}

static char *
make_jwt (const char *claims)
{
  g_autofree char *part = g_base64_encode ((const guchar *)claims, strlen (claims));

  g_strdelimit (part, "+", '-');
  g_strdelimit (part, "/", '_');
  *(part + strcspn (part, "=")) = '\0';
  return g_strdup_printf ("e30.%s.e30", part);
}

static void
test_jwt (void)
{
  static const char *const audiences[] = { "bao", NULL };
  static const ObkJwtRules rules = {
    .min_remaining_ttl_us = 60 * S,
    .expected_issuer = "us",
    .expected_audience = audiences,
    .expected_subject = "node",
  };
  static const struct
  {
    const char *claims, *phrase;
    const char *remedy; /* (nullable): of the table */
  } cases[] = {
    { "\"exp\":1,\"iss\":\"us\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_EXP, NULL },
    { "\"exp\":1800000030,\"iss\":\"us\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_EXP, NULL },
    { "\"iss\":\"us\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_EXP, NULL },
    { "\"exp\":1800009999,\"nbf\":1800000099,\"iss\":\"us\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_NBF, NULL },
    { "\"exp\":1800009999,\"iat\":1800000099,\"iss\":\"us\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_IAT, NULL },
    { "\"exp\":1800009999,\"iss\":\"x\",\"aud\":\"bao\",\"sub\":\"node\"", OBK_JWT_SAYS_ISS, "expectedIssuer" },
    { "\"exp\":1800009999,\"iss\":\"us\",\"aud\":\"x\",\"sub\":\"node\"", OBK_JWT_SAYS_AUD, "expectedAudience" },
    { "\"exp\":1800009999,\"iss\":\"us\",\"sub\":\"node\"", OBK_JWT_SAYS_AUD, "expectedAudience" },
    { "\"exp\":1800009999,\"iss\":\"us\",\"aud\":\"bao\"", OBK_JWT_SAYS_SUB, "expectedSubject" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *claims = g_strdup_printf ("{%s}", cases[i].claims);
      g_autofree char *jwt = make_jwt (claims);
      g_autoptr (GError) error = NULL;

      g_assert_false (obk_jwt_check (jwt, strlen (jwt), &rules, NOW, NULL, &error));
      g_assert_nonnull (strstr (error->message, cases[i].phrase));
      if (cases[i].remedy != NULL)
        assert_advises (obk_advice_on_jwt, error->message, cases[i].remedy);
      else
        g_assert_null (obk_advice_find (obk_advice_on_jwt, error->message));
    }
}

static void
test_key (void)
{
  static const ObkKeyMetadata good = { .type = (char *)"aes256-gcm96",
                                       .supports_encryption = TRUE,
                                       .supports_decryption = TRUE,
                                       .disable_upsert = TRUE,
                                       .latest_version = 1,
                                       .min_decryption_version = 1 };
  ObkKeyMetadata bad[] = { good, good, good, good, good, good };
  static const char *const remedies[]
      = { "bring the key back", "forbid its deletion", "another key", "another key", "another key", "another key" };

  bad[0].soft_deleted = TRUE;
  bad[1].deletion_allowed = TRUE;
  bad[2].exportable = TRUE;
  bad[3].derived = TRUE;
  bad[4].supports_decryption = FALSE;
  bad[5].type = (char *)"chacha20-poly1305";
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GPtrArray) findings = NULL;

      bad[i].versions = g_array_new (FALSE, TRUE, sizeof (ObkKeyVersion));
      g_array_set_size (bad[i].versions, 1);
      g_array_index (bad[i].versions, ObkKeyVersion, 0) = (ObkKeyVersion){ .version = 1, .created_at_unix = NOW };
      findings = obk_profile_findings (&bad[i], NULL);
      g_assert_cmpuint (findings->len, ==, 1);
      assert_advises (obk_advice_on_key, ((const ObkProfileFinding *)findings->pdata[0])->text, remedies[i]);
      g_array_unref (bad[i].versions);
    }
}

static void
test_tls (void)
{
  static const struct
  {
    PRErrorCode code;
    const char *phrase;
  } cases[] = {
    { SSL_ERROR_BAD_CERT_DOMAIN, OBK_TLS_SAYS_NAME },
    { SEC_ERROR_UNKNOWN_ISSUER, OBK_TLS_SAYS_ISSUER },
    { SEC_ERROR_EXPIRED_CERTIFICATE, OBK_TLS_SAYS_EXPIRED },
    { SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE, OBK_TLS_SAYS_ISSUER_TIME },
    { SSL_ERROR_RX_RECORD_TOO_LONG, OBK_TLS_SAYS_NO_TLS },
    { SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT, OBK_TLS_SAYS_CLIENT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      obk_tls_error_set (&error, cases[i].code, "TLS");
      g_assert_nonnull (strstr (error->message, cases[i].phrase));
    }
}

static void
test_token (void)
{
  g_autoptr (ObkPkcs11) pkcs11 = NULL;
  g_autoptr (GError) error = NULL;
  ObkPkcs11Place place = { .module_path = "/absent.so", .token_label = "t", .key_label = "k", .uri = "" };

  g_assert_null (obk_pin_read ("/absent", &error));
  assert_advises (obk_advice_on_certificate, error->message, "the file holds the PIN alone");
  g_clear_error (&error);
  pkcs11 = obk_pkcs11_new (&place, &error);
  g_assert_no_error (error);
  g_assert_null (obk_pkcs11_open (pkcs11, &error));
  assert_advises (obk_advice_on_certificate, error->message, "correct auth.cert.pkcs11.modulePath");
}

/* By the leeway of the login that is configured. */
static void
test_clock (void)
{
  static const struct
  {
    ObkAuthMethod method;
    gint64 offset_us;
    ObkCheckResult result;
    const char *text;
  } cases[] = {
    { OBK_AUTH_JWT, 4 * S, OBK_CHECK_OK, "agrees" },
    { OBK_AUTH_JWT, 20 * S, OBK_CHECK_WARN, "20 s ahead of OpenBao's" },
    { OBK_AUTH_JWT, 40 * S, OBK_CHECK_FAIL, "more than auth.jwt.clockSkewLeeway" },
    { OBK_AUTH_CERT, -40 * S, OBK_CHECK_WARN, "40 s behind OpenBao's" },
    { OBK_AUTH_CERT, 80 * S, OBK_CHECK_FAIL, "more than auth.cert.clockSkewLeeway" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkCheckReport) report = obk_check_report_new ();
      const ObkCheckFinding *finding = NULL;
      ObkConfig config = { .auth = { .method = cases[i].method } };

      config.auth.jwt.clock_skew_leeway_us = 30 * S;
      config.auth.cert.clock_skew_leeway_us = 60 * S;
      obk_doctor_judge_clock (&config, report, "bao:8200", cases[i].offset_us);
      finding = g_ptr_array_index (report->findings, 0);
      g_assert_cmpint (finding->result, ==, cases[i].result);
      g_assert_nonnull (strstr (finding->text, cases[i].text));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor-advice/no-row-hides-another", test_no_row_hides_another);
  g_test_add_func ("/doctor-advice/adds", test_adds);
  g_test_add_func ("/doctor-advice/jwt-login", test_jwt_login);
  g_test_add_func ("/doctor-advice/jwt", test_jwt);
  g_test_add_func ("/doctor-advice/key", test_key);
  g_test_add_func ("/doctor-advice/tls", test_tls);
  g_test_add_func ("/doctor-advice/token", test_token);
  g_test_add_func ("/doctor-advice/clock", test_clock);
  return g_test_run ();
}
