/* SPDX-License-Identifier: Apache-2.0 */
/* "policy openbao": the least that the provider's token must be allowed to do in OpenBao. */
#include "cli/policy.h"

#include "base/error.h"
#include "base/names.h"
#include "cli/command.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <string.h>

static gboolean include_renewal = TRUE;

/* In a policy "+" stands for any segment, "*" at the end for anything, "{{" begins a template, and HCL has "${". */
static gboolean
is_literal_path (const char *path)
{
  g_auto (GStrv) segments = g_strsplit (path, "/", -1);

  return !g_strv_contains ((const char *const *)segments, "+") && strchr (path, '*') == NULL
         && strstr (path, "{{") == NULL && strstr (path, "${") == NULL;
}

/* A rule for the path that the parts give. */
G_GNUC_NULL_TERMINATED
static void
append_rule (GString *policy, const char *comment, const char *capability, const char *part, ...)
{
  va_list parts;

  g_string_append_printf (policy, "\n# %s\npath \"", comment);
  va_start (parts, part);
  while (part != NULL)
    {
      for (const char *at = part; *at != '\0'; at++)
        g_string_append_printf (policy, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
      part = va_arg (parts, const char *);
      if (part != NULL)
        g_string_append_c (policy, '/');
    }
  va_end (parts);
  g_string_append_printf (policy, "\" {\n  capabilities = [\"%s\"]\n}\n", capability);
}

char *
obk_policy_openbao (const ObkConfig *config, gboolean renewal, GError **error)
{
  const char *mount = config->transit.mount_path;
  const char *key = config->transit.key_name;
  GString *policy = NULL;

  if (!is_literal_path (mount))
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CONFIG_INVALID, "%s",
                   _ ("transit.mountPath holds what has a meaning of its own in a policy: \"*\", \"{{\", \"${\" or a "
                      "segment \"+\""));
      return NULL;
    }
  policy = g_string_new ("# What the token of bao-kms-provider may do, and no more.\n");
  append_rule (policy, "Versions and settings of the key, never its material.", "read", mount, "keys", key, NULL);
  append_rule (policy, "Whether an encrypt call could make a key.", "read", mount, "config", "keys", NULL);
  append_rule (policy, "Wrap what the API server encrypts with.", "update", mount, "encrypt", key, NULL);
  append_rule (policy, "Unwrap it.", "update", mount, "decrypt", key, NULL);
  append_rule (policy, "See what the token may do.", "update", "sys", "capabilities-self", NULL);
  if (renewal)
    append_rule (policy, "Renew the token.", "update", "auth", "token", "renew-self", NULL);
  return g_string_free (policy, FALSE);
}

static gboolean
parse_renewal (const char *option, const char *value, gpointer data, GError **error)
{
  include_renewal = strcmp (value, "true") == 0;
  if (include_renewal || strcmp (value, "false") == 0)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _ ("%s must be \"true\" or \"false\", not \"%s\""),
               option, value);
  return FALSE;
}

static const GOptionEntry *
options (void)
{
  static const GOptionEntry entries[] = {
    { "include-token-renewal", 0, 0, G_OPTION_ARG_CALLBACK, parse_renewal,
      N_ ("Whether the token may renew itself, true by default"), "true|false" },
    G_OPTION_ENTRY_NULL,
  };

  return entries;
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_autoptr (ObkConfig) config = obk_command_load_config (globals);
  g_autoptr (GError) error = NULL;
  g_autofree char *policy = NULL;

  if (config == NULL)
    return OBK_EXIT_CONFIG;
  policy = obk_policy_openbao (config, include_renewal, &error);
  if (policy == NULL)
    {
      obk_command_complain ("%s", error->message);
      return OBK_EXIT_CONFIG;
    }
  fputs (policy, stdout);
  return OBK_EXIT_OK;
}

const ObkCommand obk_command_policy_openbao = {
  .name = "policy openbao",
  .summary = N_ ("Show the OpenBao policy that the provider needs for the configured key."),
  .example = OBK_PROGRAM " policy openbao | bao policy write kms-provider -",
  .options = options,
  .run = run,
};
