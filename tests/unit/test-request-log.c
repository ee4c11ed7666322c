/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/request-log.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"

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

/* Each request once, whether anybody reads the log or not; and what it failed of by itself. */
static void
test_counts (Fixture *f, gconstpointer data)
{
  static const struct
  {
    ObkError code;
    const char *status;
    ObkMetric metric; /* OBK_N_METRICS: none */
    const char *label;
  } cases[] = {
    { OBK_ERROR_SEALED, "unavailable", OBK_N_METRICS, NULL },
    { OBK_ERROR_CANCELED, "cancelled", OBK_N_METRICS, NULL },
    { OBK_ERROR_CONCURRENCY_LIMIT, "resource_exhausted", OBK_METRIC_GRPC_CONCURRENCY_REJECTIONS, "decrypt" },
    { OBK_ERROR_ANNOTATION_INVALID, "invalid_argument", OBK_METRIC_AAD_ERRORS, "annotation_invalid" },
    { OBK_ERROR_AAD_MISMATCH, "invalid_argument", OBK_METRIC_AAD_ERRORS, "aad_mismatch" },
    { OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, "invalid_argument", OBK_METRIC_AAD_ERRORS, "authentication_tag" },
    { OBK_ERROR_KEY_ID_MALFORMED, "invalid_argument", OBK_METRIC_KEY_ID_ERRORS, "key_id_malformed" },
    { OBK_ERROR_KEY_ID_UNKNOWN, "not_found", OBK_METRIC_KEY_ID_ERRORS, "key_id_unknown" },
    { OBK_ERROR_KEY_METADATA_REFRESH_FAILED, "unavailable", OBK_METRIC_KEY_ID_ERRORS, "key_metadata_refresh_failed" },
  };

  obk_log_set_level (OBK_LOG_ERROR);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, (gint)cases[i].code, "a cause");
      gint64 requests = obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", cases[i].status);
      gint64 durations = obk_metric_read (OBK_METRIC_GRPC_DURATION, "decrypt", NULL);
      gint64 causes = cases[i].metric != OBK_N_METRICS ? obk_metric_read (cases[i].metric, cases[i].label, NULL) : 0;

      obk_request_log (
          &(ObkRequestOutcome){ .method = OBK_METHOD_DECRYPT, .start_us = obk_clock_boot_us (), .error = error });
      g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", cases[i].status), ==, requests + 1);
      g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_DURATION, "decrypt", NULL), ==, durations + 1);
      if (cases[i].metric != OBK_N_METRICS)
        g_assert_cmpint (obk_metric_read (cases[i].metric, cases[i].label, NULL), ==, causes + 1);
    }
  g_assert_cmpint (obk_metric_read (OBK_METRIC_GRPC_REQUESTS, "decrypt", "unknown"), ==, 0);
}

/* Every status that the table can give has a label of its own. */
static void
test_codes (Fixture *f, gconstpointer data)
{
  for (guint code = 0; code < OBK_ERROR_LAST; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, (gint)code, "a cause");
      const char *message = NULL;

      g_assert_cmpstr (obk_grpc_code_name (obk_error_table_status (error, OBK_METHOD_DECRYPT, &message)), !=,
                       "unknown");
    }
  g_assert_cmpstr (obk_grpc_code_name (GRPC_STATUS_OK), ==, "ok");
  g_assert_cmpstr (obk_grpc_code_name (GRPC_STATUS_UNKNOWN), ==, "unknown");
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
  TEST ("/request-log/counts", test_counts);
  TEST ("/request-log/codes", test_codes);
  return g_test_run ();
}
