/* SPDX-License-Identifier: Apache-2.0 */
#include "stand-in.h"

#include <glib/gstdio.h>
#include <jansson.h>

#include <sys/wait.h>
#include <unistd.h>

struct _StandIn
{
  char *directory;
  GPid pid;
  int input; /* it lives until this is closed */
  json_t *ports;
};

/* Its first line. */
static json_t *
read_ports (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);
  json_t *ports = NULL;
  char byte = 0;

  while (read (fd, &byte, 1) == 1 && byte != '\n')
    g_string_append_c (line, byte);
  ports = json_loads (line->str, 0, NULL);
  g_assert_nonnull (ports);
  return ports;
}

StandIn *
stand_in_start (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "..", "standin", "tls_server.py", NULL);
  StandIn *stand_in = g_new0 (StandIn, 1);
  int output = -1;

  stand_in->directory = g_dir_make_tmp ("stand-in-XXXXXX", &error);
  g_assert_no_error (error);
  {
    const char *argv[] = { g_getenv ("OBK_PYTHON"), script, stand_in->directory, NULL };

    g_assert_nonnull (argv[0]);
    g_spawn_async_with_pipes (NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &stand_in->pid,
                              &stand_in->input, &output, NULL, &error);
    g_assert_no_error (error);
  }
  stand_in->ports = read_ports (output);
  close (output);
  return stand_in;
}

void
stand_in_stop (StandIn *stand_in)
{
  const char *argv[] = { "rm", "-rf", stand_in->directory, NULL };

  close (stand_in->input);
  waitpid (stand_in->pid, NULL, 0);
  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  json_decref (stand_in->ports);
  g_free (stand_in->directory);
  g_free (stand_in);
}

guint16
stand_in_port (const StandIn *stand_in, const char *kind)
{
  const json_t *port = json_object_get (stand_in->ports, kind);

  g_assert_nonnull (port);
  return (guint16)json_integer_value (port);
}

char *
stand_in_file (const StandIn *stand_in, const char *name)
{
  return g_build_filename (stand_in->directory, name, NULL);
}

char *
stand_in_copy (const StandIn *stand_in, const char *from, const char *to)
{
  g_autofree char *source = stand_in_file (stand_in, from);
  g_autofree char *content = NULL;
  g_autoptr (GError) error = NULL;
  char *target = stand_in_file (stand_in, to);
  gsize length = 0;

  g_file_get_contents (source, &content, &length, &error);
  g_assert_no_error (error);
  g_file_set_contents_full (target, content, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error);
  g_assert_no_error (error);
  return target;
}

static gboolean
time_is_up (gpointer up)
{
  *(gboolean *)up = TRUE;
  return G_SOURCE_REMOVE;
}

void
run_for (guint ms)
{
  gboolean up = FALSE;

  g_timeout_add (ms, time_is_up, &up);
  while (!up)
    g_main_context_iteration (NULL, TRUE);
}
