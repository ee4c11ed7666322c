/* SPDX-License-Identifier: Apache-2.0 */
#include "base/socket-file.h"

#include "base/error.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PATH (sizeof ((struct sockaddr_un *)NULL)->sun_path - 1)
#define GROUP 54321 /* of nobody in particular */
#define ROUNDS 200
#define CONTENT "not a socket"

typedef struct
{
  char *directory;
  char *path;
  const char *directories[2];
  ObkSocketFileOptions options;
  ObkSocketFile *file; /* (nullable) */
  gboolean stale_removed;
} Fixture;

/* What another process does just before the call; once. */
typedef void (*Meddler) (const char *path);
static Meddler before_connect;
static Meddler before_move;  /* away from the path */
static Meddler before_place; /* to the path */
static const char *meddled_path;
static int meddlers_fd = -1;

int __real_connect (int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect (int fd, const struct sockaddr *address, socklen_t length);
int __real_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int __wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);

static void
meddle (Meddler *meddler)
{
  Meddler once = *meddler;

  *meddler = NULL;
  if (once != NULL)
    once (meddled_path);
}

int
__wrap_connect (int fd, const struct sockaddr *address, socklen_t length)
{
  meddle (&before_connect);
  return __real_connect (fd, address, length);
}

int
__wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
  meddle (g_strcmp0 (from, meddled_path) == 0 ? &before_move : &before_place);
  return __real_renameat2 (from_fd, from, to_fd, to, flags);
}

static struct sockaddr_un
address_of (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  return address;
}

/* Returns: a socket of that type that is bound to @path, and listens if it is of a type that can */
static int
make_socket (const char *path, int type, int backlog)
{
  struct sockaddr_un address = address_of (path);
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (bind (fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
  if (type != SOCK_DGRAM)
    g_assert_cmpint (listen (fd, backlog), ==, 0);
  return fd;
}

/* Returns: 0, or why not */
static int
try_connect (const char *path, int type)
{
  struct sockaddr_un address = address_of (path);
  int fd = socket (AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int failure = __real_connect (fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;

  close (fd);
  return failure;
}

static struct stat
status_of (const char *path)
{
  struct stat status;

  g_assert_cmpint (lstat (path, &status), ==, 0);
  return status;
}

static guint
count_files (const char *directory)
{
  g_autoptr (GDir) listing = g_dir_open (directory, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (listing) != NULL)
    n++;
  return n;
}

static void
set_path (Fixture *f, const char *name)
{
  g_free (f->path);
  f->path = g_build_filename (f->directory, name, NULL);
  f->options.path = f->path;
  meddled_path = f->path;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("obk-socket-XXXXXX", NULL);
  g_assert_nonnull (f->directory);
  f->directories[0] = f->directory;
  f->options = (ObkSocketFileOptions){ .directories = f->directories, .mode = 0660, .group = getegid () };
  set_path (f, "kms.sock");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_socket_file_free (f->file);
  g_assert_true (before_connect == NULL && before_move == NULL && before_place == NULL);
  g_unlink (f->path);
  g_rmdir (f->path);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0); /* nothing was left behind */
  g_free (f->path);
  g_free (f->directory);
}

static void
expect_made (Fixture *f, gboolean stale_removed)
{
  g_autoptr (GError) error = NULL;

  f->file = obk_socket_file_new (&f->options, &f->stale_removed, &error);
  g_assert_no_error (error);
  g_assert_cmpint (f->stale_removed, ==, stale_removed);
  g_assert_cmpint (try_connect (f->path, SOCK_STREAM), ==, 0);
}

static void
expect_refused (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (obk_socket_file_new (&f->options, &f->stale_removed, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE);
  if (strstr (error->message, text) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, text);
  g_assert_false (f->stale_removed);
}

/* Making one */

static void
test_made (Fixture *f, gconstpointer data)
{
  mode_t before = umask (0777);
  struct stat status;
  int fd = -1;

  expect_made (f, FALSE);
  umask (before);
  fd = obk_socket_file_fd (f->file);
  status = status_of (f->path);
  g_assert_true (S_ISSOCK (status.st_mode));
  g_assert_cmpuint (status.st_mode & 07777, ==, 0660);
  g_assert_cmpuint (count_files (f->directory), ==, 1);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_NONBLOCK, !=, 0);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);
  g_clear_pointer (&f->file, obk_socket_file_free);
  g_assert_cmpuint (count_files (f->directory), ==, 0);
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1);
}

static void
test_group (Fixture *f, gconstpointer data)
{
  if (geteuid () != 0)
    {
      g_test_skip ("giving files to other groups needs root");
      return;
    }
  f->options.group = GROUP;
  f->options.mode = 0600;
  expect_made (f, FALSE);
  g_assert_cmpuint (status_of (f->path).st_gid, ==, GROUP);
  g_assert_cmpuint (status_of (f->path).st_mode & 07777, ==, 0600);
}

/* The temporary name must fit wherever the name itself does. */
static void
test_names (Fixture *f, gconstpointer data)
{
  gsize room = MAX_PATH - strlen (f->directory) - 1;
  g_autofree char *longest = g_strnfill (room, 'a');
  g_autofree char *too_long = g_strnfill (room + 1, 'a');
  const char *const names[] = { "s", "ss", longest };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      set_path (f, names[i]);
      close (make_socket (f->path, SOCK_STREAM, 1));
      expect_made (f, TRUE);
      g_assert_cmpuint (count_files (f->directory), ==, 1);
      g_clear_pointer (&f->file, obk_socket_file_free);
    }
  set_path (f, too_long);
  expect_refused (f, "is longer than 107 bytes");
}

static void
test_modes (Fixture *f, gconstpointer data)
{
  static const guint modes[] = { 0661, 0662, 0664, 0760, 0670, 01660, 02660, 04660, 0100660 };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      f->options.mode = modes[i];
      expect_refused (f, "gives more than reading and writing to owner and group");
    }
}

/* Its path */

static void
expect_path_refused (Fixture *f, char *path, const char *text)
{
  f->options.path = path;
  expect_refused (f, text);
  g_free (path);
}

static void
test_paths (Fixture *f, gconstpointer data)
{
#define BESIDE(suffix) g_strconcat (f->directory, suffix, NULL)
  expect_path_refused (f, g_strdup (""), "is not absolute");
  expect_path_refused (f, g_strdup ("kms.sock"), "is not absolute");
  expect_path_refused (f, BESIDE ("//kms.sock"), "segment");
  expect_path_refused (f, BESIDE ("/./kms.sock"), "segment");
  expect_path_refused (f, BESIDE ("/../kms.sock"), "segment");
  expect_path_refused (f, BESIDE ("/kms.sock/"), "segment");
  expect_path_refused (f, BESIDE ("/.."), "segment");
  expect_path_refused (f, g_strdup ("/"), "is not below an approved directory");
  expect_path_refused (f, g_strdup (f->directory), "is not below an approved directory");
  expect_path_refused (f, BESIDE ("x/kms.sock"), "is not below an approved directory");
  expect_path_refused (f, g_strdup ("/kms.sock"), "is not below an approved directory");
#undef BESIDE
  f->directories[0] = "";
  expect_path_refused (f, g_strdup (f->path), "is not below an approved directory");
  f->directories[0] = NULL;
  expect_path_refused (f, g_strdup (f->path), "is not below an approved directory");
}

static void
test_parent (Fixture *f, gconstpointer data)
{
  g_autofree char *parent = g_build_filename (f->directory, "p", NULL);

  set_path (f, "p/kms.sock");
  expect_refused (f, "is missing");
  g_assert_cmpint (symlink (".", parent), ==, 0);
  expect_refused (f, "is a symbolic link");
  g_unlink (parent);
  g_assert_true (g_file_set_contents (parent, "", 0, NULL));
  expect_refused (f, "is not a directory");
  set_path (f, "p/q/kms.sock");
  expect_refused (f, "cannot look at socket directory");
  set_path (f, "p/kms.sock");
  g_unlink (parent);
  g_assert_cmpint (g_mkdir (parent, 0700), ==, 0);
  g_assert_cmpint (chmod (parent, 0720), ==, 0);
  expect_refused (f, "is writable by group or world (mode 0720)");
  g_assert_cmpint (chmod (parent, 01702), ==, 0);
  expect_refused (f, "is writable by group or world (mode 1702)");
  g_assert_cmpint (chmod (parent, 0755), ==, 0);
  if (geteuid () == 0)
    {
      g_assert_cmpint (chown (parent, GROUP, (gid_t)-1), ==, 0);
      expect_refused (f, "is owned by uid 54321, not by root or us");
      g_assert_cmpint (chown (parent, 0, (gid_t)-1), ==, 0);
    }
  expect_made (f, FALSE);
  g_clear_pointer (&f->file, obk_socket_file_free);
  g_rmdir (parent);
}

/* What is in its place */

static void
make_regular (const char *path)
{
  g_unlink (path);
  g_assert_true (g_file_set_contents (path, CONTENT, -1, NULL));
}

static void
expect_regular (const char *path)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, CONTENT);
}

static void
test_no_socket (Fixture *f, gconstpointer data)
{
  make_regular (f->path);
  expect_refused (f, "is a regular file, where the socket should go");
  expect_regular (f->path);
  g_unlink (f->path);
  g_assert_cmpint (g_mkdir (f->path, 0700), ==, 0);
  expect_refused (f, "is not a socket");
  g_rmdir (f->path);
  g_assert_cmpint (mkfifo (f->path, 0600), ==, 0);
  expect_refused (f, "is not a socket");
  g_assert_true (S_ISFIFO (status_of (f->path).st_mode));
}

/* Wherever it leads to: even to a dead socket, which by itself would be removed. */
static void
test_symlink (Fixture *f, gconstpointer data)
{
  g_autofree char *target = g_build_filename (f->directory, "target", NULL);

  g_assert_cmpint (symlink (target, f->path), ==, 0);
  expect_refused (f, "is a symbolic link, where the socket should go");
  close (make_socket (target, SOCK_STREAM, 1));
  expect_refused (f, "is a symbolic link, where the socket should go");
  g_assert_true (S_ISSOCK (status_of (target).st_mode));
  g_assert_true (S_ISLNK (status_of (f->path).st_mode));
  g_unlink (target);
}

static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

static void
test_live (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      int fd = make_socket (f->path, types[i], 8);
      ino_t inode = status_of (f->path).st_ino;

      expect_refused (f, types[i] == SOCK_STREAM ? "a running process listens on socket"
                                                 : "is a running process' socket of another type");
      g_assert_cmpuint (status_of (f->path).st_ino, ==, inode);
      g_assert_cmpint (try_connect (f->path, types[i]), ==, 0);
      close (fd);
      g_unlink (f->path);
    }
}

/* One that hangs is a live one. */
static void
test_live_and_full (Fixture *f, gconstpointer data)
{
  int fd = make_socket (f->path, SOCK_STREAM, 0);

  while (try_connect (f->path, SOCK_STREAM) == 0)
    ;
  g_assert_cmpint (try_connect (f->path, SOCK_STREAM), ==, EAGAIN);
  expect_refused (f, "a running process listens on socket");
  close (fd);
}

static void
test_dead (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      close (make_socket (f->path, types[i], 1));
      expect_made (f, TRUE);
      g_assert_cmpuint (count_files (f->directory), ==, 1);
      g_clear_pointer (&f->file, obk_socket_file_free);
    }
}

/* What comes and goes meanwhile */

static void
come_alive (const char *path)
{
  g_unlink (path);
  meddlers_fd = make_socket (path, SOCK_STREAM, 8);
}

static void
go_away (const char *path)
{
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_live_one_comes_in_time_of_check (Fixture *f, gconstpointer data)
{
  close (make_socket (f->path, SOCK_STREAM, 1));
  before_move = come_alive;
  expect_refused (f, "a running process listens on socket");
  g_assert_cmpint (try_connect (f->path, SOCK_STREAM), ==, 0);
  g_assert_cmpuint (count_files (f->directory), ==, 1);
  close (meddlers_fd);
}

static void
test_file_comes_in_time_of_check (Fixture *f, gconstpointer data)
{
  close (make_socket (f->path, SOCK_STREAM, 1));
  before_move = make_regular;
  expect_refused (f, "is a regular file, where the socket should go");
  expect_regular (f->path);
  g_assert_cmpuint (count_files (f->directory), ==, 1);
}

static void
test_dead_one_goes (Fixture *f, gconstpointer data)
{
  close (make_socket (f->path, SOCK_STREAM, 1));
  before_connect = go_away;
  expect_made (f, FALSE);
  g_clear_pointer (&f->file, obk_socket_file_free);
  close (make_socket (f->path, SOCK_STREAM, 1));
  before_move = go_away;
  expect_made (f, FALSE);
}

static void
test_somebody_is_faster (Fixture *f, gconstpointer data)
{
  before_place = make_regular;
  expect_refused (f, "somebody else has just made");
  expect_regular (f->path);
  g_assert_cmpuint (count_files (f->directory), ==, 1);
  g_unlink (f->path);
  before_place = come_alive;
  expect_refused (f, "somebody else has just made");
  g_assert_cmpint (try_connect (f->path, SOCK_STREAM), ==, 0);
  close (meddlers_fd);
}

static gpointer
make_one (gpointer data)
{
  Fixture *f = data;
  gboolean stale_removed = FALSE;
  g_autoptr (GError) error = NULL;
  ObkSocketFile *file = obk_socket_file_new (&f->options, &stale_removed, &error);

  g_assert_true (file != NULL || g_error_matches (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE));
  return file;
}

/* Of two at once one gets the place, and keeps it. */
static void
test_two_at_once (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      ObkSocketFile *files[2] = { NULL };
      GThread *other = NULL;

      if (i % 2 == 0)
        close (make_socket (f->path, SOCK_STREAM, 1));
      other = g_thread_new ("other", make_one, f);
      files[0] = make_one (f);
      files[1] = g_thread_join (other);
      g_assert_true ((files[0] != NULL) != (files[1] != NULL));
      g_assert_cmpint (try_connect (f->path, SOCK_STREAM), ==, 0);
      g_assert_cmpuint (count_files (f->directory), ==, 1);
      for (guint j = 0; j < 2; j++)
        obk_socket_file_free (files[j]);
    }
}

/* Freeing it */

static void
test_another_in_its_place_stays (Fixture *f, gconstpointer data)
{
  expect_made (f, FALSE);
  make_regular (f->path);
  g_clear_pointer (&f->file, obk_socket_file_free);
  expect_regular (f->path);
}

static void
test_gone_already (Fixture *f, gconstpointer data)
{
  expect_made (f, FALSE);
  go_away (f->path);
  g_clear_pointer (&f->file, obk_socket_file_free);
  g_assert_cmpuint (count_files (f->directory), ==, 0);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/socket-file/made", test_made);
  TEST ("/socket-file/group", test_group);
  TEST ("/socket-file/names", test_names);
  TEST ("/socket-file/modes", test_modes);
  TEST ("/socket-file/paths", test_paths);
  TEST ("/socket-file/parent", test_parent);
  TEST ("/socket-file/place/no-socket", test_no_socket);
  TEST ("/socket-file/place/symlink", test_symlink);
  TEST ("/socket-file/place/live", test_live);
  TEST ("/socket-file/place/live-and-full", test_live_and_full);
  TEST ("/socket-file/place/dead", test_dead);
  TEST ("/socket-file/meanwhile/live-one-comes", test_live_one_comes_in_time_of_check);
  TEST ("/socket-file/meanwhile/file-comes", test_file_comes_in_time_of_check);
  TEST ("/socket-file/meanwhile/dead-one-goes", test_dead_one_goes);
  TEST ("/socket-file/meanwhile/somebody-is-faster", test_somebody_is_faster);
  TEST ("/socket-file/meanwhile/two-at-once", test_two_at_once);
  TEST ("/socket-file/free/another-in-its-place-stays", test_another_in_its_place_stays);
  TEST ("/socket-file/free/gone-already", test_gone_already);
  return g_test_run ();
}
