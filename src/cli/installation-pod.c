/* SPDX-License-Identifier: Apache-2.0 */
/* The static pod's manifest, of data/init/static-pod.yaml. */
#include "cli/installation.h"

#include "base/names.h"
#include "config/field.h"
#include "config/yaml-text.h"

#include <string.h>

typedef struct
{
  char *directory;
  gboolean writable;
} Mount;

static void
clear_mount (gpointer data)
{
  g_free (((Mount *)data)->directory);
}

static gboolean
covers (const Mount *mount, const char *directory)
{
  gsize length = strlen (mount->directory);

  return strncmp (mount->directory, directory, length) == 0 && (directory[length] == '/' || directory[length] == '\0');
}

/* The directory of @file: never the file itself, which is replaced by another one. */
static void
add_mount (GArray *mounts, const char *file, gboolean writable)
{
  g_autofree char *directory = g_path_get_dirname (file);
  Mount mount = { .writable = writable };
  gboolean covered = FALSE;

  for (guint i = 0; i < mounts->len && !covered; i++)
    {
      Mount *other = &g_array_index (mounts, Mount, i);

      if (strcmp (other->directory, directory) == 0)
        other->writable |= writable;
      covered = covers (other, directory) && other->writable >= writable;
    }
  if (covered)
    return;
  mount.directory = g_steal_pointer (&directory);
  g_array_append_val (mounts, mount);
}

static GArray *
list_mounts (const ObkConfig *values)
{
  g_autoptr (GPtrArray) files = obk_config_read_files (values);
  GArray *mounts = g_array_new (FALSE, FALSE, sizeof (Mount));

  g_array_set_clear_func (mounts, clear_mount);
  add_mount (mounts, OBK_DEFAULT_CONFIG, FALSE);
  for (guint i = 0; i < files->len; i++)
    add_mount (mounts, files->pdata[i], FALSE);
  add_mount (mounts, values->state.path, TRUE);
  add_mount (mounts, values->server.socket_path, TRUE);
  return mounts;
}

static void
write_probe (GString *yaml, const char *kind, const char *path, const char *address)
{
  const char *colon = strrchr (address, ':');
  g_autofree char *host = g_strndup (address, (gsize)(colon - address));
  g_autofree char *scalar = obk_yaml_text_scalar (host);

  g_string_append_printf (yaml,
                          "      %s:\n        httpGet:\n          host: %s\n          port: %s\n"
                          "          path: %s\n        periodSeconds: 10\n        timeoutSeconds: 3\n",
                          kind, scalar, colon + 1, path);
}

/* Returns: (transfer full): none where the kubelet cannot ask */
static char *
probes (const char *address)
{
  GString *yaml = g_string_new (NULL);

  if (address[0] != '\0' && !g_str_has_prefix (address, "unix:"))
    {
      write_probe (yaml, "livenessProbe", "/live", address);
      write_probe (yaml, "readinessProbe", "/ready", address);
    }
  return g_string_free (yaml, FALSE);
}

/* Replaces the line or the word @mark. */
static void
fill_in (GString *yaml, const char *mark, const char *text)
{
  g_string_replace (yaml, mark, text, 0);
}

char *
obk_installation_pod (const ObkInstallation *installation)
{
  const ObkConfig *values = installation->values;
  g_autofree char *pod = obk_installation_template ("static-pod.yaml");
  GString *yaml = g_string_new (pod);
  g_autoptr (GArray) mounts = list_mounts (values);
  g_autoptr (GString) inside = g_string_new (NULL);
  g_autoptr (GString) outside = g_string_new (NULL);
  g_autofree char *uid = g_strdup_printf ("%u", values->setup.pod.uid);
  g_autofree char *gid = g_strdup_printf ("%u", values->setup.pod.gid);
  g_autofree char *image = obk_yaml_text_scalar (installation->image);
  g_autofree char *asked = probes (values->server.health_address);

  for (guint i = 0; i < mounts->len; i++)
    {
      const Mount *mount = &g_array_index (mounts, Mount, i);
      g_autofree char *directory = obk_yaml_text_scalar (mount->directory);

      g_string_append_printf (inside, "        - name: host-%u\n          mountPath: %s\n%s", i, directory,
                              mount->writable ? "" : "          readOnly: true\n");
      g_string_append_printf (
          outside, "    - name: host-%u\n      hostPath:\n        path: %s\n        type: Directory\n", i, directory);
    }
  fill_in (yaml, "@UID@", uid);
  fill_in (yaml, "@GID@", gid);
  fill_in (yaml, "@SOCKET_GID@", values->server.socket_group);
  fill_in (yaml, "@IMAGE@", image);
  fill_in (yaml, "@CONFIG@", OBK_DEFAULT_CONFIG);
  fill_in (yaml, "@PROBES@\n", asked);
  fill_in (yaml, "@MOUNTS@\n", inside->str);
  fill_in (yaml, "@VOLUMES@\n", outside->str);
  return g_string_free (yaml, FALSE);
}
