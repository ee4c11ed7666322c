/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/grpc-server.h"

#include "base/clock.h"
#include "base/error.h"
#include "kms/client.h"
#include "kms/grpc-core.h"
#include "transit-stand-in.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <grpc/support/time.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_US (20 * G_USEC_PER_SEC)
#define MAX_STATUS 2
#define MAX_ENCRYPT 2
#define MAX_DECRYPT 3

static ObkScope scope = {
  (char *)"provider", (char *)"cluster", (char *)"instance", NULL, (char *)"mount", (char *)"lineage",
};

typedef struct
{
  char *directory;
  char *path;
  int listening;
  guint accepting;
  ObkPoller *poller;
  ObkBoardSlot *board;
  ObkTransit *transit;
  ObkService *service;
  ObkGrpcServer *server;
  ObkKmsClient *client;
} Fixture;

/* Accepts all that come. The listener has tests of its own. */
static gboolean
accept_one (int fd, GIOCondition condition, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;
  int accepted = accept4 (fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  g_assert_cmpint (accepted, >=, 0);
  obk_grpc_server_add_connection (f->server, accepted, &error);
  g_assert_no_error (error);
  return G_SOURCE_CONTINUE;
}

static void
set_board (Fixture *f, const char *reason)
{
  g_autoptr (ObkState) state = obk_state_new (&scope);
  g_autoptr (ObkKeyring) keyring = NULL;
  g_autoptr (ObkBoard) board = NULL;

  obk_state_add (state, 7, 1700000700, OBK_SNAPSHOT_ACTIVE);
  obk_state_sort (state);
  keyring = obk_keyring_new (state, obk_state_active (state)->version, NULL);
  board = obk_board_new (&scope, &(ObkBoardFacts){ keyring, reason, "", G_MAXINT64 });
  obk_board_slot_set (f->board, board);
}

static void
listen_on (Fixture *f)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  f->directory = g_dir_make_tmp ("obk-grpc-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "s", NULL);
  g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
  f->listening = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (f->listening, (const struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (f->listening, SOMAXCONN), ==, 0);
  f->accepting = g_unix_fd_add (f->listening, G_IO_IN, accept_one, f);
}

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  listen_on (f);
  f->poller = obk_poller_new (NULL, &error);
  g_assert_no_error (error);
  f->board = obk_board_slot_new (&scope);
  set_board (f, "");
  f->transit = stand_in_new ();
  f->service = obk_service_new (&(ObkServiceOptions){
      .poller = f->poller,
      .board = f->board,
      .transit = f->transit,
      .max_encrypt = MAX_ENCRYPT,
      .max_decrypt = MAX_DECRYPT,
  });
  f->server = obk_grpc_server_new (f->poller, f->board, f->service, MAX_STATUS, &error);
  g_assert_no_error (error);
  f->client = obk_kms_client_new (f->path, TIMEOUT_US, &error);
  g_assert_no_error (error);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_source_remove (f->accepting);
  close (f->listening);
  obk_kms_client_free (f->client);
  obk_grpc_server_free (f->server);
  obk_service_free (f->service);
  obk_transit_free (f->transit);
  obk_board_slot_free (f->board);
  obk_poller_free (f->poller);
  g_unlink (f->path);
  g_rmdir (f->directory);
  g_free (f->path);
  g_free (f->directory);
}

static void
status_ok (Fixture *f)
{
  g_auto (ObkKmsStatus) status = { 0 };
  g_autoptr (GError) error = NULL;

  obk_kms_client_status (f->client, TIMEOUT_US, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (status.version, ==, "v2");
  g_assert_cmpstr (status.healthz, ==, "ok");
  g_assert_cmpuint (strlen (status.key_id), ==, 48);
}

/* What blocks has a thread of its own while the main loop turns. */
typedef struct
{
  Fixture *f;
  void (*work) (Fixture *f);
  GThread *thread;
  gint done; /* atomic */
} Aside;

static gpointer
work_aside (gpointer data)
{
  Aside *aside = data;

  aside->work (aside->f);
  g_atomic_int_set (&aside->done, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

static void
finish_aside (Aside *aside)
{
  while (!g_atomic_int_get (&aside->done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (aside->thread);
}

static void
run_aside (Fixture *f, void (*work) (Fixture *f))
{
  Aside aside = { .f = f, .work = work };

  aside.thread = g_thread_new ("aside", work_aside, &aside);
  finish_aside (&aside);
}

static void
test_status (Fixture *f, gconstpointer data)
{
  run_aside (f, status_ok);
}

static void
round_trip (Fixture *f)
{
  g_autoptr (ObkSecret) plaintext = obk_secret_new_copy ("a seed of thirty-two bytes......", 32);
  g_autoptr (ObkSecret) back = NULL;
  g_auto (ObkKmsEncrypted) encrypted = { 0 };
  g_autoptr (GError) error = NULL;

  obk_kms_client_encrypt (f->client, TIMEOUT_US, plaintext, "uid", &encrypted, &error);
  g_assert_no_error (error);
  back = obk_kms_client_decrypt (f->client, TIMEOUT_US, &encrypted, "uid", &error);
  g_assert_no_error (error);
  g_assert_cmpmem (obk_secret_data (back), obk_secret_length (back), obk_secret_data (plaintext), 32);
}

static void
test_round_trip (Fixture *f, gconstpointer data)
{
  run_aside (f, round_trip);
}

/* A tenth of the client's time is left to bring it the answer, at most 200 ms. */
static void
test_answer_by (void)
{
  static const struct
  {
    gint64 client_ms, ours_ms;
  } cases[] = { { 10000, 9800 }, { 2000, 1800 }, { 1000, 900 }, { 100, 90 }, { 0, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gpr_timespec deadline
          = gpr_time_add (gpr_now (GPR_CLOCK_REALTIME), gpr_time_from_millis (cases[i].client_ms, GPR_TIMESPAN));
      gint64 due_us = obk_clock_boot_us () + cases[i].ours_ms * 1000;

      g_assert_cmpint (ABS (obk_grpc_answer_by_us (deadline) - due_us), <, 5000);
    }
  g_assert_cmpint (obk_grpc_answer_by_us (gpr_inf_future (GPR_CLOCK_REALTIME)), ==, OBK_NO_DEADLINE);
}

#define TEST(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("/grpc-server/status", test_status);
  TEST ("/grpc-server/round-trip", test_round_trip);
  g_test_add_func ("/grpc-server/answer-by", test_answer_by);
  return g_test_run ();
}
