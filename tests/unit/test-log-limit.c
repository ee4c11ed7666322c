/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log-limit.h"

#include "base/clock.h"
#include "base/names.h"

#include <string.h>

#define SECOND G_USEC_PER_SEC

typedef struct
{
  guint n;
  gint64 suppressed; /* in all */
  ObkLogRecord last;
  char *last_class;
} Summaries;

static const char *
string_of (const ObkLogRecord *record, const char *name)
{
  for (guint i = 0; i < record->n_fields; i++)
    if (strcmp (record->fields[i].name, name) == 0)
      return record->fields[i].value.string;
  return NULL;
}

static void
remember (const ObkLogRecord *summary, gpointer user_data)
{
  Summaries *summaries = user_data;
  const ObkLogField *last = &summary->fields[summary->n_fields - 1];

  g_assert_cmpstr (last->name, ==, "suppressed");
  summaries->n++;
  summaries->suppressed += last->value.integer;
  summaries->last = *summary;
  g_free (summaries->last_class);
  summaries->last_class = g_strdup (string_of (summary, OBK_FIELD_ERROR_CLASS));
}

static gboolean
offer (ObkLogLimit *limit, Summaries *summaries, ObkLogLevel level, const char *class, gint64 now_us)
{
  ObkLogRecord record;
  g_autofree char *cause = g_strdup_printf ("cause at %" G_GINT64_FORMAT, now_us);

  obk_log_begin (&record, level, OBK_EVENT_OPENBAO_REQUEST);
  obk_log_string (&record, OBK_FIELD_ERROR_CLASS, class);
  obk_log_string (&record, OBK_FIELD_CAUSE, cause);
  obk_log_int (&record, OBK_FIELD_PID, now_us);
  obk_log_limit_sweep (limit, now_us, remember, summaries);
  return obk_log_limit_admit (limit, &record, now_us);
}

static void
test_storm (void)
{
  g_autoptr (ObkLogLimit) limit = obk_log_limit_new ();
  Summaries summaries = { 0 };
  guint passed = 0;

  /* 100 a second for 25 seconds: three windows */
  for (guint i = 0; i < 2500; i++)
    passed += offer (limit, &summaries, OBK_LOG_WARN, "timeout", SECOND + i * SECOND / 100);
  g_assert_cmpuint (passed, ==, 15);
  g_assert_cmpuint (summaries.n, ==, 2);
  g_assert_cmpint (summaries.suppressed, ==, 2 * 995);
  g_assert_cmpint (obk_log_limit_next (limit), ==, 31 * SECOND);

  /* The storm is over; nothing is lost of the count. */
  obk_log_limit_sweep (limit, 31 * SECOND - 1, remember, &summaries);
  g_assert_cmpuint (summaries.n, ==, 2);
  obk_log_limit_sweep (limit, 31 * SECOND, remember, &summaries);
  g_assert_cmpuint (summaries.n, ==, 3);
  g_assert_cmpint (summaries.suppressed + passed, ==, 2500);
  g_assert_cmpint (obk_log_limit_next (limit), ==, OBK_NO_DEADLINE);
  g_assert_cmpint (summaries.last.level, ==, OBK_LOG_WARN);
  g_assert_cmpstr (summaries.last.event, ==, "openbao.request");
  g_assert_cmpstr (summaries.last_class, ==, "timeout");
  g_free (summaries.last_class);
}

static void
test_few_pass (void)
{
  g_autoptr (ObkLogLimit) limit = obk_log_limit_new ();
  Summaries summaries = { 0 };

  for (guint i = 0; i < 5; i++)
    g_assert_true (offer (limit, &summaries, OBK_LOG_ERROR, "timeout", i));
  g_assert_cmpint (obk_log_limit_next (limit), ==, OBK_NO_DEADLINE);
  for (guint i = 0; i < 5; i++)
    g_assert_true (offer (limit, &summaries, OBK_LOG_ERROR, "timeout", 10 * SECOND + i));
  obk_log_limit_sweep (limit, OBK_NO_DEADLINE, remember, &summaries);
  g_assert_cmpuint (summaries.n, ==, 0);
}

static void
test_kinds (void)
{
  g_autoptr (ObkLogLimit) limit = obk_log_limit_new ();
  Summaries summaries = { 0 };

  for (guint i = 0; i < 6; i++)
    g_assert_cmpint (offer (limit, &summaries, OBK_LOG_WARN, "timeout", i), ==, i < 5);
  g_assert_true (offer (limit, &summaries, OBK_LOG_WARN, "canceled", 6));
  g_assert_true (offer (limit, &summaries, OBK_LOG_ERROR, "timeout", 6));
  for (guint i = 0; i < 100; i++) /* no failures */
    g_assert_true (offer (limit, &summaries, OBK_LOG_INFO, "timeout", 7));
  obk_log_limit_sweep (limit, OBK_NO_DEADLINE, remember, &summaries);
  g_assert_cmpuint (summaries.n, ==, 1);
  g_assert_cmpint (summaries.suppressed, ==, 1);
  g_free (summaries.last_class);
}

/* Kinds without bound, as no name of ours gives them: they end up in one, and are not remembered. */
/* Each has its own reason, and an operator who waits for it. */
static void
test_reloads (void)
{
  g_autoptr (ObkLogLimit) limit = obk_log_limit_new ();
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_CONFIG_RELOADED);
  for (guint i = 0; i < 100; i++)
    g_assert_true (obk_log_limit_admit (limit, &record, SECOND));
  g_assert_cmpint (obk_log_limit_next (limit), ==, OBK_NO_DEADLINE);
}

static void
test_too_many_kinds (void)
{
  g_autoptr (ObkLogLimit) limit = obk_log_limit_new ();
  Summaries summaries = { 0 };
  guint passed = 0;

  for (guint i = 0; i < 10000; i++)
    {
      g_autofree char *class = g_strdup_printf ("class-%u", i);

      passed += offer (limit, &summaries, OBK_LOG_WARN, class, i);
    }
  g_assert_cmpuint (passed, ==, 256 + 5);
  obk_log_limit_sweep (limit, OBK_NO_DEADLINE, remember, &summaries);
  g_assert_cmpuint (summaries.n, ==, 1);
  g_assert_cmpint (summaries.suppressed, ==, 10000 - 261);
  g_assert_null (summaries.last_class);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-limit/storm", test_storm);
  g_test_add_func ("/log-limit/few-pass", test_few_pass);
  g_test_add_func ("/log-limit/kinds", test_kinds);
  g_test_add_func ("/log-limit/reloads", test_reloads);
  g_test_add_func ("/log-limit/too-many-kinds", test_too_many_kinds);
  return g_test_run ();
}
