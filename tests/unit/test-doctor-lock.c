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

/* Two subvolumes of one btrfs, as Fedora has them: stat() has 0:33 and 0:36 for their files. */
#define MOUNTS                                                                                                         \
  "61 1 0:31 /root / rw,relatime shared:1 - btrfs /dev/vda3 rw,subvol=/root\n"                                         \
  "87 61 0:31 /var /var rw,relatime shared:40 - btrfs /dev/vda3 rw,subvol=/var\n"                                      \
  "90 61 254:2 / /boot rw,relatime shared:42 - ext4 /dev/vda2 rw\n"

static void
test_device (void)
{
  dev_t device = 0;

  g_assert_true (obk_lock_find_device (MOUNTS, 87, &device));
  g_assert_cmpuint (device, ==, makedev (0, 31));
  g_assert_true (obk_lock_find_device (MOUNTS, 90, &device));
  g_assert_cmpuint (device, ==, makedev (254, 2));
  g_assert_false (obk_lock_find_device (MOUNTS, 1, &device));
  g_assert_false (obk_lock_find_device ("", 87, &device));
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
  g_test_add_func ("/doctor-lock/device", test_device);
  g_test_add_func ("/doctor-lock/of-file", test_of_file);
  return g_test_run ();
}
