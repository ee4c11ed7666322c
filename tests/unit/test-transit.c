/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/transit.h"

#include "base/clock.h"
#include "base/log.h"
#include "client-fixture.h"

#include <string.h>

#define AAD "b2J0"

/* What a callback was told. */
typedef struct
{
  guint calls;
  ObkError code;
  char *error_text;
  char *text; /* ciphertext or plaintext */
  ObkKeyMetadata *metadata;
  gboolean disable_upsert;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->error_text);
  g_free (result->text);
  obk_key_metadata_free (result->metadata);
  *result = (Result){ .calls = 0 };
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static void
take_error (Result *result, const GError *error)
{
  g_assert_cmpuint (result->calls++, ==, 0);
  if (error == NULL)
    return;
  g_assert_true (error->domain == OBK_ERROR);
  result->code = obk_error_code (error);
  result->error_text = g_strdup (error->message);
}

static void
encrypted (const char *ciphertext, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  g_assert_true ((ciphertext == NULL) != (error == NULL));
  take_error (result, error);
  result->text = g_strdup (ciphertext);
}

static void
decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  g_assert_true ((plaintext == NULL) != (error == NULL));
  take_error (result, error);
  if (plaintext != NULL)
    result->text = g_strndup (obk_secret_data (plaintext), obk_secret_length (plaintext));
}

static void
key_read (const ObkKeyMetadata *metadata, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  g_assert_true ((metadata == NULL) != (error == NULL));
  take_error (result, error);
  if (metadata != NULL)
    result->metadata = obk_key_metadata_copy (metadata);
}

static void
upsert_read (gboolean disable_upsert, const GError *error, gpointer user_data)
{
  Result *result = user_data;

  take_error (result, error);
  result->disable_upsert = disable_upsert;
}

static void
wait_for (Result *result)
{
  gint64 limit_us = obk_clock_boot_us () + PATIENCE_US;

  while (result->calls == 0 && obk_clock_boot_us () < limit_us)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (result->calls, ==, 1);
  if (result->error_text != NULL)
    g_test_message ("%s", result->error_text);
}

/* A Transit that gives @answer to everything; there must be no slash in it. */
static ObkTransit *
transit_that_says (ClientFixture *f, const char *answer)
{
  g_autofree char *mount = g_strconcat ("json/", answer, NULL);

  return obk_transit_new (f->client, mount, "key");
}

static void
encrypt (ObkTransit *transit, guint32 version, Result *result)
{
  result_clear (result);
  obk_transit_encrypt (transit, version, "hi", 2, AAD, OBK_NO_DEADLINE, encrypted, result);
  wait_for (result);
}

static void
decrypt (ObkTransit *transit, const char *ciphertext, Result *result)
{
  result_clear (result);
  obk_transit_decrypt (transit, ciphertext, AAD, OBK_NO_DEADLINE, decrypted, result);
  wait_for (result);
}

static void
read_key (ObkTransit *transit, Result *result)
{
  result_clear (result);
  obk_transit_read_key (transit, OBK_NO_DEADLINE, key_read, result);
  wait_for (result);
}

/* The last request as OpenBao would have got it. */
static void
assert_request (ClientFixture *f, const char *method, const char *path_end, const char *body)
{
  g_auto (ClientResult) result = { .calls = 0 };

  client_fixture_ask (f, "last_kept", &result);
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "method")), ==, method);
  g_assert_cmpstr (json_string_value (json_object_get (result.json, "body")), ==, body);
  g_assert_true (g_str_has_suffix (json_string_value (json_object_get (result.json, "path")), path_end));
}

/* --- encrypt --- */

static void
test_encrypt (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit
      = transit_that_says (f, "{\"data\":{\"ciphertext\":\"vault:v4294967295:x+=\",\"key_version\":4294967295}}");
  g_auto (Result) result = { .calls = 0 };

  encrypt (transit, G_MAXUINT32, &result);
  g_assert_cmpstr (result.text, ==, "vault:v4294967295:x+=");
  assert_request (f, "POST", "%7D/encrypt/key",
                  "{\"plaintext\":\"aGk=\",\"key_version\":4294967295,\"associated_data\":\"" AAD "\"}");
}

static void
test_encrypt_large (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = transit_that_says (f, "{\"data\":{\"ciphertext\":\"vault:v1:x\"}}");
  g_autofree char *plaintext = g_strnfill (60000, 'p');
  g_autofree char *base64 = g_base64_encode ((const guchar *)plaintext, 60000);
  g_autofree char *body
      = g_strdup_printf ("{\"plaintext\":\"%s\",\"key_version\":1,\"associated_data\":\"" AAD "\"}", base64);
  g_auto (Result) result = { .calls = 0 };

  obk_transit_encrypt (transit, 1, plaintext, 60000, AAD, OBK_NO_DEADLINE, encrypted, &result);
  wait_for (&result);
  g_assert_cmpstr (result.text, ==, "vault:v1:x");
  assert_request (f, "POST", "/encrypt/key", body);
}

static void
test_encrypt_answers (ClientFixture *f, gconstpointer data)
{
  static const char *const bad[] = {
    "{}",
    "{\"data\":null}",
    "{\"data\":[]}",
    "{\"data\":{}}",
    "{\"data\":{\"ciphertext\":null}}",
    "{\"data\":{\"ciphertext\":\"\"}}",
    "{\"data\":{\"ciphertext\":7}}",
    "{\"data\":{\"ciphertext\":\"vault:v1:x\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v22:x\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v02:x\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x y\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\\n\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:\\u00e9\"}}",
    "{\"data\":{\"ciphertext\":\" vault:v2:x\"}}",
    "{\"data\":{\"ciphertext\":\"Vault:v2:x\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":1}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":4294967298}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":\"2\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":2.0}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":null}}",
  };
  static const char *const good[] = {
    "{\"data\":{\"ciphertext\":\"vault:v2:x\"}}",
    "{\"data\":{\"ciphertext\":\"vault:v2:x\",\"key_version\":2},\"auth\":null,\"warnings\":[\"w\"]}",
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (ObkTransit) transit = transit_that_says (f, bad[i]);

      g_test_message ("%s", bad[i]);
      encrypt (transit, 2, &result);
      g_assert_cmpint (result.code, ==, OBK_ERROR_UNAVAILABLE);
      g_assert_nonnull (result.error_text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (ObkTransit) transit = transit_that_says (f, good[i]);

      encrypt (transit, 2, &result);
      g_assert_cmpstr (result.text, ==, "vault:v2:x");
    }
}

/* --- decrypt --- */

static void
test_decrypt (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = transit_that_says (f, "{\"data\":{\"plaintext\":\"aGVsbG8=\"}}");
  g_auto (Result) result = { .calls = 0 };

  decrypt (transit, "vault:v3:AbC+/=", &result);
  g_assert_cmpstr (result.text, ==, "hello");
  assert_request (f, "POST", "%7D/decrypt/key", "{\"ciphertext\":\"vault:v3:AbC+/=\",\"associated_data\":\"" AAD "\"}");

  /* whatever it holds, it stays inside its string */
  decrypt (transit, "vault:v3:\",\"a\\b\x01", &result);
  assert_request (f, "POST", "/decrypt/key",
                  "{\"ciphertext\":\"vault:v3:\\u0022,\\u0022a\\u005cb\\u0001\",\"associated_data\":\"" AAD "\"}");
}

static void
test_decrypt_answers (ClientFixture *f, gconstpointer data)
{
  static const char *const bad[] = {
    "{}",
    "{\"data\":\"plaintext\"}",
    "{\"data\":{}}",
    "{\"data\":{\"plaintext\":null}}",
    "{\"data\":{\"plaintext\":[\"aGk=\"]}}",
    "{\"data\":{\"plaintext\":\"\"}}",
    "{\"data\":{\"plaintext\":\"aGk\"}}",
    "{\"data\":{\"plaintext\":\"aGl=\"}}",
    "{\"data\":{\"plaintext\":\"a-k=\"}}",
    "{\"data\":{\"plaintext\":\"aGk=\\n\"}}",
    "{\"data\":{\"plaintext\":\"not base64 at all\"}}",
  };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (ObkTransit) transit = transit_that_says (f, bad[i]);

      g_test_message ("%s", bad[i]);
      decrypt (transit, "vault:v1:x", &result);
      g_assert_cmpint (result.code, ==, OBK_ERROR_UNAVAILABLE);
      g_assert_null (strstr (result.error_text, "aG")); /* it is secret */
    }
}

/* --- errors, paths, cancel --- */

/* What the client says goes through as it is. */
static void
test_errors (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = obk_transit_new (f->client, "say/404", "key");
  g_auto (Result) result = { .calls = 0 };

  encrypt (transit, 1, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_KEY_MISSING);
  decrypt (transit, "vault:v1:x", &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_KEY_MISSING);
  read_key (transit, &result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_KEY_MISSING);
  result_clear (&result);
  obk_transit_read_upsert (transit, OBK_NO_DEADLINE, upsert_read, &result);
  wait_for (&result);
  g_assert_cmpint (result.code, ==, OBK_ERROR_KEY_MISSING);
}

static void
test_paths (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = obk_transit_new (f->client, "no_content/team a/tr\xc3\xa4nsit?#%", "a.b-c_D9");
  g_auto (Result) result = { .calls = 0 };

  read_key (transit, &result);
  encrypt (transit, 1, &result);
  g_assert_cmpint (client_fixture_count ("good /v1/no_content/team%20a/tr%C3%A4nsit%3F%23%25/keys/a.b-c_D9"), ==, 1);
  g_assert_cmpint (client_fixture_count ("good /v1/no_content/team%20a/tr%C3%A4nsit%3F%23%25/encrypt/a.b-c_D9"), ==, 1);
}

static void
test_deadline_and_cancel (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = obk_transit_new (f->client, "hang", "key");
  g_auto (Result) late = { .calls = 0 };
  g_auto (Result) cancelled = { .calls = 0 };
  ObkCall *call = obk_transit_decrypt (transit, "vault:v1:x", AAD, OBK_NO_DEADLINE, decrypted, &cancelled);

  obk_transit_decrypt (transit, "vault:v1:x", AAD, obk_clock_boot_us () + 100 * MS, decrypted, &late);
  wait_for (&late);
  g_assert_cmpint (late.code, ==, OBK_ERROR_TIMEOUT);
  obk_call_cancel (call);
  run_for (50);
  g_assert_cmpuint (cancelled.calls, ==, 0);
}

/* --- upsert --- */

static void
test_upsert (ClientFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *answer;
    gboolean good, disabled;
  } cases[] = {
    { "{\"data\":{\"disable_upsert\":true}}", TRUE, TRUE },
    { "{\"data\":{\"disable_upsert\":false}}", TRUE, FALSE },
    { "{\"data\":{\"disable_upsert\":1}}", FALSE, FALSE },
    { "{\"data\":{\"disable_upsert\":\"true\"}}", FALSE, FALSE },
    { "{\"data\":{}}", FALSE, FALSE },
    { "{\"data\":null}", FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ObkTransit) transit = transit_that_says (f, cases[i].answer);
      g_auto (Result) result = { .calls = 0 };

      obk_transit_read_upsert (transit, OBK_NO_DEADLINE, upsert_read, &result);
      wait_for (&result);
      g_assert_cmpint (result.error_text == NULL, ==, cases[i].good);
      g_assert_cmpint (result.code, ==, cases[i].good ? OBK_ERROR_UNKNOWN : OBK_ERROR_UNAVAILABLE);
      g_assert_cmpint (result.disable_upsert, ==, cases[i].disabled);
      assert_request (f, "GET", "%7D/config/keys", "");
    }
}

/* --- metadata --- */

/* As OpenBao 2.7.2 gives it. */
static const char key_answer[]
    = "{\"request_id\":\"132b52da\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":{"
      "\"allow_plaintext_backup\":false,\"auto_rotate_period\":0,\"deletion_allowed\":true,\"derived\":false,"
      "\"exportable\":false,\"imported_key\":false,\"keys\":{\"10\":1795627299,\"2\":1795627289,\"3\":1795627290},"
      "\"latest_version\":10,\"min_available_version\":1,\"min_decryption_version\":2,\"min_encryption_version\":3,"
      "\"name\":\"k\",\"soft_deleted\":false,\"supports_decryption\":true,\"supports_derivation\":true,"
      "\"supports_encryption\":true,\"supports_signing\":false,\"type\":\"aes256-gcm96\"},\"wrap_info\":null,"
      "\"warnings\":null,\"auth\":null}";

static void
test_key (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = transit_that_says (f, key_answer);
  g_auto (Result) result = { .calls = 0 };
  const ObkKeyMetadata *metadata = NULL;

  read_key (transit, &result);
  assert_request (f, "GET", "%7D/keys/key", "");
  metadata = result.metadata;
  g_assert_nonnull (metadata);
  g_assert_cmpstr (metadata->type, ==, "aes256-gcm96");
  g_assert_true (metadata->deletion_allowed && metadata->supports_encryption && metadata->supports_decryption);
  g_assert_false (metadata->soft_deleted || metadata->derived || metadata->convergent || metadata->exportable
                  || metadata->allow_plaintext_backup || metadata->disable_upsert);
  g_assert_cmpuint (metadata->latest_version, ==, 10);
  g_assert_cmpuint (metadata->min_available_version, ==, 1);
  g_assert_cmpuint (metadata->min_decryption_version, ==, 2);
  g_assert_cmpuint (metadata->min_encryption_version, ==, 3);
  g_assert_cmpint (metadata->server_date_unix, ==, 1741064767);
  g_assert_cmpuint (metadata->versions->len, ==, 3);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 2), ==, 1795627289);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 3), ==, 1795627290);
  g_assert_cmpint (obk_key_metadata_created_at (metadata, 10), ==, 1795627299);
}

static void
test_key_many_versions_over_http (ClientFixture *f, gconstpointer data)
{
  g_autoptr (ObkTransit) transit = obk_transit_new (f->client, "versions/20000", "key");
  g_autoptr (ObkTransit) too_large = obk_transit_new (f->client, "versions/80000", "key");
  g_auto (Result) result = { .calls = 0 };

  read_key (transit, &result);
  g_assert_nonnull (result.metadata);
  g_assert_cmpuint (result.metadata->versions->len, ==, 20000);
  read_key (too_large, &result); /* more than an answer may have */
  g_assert_cmpint (result.code, ==, OBK_ERROR_ANSWER_REFUSED);
}

static void
test_key_unusable (ClientFixture *f, gconstpointer data)
{
  static const char *const bad[]
      = { "{}", "{\"data\":null}", "{\"data\":[]}", "{\"data\":{\"type\":\"aes256-gcm96\"}}" };
  g_auto (Result) result = { .calls = 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (ObkTransit) transit = transit_that_says (f, bad[i]);

      read_key (transit, &result);
      g_assert_null (result.metadata);
      g_assert_cmpint (result.code, ==, OBK_ERROR_UNAVAILABLE);
    }
}

int
main (int argc, char **argv)
{
  int result = 0;

  g_test_init (&argc, &argv, NULL);
  obk_log_set_level (OBK_LOG_ERROR);
  fixture_server = stand_in_start ();
#define ADD(path, function)                                                                                            \
  g_test_add ("/transit/" path, ClientFixture, NULL, client_fixture_set_up, function, client_fixture_tear_down)
  ADD ("encrypt/body", test_encrypt);
  ADD ("encrypt/large", test_encrypt_large);
  ADD ("encrypt/answers", test_encrypt_answers);
  ADD ("decrypt/body", test_decrypt);
  ADD ("decrypt/answers", test_decrypt_answers);
  ADD ("errors", test_errors);
  ADD ("paths", test_paths);
  ADD ("deadline-and-cancel", test_deadline_and_cancel);
  ADD ("upsert", test_upsert);
  ADD ("key/real", test_key);
  ADD ("key/many-versions-over-http", test_key_many_versions_over_http);
  ADD ("key/unusable", test_key_unusable);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
