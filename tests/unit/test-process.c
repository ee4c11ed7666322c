/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "base/clock.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
test_harden_child (void)
{
  g_autoptr (GError) error = NULL;
  struct rlimit core = { 1, 1 };

  prctl (PR_SET_DUMPABLE, 1); /* newer releases of GLib switch it off in such a child */
  g_assert_cmpint (prctl (PR_GET_DUMPABLE), ==, 1);
  g_assert_true (obk_process_harden (&error));
  g_assert_no_error (error);
  g_assert_cmpint (prctl (PR_GET_DUMPABLE), ==, 0);
  g_assert_cmpint (getrlimit (RLIMIT_CORE, &core), ==, 0);
  g_assert_cmpuint (core.rlim_cur, ==, 0);
  g_assert_cmpuint (core.rlim_max, ==, 0);
  g_assert_true (obk_process_harden (&error)); /* again does no harm */
}

static void
test_harden (void)
{
  g_test_trap_subprocess ("/process/harden/subprocess", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
test_descriptors_child (void)
{
  struct rlimit limit = { 0, 0 };

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = 64;
  limit.rlim_max = MIN (limit.rlim_max, 128);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  obk_process_raise_descriptors ();
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpuint (limit.rlim_cur, ==, 128);
}

static void
test_descriptors (void)
{
  g_test_trap_subprocess ("/process/descriptors/subprocess", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
test_standard_streams_child (void)
{
  struct stat null, before, after;

  g_assert_cmpint (stat ("/dev/null", &null), ==, 0);
  g_assert_cmpint (fstat (STDOUT_FILENO, &before), ==, 0);
  close (STDIN_FILENO);
  close (STDERR_FILENO);
  g_assert_true (obk_process_open_standard_streams ());
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd += STDERR_FILENO - STDIN_FILENO)
    {
      g_assert_cmpint (fstat (fd, &after), ==, 0);
      g_assert_true (S_ISCHR (after.st_mode) && after.st_rdev == null.st_rdev);
    }
  g_assert_cmpint (write (STDERR_FILENO, "x", 1), ==, -1); /* as when it was closed */
  g_assert_cmpint (fstat (STDOUT_FILENO, &after), ==, 0);  /* was open, and is left as it is */
  g_assert_cmpuint (after.st_ino, ==, before.st_ino);
}

static void
test_standard_streams (void)
{
  g_test_trap_subprocess ("/process/standard-streams/subprocess", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
test_random (void)
{
  double lowest = 1, highest = 0;

  for (guint i = 0; i < 1000; i++)
    {
      double r = obk_random_unit ();

      g_assert_true (r >= 0 && r < 1);
      lowest = MIN (lowest, r);
      highest = MAX (highest, r);
    }
  g_assert_true (lowest < 0.1 && highest > 0.9);
}

static void
test_clocks (void)
{
  gint64 before = obk_clock_boot_us ();
  struct timespec now;

  g_usleep (2000);
  g_assert_cmpint (obk_clock_boot_us () - before, >=, 2000);
  clock_gettime (CLOCK_BOOTTIME, &now);
  g_assert_cmpint (ABS (obk_clock_boot_us () - now.tv_sec * G_USEC_PER_SEC), <, 2 * G_USEC_PER_SEC);
  g_assert_cmpint (ABS (obk_clock_unix () - time (NULL)), <=, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process/harden", test_harden);
  g_test_add_func ("/process/harden/subprocess", test_harden_child);
  g_test_add_func ("/process/descriptors", test_descriptors);
  g_test_add_func ("/process/descriptors/subprocess", test_descriptors_child);
  g_test_add_func ("/process/standard-streams", test_standard_streams);
  g_test_add_func ("/process/standard-streams/subprocess", test_standard_streams_child);
  g_test_add_func ("/process/random-unit", test_random);
  g_test_add_func ("/process/clocks", test_clocks);
  return g_test_run ();
}
