/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/listener.h"

#include "base/error.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/names.h"

#include <glib/gstdio.h>
#include <systemd/sd-daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSED SD_LISTEN_FDS_START
#define N_PASSED 2
#define MANY 150 /* more than are accepted in one turn */
#define ROOM 32  /* descriptors */
#define PATIENCE_SECONDS 20
#define STRANGER 54321
#define GROUP 54322

typedef struct
{
  char *directory;
  char *path;
  char *group; /* our own, by number */
  const char *directories[2];
  ObkPoller *poller;
  ObkListenerOptions options;
  ObkListener *listener; /* (nullable) */
  GArray *accepted;      /* of int */
  GPtrArray *log;        /* of texts: "peer.refused uid=1 gid=2 ..." */
  gint64 refused_before; /* the metric is the process's */
  gboolean impatient;
} Fixture;

static void
keep_record (const ObkLogRecord *record, gpointer user_data)
{
  Fixture *f = user_data;
  GString *text = g_string_new (record->event);

  for (guint i = 0; i < record->n_fields; i++)
    {
      const ObkLogField *field = &record->fields[i];

      if (field->type == OBK_LOG_FIELD_STRING)
        g_string_append_printf (text, " %s=%s", field->name, field->value.string);
      else if (field->type == OBK_LOG_FIELD_INT)
        g_string_append_printf (text, " %s=%" G_GINT64_FORMAT, field->name, field->value.integer);
    }
  g_ptr_array_add (f->log, g_string_free (text, FALSE));
}

static guint
count_log (const Fixture *f, const char *part)
{
  guint n = 0;

  for (guint i = 0; i < f->log->len; i++)
    n += strstr (f->log->pdata[i], part) != NULL;
  return n;
}

static void
accepted (int fd, gpointer user_data)
{
  Fixture *f = user_data;

  g_array_append_val (f->accepted, fd);
}

static gboolean
lose_patience (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

static guint
count_refused (const Fixture *f)
{
  return (guint)(obk_metric_read (OBK_METRIC_PEER_REFUSED, NULL, NULL) - f->refused_before);
}

/* Turns the main loop until so many connections were accepted and refused. */
static void
wait_for (Fixture *f, guint n_accepted, guint n_refused)
{
  guint source = g_timeout_add_seconds (PATIENCE_SECONDS, lose_patience, &f->impatient);

  while (!f->impatient && (f->accepted->len < n_accepted || count_refused (f) < n_refused))
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (f->impatient);
  g_source_remove (source);
  g_assert_cmpuint (f->accepted->len, ==, n_accepted);
  g_assert_cmpuint (count_refused (f), ==, n_refused);
}

/* What systemd passes has fixed numbers, which nothing else here may get. */
static void
occupy (void)
{
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  for (int i = 0; i < N_PASSED; i++)
    if (fd != PASSED + i)
      g_assert_cmpint (dup2 (fd, PASSED + i), ==, PASSED + i);
  if (fd < PASSED || fd >= PASSED + N_PASSED)
    close (fd);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("obk-listener-XXXXXX", NULL);
  g_assert_nonnull (f->directory);
  f->path = g_build_filename (f->directory, "kms.sock", NULL);
  f->directories[0] = f->directory;
  f->group = g_strdup_printf ("%u", getegid ());
  f->options = (ObkListenerOptions){ .path = f->path, .directories = f->directories, .mode = 0600, .group = f->group };
  f->accepted = g_array_new (FALSE, FALSE, sizeof (int));
  f->log = g_ptr_array_new_with_free_func (g_free);
  f->refused_before = obk_metric_read (OBK_METRIC_PEER_REFUSED, NULL, NULL);
  f->poller = obk_poller_new (NULL, NULL);
  g_assert_nonnull (f->poller);
  obk_log_set_sink (keep_record, f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  obk_listener_free (f->listener);
  occupy ();
  obk_poller_free (f->poller);
  obk_log_set_sink (NULL, NULL);
  for (guint i = 0; i < f->accepted->len; i++)
    close (g_array_index (f->accepted, int, i));
  g_array_unref (f->accepted);
  g_ptr_array_unref (f->log);
  g_unlink (f->path);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->path);
  g_free (f->group);
  g_free (f->directory);
}

static void
expect_listening (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->listener = obk_listener_new (f->poller, &f->options, accepted, f, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_log (f, OBK_EVENT_SOCKET_LISTENING), ==, 1);
}

static void
expect_refused (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (obk_listener_new (f->poller, &f->options, accepted, f, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_SOCKET_UNAVAILABLE);
  if (strstr (error->message, text) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, text);
  g_assert_cmpuint (count_log (f, OBK_EVENT_SOCKET_LISTENING), ==, 0);
}

/* Returns: a socket of that type; @path: (nullable): what it is bound to */
static int
make_socket (int family, int type, const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (family, type | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  if (path == NULL)
    return fd;
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = make_socket (AF_UNIX, SOCK_STREAM, NULL);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (connect (fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static gboolean
needs_root (void)
{
  if (geteuid () == 0)
    return TRUE;
  g_test_skip ("becoming other users needs root");
  return FALSE;
}

/* A socket of its own */

static void
test_accepts (Fixture *f, gconstpointer data)
{
  gint64 restarts = obk_metric_read (OBK_METRIC_SOCKET_RESTARTS, NULL, NULL);
  int client = -1, fd = -1;
  char byte = 0;

  expect_listening (f);
  client = connect_to (f->path);
  wait_for (f, 1, 0);
  fd = g_array_index (f->accepted, int, 0);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_NONBLOCK, !=, 0);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);
  g_assert_cmpint (write (client, "x", 1), ==, 1);
  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_SOCKET_RESTARTS, NULL, NULL), ==, restarts);
  g_clear_pointer (&f->listener, obk_listener_free);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  g_assert_cmpint (write (fd, "x", 1), ==, 1); /* what was accepted stays */
  close (client);
}

static void
test_many_at_once (Fixture *f, gconstpointer data)
{
  int clients[MANY];

  expect_listening (f);
  for (guint i = 0; i < MANY; i++)
    clients[i] = connect_to (f->path);
  wait_for (f, MANY, 0);
  for (guint i = 0; i < MANY; i++)
    close (clients[i]);
}

/* Freed between the turns that so many take: none comes any more. */
static void
test_freed_with_more_to_do (Fixture *f, gconstpointer data)
{
  int clients[MANY];
  guint n = 0;

  expect_listening (f);
  for (guint i = 0; i < MANY; i++)
    clients[i] = connect_to (f->path);
  while (f->accepted->len == 0)
    g_main_context_iteration (NULL, TRUE);
  n = f->accepted->len;
  g_assert_cmpuint (n, <, MANY);
  g_clear_pointer (&f->listener, obk_listener_free);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (f->accepted->len, ==, n);
  for (guint i = 0; i < MANY; i++)
    close (clients[i]);
}

static void
test_stale_removed (Fixture *f, gconstpointer data)
{
  gint64 restarts = obk_metric_read (OBK_METRIC_SOCKET_RESTARTS, NULL, NULL);

  close (make_socket (AF_UNIX, SOCK_STREAM, f->path));
  expect_listening (f);
  g_assert_cmpint (obk_metric_read (OBK_METRIC_SOCKET_RESTARTS, NULL, NULL), ==, restarts + 1);
  g_assert_cmpuint (count_log (f, OBK_EVENT_SOCKET_STALE_REMOVED), ==, 1);
}

static void
test_groups (Fixture *f, gconstpointer data)
{
  struct stat status;

  f->options.group = "no-such-group-here";
  expect_refused (f, "socket group \"no-such-group-here\" does not exist");
  f->options.group = "4294967295";
  expect_refused (f, "does not exist");
  f->options.group = "-1";
  expect_refused (f, "does not exist");
  f->options.group = "";
  expect_refused (f, "does not exist");
  f->options.group = "root";
  if (!needs_root ())
    return;
  expect_listening (f);
  g_assert_cmpint (stat (f->path, &status), ==, 0);
  g_assert_cmpuint (status.st_gid, ==, 0);
  g_clear_pointer (&f->listener, obk_listener_free);
  g_ptr_array_set_size (f->log, 0);
  f->options.group = "54322";
  expect_listening (f);
  g_assert_cmpint (stat (f->path, &status), ==, 0);
  g_assert_cmpuint (status.st_gid, ==, GROUP);
}

/* Who may connect */

/* Returns: a process that connects as somebody else, and ends well if it was let in as @let_in says */
static pid_t
connect_as (const Fixture *f, uid_t uid, gid_t gid, gboolean let_in)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  pid_t pid = -1;

  g_assert_cmpint (chmod (f->directory, 0711), ==, 0);
  g_assert_cmpint (chmod (f->path, 0666), ==, 0);
  g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
  pid = fork ();
  if (pid == 0)
    {
      int fd = socket (AF_UNIX, SOCK_STREAM, 0);
      char byte = 0;

      if (setgid (gid) != 0 || setuid (uid) != 0
          || connect (fd, (const struct sockaddr *)&address, sizeof address) != 0)
        _exit (2);
      _exit ((read (fd, &byte, 1) == 1) == let_in ? 0 : 1);
    }
  return pid;
}

static void
expect_good_end (pid_t pid)
{
  int status = 0;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

static void
test_stranger (Fixture *f, gconstpointer data)
{
  g_autofree char *expected = NULL;
  pid_t pid = -1;

  if (!needs_root ())
    return;
  expect_listening (f);
  pid = connect_as (f, STRANGER, STRANGER, FALSE);
  wait_for (f, 0, 1);
  expect_good_end (pid); /* it was disconnected */
  expected = g_strdup_printf ("peer.refused uid=%d gid=%d pid=%d", STRANGER, STRANGER, pid);
  g_assert_cmpuint (count_log (f, expected), ==, 1);
  close (connect_to (f->path));
  wait_for (f, 1, 1);
}

static void
test_listed (Fixture *f, gconstpointer data)
{
  guint32 listed[] = { STRANGER };
  pid_t pid = -1;

  if (!needs_root ())
    return;
  f->options.group = "54322";
  f->options.allowed_uids = listed;
  f->options.n_allowed_uids = 1;
  expect_listening (f);
  listed[0] = 0; /* it has a copy */
  pid = connect_as (f, STRANGER, STRANGER, TRUE);
  wait_for (f, 1, 0);
  g_assert_cmpint (write (g_array_index (f->accepted, int, 0), "x", 1), ==, 1);
  expect_good_end (pid);
  pid = connect_as (f, STRANGER + 1, GROUP, FALSE); /* the group counts for nothing now */
  wait_for (f, 1, 1);
  expect_good_end (pid);
}

/* No descriptors: the connection waits, and comes when there is room. */
static void
test_out_of_descriptors (Fixture *f, gconstpointer data)
{
  struct rlimit before, limit;
  int fillers[ROOM];
  guint n = 0;
  int client = -1;

  expect_listening (f);
  client = connect_to (f->path);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  limit = before;
  limit.rlim_cur = (rlim_t)client + ROOM;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  while (n < ROOM && (fillers[n] = fcntl (client, F_DUPFD_CLOEXEC, 0)) >= 0)
    n++;
  while (count_log (f, "cannot accept") == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->accepted->len, ==, 0);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  wait_for (f, 1, 0);
  while (n > 0)
    close (fillers[--n]);
  close (client);
}

/* Sockets of systemd's */

static void
pass (int place, int fd)
{
  g_assert_cmpint (dup2 (fd, PASSED + place), ==, PASSED + place);
  close (fd);
}

static void
announce (pid_t pid, const char *n)
{
  g_autofree char *text = g_strdup_printf ("%d", pid);

  g_setenv ("LISTEN_PID", text, TRUE);
  g_setenv ("LISTEN_FDS", n, TRUE);
}

static int
make_listening (const char *path)
{
  int fd = make_socket (AF_UNIX, SOCK_STREAM, path);

  g_assert_cmpint (listen (fd, 8), ==, 0);
  return fd;
}

static void
test_passed (Fixture *f, gconstpointer data)
{
  g_autofree char *other = g_strconcat (f->path, "2", NULL);
  int first = -1, second = -1;

  f->options.path = "/not/looked/at";
  pass (0, make_listening (f->path));
  pass (1, make_listening (other));
  announce (getpid (), "2");
  expect_listening (f);
  g_assert_null (g_getenv ("LISTEN_FDS"));
  g_assert_cmpint (fcntl (PASSED + 1, F_GETFL) & O_NONBLOCK, !=, 0);
  g_assert_cmpint (fcntl (PASSED + 1, F_GETFD) & FD_CLOEXEC, !=, 0);
  first = connect_to (f->path);
  second = connect_to (other);
  wait_for (f, 2, 0);
  close (first);
  close (second);
  g_clear_pointer (&f->listener, obk_listener_free);
  g_assert_cmpint (fcntl (PASSED, F_GETFD), ==, -1);
  g_assert_true (g_file_test (f->path, G_FILE_TEST_EXISTS)); /* systemd's to remove */
  g_unlink (other);
}

static void
expect_passed_refused (Fixture *f, int fd)
{
  pass (0, fd);
  announce (getpid (), "1");
  expect_refused (f, "descriptor 3 that systemd passed is not a listening Unix stream socket");
  occupy ();
}

static void
test_passed_unfit (Fixture *f, gconstpointer data)
{
  int network = make_socket (AF_INET, SOCK_STREAM, NULL);
  int packets = make_socket (AF_UNIX, SOCK_SEQPACKET, f->path);

  g_assert_cmpint (listen (network, 1), ==, 0);
  g_assert_cmpint (listen (packets, 1), ==, 0);
  expect_passed_refused (f, network);
  expect_passed_refused (f, packets);
  g_unlink (f->path);
  expect_passed_refused (f, make_socket (AF_UNIX, SOCK_STREAM, f->path)); /* does not listen */
  g_unlink (f->path);
  expect_passed_refused (f, make_socket (AF_UNIX, SOCK_DGRAM, f->path));
  expect_passed_refused (f, open ("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* A good one does not make up for it. */
static void
test_passed_one_unfit (Fixture *f, gconstpointer data)
{
  pass (0, make_listening (f->path));
  pass (1, open ("/dev/null", O_RDONLY | O_CLOEXEC));
  announce (getpid (), "2");
  expect_refused (f, "descriptor 4");
}

static void
test_passed_garbled (Fixture *f, gconstpointer data)
{
  announce (getpid (), "many");
  expect_refused (f, "cannot take what systemd passed");
}

static void
test_passed_to_another (Fixture *f, gconstpointer data)
{
  announce (getppid (), "1");
  expect_listening (f);
  close (connect_to (f->path)); /* so it has made its own */
  wait_for (f, 1, 0);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  occupy ();
  g_test_init (&argc, &argv, NULL);
  TEST ("/listener/accepts", test_accepts);
  TEST ("/listener/many-at-once", test_many_at_once);
  TEST ("/listener/freed-with-more-to-do", test_freed_with_more_to_do);
  TEST ("/listener/stale-removed", test_stale_removed);
  TEST ("/listener/groups", test_groups);
  TEST ("/listener/peer/stranger", test_stranger);
  TEST ("/listener/peer/listed", test_listed);
  TEST ("/listener/out-of-descriptors", test_out_of_descriptors);
  TEST ("/listener/passed", test_passed);
  TEST ("/listener/passed/unfit", test_passed_unfit);
  TEST ("/listener/passed/one-unfit", test_passed_one_unfit);
  TEST ("/listener/passed/garbled", test_passed_garbled);
  TEST ("/listener/passed/to-another", test_passed_to_another);
  return g_test_run ();
}
