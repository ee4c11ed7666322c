/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/lock.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* As Linux 6.1 prints them */
#define LOCKS                                                                                                          \
  "1: POSIX  ADVISORY  WRITE 700 fe:01:41 0 EOF\n"                                                                     \
  "2: FLOCK  ADVISORY  WRITE 812 fe:01:42 0 EOF\n"                                                                     \
  "2: -> FLOCK  ADVISORY  WRITE 900 fe:01:42 0 EOF\n"                                                                  \
  "3: FLOCK  ADVISORY  READ 0 fe:01:43 0 EOF\n"                                                                        \
  "4: FLOCK  ADVISORY  WRITE 813 00:1b:42 0 EOF\n"

static void
test_holder (void)
{
  g_assert_cmpint (obk_lock_holder (LOCKS, makedev (0xfe, 1), 42), ==, 812);
  g_assert_cmpint (obk_lock_holder (LOCKS, makedev (0, 0x1b), 42), ==, 813);
  g_assert_cmpint (obk_lock_holder (LOCKS, makedev (0xfe, 1), 41), ==, 0); /* of another kind */
  g_assert_cmpint (obk_lock_holder (LOCKS, makedev (0xfe, 1), 43), ==, 0); /* of another pid namespace */
  g_assert_cmpint (obk_lock_holder (LOCKS, makedev (0xfe, 2), 42), ==, 0);
  g_assert_cmpint (obk_lock_holder ("", 0, 0), ==, 0);
}

static void
test_of_file (void)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp (NULL, &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (obk_lock_holder_of_file (path), ==, 0);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  g_assert_cmpint (obk_lock_holder_of_file (path), ==, getpid ());
  close (fd);
  g_assert_cmpint (obk_lock_holder_of_file (path), ==, 0);
  unlink (path);
  g_assert_cmpint (obk_lock_holder_of_file (path), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor-lock/holder", test_holder);
  g_test_add_func ("/doctor-lock/of-file", test_of_file);
  return g_test_run ();
}
