/* SPDX-License-Identifier: Apache-2.0 */
/* "init": from one values file, everything that must agree. It asks nobody, and overwrites nothing. */
#include "cli/command.h"

#include "base/names.h"
#include "cli/installation.h"
#include "config/field.h"
#include "config/schema.h"
#include "config/value.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>

#define DIGEST_MARK "@sha256:"
#define DIGEST_LENGTH 64

static char *values_path = NULL;
static char *out_path = NULL;
static char *model_name = NULL;
static char *policy_name = NULL;
static char *image = NULL;
static char *socket_gid = NULL;
static gboolean new_key = FALSE;
static gboolean want_schema = FALSE;

static gboolean
parse_model (ObkInstallationModel *model)
{
  *model = g_strcmp0 (model_name, "static-pod") == 0 ? OBK_MODEL_STATIC_POD : OBK_MODEL_SYSTEMD;
  if (model_name == NULL || *model == OBK_MODEL_STATIC_POD || strcmp (model_name, "systemd") == 0)
    return TRUE;
  obk_command_complain (_ ("--model must be \"systemd\" or \"static-pod\", not \"%s\""), model_name);
  return FALSE;
}

/* A tag is whatever it was last moved to; the digest is the image that was looked at. */
static gboolean
is_pinned (const char *reference)
{
  const char *digest = strstr (reference, DIGEST_MARK);

  if (digest == NULL || digest == reference)
    return FALSE;
  digest += strlen (DIGEST_MARK);
  return strlen (digest) == DIGEST_LENGTH && strspn (digest, "0123456789abcdef") == DIGEST_LENGTH;
}

static gboolean
is_gid (const char *text)
{
  return g_ascii_isdigit (text[0]) && obk_rule_group.check (text) == NULL;
}

/* Returns: whether the options go together */
static gboolean
check_options (ObkInstallationModel model)
{
  if (values_path == NULL || out_path == NULL)
    obk_command_complain (_ ("--values and --out are needed; see \"%s init --help\""), OBK_PROGRAM);
  else if (model == OBK_MODEL_SYSTEMD && image != NULL)
    obk_command_complain (_ ("--image is of the model static-pod"));
  else if (model == OBK_MODEL_STATIC_POD && (image == NULL || !is_pinned (image)))
    obk_command_complain (_ ("the model static-pod needs --image NAME@sha256:DIGEST"));
  else if (model == OBK_MODEL_STATIC_POD && socket_gid == NULL)
    obk_command_complain (_ ("the model static-pod needs --socket-gid: a container does not know the node's groups"));
  else if (socket_gid != NULL && !is_gid (socket_gid))
    obk_command_complain (_ ("--socket-gid must be a decimal gid, not \"%s\""), socket_gid);
  else
    return TRUE;
  return FALSE;
}

static gboolean
override (ObkConfig *values, const char *option, const char *name, const char *text)
{
  const ObkConfigField *field = obk_config_field_find (name);
  g_autofree char *problem = text != NULL ? obk_value_set (field, values, text) : NULL;

  if (text != NULL && problem == NULL && text[0] == '\0')
    problem = g_strdup (_ ("must not be empty"));
  if (problem == NULL && text != NULL)
    values->origins[obk_config_field_row (field)] = OBK_ORIGIN_FILE; /* of the one that is made */
  if (problem != NULL)
    obk_command_complain ("%s: %s", option, problem);
  return problem == NULL;
}

/* Returns: (nullable): %NULL when there are problems, which are printed then */
static ObkConfig *
load_values (void)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  ObkConfig *values = obk_config_load_values (values_path, &problems, &error);

  if (values == NULL)
    obk_command_complain_about_config (problems, values_path, error);
  return values;
}

static void
print_text (const GPtrArray *files)
{
  for (guint i = 0; i < files->len; i++)
    {
      const ObkInstallationFile *file = g_ptr_array_index (files, i);
      g_autofree char *path = g_build_filename (out_path, file->name, NULL);

      if (file->destination != NULL)
        printf (_ ("%s  goes to %s (%s, mode %04o)\n"), path, file->destination, file->owner, file->mode);
      else
        printf ("%s\n", path);
    }
}

static ObkExit
make (ObkInstallation *installation, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = obk_installation_make (installation, &error);

  if (files == NULL)
    {
      obk_command_complain ("%s: %s", values_path, error->message);
      return OBK_EXIT_CONFIG;
    }
  if (!obk_installation_write (files, out_path, &error))
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_FAILED;
    }
  if (json)
    fputs (((const ObkInstallationFile *)g_ptr_array_index (files, files->len - 1))->content, stdout);
  else
    print_text (files);
  return OBK_EXIT_OK;
}

static ObkExit
run (const ObkGlobals *globals)
{
  ObkInstallation installation = { .new_key = new_key, .image = image };
  g_autoptr (ObkConfig) values = NULL;

  if (want_schema)
    {
      g_autofree char *schema = obk_config_schema_of_values ();

      fputs (schema, stdout);
      return OBK_EXIT_OK;
    }
  if (!parse_model (&installation.model) || !check_options (installation.model))
    return OBK_EXIT_USAGE;
  values = load_values ();
  if (values == NULL)
    return OBK_EXIT_CONFIG;
  if (!override (values, "--policy-name", "setup.policyName", policy_name)
      || !override (values, "--socket-gid", "server.socketGroup", socket_gid))
    return OBK_EXIT_USAGE;
  installation.values = values;
  return make (&installation, globals->json);
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "values", 0, 0, G_OPTION_ARG_FILENAME, &values_path,
      N_ ("What to make it from: the configuration's fields, and setup"), N_ ("FILE") },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out_path, N_ ("Directory for what is made; a new or an empty one"),
      N_ ("DIR") },
    { "model", 0, 0, G_OPTION_ARG_STRING, &model_name, N_ ("How the provider runs, systemd by default"),
      "systemd|static-pod" },
    { "new-key", 0, 0, G_OPTION_ARG_NONE, &new_key,
      N_ ("Let the administrator's script make Transit mount and key where they are missing"), NULL },
    { "policy-name", 0, 0, G_OPTION_ARG_STRING, &policy_name, N_ ("Use it instead of setup.policyName"), N_ ("NAME") },
    { "image", 0, 0, G_OPTION_ARG_STRING, &image, N_ ("Image of the static pod"), "NAME@sha256:DIGEST" },
    { "socket-gid", 0, 0, G_OPTION_ARG_STRING, &socket_gid, N_ ("Use it instead of server.socketGroup"), N_ ("GID") },
    { "schema", 0, 0, G_OPTION_ARG_NONE, &want_schema, N_ ("Show the JSON Schema of the values file, and make nothing"),
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

const ObkCommand obk_command_init = {
  .name = "init",
  .summary = N_ ("Make configuration, EncryptionConfiguration, policy and OpenBao's set-up from one values file."),
  .details
  = N_ ("Nothing is overwritten, and OpenBao is not asked. The values file has the fields of the configuration and a "
        "section setup (bao-kms-provider.yaml(5)). The openbao-setup.sh that is made is for OpenBao's administrator."),
  .example = OBK_PROGRAM " init --values values.yaml --out cluster-a --new-key",
  .options = options,
  .run = run,
  .has_report = TRUE,
};
