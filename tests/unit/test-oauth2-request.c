/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/oauth2-request.h"

#include <string.h>

static const char *const none[] = { NULL };

static ObkSecret *
secret_of (const char *text)
{
  return obk_secret_new_copy (text, strlen (text));
}

static void
test_plain (void)
{
  const ObkOauth2Request request = { .client_id = "node-1", .scopes = none, .audience = "", .resources = none };
  g_autoptr (ObkSecret) secret = secret_of ("s3cret");
  g_autoptr (ObkSecret) body = obk_oauth2_request_body (&request, secret);
  g_autoptr (ObkSecret) credentials = obk_oauth2_request_credentials (&request, secret);

  g_assert_cmpstr (obk_secret_data (body), ==, "grant_type=client_credentials");
  g_assert_cmpstr (obk_secret_data (credentials), ==, "Authorization: Basic bm9kZS0xOnMzY3JldA==");
}

static void
test_all_fields (void)
{
  static const char *const scopes[] = { "kms", "a/b:c", NULL };
  static const char *const resources[] = { "https://bao.test/x?y=1&z", "urn:two", NULL };
  const ObkOauth2Request request = {
    .client_id = "node 1",
    .secret_in_body = TRUE,
    .scopes = scopes,
    .audience = "open+bao",
    .resources = resources,
  };
  g_autoptr (ObkSecret) secret = secret_of ("p&=%~");
  g_autoptr (ObkSecret) body = obk_oauth2_request_body (&request, secret);

  g_assert_cmpstr (obk_secret_data (body), ==,
                   "grant_type=client_credentials&client_id=node+1&client_secret=p%26%3D%25%7E&scope=kms+a%2Fb%3Ac"
                   "&audience=open%2Bbao&resource=https%3A%2F%2Fbao.test%2Fx%3Fy%3D1%26z&resource=urn%3Atwo");
  g_assert_null (obk_oauth2_request_credentials (&request, secret));
}

/* The example of RFC 6749, appendix B, and a colon in both halves. */
static void
test_encoded_before_base64 (void)
{
  const ObkOauth2Request request = { .client_id = "a:b", .scopes = none, .audience = "", .resources = none };
  g_autoptr (ObkSecret) secret = secret_of (" %&+\xc2\xa3\xe2\x82\xac:");
  g_autoptr (ObkSecret) credentials = obk_oauth2_request_credentials (&request, secret);
  const char *start = "Authorization: Basic ";
  const char *line = obk_secret_data (credentials);
  g_autoptr (ObkSecret) pair = NULL;

  g_assert_true (g_str_has_prefix (line, start));
  pair = obk_secret_decode_base64 (line + strlen (start), strlen (line) - strlen (start));
  g_assert_nonnull (pair);
  g_assert_cmpstr (obk_secret_data (pair), ==, "a%3Ab:+%25%26%2B%C2%A3%E2%82%AC%3A");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/oauth2-request/plain", test_plain);
  g_test_add_func ("/oauth2-request/all-fields", test_all_fields);
  g_test_add_func ("/oauth2-request/encoded-before-base64", test_encoded_before_base64);
  return g_test_run ();
}
