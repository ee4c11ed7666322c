/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what the token may do, and whether the key is one that may be used. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/ask.h"
#include "identity/key-identity.h"
#include "registry/profile.h"
#include "registry/rotation.h"

#include <glib/gi18n.h>

#include <string.h>

#define POLICY_COMMAND "bao-kms-provider policy openbao%s | bao policy write POLICY -"

/* Login */

/* Returns: (transfer full): " --config PATH" when it is not the usual one */
static char *
config_option (const ObkDoctor *doctor)
{
  g_autofree char *quoted = NULL;

  if (doctor->options.config_path == NULL)
    return g_strdup ("");
  quoted = obk_doctor_quote (doctor->options.config_path);
  return g_strdup_printf (" --config %s", quoted);
}

static void
advise_on_unavailable (ObkCheckReport *report, const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_SEALED:
      if (strstr (error->message, "namespace") != NULL)
        {
          obk_check_remedy (report, _ ("unseal the namespace of openbao.namespace"));
          obk_check_command (report, "bao namespace unseal NAMESPACE");
          break;
        }
      obk_check_remedy (report, _ ("unseal it: on each sealed node, as often as keys are needed"));
      obk_check_command (report, "bao operator unseal");
      break;
    case OBK_ERROR_RATE_LIMITED:
      obk_check_remedy (report, _ ("raise the rate-limit quota that applies to this client"));
      obk_check_command (report, "bao list sys/quotas/rate-limit");
      break;
    case OBK_ERROR_TIMEOUT:
      obk_check_remedy (report, _ ("see why OpenBao is slow, or raise openbao.timeout and auth.loginTimeout"));
      break;
    default:
      obk_check_remedy (report, _ ("see OpenBao's own log on that machine"));
      break;
    }
}

/* By the phrases of openbao/answer.c. */
static void
advise_on_jwt_login (const ObkDoctor *doctor, ObkCheckReport *report, const char *problem)
{
  static const struct
  {
    const char *phrase;
    const char *remedy;
    const char *command;
  } rows[] = {
    { "could not be found", N_ ("the role of auth.jwt.role is not there: correct that field, or make the role"),
      "bao list <auth>/role" },
    { "(aud)",
      N_ ("the JWT's audience is not among the role's bound_audiences: have the JWT issued for it, or change "
          "the role"),
      "bao read <auth>/role/<role>" },
    { "(sub)", N_ ("the JWT's subject is not the role's bound_subject: have the JWT issued for it, or change the role"),
      "bao read <auth>/role/<role>" },
    { "(iss)", N_ ("the JWT's issuer is not the mount's bound_issuer: have it issued by that one, or change the mount"),
      "bao read <auth>/config" },
    { "validating claims", N_ ("the JWT lacks what the role's bound_claims demand"), "bao read <auth>/role/<role>" },
    { "token signature",
      N_ ("none of the mount's keys has signed the JWT: renew jwt_validation_pubkeys, jwks_url or "
          "oidc_discovery_url of the mount"),
      "bao read <auth>/config" },
    { "expired",
      N_ ("the JWT has ended by OpenBao's clock: have its issuer write a fresh one, and compare the "
          "clocks"),
      NULL },
    { "not yet valid", N_ ("the JWT begins later by OpenBao's clock: compare the clocks"), NULL },
    { "in the future", N_ ("the JWT was issued later by OpenBao's clock: compare the clocks"), NULL },
    { "permission denied",
      N_ ("no auth method is mounted at auth.jwt.mountPath, in openbao.namespace if there is one; "
          "or the role's token_bound_cidrs leave this node out. Correct the field or the mount"),
      "bao auth list" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if (strstr (problem, rows[i].phrase) == NULL)
        continue;
      obk_check_remedy (report, "%s", _ (rows[i].remedy));
      if (rows[i].command != NULL)
        obk_check_command (report, "%s", rows[i].command);
      return;
    }
  obk_check_remedy (report, _ ("compare the role with the JWT's claims; OpenBao's audit log has the whole refusal"));
  obk_check_command (report, "bao read <auth>/role/<role>");
}

static void
refuse_login (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  obk_check_fail (report, "%s", error->message);
  switch (obk_error_code (error))
    {
    case OBK_ERROR_AUTH_FAILED:
      advise_on_jwt_login (doctor, report, error->message);
      break;
    case OBK_ERROR_KEY_MISSING: /* a 404 of a login is the namespace's */
      obk_check_remedy (report, _ ("correct openbao.namespace, or make that namespace"));
      obk_check_command (report, "BAO_NAMESPACE= bao namespace list");
      break;
    case OBK_ERROR_CREDENTIAL_INVALID:
      obk_check_remedy (report, _ ("mend the credential; the check of it above says more"));
      break;
    default:
      advise_on_unavailable (report, error);
      break;
    }
}

void
obk_doctor_auth (ObkDoctor *doctor, ObkCheckReport *report)
{
  const ObkConfig *config = doctor->config;
  g_autoptr (GError) error = NULL;
  g_autofree char *span = NULL;
  ObkPoller *poller = obk_doctor_poller (doctor, &error);
  gint64 ttl_s = 0;

  doctor->session = poller != NULL ? obk_session_new (config, poller, &error) : NULL;
  if (doctor->session == NULL)
    {
      obk_check_fail (report, "%s", error->message);
      return;
    }
  if (!obk_ask_login (doctor->session, config->auth.login_timeout_us, &error))
    {
      refuse_login (doctor, report, error);
      g_clear_pointer (&doctor->session, obk_session_free);
      return;
    }
  ttl_s = obk_auth_token_ttl_seconds (obk_session_auth (doctor->session));
  span = obk_doctor_span (ttl_s * G_USEC_PER_SEC);
  if (ttl_s * G_USEC_PER_SEC > config->auth.login_before_token_expiry_us)
    {
      obk_check_ok (report, _ ("logged in; the token lasts %s"), span);
      return;
    }
  obk_check_warn (report, _ ("logged in, but the token lasts %s, not longer than auth.loginBeforeTokenExpiry"), span);
  obk_check_remedy (report, _ ("raise the role's token_ttl, or lower auth.loginBeforeTokenExpiry"));
  obk_check_command (report, "bao read <auth>/role/<role>");
}

/* Capabilities */

typedef struct
{
  const char *path;
  const char *needed;    /* (nullable): a capability */
  const char *forbidden; /* (nullable): further ones that must be denied, with "," between; "delete" and "sudo" always
                            are */
  gboolean convenience;  /* works without what is needed */
} Permission;

static const Permission permissions[] = {
  { .path = "<mount>/keys/<key>", .needed = "read", .forbidden = "create,update" },
  { .path = "<mount>/config/keys", .needed = "read", .forbidden = "create,update" },
  { .path = "<mount>/encrypt/<key>", .needed = "update" },
  { .path = "<mount>/decrypt/<key>", .needed = "update" },
  { .path = "auth/token/renew-self", .needed = "update", .convenience = TRUE },
  { .path = "<mount>/keys/<key>/rotate", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/config", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/trim", .forbidden = "create,update" },
  { .path = "<mount>/keys/<key>/soft-delete", .forbidden = "create,update" },
  { .path = "<mount>/restore", .forbidden = "create,update" },
  { .path = "<mount>/restore/<key>", .forbidden = "create,update" },
  { .path = "<mount>/rewrap/<key>", .forbidden = "create,update" },
  { .path = "<mount>/export/encryption-key/<key>", .forbidden = "read" },
  { .path = "<mount>/export/hmac-key/<key>", .forbidden = "read" },
  { .path = "<mount>/backup/<key>", .forbidden = "read" },
};

static char *
fill_in (const ObkConfig *config, const char *path)
{
  g_autoptr (GString) text = g_string_new (path);

  g_string_replace (text, "<mount>", config->transit.mount_path, 1);
  g_string_replace (text, "<key>", config->transit.key_name, 1);
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

static void
advise_on_policy (const ObkDoctor *doctor, ObkCheckReport *report)
{
  g_autofree char *option = config_option (doctor);

  obk_check_remedy (report, _ ("the role names its policies; write the one that is needed into the policy of the "
                               "provider, and take others from the role"));
  obk_check_command (report, "bao read -field=token_policies <auth>/role/<role>\n" POLICY_COMMAND, option);
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
      advise_on_unavailable (report, error);
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

static void
refuse_call (const ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  obk_check_fail (report, "%s", error->message);
  switch (obk_error_code (error))
    {
    case OBK_ERROR_KEY_MISSING:
      if (strstr (error->message, "no handler for route") != NULL)
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
      obk_check_remedy (report,
                        _ ("transit.mountPath and transit.keyName must be those of the policy, or the other way "
                           "around"));
      break;
    default:
      advise_on_unavailable (report, error);
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

/* Definite findings on what the key is like; those on its versions are transit.version_restrictions'. By the words of
 * registry/profile.c. */
static void
advise_on_profile (ObkCheckReport *report, const char *problem)
{
  if (strstr (problem, "soft-deleted") != NULL)
    {
      obk_check_remedy (report, _ ("bring the key back"));
      obk_check_command (report, "bao write -f <mount>/keys/<key>/soft-delete-restore");
    }
  else if (strstr (problem, "may be deleted") != NULL)
    {
      obk_check_remedy (report, _ ("forbid its deletion"));
      obk_check_command (report, "bao write <mount>/keys/<key>/config deletion_allowed=false");
    }
  else if (strstr (problem, "another key") != NULL || strstr (problem, "of type") != NULL)
    {
      obk_check_remedy (report, _ ("make another key, name it in transit.keyName with a keyLineageId of its own, and "
                                   "move to it by a second provider beside this one"));
      obk_check_command (report, "bao write <mount>/keys/NEW type=aes256-gcm96");
    }
}

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
      advise_on_profile (report, finding->text);
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
