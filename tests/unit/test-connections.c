/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/connections.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  ObkConnections *connections;
  int ours[OBK_MAX_CONNECTIONS];
  int theirs[OBK_MAX_CONNECTIONS];
} Fixture;

static void
make_pair (int *ours, int *theirs)
{
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  *ours = ends[0];
  *theirs = ends[1];
}

static void
expect_added (Fixture *f, int fd)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (obk_connections_add (f->connections, fd, &error));
  g_assert_no_error (error);
}

/* One more is refused, and its descriptor stays open. */
static void
expect_full (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  int ours = -1, theirs = -1;

  make_pair (&ours, &theirs);
  g_assert_false (obk_connections_add (f->connections, ours, &error));
  g_assert_error (error, OBK_ERROR, OBK_ERROR_CONCURRENCY_LIMIT);
  g_assert_cmpint (fcntl (ours, F_GETFD), >=, 0);
  close (ours);
  close (theirs);
}

static void
expect_room_for_one (Fixture *f, guint place)
{
  make_pair (&f->ours[place], &f->theirs[place]);
  expect_added (f, f->ours[place]);
  expect_full (f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->connections = obk_connections_new ();
  for (guint i = 0; i < OBK_MAX_CONNECTIONS; i++)
    {
      make_pair (&f->ours[i], &f->theirs[i]);
      expect_added (f, f->ours[i]);
    }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < OBK_MAX_CONNECTIONS; i++)
    {
      close (f->ours[i]);
      close (f->theirs[i]);
    }
  obk_connections_free (f->connections);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  expect_full (f);
  expect_full (f); /* nor at a second try */
}

static void
test_closed_ones_make_room (Fixture *f, gconstpointer data)
{
  static const guint places[] = { 0, OBK_MAX_CONNECTIONS / 2, OBK_MAX_CONNECTIONS - 1 };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      close (f->ours[places[i]]);
      close (f->theirs[places[i]]);
      expect_room_for_one (f, places[i]);
    }
}

/* The number of a closed descriptor comes again, for another socket. */
static void
test_number_comes_again (Fixture *f, gconstpointer data)
{
  int spare = -1;

  make_pair (&spare, &f->theirs[0]);
  g_assert_cmpint (dup2 (spare, f->ours[0]), ==, f->ours[0]);
  close (spare);
  expect_added (f, f->ours[0]); /* the one of that number that was counted has gone */
  expect_full (f);
}

static void
test_number_comes_again_for_a_file (Fixture *f, gconstpointer data)
{
  int file = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  int ours = -1, theirs = -1;

  g_assert_cmpint (dup2 (file, f->ours[0]), ==, f->ours[0]);
  close (file);
  make_pair (&ours, &theirs);
  expect_added (f, ours);
  expect_full (f);
  close (ours);
  close (theirs);
}

/* A peer that has gone leaves a connection that is open until we close it. */
static void
test_peer_gone (Fixture *f, gconstpointer data)
{
  shutdown (f->theirs[0], SHUT_RDWR);
  shutdown (f->ours[1], SHUT_RDWR);
  expect_full (f);
}

/* A GOAWAY frame without an error, for no stream in particular (RFC 9113, section 6.8) */
static const char goaway[] = "\0\0\10\7\0\0\0\0\0\177\377\377\377\0\0\0";

static void
expect_read (int fd, const char *bytes, gsize length)
{
  char got[64];
  ssize_t n = recv (fd, got, sizeof got, MSG_DONTWAIT);

  if (length == 0)
    g_assert_cmpint (n, ==, -1);
  else
    g_assert_cmpmem (got, n, bytes, length);
}

static void
test_part (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (obk_connections_part (f->connections), ==, OBK_MAX_CONNECTIONS);
  expect_read (f->theirs[0], goaway, sizeof goaway);
  expect_read (f->theirs[OBK_MAX_CONNECTIONS - 1], goaway, sizeof goaway);
  g_assert_cmpuint (obk_connections_part (f->connections), ==, OBK_MAX_CONNECTIONS);
  expect_read (f->theirs[0], NULL, 0); /* it has been told */
  close (f->ours[0]);
  g_assert_cmpuint (obk_connections_part (f->connections), ==, OBK_MAX_CONNECTIONS - 1);
}

/* Half a frame of the core's may wait behind what the peer has not read. */
static void
test_part_with_one_that_does_not_read (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (send (f->ours[0], "answer", 6, 0), ==, 6);
  obk_connections_part (f->connections);
  expect_read (f->theirs[0], "answer", 6);
  obk_connections_part (f->connections);
  expect_read (f->theirs[0], goaway, sizeof goaway);
}

static void
test_part_leaves_others_alone (Fixture *f, gconstpointer data)
{
  int spare = -1, theirs = -1;

  make_pair (&spare, &theirs);
  g_assert_cmpint (dup2 (spare, f->ours[0]), ==, f->ours[0]);
  g_assert_cmpuint (obk_connections_part (f->connections), ==, OBK_MAX_CONNECTIONS - 1);
  expect_read (theirs, NULL, 0);
  close (spare);
  close (theirs);
}

static void
test_all_closed (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < OBK_MAX_CONNECTIONS; i++)
    {
      close (f->ours[i]);
      close (f->theirs[i]);
    }
  for (guint i = 0; i < OBK_MAX_CONNECTIONS; i++)
    {
      make_pair (&f->ours[i], &f->theirs[i]);
      expect_added (f, f->ours[i]);
    }
  expect_full (f);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  struct rlimit limit;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = MIN (limit.rlim_max, 4096);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  TEST ("/connections/limit", test_limit);
  TEST ("/connections/closed-ones-make-room", test_closed_ones_make_room);
  TEST ("/connections/number-comes-again", test_number_comes_again);
  TEST ("/connections/number-comes-again-for-a-file", test_number_comes_again_for_a_file);
  TEST ("/connections/peer-gone", test_peer_gone);
  TEST ("/connections/all-closed", test_all_closed);
  TEST ("/connections/part", test_part);
  TEST ("/connections/part/one-that-does-not-read", test_part_with_one_that_does_not_read);
  TEST ("/connections/part/leaves-others-alone", test_part_leaves_others_alone);
  return g_test_run ();
}
