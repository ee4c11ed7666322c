/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/transit-key.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

/* The "data" of what OpenBao 2.7.2 answers. */
static const char key_answer[]
    = "{\"allow_plaintext_backup\":false,\"auto_rotate_period\":0,\"deletion_allowed\":false,\"derived\":false,"
      "\"exportable\":false,\"imported_key\":false,\"keys\":{\"2\":1795627289},\"latest_version\":2,"
      "\"min_available_version\":1,\"min_decryption_version\":2,\"min_encryption_version\":0,\"name\":\"k\","
      "\"soft_deleted\":false,\"supports_decryption\":true,\"supports_derivation\":true,"
      "\"supports_encryption\":true,\"supports_signing\":false,\"type\":\"aes256-gcm96\"}";

/* Returns: (transfer full): @key_answer with one member put in its place; %NULL as @value takes it out */
static json_t *
key_with (const char *name, const char *value)
{
  json_t *data = obk_json_parse (key_answer, strlen (key_answer), NULL);

  g_assert_nonnull (data);
  if (value == NULL)
    g_assert_cmpint (json_object_del (data, name), ==, 0);
  else
    {
      json_t *member = obk_json_parse (value, strlen (value), NULL);

      g_assert_nonnull (member);
      g_assert_cmpint (json_object_set_new (data, name, member), ==, 0);
    }
  return data;
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
  g_assert_cmpint (many_us, <, 2000 * MAX (some_us, 100)); /* nearer to a hundred times as much than to its square */
  g_assert_null (obk_transit_key_read (too_many, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_JSON);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transit-key/members", test_key_members);
  g_test_add_func ("/transit-key/flags", test_key_flags);
  g_test_add_func ("/transit-key/creation-times", test_key_creation_times);
  g_test_add_func ("/transit-key/many-versions", test_key_many_versions);
  return g_test_run ();
}
