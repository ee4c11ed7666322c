/* SPDX-License-Identifier: Apache-2.0 */
#include "http-fixture.h"

#include "openbao/nss.h"

#include <string.h>

/* What only the other mode allows. */
static const char *const forbidden[] = { "chacha20" };
static const char *const allowed[] = { "good", "tls1.2", "rsa", "intermediate" };

static void
ask_all (Fixture *f, const char *const *kinds, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      g_auto (Result) result = { 0 };

      ask_well (f, kinds[i], "/echo", &result);
    }
}

/* Without it, and so the stand-in is no reason for what comes next. */
static void
test_before (Fixture *f, gconstpointer data)
{
  g_assert_false (obk_nss_is_fips ());
  ask_all (f, allowed, G_N_ELEMENTS (allowed));
  ask_all (f, forbidden, G_N_ELEMENTS (forbidden));
}

/* A running process enters it, as by a reload. */
static void
test_enter (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (obk_nss_start (TRUE, &error));
  g_assert_no_error (error);
  g_assert_true (obk_nss_is_fips ());
  g_assert_true (obk_nss_start (FALSE, &error)); /* and does not leave it */
  g_assert_true (obk_nss_is_fips ());
}

static void
test_allowed (Fixture *f, gconstpointer data)
{
  ask_all (f, allowed, G_N_ELEMENTS (allowed));
}

static void
test_forbidden (Fixture *f, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (forbidden); i++)
    {
      g_auto (Result) result = { 0 };

      ask (f, forbidden[i], "/echo", 0, &result);
      g_test_message ("%s: %s", forbidden[i], result.text);
      g_assert_cmpint (result.code, ==, OBK_ERROR_TLS_FAILED);
      g_assert_nonnull (strstr (result.text, "FIPS mode"));
    }
}

int
main (int argc, char **argv)
{
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  stand_in = stand_in_start ();
  /* In this order: it is of the process, and for good. */
#define ADD(path, function) g_test_add ("/fips/" path, Fixture, NULL, setup, function, teardown)
  ADD ("before", test_before);
  ADD ("enter", test_enter);
  ADD ("allowed", test_allowed);
  ADD ("forbidden", test_forbidden);
  status = g_test_run ();
  stand_in_stop (stand_in);
  return status;
}
