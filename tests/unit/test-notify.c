/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/notify.h"

#include <glib/gstdio.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* We are the service manager: what sd_notify() sends arrives here. */
typedef struct
{
  char *directory;
  char *path;
  int fd;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  fixture->directory = g_dir_make_tmp ("obk-notify-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->directory, "socket", NULL);
  g_assert_cmpuint (g_strlcpy (address.sun_path, fixture->path, sizeof address.sun_path), <, sizeof address.sun_path);
  fixture->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_assert_cmpint (bind (fixture->fd, (const struct sockaddr *)&address, sizeof address), ==, 0);
  g_setenv ("NOTIFY_SOCKET", fixture->path, TRUE);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unsetenv ("NOTIFY_SOCKET");
  close (fixture->fd);
  g_unlink (fixture->path);
  g_rmdir (fixture->directory);
  g_free (fixture->path);
  g_free (fixture->directory);
}

/* Returns: (transfer full): the next message; "" when there is none */
static char *
receive (const Fixture *fixture)
{
  char buffer[4096];
  ssize_t n = recv (fixture->fd, buffer, sizeof buffer, 0);

  return g_strndup (buffer, n > 0 ? (gsize)n : 0);
}

static void
assert_received (const Fixture *fixture, const char *expected)
{
  g_autofree char *message = receive (fixture);

  g_assert_cmpstr (message, ==, expected);
}

static void
test_life (Fixture *fixture, gconstpointer data)
{
  obk_notify_ready ();
  assert_received (fixture, "READY=1");
  obk_notify_stopping ();
  assert_received (fixture, "STOPPING=1");
  assert_received (fixture, "");
}

static void
test_status (Fixture *fixture, gconstpointer data)
{
  obk_notify_status ("healthy");
  assert_received (fixture, "STATUS=healthy");
  obk_notify_status ("healthy");
  assert_received (fixture, "");
  obk_notify_status ("not\nREADY=1");
  assert_received (fixture, "STATUS=not READY=1");
  obk_notify_status ("not\nREADY=1");
  assert_received (fixture, "");
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static void
test_watchdog (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autofree char *pid = g_strdup_printf ("%d", (int)getpid ());
  guint beats = 0;
  gint64 start_us = 0;

  /* Nobody asks for it, then another process is asked. */
  g_unsetenv ("WATCHDOG_USEC");
  obk_notify_start_watchdog ();
  g_setenv ("WATCHDOG_USEC", "400000", TRUE);
  g_setenv ("WATCHDOG_PID", "1", TRUE);
  obk_notify_start_watchdog ();
  g_timeout_add (500, quit, loop);
  g_main_loop_run (loop);
  assert_received (fixture, "");

  g_setenv ("WATCHDOG_PID", pid, TRUE);
  obk_notify_start_watchdog ();
  assert_received (fixture, "WATCHDOG=1");
  obk_notify_start_watchdog (); /* not twice */
  start_us = g_get_monotonic_time ();
  while (beats < 4)
    {
      g_autofree char *message = NULL;

      g_main_context_iteration (NULL, TRUE);
      message = receive (fixture);
      if (message[0] == '\0')
        continue;
      g_assert_cmpstr (message, ==, "WATCHDOG=1");
      beats++;
    }
  g_assert_cmpint (g_get_monotonic_time () - start_us, >=, 700 * 1000); /* every 200 ms, and no more often */
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 20 * G_USEC_PER_SEC);
}

static void
test_no_manager (void)
{
  g_unsetenv ("NOTIFY_SOCKET");
  obk_notify_ready ();
  obk_notify_status ("alone");
  g_setenv ("NOTIFY_SOCKET", "/nonexistent/socket", TRUE);
  obk_notify_ready ();
  obk_notify_stopping ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/notify/life", Fixture, NULL, set_up, test_life, tear_down);
  g_test_add ("/notify/status", Fixture, NULL, set_up, test_status, tear_down);
  g_test_add ("/notify/watchdog", Fixture, NULL, set_up, test_watchdog, tear_down);
  g_test_add_func ("/notify/no-manager", test_no_manager);
  return g_test_run ();
}
