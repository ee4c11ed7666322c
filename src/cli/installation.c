/* SPDX-License-Identifier: Apache-2.0 */
/* The files that `init` makes of one values file, all of which must agree. */
#include "cli/installation.h"

#include "base/canonical-json.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/names.h"
#include "cli/policy.h"
#include "config-build.h"
#include "config/field.h"
#include "config/yaml-text.h"
#include "init-files.h"
#include "provider/scope.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION "installation.openbao-kms/v1alpha1"
#define REPORT "installation.json"

static void
free_file (gpointer data)
{
  ObkInstallationFile *file = data;

  g_free (file->name);
  g_free (file->content);
  g_free (file);
}

/* Takes @content. */
static void
add (GPtrArray *files, const char *name, guint mode, const char *destination, const char *owner, char *content)
{
  ObkInstallationFile *file = g_new0 (ObkInstallationFile, 1);

  file->name = g_strdup (name);
  file->mode = mode;
  file->content = content;
  file->destination = destination;
  file->owner = owner;
  g_ptr_array_add (files, file);
}

char *
obk_installation_template (const char *name)
{
  g_autofree char *path = g_strconcat ("/init/", name, NULL);
  g_autoptr (GBytes) bytes
      = g_resource_lookup_data (obk_init_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  gsize length = 0;
  const char *text = bytes != NULL ? g_bytes_get_data (bytes, &length) : NULL;

  return g_strndup (text, length);
}

static void
write_resources (GString *yaml, const ObkConfig *values)
{
  char *const *resource = values->setup.kubernetes.resources;

  if (*resource == NULL)
    g_string_append (yaml, "      - secrets\n");
  for (; *resource != NULL; resource++)
    {
      g_autofree char *scalar = obk_yaml_text_scalar (*resource);

      g_string_append_printf (yaml, "      - %s\n", scalar);
    }
}

static char *
encryption_config (const ObkConfig *values, gboolean writes)
{
  static const char plain[] = "      - identity: {}\n";
  GString *yaml
      = g_string_new (writes ? "# Second phase, once every API server runs with the first: what is written is "
                               "encrypted by the provider.\n# What was stored in clear before can still be "
                               "read, until it has been written anew.\n"
                             : "# First phase, on every API server before any has the second: what the "
                               "provider has encrypted can be read,\n# and nothing is encrypted yet.\n");
  g_autofree char *endpoint = g_strconcat ("unix://", values->server.socket_path, NULL);
  g_autofree char *name = obk_yaml_text_scalar (values->transit.scope.provider_name);
  g_autofree char *quoted_endpoint = obk_yaml_text_scalar (endpoint);
  g_autofree char *timeout = obk_duration_format (values->setup.kubernetes.timeout_us);

  g_string_append (yaml, "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
                         "  - resources:\n");
  write_resources (yaml, values);
  g_string_append (yaml, "    providers:\n");
  if (!writes)
    g_string_append (yaml, plain);
  g_string_append_printf (yaml,
                          "      - kms:\n          apiVersion: v2\n          name: %s\n          endpoint: %s\n"
                          "          timeout: %s\n",
                          name, quoted_endpoint, timeout);
  if (writes)
    g_string_append (yaml, plain);
  return g_string_free (yaml, FALSE);
}

static void
write_scope (ObkCanonicalJson *json, const ObkConfig *values)
{
  obk_canonical_json_begin_object (json, "keyIdScope");
  obk_canonical_json_string (json, "providerName", values->transit.scope.provider_name);
  obk_canonical_json_string (json, "clusterId", values->transit.scope.cluster_id);
  obk_canonical_json_string (json, "instanceId", values->openbao.instance_id);
  if (values->openbao.namespace[0] != '\0')
    obk_canonical_json_string (json, "namespace", values->openbao.namespace);
  obk_canonical_json_string (json, "transitMountId", values->transit.scope.mount_id);
  obk_canonical_json_string (json, "keyLineageId", values->transit.scope.key_lineage_id);
  obk_canonical_json_end_object (json);
}

static void
write_file (ObkCanonicalJson *json, const ObkInstallationFile *file)
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, file->content, -1);
  g_autofree char *mode = g_strdup_printf ("%04o", file->mode);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "name", file->name);
  obk_canonical_json_string (json, "sha256", hash);
  obk_canonical_json_string (json, "mode", mode);
  if (file->destination != NULL)
    obk_canonical_json_string (json, "destination", file->destination);
  if (file->owner != NULL)
    obk_canonical_json_string (json, "owner", file->owner);
  obk_canonical_json_end_object (json);
}

/* Returns: (transfer full): installation.json */
static char *
describe (const ObkInstallation *installation, const GPtrArray *files)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *fingerprint = obk_config_fingerprint (installation->values);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "schemaVersion", SCHEMA_VERSION);
  obk_canonical_json_string (json, "version", OBK_VERSION);
  obk_canonical_json_string (json, "model", installation->model == OBK_MODEL_SYSTEMD ? "systemd" : "static-pod");
  obk_canonical_json_boolean (json, "newKey", installation->new_key);
  obk_canonical_json_string (json, "fingerprint", fingerprint);
  write_scope (json, installation->values);
  obk_canonical_json_string (json, "policyName", installation->values->setup.policy_name);
  if (installation->image != NULL)
    obk_canonical_json_string (json, "image", installation->image);
  obk_canonical_json_begin_array (json, "files");
  for (guint i = 0; i < files->len; i++)
    write_file (json, g_ptr_array_index (files, i));
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  return g_strconcat (text, "\n", NULL);
}

/* A static pod has no systemd that would give it credentials. */
static gboolean
check_paths (const ObkInstallation *installation, GError **error)
{
  g_autoptr (GPtrArray) files = obk_config_read_files (installation->values);

  for (guint i = 0; i < files->len && installation->model == OBK_MODEL_STATIC_POD; i++)
    if (g_str_has_prefix (files->pdata[i], "credential:"))
      {
        g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID,
                     _ ("\"%s\" is systemd's, which a static pod does not have: name a file"),
                     (const char *)files->pdata[i]);
        return FALSE;
      }
  return TRUE;
}

GPtrArray *
obk_installation_make (const ObkInstallation *installation, GError **error)
{
  const ObkConfig *values = installation->values;
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (free_file);
  g_autofree char *policy = NULL;
  g_autofree char *config = NULL;
  gboolean is_pod = installation->model == OBK_MODEL_STATIC_POD;
  const char *owner = is_pod ? "root, and the pod's group" : "root:openbao-kms";

  if (!check_paths (installation, error))
    return NULL;
  policy = obk_policy_openbao (values, TRUE, error);
  if (policy == NULL)
    return NULL;
  config = obk_yaml_text_of_config (values);
  add (files, "config.yaml", 0640, OBK_DEFAULT_CONFIG, owner,
       g_strconcat ("# Configuration of " OBK_PROGRAM ", the same on all control-plane nodes.\n", config, NULL));
  add (files, "encryption-1-read.yaml", 0600, "/etc/kubernetes/encryption/config.yaml", "root:root",
       encryption_config (values, FALSE));
  add (files, "encryption-2-write.yaml", 0600, "/etc/kubernetes/encryption/config.yaml", "root:root",
       encryption_config (values, TRUE));
  add (files, "openbao-setup.sh", 0750, NULL, NULL, obk_installation_setup (installation, policy));
  add (files, "policy.hcl", 0640, NULL, NULL, g_steal_pointer (&policy));
  if (is_pod)
    add (files, OBK_PROGRAM ".yaml", 0600, "/etc/kubernetes/manifests/" OBK_PROGRAM ".yaml", "root:root",
         obk_installation_pod (installation));
  add (files, REPORT, 0640, NULL, NULL, describe (installation, files));
  return g_steal_pointer (&files);
}

static gboolean
is_empty (const char *path)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);

  return directory != NULL && g_dir_read_name (directory) == NULL;
}

static gboolean
write_all (int fd, const char *text)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      gssize n = write (fd, text, left);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          text += n;
          left -= (gsize)n;
        }
    }
  return fsync (fd) == 0;
}

/* Whatever the umask is. */
static gboolean
create (int directory, const ObkInstallationFile *file)
{
  int fd = openat (directory, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  gboolean made = fd >= 0 && write_all (fd, file->content) && fchmod (fd, (mode_t)file->mode) == 0;
  int code = errno;

  if (fd >= 0)
    close (fd);
  if (fd >= 0 && !made)
    unlinkat (directory, file->name, 0);
  errno = code;
  return made;
}

static void
take_back (int directory, const GPtrArray *files, guint n)
{
  for (guint i = 0; i < n; i++)
    unlinkat (directory, ((const ObkInstallationFile *)g_ptr_array_index (files, i))->name, 0);
}

gboolean
obk_installation_write (const GPtrArray *files, const char *directory, GError **error)
{
  gboolean made = mkdir (directory, 0750) == 0;
  int fd = -1;

  if (!made && errno != EEXIST)
    return obk_refuse (error, OBK_ERROR_FILE, _ ("cannot make directory \"%s\": %s"), directory, g_strerror (errno));
  fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return obk_refuse (error, OBK_ERROR_FILE, _ ("cannot open directory \"%s\": %s"), directory, g_strerror (errno));
  if (!made && !is_empty (directory))
    {
      close (fd);
      return obk_refuse (error, OBK_ERROR_FILE,
                         _ ("directory \"%s\" is not empty; nothing is overwritten: name another one"), directory);
    }
  for (guint i = 0; i < files->len; i++)
    {
      const ObkInstallationFile *file = g_ptr_array_index (files, i);

      if (create (fd, file))
        continue;
      obk_refuse (error, OBK_ERROR_FILE, _ ("cannot write \"%s/%s\": %s"), directory, file->name, g_strerror (errno));
      take_back (fd, files, i);
      close (fd);
      if (made)
        rmdir (directory);
      return FALSE;
    }
  close (fd);
  return TRUE;
}
