/* SPDX-License-Identifier: Apache-2.0 */
#include "base/safe-file.h"

#include "base/error.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOBODY 65534

typedef struct
{
  char *directory;
} Fixture;

static char *
in (const Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->directory, name, NULL);
}

static char *
make_file (const Fixture *fixture, const char *name, const char *content, mode_t mode)
{
  char *path = in (fixture, name);

  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  g_assert_cmpint (chmod (path, mode), ==, 0);
  return path;
}

static char *
make_link (const Fixture *fixture, const char *target, const char *name)
{
  char *path = in (fixture, name);

  g_assert_cmpint (symlink (target, path), ==, 0);
  return path;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("obk-safe-file-XXXXXX", NULL);
  g_assert_nonnull (fixture->directory);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) directory = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name = NULL;

  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      remove_tree (inside);
    }
  g_remove (path);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_tree (fixture->directory);
  g_free (fixture->directory);
}

static void
assert_reads (const char *path, guint mask, gsize max, const char *content)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) secret = obk_safe_file_read (path, mask, max, &error);

  g_assert_no_error (error);
  g_assert_nonnull (secret);
  g_assert_cmpmem (obk_secret_data (secret), obk_secret_length (secret), content, strlen (content));
}

static void
assert_refused (const char *path, guint mask, gsize max, const char *end)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) secret = obk_safe_file_read (path, mask, max, &error);

  g_assert_null (secret);
  g_assert_error (error, OBK_ERROR, OBK_ERROR_FILE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_true (g_str_has_suffix (error->message, end));
}

static void
test_modes (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    mode_t mode;
    const char *refused; /* end of the text */
  } cases[] = {
    { 0600, NULL },
    { 0400, NULL },
    { 0640, NULL },
    { 0440, NULL },
    { 0740, NULL },
    { 0660, "has mode 0660, of which 0020 must be off" },
    { 0650, "has mode 0650, of which 0010 must be off" },
    { 0604, "has mode 0604, of which 0004 must be off" },
    { 0602, "has mode 0602, of which 0002 must be off" },
    { 0601, "has mode 0601, of which 0001 must be off" },
    { 0777, "has mode 0777, of which 0037 must be off" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = make_file (fixture, "file", "hunter2\n", cases[i].mode);

      if (cases[i].refused == NULL)
        assert_reads (path, OBK_FILE_MASK_PRIVATE, 8, "hunter2\n");
      else
        assert_refused (path, OBK_FILE_MASK_PRIVATE, 8, cases[i].refused);
    }
}

static void
test_public_modes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *readable = make_file (fixture, "readable", "ca", 0644);
  g_autofree char *writable = make_file (fixture, "writable", "ca", 0664);
  g_autofree char *world = make_file (fixture, "world", "ca", 0646);

  assert_reads (readable, OBK_FILE_MASK_PUBLIC, 100, "ca");
  assert_refused (writable, OBK_FILE_MASK_PUBLIC, 100, "of which 0020 must be off");
  assert_refused (world, OBK_FILE_MASK_PUBLIC, 100, "of which 0002 must be off");
}

static void
test_sizes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *content = g_strnfill (200000, 'x');
  g_autofree char *large = make_file (fixture, "large", content, 0600);
  g_autofree char *empty = make_file (fixture, "empty", "", 0600);

  assert_reads (large, OBK_FILE_MASK_PRIVATE, 200000, content);
  assert_reads (large, OBK_FILE_MASK_PRIVATE, G_MAXSIZE, content);
  assert_refused (large, OBK_FILE_MASK_PRIVATE, 199999, "is larger than 199999 bytes");
  assert_reads (empty, OBK_FILE_MASK_PRIVATE, 0, "");
}

/* One newline at the end is the editor's, and counts to the size. */
static void
test_secret (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *content, *secret;
  } cases[]
      = { { "hunter2", "hunter2" }, { "hunter2\n", "hunter2" }, { "hunte\n\n", "hunte\n" }, { "\n", "" }, { "", "" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = make_file (fixture, "file", cases[i].content, 0640);
      g_autoptr (GError) error = NULL;
      g_autoptr (ObkSecret) secret = obk_safe_file_read_secret (path, 8, &error);

      g_assert_no_error (error);
      g_assert_cmpmem (obk_secret_data (secret), obk_secret_length (secret), cases[i].secret, strlen (cases[i].secret));
      g_assert_cmpint (chmod (path, 0644), ==, 0);
      g_assert_null (obk_safe_file_read_secret (path, 8, &error));
      g_assert_error (error, OBK_ERROR, OBK_ERROR_FILE);
    }
}

/* Files of /proc say that they are empty, and are not. */
static void
test_proc (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) secret = obk_safe_file_read ("/proc/version", OBK_FILE_MASK_PUBLIC, 4096, &error);

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (obk_secret_data (secret), "Linux version"));
  assert_refused ("/proc/version", OBK_FILE_MASK_PUBLIC, 10, "is larger than 10 bytes");
}

static void
test_other_types (Fixture *fixture, gconstpointer data)
{
  g_autofree char *fifo = in (fixture, "fifo");
  g_autofree char *missing = in (fixture, "missing");
  g_autofree char *socket_path = in (fixture, "socket");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_strlcpy (address.sun_path, socket_path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);

  assert_refused (fifo, OBK_FILE_MASK_PRIVATE, 100, "is not a regular file"); /* and does not wait for a writer */
  assert_refused (fixture->directory, OBK_FILE_MASK_PRIVATE, 100, "is not a regular file");
  assert_refused ("/dev/null", OBK_FILE_MASK_PRIVATE, 100, "is not a regular file");
  assert_refused (socket_path, OBK_FILE_MASK_PRIVATE, 100, g_strerror (ENXIO));
  assert_refused (missing, OBK_FILE_MASK_PRIVATE, 100, g_strerror (ENOENT));
  close (fd);
}

static void
test_symlinks (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_file (fixture, "file", "x", 0600);
  g_autofree char *link = make_link (fixture, "file", "link");
  g_autofree char *dangling = make_link (fixture, "nothing", "dangling");
  g_autofree char *loop = make_link (fixture, "loop", "loop");
  g_autofree char *directory = make_link (fixture, ".", "directory");
  g_autofree char *through = in (fixture, "directory/file");
  g_autofree char *through_loop = in (fixture, "loop/file");

  assert_refused (link, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  assert_refused (dangling, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  assert_refused (loop, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  assert_reads (through, OBK_FILE_MASK_PRIVATE, 100, "x");
  assert_refused (through_loop, OBK_FILE_MASK_PRIVATE, 100, g_strerror (ELOOP));
}

static void
test_credential_symlinks (Fixture *fixture, gconstpointer data)
{
  g_autofree char *credentials = in (fixture, "credentials");
  g_autofree char *beside = in (fixture, "credentials-not");
  g_autofree char *slashes = g_strconcat (credentials, "//", NULL);
  g_autofree char *readable = make_file (fixture, "readable", "x", 0644);
  g_autofree char *link = NULL;
  g_autofree char *open_link = NULL;
  g_autofree char *fifo = in (fixture, "fifo");
  g_autofree char *fifo_link = NULL;
  g_autofree char *outside = NULL;
  g_autofree char *beside_link = NULL;
  g_autofree char *path = make_file (fixture, "file", "x", 0600);

  g_assert_cmpint (g_mkdir (credentials, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (beside, 0700), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  link = make_link (fixture, "../file", "credentials/link");
  open_link = make_link (fixture, "../readable", "credentials/open");
  fifo_link = make_link (fixture, "../fifo", "credentials/fifo");
  beside_link = make_link (fixture, "../file", "credentials-not/link");
  outside = in (fixture, "credentials/../credentials-not/link");

  assert_refused (link, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  g_setenv ("CREDENTIALS_DIRECTORY", slashes, TRUE);
  assert_reads (link, OBK_FILE_MASK_PRIVATE, 100, "x");
  /* what it leads to is held to the same rules */
  assert_refused (open_link, OBK_FILE_MASK_PRIVATE, 100, "of which 0004 must be off");
  assert_refused (fifo_link, OBK_FILE_MASK_PRIVATE, 100, "is not a regular file");
  /* and only what lies below is */
  assert_refused (beside_link, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  assert_refused (outside, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
  g_setenv ("CREDENTIALS_DIRECTORY", "", TRUE);
  assert_refused (link, OBK_FILE_MASK_PRIVATE, 100, "is a symbolic link");
}

static void
test_owner (Fixture *fixture, gconstpointer data)
{
  g_autofree char *own = make_file (fixture, "own", "x", 0640);
  g_autofree char *foreign = make_file (fixture, "foreign", "x", 0644);

  if (geteuid () != 0)
    {
      g_test_skip ("needs root, to give a file away");
      return;
    }
  g_assert_cmpint (chown (foreign, NOBODY, 0), ==, 0);
  g_assert_cmpint (chmod (fixture->directory, 0755), ==, 0);
  assert_reads (own, 0, 100, "x");
  assert_refused (foreign, 0, 100, "belongs to uid 65534; it must belong to root or to uid 0");

  /* As another user: root's and one's own pass, a third one's does not. */
  g_assert_cmpint (chmod (own, 0644), ==, 0);
  g_assert_cmpint (seteuid (NOBODY), ==, 0);
  assert_reads (own, 0, 100, "x");
  assert_reads (foreign, 0, 100, "x");
  g_assert_cmpint (seteuid (0), ==, 0);
  g_assert_cmpint (chown (foreign, 1234, 0), ==, 0);
  g_assert_cmpint (seteuid (NOBODY), ==, 0);
  assert_refused (foreign, 0, 100, "belongs to uid 1234; it must belong to root or to uid 65534");
  g_assert_cmpint (seteuid (0), ==, 0);
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) directory = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (directory) != NULL)
    n++;
  return n;
}

static void
test_no_leak (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_file (fixture, "file", "x", 0600);
  guint before = count_descriptors ();

  assert_reads (path, OBK_FILE_MASK_PRIVATE, 100, "x");
  assert_refused (path, 0700, 100, "of which 0600 must be off");
  assert_refused (path, 0, 0, "is larger than 0 bytes");
  g_assert_cmpuint (count_descriptors (), ==, before);
}

static void
test_credential_path (void)
{
  static const char *const bad[] = {
    "credential:",    "credential:.",           "credential:..",  "credential:../x",
    "credential:a/b", "credential:/etc/passwd", "credential:a:b", "credential:a b",
    "credential:a\n", "credential:\u00e9",
  };
  g_autofree char *longest = g_strnfill (255, 'x');
  g_autofree char *good_reference = g_strconcat ("credential:", longest, NULL);
  g_autofree char *long_reference = g_strconcat ("credential:", longest, "x", NULL);
  g_autofree char *plain = obk_credential_path ("/etc/jwt", NULL);
  g_autofree char *path = NULL;
  g_autofree char *hidden = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (plain, ==, "/etc/jwt");

  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (obk_credential_path ("credential:jwt", &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
  g_clear_error (&error);
  g_setenv ("CREDENTIALS_DIRECTORY", "relative", TRUE);
  g_assert_null (obk_credential_path ("credential:jwt", &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);

  g_setenv ("CREDENTIALS_DIRECTORY", "/run/credentials/x.service", TRUE);
  path = obk_credential_path (good_reference, NULL);
  g_assert_true (g_str_has_prefix (path, "/run/credentials/x.service/xxx"));
  hidden = obk_credential_path ("credential:..a", NULL);
  g_assert_cmpstr (hidden, ==, "/run/credentials/x.service/..a");
  g_assert_null (obk_credential_path (long_reference, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) refused = NULL;

      g_assert_null (obk_credential_path (bad[i], &refused));
      g_assert_error (refused, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)
  ADD ("/safe-file/private-modes", test_modes);
  ADD ("/safe-file/public-modes", test_public_modes);
  ADD ("/safe-file/sizes", test_sizes);
  ADD ("/safe-file/secret", test_secret);
  ADD ("/safe-file/refuses-other-types", test_other_types);
  ADD ("/safe-file/refuses-symlink", test_symlinks);
  ADD ("/safe-file/follows-symlink-of-credential", test_credential_symlinks);
  ADD ("/safe-file/owner", test_owner);
  ADD ("/safe-file/closes-descriptors", test_no_leak);
  g_test_add_func ("/safe-file/reads-proc-to-its-end", test_proc);
  g_test_add_func ("/safe-file/credential-path", test_credential_path);
  return g_test_run ();
}
