/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/transit.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "client-fixture.h"
#include "openbao/transit-key.h"

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

/* Returns: (transfer full): the "data" of @key_answer with one member put in its place; %NULL as @value takes it out */
static json_t *
key_with (const char *name, const char *value)
{
  g_autoptr (json_t) answer = obk_json_parse (key_answer, strlen (key_answer), NULL);
  json_t *data = json_object_get (answer, "data");

  g_assert_nonnull (data);
  if (value == NULL)
    g_assert_cmpint (json_object_del (data, name), ==, 0);
  else
    {
      json_t *member = obk_json_parse (value, strlen (value), NULL);

      g_assert_nonnull (member);
      g_assert_cmpint (json_object_set_new (data, name, member), ==, 0);
    }
  return json_incref (data);
}

static void
test_key_members (void)
{
  static const struct
  {
    const char *name, *value;
    gboolean good;
  } cases[] = {
    { "type", NULL, FALSE },
    { "type", "7", FALSE },
    { "type", "\"rsa-2048\"", TRUE },
    { "keys", NULL, FALSE },
    { "keys", "null", FALSE },
    { "keys", "[]", FALSE },
    { "keys", "{}", TRUE },
    { "keys", "{\"0\":1}", FALSE },
    { "keys", "{\"-1\":1}", FALSE },
    { "keys", "{\"+1\":1}", FALSE },
    { "keys", "{\"01\":1}", FALSE },
    { "keys", "{\"1 \":1}", FALSE },
    { "keys", "{\"\":1}", FALSE },
    { "keys", "{\"one\":1}", FALSE },
    { "keys", "{\"1.0\":1}", FALSE },
    { "keys", "{\"4294967295\":1}", TRUE },
    { "keys", "{\"4294967296\":1}", FALSE },
    { "keys", "{\"1\":null}", FALSE },
    { "keys", "{\"1\":true}", FALSE },
    { "keys", "{\"1\":[]}", FALSE },
    { "keys", "{\"1\":{}}", FALSE },
    { "keys", "{\"1\":253402300800}", FALSE },
    { "keys", "{\"1\":1e300}", FALSE },
    { "latest_version", NULL, FALSE },
    { "latest_version", "0", FALSE },
    { "latest_version", "-1", FALSE },
    { "latest_version", "1.0", FALSE },
    { "latest_version", "\"1\"", FALSE },
    { "latest_version", "4294967296", FALSE },
    { "min_available_version", NULL, TRUE },
    { "min_available_version", "null", FALSE },
    { "min_decryption_version", NULL, TRUE },
    { "min_decryption_version", "-1", FALSE },
    { "min_encryption_version", NULL, TRUE },
    { "min_encryption_version", "\"0\"", FALSE },
    { "soft_deleted", NULL, TRUE },
    { "soft_deleted", "0", FALSE },
    { "convergent_encryption", "true", TRUE },
    { "convergent_encryption", "\"true\"", FALSE },
    { "derived", NULL, FALSE },
    { "derived", "null", FALSE },
    { "exportable", NULL, FALSE },
    { "allow_plaintext_backup", NULL, FALSE },
    { "deletion_allowed", NULL, FALSE },
    { "supports_encryption", NULL, FALSE },
    { "supports_decryption", NULL, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (json_t) data = key_with (cases[i].name, cases[i].value);
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkKeyMetadata) metadata = obk_transit_key_read (data, &error);

      g_test_message ("%s: %s (%s)", cases[i].name, cases[i].value, error != NULL ? error->message : "good");
      g_assert_cmpint (metadata != NULL, ==, cases[i].good);
      if (!cases[i].good)
        {
          g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
          g_assert_nonnull (strstr (error->message, cases[i].name));
        }
    }
}

/* Each flag and number comes from the member of its name. */
static void
test_key_flags (void)
{
  static const struct
  {
    const char *name;
    gsize offset;
  } flags[] = {
#define FLAG(name, member) { name, G_STRUCT_OFFSET (ObkKeyMetadata, member) }
    FLAG ("soft_deleted", soft_deleted),
    FLAG ("derived", derived),
    FLAG ("convergent_encryption", convergent),
    FLAG ("exportable", exportable),
    FLAG ("allow_plaintext_backup", allow_plaintext_backup),
    FLAG ("deletion_allowed", deletion_allowed),
    FLAG ("supports_encryption", supports_encryption),
    FLAG ("supports_decryption", supports_decryption),
  };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    for (gboolean value = FALSE; value <= TRUE; value++)
      {
        g_autoptr (json_t) data = key_with (flags[i].name, value ? "true" : "false");
        g_autoptr (GError) error = NULL;
        g_autoptr (ObkKeyMetadata) metadata = obk_transit_key_read (data, &error);

        g_assert_no_error (error);
        g_assert_cmpint (G_STRUCT_MEMBER (gboolean, metadata, flags[i].offset), ==, value);
      }
}

static void
test_key_creation_times (void)
{
  static const struct
  {
    const char *value;
    gint64 unix_s; /* -1: refused */
  } cases[] = {
    { "1795627529", 1795627529 },
    { "1795627529.9", 1795627529 },
    { "\"2026-11-25T17:25:29Z\"", 1795627529 },
    { "\"2026-11-25T17:25:29.460713913Z\"", 1795627529 },
    { "\"2026-11-25T19:25:29.460713913+02:00\"", 1795627529 },
    { "\"2026-11-25T12:55:29-04:30\"", 1795627529 },
    /* as for keys that cannot encrypt */
    { "{\"creation_time\":\"2026-11-25T17:25:29.460713913Z\",\"name\":\"ed25519\",\"public_key\":\"p4\"}", 1795627529 },
    /* none */
    { "0", 0 },
    { "-62135596800", 0 },
    { "-1e300", 0 },
    { "\"0001-01-01T00:00:00Z\"", 0 },
    { "\"\"", -1 },
    { "\"1795627529\"", -1 },
    { "\"2026-11-25\"", -1 },
    { "\"2026-11-25T17:25:29\"", -1 },
    { "\"2026-11-25 17:25:29Z\"", -1 },
    { "\"2026-11-25T17:25:29.Z\"", -1 },
    { "\"2026-11-25T17:25:29Zx\"", -1 },
    { "\"2026-13-25T17:25:29Z\"", -1 },
    { "\"2026-11-31T17:25:29Z\"", -1 },
    { "\"2026-11-25T25:25:29Z\"", -1 },
    { "\"20261125T172529Z\"", -1 },
    { "\"2026-W48-3T17:25:29Z\"", -1 },
    { "\"2026-11-25T17:25:29+0200\"", -1 },
    { "\"2026-11-25T17:25:29+02:0x\"", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *keys = g_strdup_printf ("{\"7\":%s}", cases[i].value);
      g_autoptr (json_t) data = key_with ("keys", keys);
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkKeyMetadata) metadata = obk_transit_key_read (data, &error);

      g_test_message ("%s", cases[i].value);
      if (cases[i].unix_s < 0)
        {
          g_assert_null (metadata);
          g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpint (obk_key_metadata_created_at (metadata, 7), ==, cases[i].unix_s);
    }
}

static json_t *
key_with_versions (guint n)
{
  g_autoptr (GString) keys = g_string_new ("{");

  for (guint i = n; i > 0; i--)
    g_string_append_printf (keys, "%s\"%u\":%u", i == n ? "" : ",", i, 1700000000 + i);
  g_string_append_c (keys, '}');
  return key_with ("keys", keys->str);
}

/* Shortest of a few, so that a busy machine does not count. */
static gint64
time_to_read (const json_t *data, guint n)
{
  gint64 best_us = G_MAXINT64;

  for (guint i = 0; i < 5; i++)
    {
      gint64 start_us = obk_clock_boot_us ();
      g_autoptr (ObkKeyMetadata) metadata = obk_transit_key_read (data, NULL);

      best_us = MIN (best_us, obk_clock_boot_us () - start_us);
      g_assert_nonnull (metadata);
      g_assert_cmpuint (metadata->versions->len, ==, n);
      for (guint j = 0; j < n; j++)
        g_assert_cmpuint (g_array_index (metadata->versions, ObkKeyVersion, j).version, ==, j + 1);
    }
  return best_us;
}

static void
test_key_many_versions (void)
{
  g_autoptr (json_t) some = key_with_versions (1000);
  g_autoptr (json_t) many = key_with_versions (OBK_TRANSIT_MAX_VERSIONS);
  g_autoptr (json_t) too_many = key_with_versions (OBK_TRANSIT_MAX_VERSIONS + 1);
  g_autoptr (GError) error = NULL;
  gint64 some_us = time_to_read (some, 1000);
  gint64 many_us = time_to_read (many, OBK_TRANSIT_MAX_VERSIONS);

  g_test_message ("%" G_GINT64_FORMAT " us, %" G_GINT64_FORMAT " us", some_us, many_us);
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpint (some_us, <, 2 * MS);
#endif
  g_assert_cmpint (many_us, <, 500 * MAX (some_us, 100)); /* a hundred times as much, and not the square of it */
  g_assert_null (obk_transit_key_read (too_many, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
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
  g_assert_cmpint (result.code, ==, OBK_ERROR_UNAVAILABLE);
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
  g_test_add_func ("/transit/key/members", test_key_members);
  g_test_add_func ("/transit/key/flags", test_key_flags);
  g_test_add_func ("/transit/key/creation-times", test_key_creation_times);
  g_test_add_func ("/transit/key/many-versions", test_key_many_versions);
  ADD ("key/many-versions-over-http", test_key_many_versions_over_http);
  ADD ("key/unusable", test_key_unusable);
  result = g_test_run ();
  stand_in_stop (fixture_server);
  return result;
}
