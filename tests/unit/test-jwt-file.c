/* SPDX-License-Identifier: Apache-2.0 */
#include "openbao/jwt-file.h"

#include "base/clock.h"
#include "base/error.h"
#include "jwt-fixture.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define HEADER "{\"alg\":\"RS256\"}"
#define PATIENCE_US (5 * SECOND)

typedef struct
{
  char *directory;
  char *path;
  guint changes;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("test-jwt-file-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->directory, "jwt", NULL);
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

  return jwt_make (HEADER, claims);
}

static void
write_file (Fixture *f, const char *content, gssize length)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (f->path, content, length, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

static ObkJwtSupply *
new_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  ObkJwtSupply *supply = obk_jwt_file_new (path, &jwt_any, &error);

  g_assert_no_error (error);
  return supply;
}

typedef struct
{
  guint calls;
  char *jwt;
  GError *error;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_free (outcome->jwt);
  g_clear_error (&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
take_jwt (ObkSecret *jwt, const GError *error, gpointer user_data)
{
  Outcome *outcome = user_data;

  g_assert_true ((jwt != NULL) != (error != NULL));
  outcome->calls++;
  outcome->jwt = jwt != NULL ? g_strdup (obk_secret_data (jwt)) : NULL;
  outcome->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
assert_jwt (ObkJwtSupply *supply, const char *jwt)
{
  g_auto (Outcome) outcome = { 0 };

  supply->fetch (supply, 0, take_jwt, &outcome);
  g_assert_cmpuint (outcome.calls, ==, 1);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (outcome.jwt, ==, jwt);
}

static void
assert_no_jwt (ObkJwtSupply *supply, const char *problem)
{
  g_auto (Outcome) outcome = { 0 };

  supply->fetch (supply, 0, take_jwt, &outcome);
  g_assert_cmpuint (outcome.calls, ==, 1);
  g_assert_error (outcome.error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_assert_nonnull (strstr (outcome.error->message, problem));
}

static void
test_content (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkJwtSupply) supply = new_file (f->path);
  g_autofree char *jwt = jwt_for (3600);
  g_autofree char *line = g_strconcat (jwt, "\n", NULL);
  g_autofree char *lines = g_strconcat (line, "\n", NULL);

  write_file (f, jwt, -1);
  assert_jwt (supply, jwt);
  write_file (f, line, -1); /* read anew */
  assert_jwt (supply, jwt);
  write_file (f, lines, -1);
  assert_no_jwt (supply, "signature");
}

static void
test_ttl (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkJwtSupply) supply = new_file (f->path);
  g_autofree char *good = jwt_for (3600);
  g_autofree char *expired = jwt_for (-60);
  gint64 ttl = 0;

  g_assert_cmpint (supply->ttl_seconds (supply), ==, -1);
  write_file (f, good, -1);
  assert_jwt (supply, good);
  ttl = supply->ttl_seconds (supply);
  g_assert_true (ttl > 3590 && ttl <= 3600);
  write_file (f, expired, -1);
  assert_no_jwt (supply, "expired");
  g_assert_cmpint (supply->ttl_seconds (supply), ==, 0);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  assert_no_jwt (supply, "No such file");
  g_assert_cmpint (supply->ttl_seconds (supply), ==, -1);
}

static void
test_unsafe (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkJwtSupply) supply = new_file (f->path);
  g_autofree char *jwt = jwt_for (3600);
  g_autofree char *large = g_strnfill (64 * 1024 + 1, 'a');
  g_autofree char *other = g_build_filename (f->directory, "other", NULL);

  write_file (f, "", 0);
  assert_no_jwt (supply, "three parts");
  write_file (f, large, -1);
  assert_no_jwt (supply, "larger than");
  write_file (f, jwt, -1);
  assert_jwt (supply, jwt);
  g_assert_cmpint (chmod (f->path, 0644), ==, 0);
  assert_no_jwt (supply, "mode");
  g_assert_cmpint (chmod (f->path, 0600), ==, 0);
  g_assert_cmpint (g_rename (f->path, other), ==, 0);
  g_assert_cmpint (symlink ("other", f->path), ==, 0);
  assert_no_jwt (supply, "symbolic link");
  g_assert_cmpint (g_unlink (other), ==, 0);
}

static void
test_credential_name (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkJwtSupply) supply = NULL;
  g_autofree char *jwt = jwt_for (3600);

  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (obk_jwt_file_new ("credential:jwt", &jwt_any, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_assert_true (g_setenv ("CREDENTIALS_DIRECTORY", f->directory, TRUE));
  write_file (f, jwt, -1);
  supply = new_file ("credential:jwt");
  assert_jwt (supply, jwt);
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
await_changes (Fixture *f, guint n)
{
  guint ticks = g_timeout_add (10, wake, NULL);
  gint64 start_us = g_get_monotonic_time ();

  while (f->changes < n && g_get_monotonic_time () < start_us + PATIENCE_US)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (ticks);
  g_assert_cmpuint (f->changes, ==, n);
}

static void
test_changed (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkJwtSupply) supply = new_file (f->path);

  supply->changed = count_change;
  supply->changed_data = f;
  write_file (f, "text", -1);
  await_changes (f, 1);
}

/* Between logins, which may be a day apart, it is that of the file that is there. */
static void
test_ttl_without_fetch (Fixture *f, gconstpointer data)
{
  g_autoptr (ObkJwtSupply) supply = NULL;
  g_autofree char *first = jwt_for (600);
  g_autofree char *second = jwt_for (3600);
  gint64 ttl = 0;

  write_file (f, first, -1);
  supply = new_file (f->path);
  supply->changed = count_change;
  supply->changed_data = f;
  ttl = supply->ttl_seconds (supply);
  g_assert_true (ttl > 590 && ttl <= 600);
  write_file (f, second, -1);
  await_changes (f, 1);
  ttl = supply->ttl_seconds (supply);
  g_assert_true (ttl > 3590 && ttl <= 3600);
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  await_changes (f, 2);
  g_assert_cmpint (supply->ttl_seconds (supply), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/jwt-file/" path, Fixture, NULL, setup, function, teardown)
  ADD ("content", test_content);
  ADD ("ttl", test_ttl);
  ADD ("unsafe", test_unsafe);
  ADD ("credential-name", test_credential_name);
  ADD ("changed", test_changed);
  ADD ("ttl-without-fetch", test_ttl_without_fetch);
  return g_test_run ();
}
