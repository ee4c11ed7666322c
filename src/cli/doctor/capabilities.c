/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what the token may do, and the policy that it should have. */
#include "cli/doctor/doctor.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/registry-command.h"

#include <glib/gi18n.h>

#include <string.h>

/* What it allows hangs on both. */
#define NEW_POLICY "bao-kms-provider-<mount>-<key>"

typedef struct
{
  const char *path;
  const char *needed;    /* (nullable): a capability */
  const char *forbidden; /* (nullable): further ones that must be denied, with "," between; "delete" and "sudo" always
                            are */
  gboolean convenience;  /* works without what is needed */
} Permission;

/* Which are asked for by themselves, too. */
enum
{
  ON_KEY,
  ON_MOUNT,
  ON_ENCRYPT,
  ON_DECRYPT
};

static const Permission permissions[] = {
  { .path = "<mount>/keys/<key>", .needed = "read", .forbidden = "create,update" },
  { .path = "<mount>/config/keys", .needed = "read", .forbidden = "create,update" },
  { .path = "<mount>/encrypt/<key>", .needed = "update", .forbidden = "create" },
  { .path = "<mount>/decrypt/<key>", .needed = "update", .forbidden = "create" },
  { .path = "auth/token/renew-self", .needed = "update", .convenience = TRUE },
  { .path = "<mount>/keys/<key>/rotate", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/config", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/trim", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/soft-delete", .forbidden = "create,update" },
  { .path = "<mount>/restore", .forbidden = "create,update" },
  { .path = "<mount>/restore/<key>", .forbidden = "create,update" },
  { .path = "<mount>/rewrap/<key>", .forbidden = "create,update" },
  { .path = "<mount>/export/encryption-key/<key>", .forbidden = "read" },
  { .path = "<mount>/export/encryption-key/<key>/1", .forbidden = "read" },
  { .path = "<mount>/export/encryption-key/<key>/latest", .forbidden = "read" },
  { .path = "<mount>/export/hmac-key/<key>", .forbidden = "read" },
  { .path = "<mount>/export/hmac-key/<key>/1", .forbidden = "read" },
  { .path = "<mount>/export/hmac-key/<key>/latest", .forbidden = "read" },
  { .path = "<mount>/backup/<key>", .forbidden = "read" },
  { .path = "<mount>/byok-export/<key>/<key>", .forbidden = "read" },
  { .path = "<mount>/datakey/plaintext/<key>", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/import", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/import_version", .forbidden = "create,update" },
  { .path = "<mount>/cache-config", .forbidden = "create,update" },
  /* other clusters' keys, and new ones */
  { .path = "<mount>/keys/*", .forbidden = "create,update" },
  { .path = "<mount>/encrypt/*", .forbidden = "create,update" },
  { .path = "<mount>/decrypt/*", .forbidden = "create,update" },
  { .path = "sys/capabilities-self" },
  /* by which it could give itself more */
  { .path = "sys/policies/acl/*", .forbidden = "create,update" },
  { .path = "sys/policy/*", .forbidden = "create,update" },
  { .path = "sys/auth/*", .forbidden = "create,update" },
  { .path = "auth/*", .forbidden = "create,update" },
  { .path = "auth/token/create", .forbidden = "create,update" },
  { .path = "identity/*", .forbidden = "create,update" },
  { .path = "<auth>/config", .forbidden = "create,update" },
  { .path = "<auth>/role/<role>", .forbidden = "create,update" },
  { .path = "<auth>/certs/<role>", .forbidden = "create,update" },
  { .path = "sys/mounts/<mount>", .forbidden = "create,update" },
  { .path = "sys/mounts/<mount>/tune", .forbidden = "create,update" },
  /* by which it could get at all that is stored, or stop OpenBao */
  { .path = "sys/raw/*", .forbidden = "create,read,update" },
  { .path = "sys/remount", .forbidden = "create,update" },
  { .path = "sys/seal", .forbidden = "create,update" },
  { .path = "sys/step-down", .forbidden = "create,update" },
};

static char *
fill_in (const ObkConfig *config, const char *path)
{
  gboolean by_jwt = config->auth.method == OBK_AUTH_JWT;
  g_autoptr (GString) text = g_string_new (path);

  g_string_replace (text, "<mount>", config->transit.mount_path, 1);
  g_string_replace (text, "<key>", config->transit.key_name, 1);
  g_string_replace (text, "<auth>", by_jwt ? config->auth.jwt.mount_path : config->auth.cert.mount_path, 1);
  g_string_replace (text, "<role>", by_jwt ? config->auth.jwt.role : config->auth.cert.name, 1);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
has_capability (const json_t *capabilities, const char *wanted)
{
  const json_t *one = NULL;
  gsize i = 0;

  json_array_foreach (capabilities, i, one)
    {
      if (g_strcmp0 (json_string_value (one), wanted) == 0 || g_strcmp0 (json_string_value (one), "root") == 0)
        return TRUE;
    }
  return FALSE;
}

static void
judge_permission (ObkCheckReport *report, const Permission *permission, const json_t *capabilities, GString *wide)
{
  g_autofree char *list = g_strjoin (",", "delete,sudo", permission->forbidden, NULL);
  g_auto (GStrv) forbidden = g_strsplit (list, ",", -1);
  g_autoptr (GString) found = g_string_new (NULL);

  if (permission->needed != NULL && !has_capability (capabilities, permission->needed))
    {
      if (permission->convenience)
        obk_check_warn (report, _ ("the token lacks \"%s\" on %s: each time it runs out is a new login"),
                        permission->needed, permission->path);
      else
        obk_check_fail (report, _ ("the token lacks \"%s\" on %s"), permission->needed, permission->path);
    }
  for (char **one = forbidden; *one != NULL; one++)
    if (has_capability (capabilities, *one))
      g_string_append_printf (found, "%s%s", found->len > 0 ? "," : "", *one);
  if (found->len > 0)
    g_string_append_printf (wide, "%s%s (%s)", wide->len > 0 ? "; " : "", permission->path, found->str);
}

/* Whether what is needed on @path is granted. */
static gboolean
is_granted (const json_t *answer, const GPtrArray *paths, gsize i)
{
  return has_capability (json_object_get (answer, g_ptr_array_index (paths, i)), permissions[i].needed);
}

/* A policy that is for another key, or fields that are. Returns: whether that is so, and was said */
static gboolean
is_another_key (ObkCheckReport *report, const json_t *answer, const GPtrArray *paths)
{
  if (is_granted (answer, paths, ON_KEY) || is_granted (answer, paths, ON_ENCRYPT)
      || is_granted (answer, paths, ON_DECRYPT))
    return FALSE;
  if (is_granted (answer, paths, ON_MOUNT))
    obk_check_fail (report, _ ("the token may do nothing with the key of transit.keyName, but reads config/keys of "
                               "transit.mountPath: the policy is for another key, or transit.keyName is wrong"));
  else
    obk_check_fail (report,
                    _ ("the token may do nothing at all at transit.mountPath: the policy is for another mount or "
                       "was not written, or transit.mountPath is wrong"));
  return TRUE;
}

/* Returns: (transfer full): the one that the role gives alone; else one of the provider's own, so that what others use
 * stays as it is */
static char *
choose_policy (const ObkDoctor *doctor)
{
  return g_strv_length (doctor->policies) == 1 ? obk_doctor_quote (doctor->policies[0]) : g_strdup (NEW_POLICY);
}

/* Returns: (transfer full): has the role give the policy alone; where OpenBao chooses it, which roles there are */
static char *
role_command (const ObkDoctor *doctor, const char *policy)
{
  const ObkConfig *config = doctor->config;

  if (config->auth.method == OBK_AUTH_JWT)
    return g_strdup_printf ("bao write <auth>/role/<role> role_type=jwt token_policies=%s token_no_default_policy=true",
                            policy);
  if (config->auth.cert.name[0] != '\0')
    return g_strdup_printf ("bao write <auth>/certs/<role> token_policies=%s token_no_default_policy=true", policy);
  return g_strdup ("bao list <auth>/certs");
}

/* @guard: what the policy's being written depends on, or "" */
static void
advise_on_policy (const ObkDoctor *doctor, ObkCheckReport *report, gboolean wide, const char *guard)
{
  guint n = g_strv_length (doctor->policies);
  const char *entity = obk_auth_token_entity (obk_session_auth (doctor->session));
  g_autofree char *option = obk_registry_command_config_option (doctor->options.config_path);
  g_autofree char *policy = choose_policy (doctor);
  g_autofree char *read = obk_doctor_role_command (doctor->config, "-field=token_policies ");
  g_autofree char *role = role_command (doctor, policy);
  g_autofree char *write
      = g_strdup_printf ("%sbao-kms-provider policy openbao%s | bao policy write %s -", guard, option, policy);

  if (entity != NULL)
    {
      obk_check_remedy (report,
                        _ ("OpenBao gives the token policies of its identity, too: take them from that entity and "
                           "its groups; then write the one that is needed, and have the role give no other"));
      obk_check_command (report, "bao read identity/entity/id/%s\nbao write identity/entity/id/%s policies=\n%s\n%s",
                         entity, entity, write, role);
    }
  else if (n == 0)
    {
      obk_check_remedy (report,
                        _ ("the role gives the token no policy: write the one that is needed, and name it there"));
      obk_check_command (report, "%s\n%s", write, role);
    }
  else if (n > 1 || (wide && doctor->has_default_policy))
    {
      obk_check_remedy (report,
                        _ ("the role gives several policies: write the one that is needed, and have the role give "
                           "no other"));
      obk_check_command (report, "%s\n%s\n%s", read, write, role);
    }
  else
    {
      obk_check_remedy (report, _ ("write the one that is needed into the policy that the role names"));
      obk_check_command (report, "%s\n%s", read, write);
    }
}

void
obk_doctor_advise_on_policy (const ObkDoctor *doctor, ObkCheckReport *report, gboolean wide)
{
  advise_on_policy (doctor, report, wide, "");
}

void
obk_doctor_capabilities (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) wide = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) answer = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (permissions); i++)
    g_ptr_array_add (paths, fill_in (doctor->config, permissions[i].path));
  g_ptr_array_add (paths, NULL);
  answer = obk_ask_capabilities (doctor->session, (const char *const *)paths->pdata, &error);
  if (answer == NULL
      && (obk_error_code (error) == OBK_ERROR_POLICY_DENIED || obk_error_code (error) == OBK_ERROR_DENIAL_UNCONFIRMED))
    {
      obk_check_fail (report, _ ("the token lacks \"update\" on sys/capabilities-self, or is of no policy at all"));
      obk_doctor_advise_on_policy (doctor, report, FALSE);
      return;
    }
  if (answer == NULL)
    {
      obk_check_fail (report, "%s", error->message);
      obk_doctor_advise_on_outage (doctor, report, error);
      return;
    }
  if (is_another_key (report, answer, paths))
    {
      /* a policy for what is not there would take away what the right field needs */
      advise_on_policy (doctor, report, FALSE, "bao read -field=type <mount>/keys/<key> && ");
      obk_check_remedy (report,
                        _ ("see what the key and the mount are named in OpenBao (bao secrets list), and correct the "
                           "field. If the field is right, write the policy that is needed, which this does only "
                           "where the key is there:"));
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (permissions); i++)
    judge_permission (report, &permissions[i], json_object_get (answer, paths->pdata[i]), wide);
  if (wide->len > 0)
    obk_check_fail (report, _ ("the token may do what it must not: %s"), wide->str);
  if (report->findings->len > 0)
    obk_doctor_advise_on_policy (doctor, report, wide->len > 0);
  else
    obk_check_ok (report, _ ("what is needed is granted, and nothing more of what was asked"));
}
