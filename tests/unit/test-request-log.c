/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/request-log.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

#include <string.h>

#define KEY_ID "obk2.a key_id that nobody should see in a log"

typedef struct
{
  ObkKeyIdentity *identity;
  guint n;
  ObkLogLevel level;
  double duration_ms;
  char *text; /* (nullable): of the last record: "kms.request operation=encrypt ..." without its duration */
} Fixture;

/* Strings are borrowed, so all is taken down at once. */
static void
take_down (const ObkLogRecord *record, gpointer user_data)
{
  Fixture *f = user_data;
  GString *text = g_string_new (record->event);

  for (guint i = 0; i < record->n_fields; i++)
    {
      const ObkLogField *field = &record->fields[i];

      switch (field->type)
        {
        case OBK_LOG_FIELD_STRING:
          g_string_append_printf (text, " %s=%s", field->name, field->value.string);
          break;
        case OBK_LOG_FIELD_INT:
          g_string_append_printf (text, " %s=%" G_GINT64_FORMAT, field->name, field->value.integer);
          break;
        default:
          g_assert_cmpint (field->type, ==, OBK_LOG_FIELD_DOUBLE);
          g_assert_cmpstr (field->name, ==, "duration_ms");
          f->duration_ms = field->value.number;
          break;
        }
    }
  g_free (f->text);
  f->text = g_string_free (text, FALSE);
  f->level = record->level;
  f->n++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  const ObkScope scope = {
    (char *)"provider", (char *)"cluster", (char *)"instance", NULL, (char *)"mount", (char *)"lineage",
  };

  f->identity = obk_key_identity_new (&scope, 7, 1700000700);
  f->duration_ms = -1;
  obk_log_set_sink (take_down, f);
  obk_log_set_level (OBK_LOG_DEBUG);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_log_set_sink (NULL, NULL);
  obk_key_identity_unref (f->identity);
  g_free (f->text);
}

static void
test_success (Fixture *f, gconstpointer data)
{
  g_autofree char *expected
      = g_strdup_printf ("kms.request operation=encrypt status=ok key_id_hash=%s transit_key_version=7",
                         obk_key_identity_key_id_hash (f->identity));

  obk_request_log (&(ObkRequestOutcome){
      .method = OBK_METHOD_ENCRYPT, .start_us = obk_clock_boot_us () - 1500, .identity = f->identity });
  g_assert_cmpstr (f->text, ==, expected);
  g_assert_cmpint (f->level, ==, OBK_LOG_DEBUG);
  g_assert_cmpfloat (f->duration_ms, >=, 1.5);
  g_assert_cmpfloat (f->duration_ms, <, 60000);
}

static void
test_failure (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_SEALED, "the cause");

  obk_request_log (
      &(ObkRequestOutcome){ .method = OBK_METHOD_DECRYPT, .start_us = obk_clock_boot_us (), .error = error });
  g_assert_cmpstr (f->text, ==,
                   "kms.request operation=decrypt status=error error_class=openbao_sealed cause=the cause");
  g_assert_cmpint (f->level, ==, OBK_LOG_WARN);
}

static void
test_status (Fixture *f, gconstpointer data)
{
  obk_request_log (
      &(ObkRequestOutcome){ .method = OBK_METHOD_STATUS, .start_us = obk_clock_boot_us (), .healthz = "unhealthy" });
  g_assert_cmpstr (f->text, ==, "kms.request operation=status status=ok healthz=unhealthy");
}

/* One that was asked for and is not known shows as a hash, and nothing else of it. */
static void
test_unknown_key_id (Fixture *f, gconstpointer data)
{
  g_autofree char *hash = obk_hash (KEY_ID, -1);
  g_autofree char *expected = g_strdup_printf ("kms.request operation=decrypt status=ok key_id_hash=%s", hash);

  obk_request_log (
      &(ObkRequestOutcome){ .method = OBK_METHOD_DECRYPT, .start_us = obk_clock_boot_us (), .key_id = KEY_ID });
  g_assert_cmpstr (f->text, ==, expected);
  g_assert_null (strstr (f->text, KEY_ID));
}

/* The version that a request was about wins over what it asked for. */
static void
test_identity_first (Fixture *f, gconstpointer data)
{
  obk_request_log (&(ObkRequestOutcome){
      .method = OBK_METHOD_DECRYPT, .start_us = obk_clock_boot_us (), .identity = f->identity, .key_id = KEY_ID });
  g_assert_nonnull (strstr (f->text, obk_key_identity_key_id_hash (f->identity)));
  g_assert_nonnull (strstr (f->text, "transit_key_version=7"));
}

static void
test_levels (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_SEALED, "the cause");

  obk_log_set_level (OBK_LOG_INFO);
  obk_request_log (&(ObkRequestOutcome){ .method = OBK_METHOD_ENCRYPT });
  g_assert_cmpuint (f->n, ==, 0);
  obk_request_log (&(ObkRequestOutcome){ .method = OBK_METHOD_ENCRYPT, .error = error });
  g_assert_cmpuint (f->n, ==, 1);
  obk_log_set_level (OBK_LOG_ERROR);
  obk_request_log (&(ObkRequestOutcome){ .method = OBK_METHOD_ENCRYPT, .error = error });
  g_assert_cmpuint (f->n, ==, 1);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/request-log/success", test_success);
  TEST ("/request-log/failure", test_failure);
  TEST ("/request-log/status", test_status);
  TEST ("/request-log/unknown-key-id", test_unknown_key_id);
  TEST ("/request-log/identity-first", test_identity_first);
  TEST ("/request-log/levels", test_levels);
  return g_test_run ();
}
