/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what the token may do, and whether the key is one that may be used. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/doctor/advice.h"
#include "cli/registry-command.h"
#include "identity/key-identity.h"
#include "openbao/answer.h"
#include "registry/profile.h"
#include "registry/rotation.h"

#include <glib/gi18n.h>

#include <string.h>

#define NEW_POLICY "bao-kms-provider-<key>"

/* Capabilities */

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

/* A role that gives none. */
static void
advise_on_new_policy (const ObkDoctor *doctor, ObkCheckReport *report, const char *write)
{
  const ObkConfig *config = doctor->config;

  obk_check_remedy (report, _ ("the role gives the token no policy: write the one that is needed, and name it there"));
  if (config->auth.method == OBK_AUTH_JWT)
    obk_check_command (report, "%s\nbao write <auth>/role/<role> role_type=jwt token_policies=" NEW_POLICY, write);
  else if (config->auth.cert.name[0] != '\0')
    obk_check_command (report, "%s\nbao write <auth>/certs/<role> token_policies=" NEW_POLICY, write);
  else
    obk_check_command (report, "%s\nbao list <auth>/certs", write);
}

static void
advise_on_policy (const ObkDoctor *doctor, ObkCheckReport *report)
{
  guint n = g_strv_length (doctor->policies);
  g_autofree char *option = obk_registry_command_config_option (doctor->options.config_path);
  g_autofree char *policy = n == 1 ? obk_doctor_quote (doctor->policies[0]) : g_strdup (n == 0 ? NEW_POLICY : "POLICY");
  g_autofree char *write
      = g_strdup_printf ("bao-kms-provider policy openbao%s | bao policy write %s -", option, policy);
  g_autofree char *role = obk_doctor_role_command (doctor->config, "-field=token_policies ");

  if (n == 0)
    {
      advise_on_new_policy (doctor, report, write);
      return;
    }
  obk_check_remedy (report, _ ("the role names its policies; write the one that is needed into the policy of the "
                               "provider, and take others from the role"));
  obk_check_command (report, "%s\n%s", role, write);
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
      advise_on_policy (doctor, report);
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
      advise_on_policy (doctor, report);
      obk_check_remedy (report, _ ("see what the key and the mount are named in OpenBao, and correct the field; or, if "
                                   "the field is right, write the policy that is needed:"));
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (permissions); i++)
    judge_permission (report, &permissions[i], json_object_get (answer, paths->pdata[i]), wide);
  if (wide->len > 0)
    obk_check_fail (report, _ ("the token may do what it must not: %s"), wide->str);
  if (report->findings->len > 0)
    advise_on_policy (doctor, report);
  else
    obk_check_ok (report, _ ("what is needed is granted, and nothing more of what was asked"));
}

/* The key */

/* Whether something else than Transit is mounted there: what every Transit mount answers is not known either. */
static gboolean
is_another_engine (ObkDoctor *doctor)
{
  g_autoptr (GError) error = NULL;
  gboolean disabled = FALSE;

  return !obk_ask_upsert (doctor->session, &disabled, &error)
         && (obk_error_code (error) == OBK_ERROR_KEY_MISSING || obk_error_code (error) == OBK_ERROR_UNAVAILABLE);
}

static void
refuse_call (ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  gboolean foreign = strstr (error->message, OBK_ANSWER_SAYS_FOREIGN) != NULL;

  obk_check_fail (report, "%s", error->message);
  if ((foreign || obk_error_code (error) == OBK_ERROR_KEY_MISSING)
      && strstr (error->message, OBK_ANSWER_SAYS_NO_ROUTE) == NULL && is_another_engine (doctor))
    {
      obk_check_remedy (report, _ ("what is mounted at transit.mountPath is not Transit: correct that field, or mount "
                                   "Transit elsewhere and name that"));
      obk_check_command (report, "bao secrets list");
      return;
    }
  switch (obk_error_code (error))
    {
    case OBK_ERROR_KEY_MISSING:
      if (strstr (error->message, OBK_ANSWER_SAYS_NO_ROUTE) != NULL)
        {
          obk_check_remedy (report, _ ("nothing is mounted at transit.mountPath: correct that field, or mount Transit "
                                       "there"));
          obk_check_command (report, "bao secrets list");
          break;
        }
      obk_check_remedy (report, _ ("there is no key of the name of transit.keyName: correct that field; only for a new "
                                   "cluster make the key"));
      obk_check_command (report, "bao list <mount>/keys\nbao write <mount>/keys/<key> type=aes256-gcm96");
      break;
    case OBK_ERROR_POLICY_DENIED:
    case OBK_ERROR_DENIAL_UNCONFIRMED:
      advise_on_policy (doctor, report);
      obk_check_remedy (report, _ ("the policy denies the call, or limits its parameters (allowed_parameters, "
                                   "denied_parameters, required_parameters); write the one that is needed:"));
      break;
    case OBK_ERROR_VERSION_UNUSABLE:
      obk_check_remedy (report, _ ("the finding of transit.version_restrictions says what to lower"));
      break;
    case OBK_ERROR_TRANSIT_REFUSED:
      obk_check_remedy (report, _ ("the findings of transit.profile say what the key is not made for"));
      break;
    default:
      obk_doctor_advise_on_outage (doctor, report, error);
      break;
    }
}

void
obk_doctor_metadata (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;

  doctor->metadata = obk_ask_key (doctor->session, &error);
  if (doctor->metadata == NULL)
    refuse_call (doctor, report, error);
  else
    obk_check_ok (report, _ ("%s, latest version %u, %u versions, minimum to decrypt %u"), doctor->metadata->type,
                  doctor->metadata->latest_version, doctor->metadata->versions->len,
                  doctor->metadata->min_decryption_version);
}

/* Definite findings on what the key is like; those on its versions are transit.version_restrictions'. */
void
obk_doctor_profile (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (ObkKeyMetadata) judged = obk_key_metadata_copy (doctor->metadata);
  g_autoptr (GPtrArray) findings = NULL;

  judged->disable_upsert = TRUE; /* transit.disable_upsert's */
  findings = obk_profile_findings (judged, NULL);
  for (guint i = 0; i < findings->len; i++)
    {
      const ObkProfileFinding *finding = g_ptr_array_index (findings, i);

      obk_check_fail (report, "%s", finding->text);
      obk_advice_add (obk_advice_on_key, finding->text, report);
    }
  if (findings->len == 0)
    obk_check_ok (report, _ ("not exportable, not derived, no plaintext backup, no deletion"));
}

void
obk_doctor_disable_upsert (ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autoptr (GError) error = NULL;
  gboolean disabled = FALSE;

  if (!obk_ask_upsert (doctor->session, &disabled, &error))
    {
      refuse_call (doctor, report, error);
      return;
    }
  doctor->metadata->disable_upsert = disabled;
  if (disabled)
    {
      obk_check_ok (report, _ ("an encrypt call makes no key"));
      return;
    }
  obk_check_fail (report, _ ("an encrypt call for a key that is missing would make a new one"));
  obk_check_remedy (report, _ ("switch that off for the mount"));
  obk_check_command (report, "bao write <mount>/config/keys disable_upsert=true");
}

/* Versions */

/* Returns: the lowest version that must decrypt; 0 without a state */
static guint32
lowest_retained (const ObkState *state)
{
  guint32 lowest = 0;

  for (guint i = 0; state != NULL && i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);

      if (obk_snapshot_is_retained (snapshot) && (lowest == 0 || snapshot->version < lowest))
        lowest = snapshot->version;
    }
  return lowest;
}

static void
advise_on_versions (ObkDoctor *doctor, ObkCheckReport *report, ObkFinding finding)
{
  const ObkKeyMetadata *metadata = doctor->metadata;
  guint32 lowest = lowest_retained (doctor->state);

  if (finding == OBK_FINDING_MINIMUM_ABOVE_RETAINED && metadata->min_available_version <= lowest)
    {
      obk_check_remedy (report, _ ("lower the minimum to what this node still needs; to be rid of old versions see "
                                   "docs/rotation.md, \"Retire old versions\""));
      obk_check_command (report, "bao write <mount>/keys/<key>/config min_decryption_version=%u", lowest);
    }
  else
    obk_check_remedy (report, _ ("restore the key in OpenBao from a backup that has the version; docs/rotation.md says "
                                 "how to go on without it"));
}

/* OpenBao shows less than this node has seen: it was restored from a backup, or it is another key. */
static void
check_latest (ObkDoctor *doctor, ObkCheckReport *report)
{
  guint32 latest = doctor->metadata->latest_version;
  guint32 highest = 0;

  for (guint i = 0; doctor->state != NULL && i < doctor->state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (doctor->state->snapshots, ObkSnapshot, i);

      if (obk_snapshot_is_retained (snapshot))
        highest = MAX (highest, snapshot->version);
    }
  if (highest <= latest)
    return;
  obk_check_fail (report, _ ("this node's state has version %u, and the latest that OpenBao shows is %u"), highest,
                  latest);
  obk_check_remedy (report, _ ("restore the key in OpenBao from a backup that has the version; or transit.keyName, "
                               "openbao.namespace or state.path are another key's. docs/rotation.md says how to go on "
                               "without the version"));
}

/* Whether what encrypts now may. */
static void
check_encryption_minimum (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkKeyMetadata *metadata = doctor->metadata;
  guint32 active = doctor->state != NULL ? obk_state_active (doctor->state)->version : metadata->latest_version;

  if (obk_rotation_may_encrypt (metadata, active))
    return;
  obk_check_fail (report, _ ("version %u is the active one, and Transit encrypts only from version %u on"), active,
                  metadata->min_encryption_version);
  obk_check_remedy (report, _ ("lower it until the new version is promoted on all nodes"));
  obk_check_command (report, "bao write <mount>/keys/<key>/config min_encryption_version=%u", active);
}

void
obk_doctor_version_restrictions (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkState *state = obk_doctor_state (doctor);
  g_autoptr (GPtrArray) findings = obk_profile_findings (doctor->metadata, state);

  for (guint i = 0; i < findings->len; i++)
    {
      const ObkProfileFinding *finding = g_ptr_array_index (findings, i);

      if (finding->finding == OBK_FINDING_UPSERT_ALLOWED || finding->finding == OBK_FINDING_PROFILE_INVALID)
        continue;
      obk_check_fail (report, "%s", finding->text);
      advise_on_versions (doctor, report, finding->finding);
    }
  check_latest (doctor, report);
  check_encryption_minimum (doctor, report);
  if (report->findings->len > 0)
    return;
  if (state == NULL)
    obk_check_ok (report, _ ("versions from %u on decrypt; this node has no state that needs an older one"),
                  obk_profile_first_available (doctor->metadata));
  else
    obk_check_ok (report, _ ("versions from %u on decrypt; this node needs them from %u on"),
                  obk_profile_first_available (doctor->metadata), lowest_retained (state));
}

/* The probe */

/* Returns: (transfer full): of the version that encrypts on this node */
static ObkKeyIdentity *
active_identity (ObkDoctor *doctor)
{
  const ObkState *state = obk_doctor_state (doctor);
  const ObkSnapshot *active = state != NULL ? obk_state_active (state) : NULL;
  guint32 version = active != NULL ? active->version : doctor->metadata->latest_version;
  gint64 created_at
      = active != NULL ? active->created_at_unix : obk_key_metadata_created_at (doctor->metadata, version);

  return created_at > 0 ? obk_key_identity_new (doctor->scope, version, created_at) : NULL;
}

/* What binds a ciphertext to its cluster: other associated data must not open it. */
static void
check_binding (ObkDoctor *doctor, ObkCheckReport *report, const char *ciphertext, const char *elapsed, guint32 version)
{
  g_autofree char *other = g_base64_encode ((const guchar *)"doctor", strlen ("doctor"));
  g_autoptr (GError) error = NULL;
  g_autoptr (ObkSecret) back = obk_ask_decrypt (doctor->session, ciphertext, other, &error);

  if (back != NULL)
    {
      obk_check_fail (report, _ ("Transit decrypts with other associated data: nothing binds a ciphertext to its "
                                 "cluster"));
      obk_check_remedy (report, _ ("use a release of OpenBao that the documentation names"));
    }
  else if (obk_error_code (error) != OBK_ERROR_TRANSIT_AUTHENTICATION_TAG)
    refuse_call (doctor, report, error);
  else
    obk_check_ok (report, _ ("32 bytes to version %u and back in %s; other associated data is refused"), version,
                  elapsed);
}

void
obk_doctor_transit_probe (ObkDoctor *doctor, ObkCheckReport *report)
{
  ObkKeyIdentity *identity = active_identity (doctor);
  gint64 start_us = obk_clock_boot_us ();
  g_autofree char *ciphertext = NULL;
  g_autofree char *elapsed = NULL;
  g_autoptr (GError) error = NULL;

  if (identity == NULL)
    {
      obk_check_fail (report, _ ("OpenBao gives no creation time of version %u"), doctor->metadata->latest_version);
      obk_check_remedy (report,
                        _ ("restore the key in OpenBao; docs/rotation.md says how to go on without the version"));
      return;
    }
  if (obk_ask_canary (doctor->session, obk_key_identity_version (identity),
                      obk_key_identity_associated_data_base64 (identity), &ciphertext, &error))
    {
      elapsed = g_strdup_printf ("%.1f ms", (double)(obk_clock_boot_us () - start_us) / 1000);
      check_binding (doctor, report, ciphertext, elapsed, obk_key_identity_version (identity));
    }
  else
    refuse_call (doctor, report, error);
  obk_key_identity_unref (identity);
}
