/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/jwt-file.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1800000000
#define NOW_TEXT "1800000000"
#define SECOND ((gint64)G_USEC_PER_SEC)
#define HEADER "{\"alg\":\"RS256\",\"kid\":\"HIDDEN\"}"
#define SIGNATURE "c2lnbmF0dXJl"
#define LATER "\"exp\":1800003600"
#define PATIENCE_US (5 * SECOND)

static const char *const nobody[] = { NULL };

static const ObkJwtFileOptions any = {
  .path = "",
  .role = "role",
  .min_remaining_ttl_us = 120 * SECOND,
  .clock_skew_leeway_us = 30 * SECOND,
  .expected_issuer = "",
  .expected_audience = nobody,
  .expected_subject = "",
};

static char *
encode (const char *text)
{
  char *base64 = g_base64_encode ((const guchar *)text, strlen (text));

  g_strdelimit (base64, "+", '-');
  g_strdelimit (base64, "/", '_');
  if (strchr (base64, '=') != NULL)
    *strchr (base64, '=') = '\0';
  return base64;
}

static char *
make_jwt (const char *header, const char *claims)
{
  g_autofree char *first = encode (header);
  g_autofree char *second = encode (claims);

  return g_strdup_printf ("%s.%s." SIGNATURE, first, second);
}

/* @problem: (nullable): what the refusal says; %NULL when the JWT is to pass */
static void
check_jwt (const char *jwt, const ObkJwtFileOptions *options, const char *problem)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = obk_jwt_check (jwt, strlen (jwt), options, NOW, NULL, &error);

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
check_claims (const char *claims, const ObkJwtFileOptions *options, const char *problem)
{
  g_autofree char *jwt = make_jwt (HEADER, claims);

  check_jwt (jwt, options, problem);
}

static void
test_parts (void)
{
  g_autofree char *header = encode (HEADER);
  g_autofree char *claims = encode ("{" LATER "}");
  static const struct
  {
    const char *format; /* of header and claims */
    const char *problem;
  } rows[] = {
    { "%s.%s." SIGNATURE, NULL },
    { "%s.%s", "three parts" },
    { "%s%s", "three parts" },
    { "%s.%s.c2ln.c2ln", "three parts" },
    { "%s.%s." SIGNATURE ".", "three parts" },
    { "%s.%s.", "signature is not base64url" },
    { "%s.%s." SIGNATURE "\n", "signature is not base64url" },
    { "%s.%s.c2k=", "signature is not base64url" },
    { "%s.%s.c2lnb", "signature is not base64url" }, /* no bytes have that length */
    { "%s.%s.c2l", "signature is not base64url" },   /* bits that encode nothing are set */
    { "%s.%s.+/+/", "signature is not base64url" },  /* of the other alphabet */
    { "%s.%s.-_-_", NULL },
    { " %s.%s." SIGNATURE, "header is not base64url" },
    { "%s.%s==." SIGNATURE, "claims is not base64url" },
    { "%s.." SIGNATURE "%.0s", "claims is not base64url" },
    { ".%2$s." SIGNATURE "%1$.0s", "header is not base64url" },
  };

  check_jwt ("", &any, "three parts");
  check_jwt ("..", &any, "header is not base64url");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *jwt = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      jwt = g_strdup_printf (rows[i].format, header, claims);
#pragma GCC diagnostic pop
      check_jwt (jwt, &any, rows[i].problem);
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
      g_autofree char *as_header = make_jwt (objects[i][0], "{" LATER "}");

      check_jwt (as_header, &any, objects[i][1]);
      check_claims (objects[i][0], &any, objects[i][1]);
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
    check_claims (rows[i][0], &any, rows[i][1]);
}

static void
test_expires (void)
{
  g_autofree char *good = make_jwt (HEADER, "{\"exp\":1800003600.9}");
  g_autofree char *expired = make_jwt (HEADER, "{\"exp\":1700000000}");
  gint64 expires_unix = 0;

  g_assert_true (obk_jwt_check (good, strlen (good), &any, NOW, &expires_unix, NULL));
  g_assert_cmpint (expires_unix, ==, NOW + 3600);
  g_assert_false (obk_jwt_check (expired, strlen (expired), &any, NOW, &expires_unix, NULL));
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
  ObkJwtFileOptions options = any;

  options.expected_issuer = "me";
  options.expected_audience = audience;
  options.expected_subject = "kms";
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    check_claims (rows[i][0], &options, rows[i][1]);
}

typedef struct
{
  char *directory;
  char *path;
  ObkJwtFileOptions options;
  guint changes;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("test-jwt-file-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->directory, "jwt", NULL);
  f->options = any;
  f->options.path = f->path;
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_remove (f->path);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->path);
  g_free (f->directory);
}

static char *
jwt_for (gint64 seconds)
{
  g_autofree char *claims = g_strdup_printf ("{\"exp\":%" G_GINT64_FORMAT "}", obk_clock_unix () + seconds);

  return make_jwt (HEADER, claims);
}

static void
write_file (Fixture *f, const char *content, gssize length)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (f->path, content, length, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

static ObkCredential *
new_file (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  ObkCredential *credential = obk_jwt_file_new (&f->options, &error);

  g_assert_no_error (error);
  return credential;
}

/* The body must be that of @role and @jwt. */
static void
assert_body (ObkCredential *credential, const char *role, const char *jwt)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) body = credential->login_body (credential, &error);
  g_autoptr (json_t) json = NULL;
  static const char *const members[] = { "role", "jwt", NULL };
  const char *value = NULL;

  g_assert_no_error (error);
  json = obk_json_parse (obk_secret_data (body), obk_secret_length (body), &error);
  g_assert_no_error (error);
  g_assert_true (obk_json_only (json, members, NULL));
  g_assert_true (obk_json_get_string (json, "role", &value, NULL));
  g_assert_cmpstr (value, ==, role);
  g_assert_true (obk_json_get_string (json, "jwt", &value, NULL));
  g_assert_cmpstr (value, ==, jwt);
}

static void
assert_no_body (ObkCredential *credential, const char *problem)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) body = credential->login_body (credential, &error);

  g_assert_null (body);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_assert_nonnull (strstr (error->message, problem));
}

static void
test_body (Fixture *f, gconstpointer data)
{
  static const char *const roles[] = { "role", "a \"b\" \\c\n\x01 \xc3\xa4/", "" };
  g_autofree char *jwt = jwt_for (3600);
  g_autofree char *line = g_strconcat (jwt, "\n", NULL);
  g_autofree char *lines = g_strconcat (line, "\n", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (roles); i++)
    {
      g_autoptr (ObkCredential) credential = NULL;

      f->options.role = roles[i];
      write_file (f, jwt, -1);
      credential = new_file (f);
      g_assert_cmpstr (credential->operation, ==, "jwt login");
      assert_body (credential, roles[i], jwt);
      write_file (f, line, -1); /* read anew */
      assert_body (credential, roles[i], jwt);
      write_file (f, lines, -1);
      assert_no_body (credential, "signature");
    }
}

static void
test_role_not_utf8 (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->options.role = "\xff";
  g_assert_null (obk_jwt_file_new (&f->options, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID);
}

static void
test_ttl (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkCredential) credential = new_file (f);
  g_autofree char *good = jwt_for (3600);
  g_autofree char *expired = jwt_for (-60);
  gint64 ttl = 0;

  g_assert_cmpint (credential->ttl_seconds (credential), ==, -1);
  write_file (f, good, -1);
  assert_body (credential, "role", good);
  ttl = credential->ttl_seconds (credential);
  g_assert_true (ttl > 3590 && ttl <= 3600);
  write_file (f, expired, -1);
  assert_no_body (credential, "expired");
  g_assert_cmpint (credential->ttl_seconds (credential), ==, 0);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  assert_no_body (credential, "No such file");
  g_assert_cmpint (credential->ttl_seconds (credential), ==, -1);
}

static void
test_unsafe (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkCredential) credential = new_file (f);
  g_autofree char *jwt = jwt_for (3600);
  g_autofree char *large = g_strnfill (64 * 1024 + 1, 'a');
  g_autofree char *other = g_build_filename (f->directory, "other", NULL);

  write_file (f, "", 0);
  assert_no_body (credential, "three parts");
  write_file (f, large, -1);
  assert_no_body (credential, "larger than");
  write_file (f, jwt, -1);
  assert_body (credential, "role", jwt);
  g_assert_cmpint (chmod (f->path, 0644), ==, 0);
  assert_no_body (credential, "mode");
  g_assert_cmpint (chmod (f->path, 0600), ==, 0);
  g_assert_cmpint (g_rename (f->path, other), ==, 0);
  g_assert_cmpint (symlink ("other", f->path), ==, 0);
  assert_no_body (credential, "symbolic link");
  g_assert_cmpint (g_unlink (other), ==, 0);
}

static void
test_credential_name (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkCredential) credential = NULL;
  g_autofree char *jwt = jwt_for (3600);

  f->options.path = "credential:jwt";
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (obk_jwt_file_new (&f->options, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_FILE);
  g_assert_true (g_setenv ("CREDENTIALS_DIRECTORY", f->directory, TRUE));
  write_file (f, jwt, -1);
  credential = new_file (f);
  assert_body (credential, "role", jwt);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
}

static void
count_change (gpointer user_data)
{
  ((Fixture *)user_data)->changes++;
}

static gboolean
wake (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
test_changed (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkCredential) credential = new_file (f);
  guint source = g_timeout_add (10, wake, NULL);
  gint64 start_us = g_get_monotonic_time ();

  credential->changed = count_change;
  credential->changed_data = f;
  write_file (f, "text", -1);
  while (f->changes == 0 && g_get_monotonic_time () < start_us + PATIENCE_US)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  g_assert_cmpuint (f->changes, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jwt-file/check/parts", test_parts);
  g_test_add_func ("/jwt-file/check/json", test_json);
  g_test_add_func ("/jwt-file/check/dates", test_dates);
  g_test_add_func ("/jwt-file/check/expires", test_expires);
  g_test_add_func ("/jwt-file/check/expected", test_expected);
#define ADD(path, function) g_test_add ("/jwt-file/" path, Fixture, NULL, setup, function, teardown)
  ADD ("body", test_body);
  ADD ("role-not-utf8", test_role_not_utf8);
  ADD ("ttl", test_ttl);
  ADD ("unsafe", test_unsafe);
  ADD ("credential-name", test_credential_name);
  ADD ("changed", test_changed);
  return g_test_run ();
}
