/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/connections.h"

#include "base/error.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  ObkPoller *poller;
  ObkConnections *connections;
  guint n_ready;
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
ready (gpointer user_data)
{
  Fixture *f = user_data;

  f->n_ready++;
}

/* Turns the main loop until nothing is left to do. Returns: how often something was ready */
static guint
ready_now (Fixture *f)
{
  f->n_ready = 0;
  while (g_main_context_iteration (NULL, FALSE))
    ;
  return f->n_ready;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->poller = obk_poller_new (NULL, &error);
  g_assert_no_error (error);
  f->connections = obk_connections_new (f->poller, ready, f);
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
  obk_poller_free (f->poller);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  expect_full (f);
  expect_full (f); /* nor at a second try */
}

/* As the core does it */
static void
end (Fixture *f, guint place)
{
  shutdown (f->ours[place], SHUT_RDWR);
  close (f->ours[place]);
}

static void
test_ended_ones_make_room (Fixture *f, gconstpointer data)
{
  static const guint places[] = { 0, OBK_MAX_CONNECTIONS / 2, OBK_MAX_CONNECTIONS - 1 };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      end (f, places[i]);
      g_assert_cmpuint (ready_now (f), ==, 1);
      close (f->theirs[places[i]]);
      expect_room_for_one (f, places[i]);
    }
}

static void
test_peer_gone (Fixture *f, gconstpointer data)
{
  close (f->theirs[0]);
  g_assert_cmpuint (ready_now (f), ==, 1);
  expect_room_for_one (f, 0);
}

/* The core reads the end, and then ends it, too. */
static void
test_peer_says_no_more (Fixture *f, gconstpointer data)
{
  shutdown (f->theirs[0], SHUT_WR);
  g_assert_cmpuint (ready_now (f), ==, 1);
  expect_full (f);
  end (f, 0);
  g_assert_cmpuint (ready_now (f), ==, 1);
  close (f->theirs[0]);
  expect_room_for_one (f, 0);
}

static void
test_ready (Fixture *f, gconstpointer data)
{
  (void)ready_now (f);
  g_assert_cmpuint (ready_now (f), ==, 0);
  g_assert_cmpint (send (f->theirs[0], "call", 4, 0), ==, 4);
  g_assert_cmpuint (ready_now (f), ==, 1);
  g_assert_cmpuint (ready_now (f), ==, 0);
}

/* That a peer has read is no news. */
static void
test_peer_reads (Fixture *f, gconstpointer data)
{
  char bytes[6];

  (void)ready_now (f);
  g_assert_cmpint (send (f->ours[0], "answer", 6, 0), ==, 6);
  g_assert_cmpint (recv (f->theirs[0], bytes, sizeof bytes, 0), ==, 6);
  g_assert_cmpuint (ready_now (f), ==, 0);
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
  end (f, 0);
  (void)ready_now (f);
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
test_all_ended (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < OBK_MAX_CONNECTIONS; i++)
    {
      end (f, i);
      close (f->theirs[i]);
    }
  g_assert_cmpuint (ready_now (f), ==, OBK_MAX_CONNECTIONS);
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
  TEST ("/connections/ended-ones-make-room", test_ended_ones_make_room);
  TEST ("/connections/peer-gone", test_peer_gone);
  TEST ("/connections/peer-says-no-more", test_peer_says_no_more);
  TEST ("/connections/ready", test_ready);
  TEST ("/connections/peer-reads", test_peer_reads);
  TEST ("/connections/all-ended", test_all_ended);
  TEST ("/connections/part", test_part);
  TEST ("/connections/part/one-that-does-not-read", test_part_with_one_that_does_not_read);
  return g_test_run ();
}
