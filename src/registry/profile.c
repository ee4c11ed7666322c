/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a key may be used at all: the definite findings of one metadata read. Pure. */
#include "registry/profile.h"

#include "base/names.h"

#include <string.h>

#define KEY_TYPE "aes256-gcm96"
#define MAX_TYPE 32 /* bytes of one that is shown */
#define RECOVER "recover this node's state (recover-state --replace) when it is not a mistake that OpenBao can undo"

static const char *const finding_names[] = {
  [OBK_FINDING_NONE] = "",
  [OBK_FINDING_UPSERT_ALLOWED] = OBK_REASON_UPSERT_ALLOWED,
  [OBK_FINDING_PROFILE_INVALID] = OBK_REASON_PROFILE_INVALID,
  [OBK_FINDING_VERSION_ROLLBACK] = OBK_REASON_VERSION_ROLLBACK,
  [OBK_FINDING_VERSION_LOST] = OBK_REASON_VERSION_LOST,
  [OBK_FINDING_CREATION_TIME_CHANGED] = OBK_REASON_CREATION_TIME_CHANGED,
  [OBK_FINDING_MINIMUM_ABOVE_RETAINED] = OBK_REASON_MINIMUM_ABOVE_RETAINED,
};

const char *
obk_finding_name (ObkFinding finding)
{
  g_return_val_if_fail (finding < G_N_ELEMENTS (finding_names), "");

  return finding_names[finding];
}

const char *
obk_impact_name (ObkImpact impact)
{
  return impact == OBK_IMPACT_CRYPTOGRAPHIC_SAFETY ? "cryptographic_safety" : "api_server_availability";
}

static void
finding_free (gpointer data)
{
  ObkProfileFinding *finding = data;

  g_free (finding->text);
  g_free (finding);
}

void
obk_profile_add_finding (GPtrArray *findings, ObkFinding kind, ObkImpact impact, const char *format, ...)
{
  ObkProfileFinding *finding = g_new0 (ObkProfileFinding, 1);
  va_list arguments;
  guint i = 0;

  finding->finding = kind;
  finding->impact = impact;
  va_start (arguments, format);
  finding->text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  while (i < findings->len && ((const ObkProfileFinding *)findings->pdata[i])->finding <= kind)
    i++;
  g_ptr_array_insert (findings, (gint)i, finding);
}

/* Whether it is one to be shown: OpenBao's own are. */
static gboolean
is_type (const char *type)
{
  return type != NULL && strlen (type) <= MAX_TYPE && type[strspn (type, G_CSET_a_2_z G_CSET_DIGITS "-_")] == '\0';
}

static void
check_properties (const ObkKeyMetadata *metadata, GPtrArray *findings)
{
  gboolean is_right_type = g_strcmp0 (metadata->type, KEY_TYPE) == 0;
  static const char irrevocable[] = "OpenBao cannot take that back, so " OBK_PROFILE_SAYS_OTHER_KEY;
  const struct
  {
    gboolean wrong;
    ObkImpact impact;
    const char *what;
    const char *remedy;
  } rules[] = {
    { metadata->soft_deleted, OBK_IMPACT_API_SERVER_AVAILABILITY, OBK_PROFILE_SAYS_SOFT_DELETED,
      "restore it in OpenBao" },
    { metadata->derived, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY, "is derived", irrevocable },
    { metadata->convergent, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY, "is convergent", irrevocable },
    { metadata->exportable, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY, "is exportable", irrevocable },
    { metadata->allow_plaintext_backup, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY, "allows plaintext backups", irrevocable },
    { metadata->deletion_allowed, OBK_IMPACT_API_SERVER_AVAILABILITY, OBK_PROFILE_SAYS_DELETABLE,
      "set its deletion_allowed to false" },
    { is_right_type && !metadata->supports_encryption, OBK_IMPACT_API_SERVER_AVAILABILITY, "does not encrypt",
      OBK_PROFILE_SAYS_OTHER_KEY },
    { is_right_type && !metadata->supports_decryption, OBK_IMPACT_API_SERVER_AVAILABILITY, "does not decrypt",
      OBK_PROFILE_SAYS_OTHER_KEY },
  };

  if (!metadata->disable_upsert)
    obk_profile_add_finding (
        findings, OBK_FINDING_UPSERT_ALLOWED, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
        "the Transit mount makes keys that are asked for and do not exist: set its disable_upsert to true");
  if (!is_right_type)
    obk_profile_add_finding (findings, OBK_FINDING_PROFILE_INVALID, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
                             "the Transit key " OBK_PROFILE_SAYS_OTHER_TYPE " " KEY_TYPE ", but %s%s: use one that is",
                             is_type (metadata->type) ? metadata->type : "another one",
                             metadata->supports_encryption ? "" : ", which does not encrypt");
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].wrong)
      obk_profile_add_finding (findings, OBK_FINDING_PROFILE_INVALID, rules[i].impact, "the Transit key %s: %s",
                               rules[i].what, rules[i].remedy);
}

static void
contradiction (GPtrArray *findings, const char *what, guint32 version, guint32 latest)
{
  obk_profile_add_finding (
      findings, OBK_FINDING_PROFILE_INVALID, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
      "OpenBao's versions contradict each other: %s %u, but the latest version is %u: see to OpenBao", what, version,
      latest);
}

/* Returns: whether the numbers make sense, so that more can be judged by them */
static gboolean
check_versions (const ObkKeyMetadata *metadata, GPtrArray *findings)
{
  guint32 latest = metadata->latest_version;
  guint before = findings->len;
  const ObkKeyVersion *last = NULL;

  if (latest == 0)
    contradiction (findings, "a key with no version", 0, 0);
  if (metadata->min_available_version > latest)
    contradiction (findings, "the minimum available version is", metadata->min_available_version, latest);
  if (metadata->min_decryption_version > latest)
    contradiction (findings, "the minimum decryption version is", metadata->min_decryption_version, latest);
  if (metadata->min_encryption_version > latest)
    contradiction (findings, "the minimum encryption version is", metadata->min_encryption_version, latest);
  if (metadata->versions->len > 0)
    last = &g_array_index (metadata->versions, ObkKeyVersion, metadata->versions->len - 1);
  if (last != NULL && last->version > latest)
    contradiction (findings, "there is a version", last->version, latest);
  return findings->len == before;
}

guint32
obk_profile_first_available (const ObkKeyMetadata *metadata)
{
  g_return_val_if_fail (metadata != NULL, 1);

  return MAX (1, MAX (metadata->min_available_version, metadata->min_decryption_version));
}

static void
check_creation_time (const ObkKeyMetadata *metadata, const ObkSnapshot *snapshot, GPtrArray *findings)
{
  gint64 created_at_unix = obk_key_metadata_created_at (metadata, snapshot->version);

  if (created_at_unix <= 0)
    obk_profile_add_finding (findings, OBK_FINDING_PROFILE_INVALID, OBK_IMPACT_API_SERVER_AVAILABILITY,
                             "OpenBao gives no creation time for version %u, which is still needed: see to OpenBao",
                             snapshot->version);
  else if (created_at_unix != snapshot->created_at_unix)
    obk_profile_add_finding (findings, OBK_FINDING_CREATION_TIME_CHANGED, OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
                             "version %u was created at %" G_GINT64_FORMAT " and now says %" G_GINT64_FORMAT
                             ", so it is not the same key any more: restore OpenBao, or " RECOVER,
                             snapshot->version, snapshot->created_at_unix, created_at_unix);
}

static void
check_snapshots (const ObkKeyMetadata *metadata, const ObkState *state, GPtrArray *findings)
{
  guint32 first = obk_profile_first_available (metadata);

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = obk_state_at (state, i);

      if (!obk_snapshot_is_retained (snapshot) || snapshot->version > metadata->latest_version)
        continue;
      if (snapshot->version >= first)
        check_creation_time (metadata, snapshot, findings);
      else if (snapshot->state == OBK_SNAPSHOT_ACTIVE) /* which cannot be retired */
        obk_profile_add_finding (
            findings, OBK_FINDING_MINIMUM_ABOVE_RETAINED, OBK_IMPACT_API_SERVER_AVAILABILITY,
            "version %u is in use but lies below OpenBao's minimum version %u: lower the minimum, or " RECOVER,
            snapshot->version, first);
      else
        obk_profile_add_finding (
            findings, OBK_FINDING_MINIMUM_ABOVE_RETAINED, OBK_IMPACT_API_SERVER_AVAILABILITY,
            "version %u is still needed but lies below OpenBao's minimum version %u: lower the minimum, or rewrite "
            "what was encrypted with it and retire it (retire-versions)",
            snapshot->version, first);
    }
}

GPtrArray *
obk_profile_findings (const ObkKeyMetadata *metadata, const ObkState *state)
{
  GPtrArray *findings = NULL;

  g_return_val_if_fail (metadata != NULL, NULL);

  findings = g_ptr_array_new_with_free_func (finding_free);
  check_properties (metadata, findings);
  if (check_versions (metadata, findings))
    {
      if (obk_key_metadata_created_at (metadata, metadata->latest_version) <= 0)
        obk_profile_add_finding (findings, OBK_FINDING_PROFILE_INVALID, OBK_IMPACT_API_SERVER_AVAILABILITY,
                                 "OpenBao gives no creation time for the latest version %u: see to OpenBao",
                                 metadata->latest_version);
      if (state != NULL)
        check_snapshots (metadata, state, findings);
    }
  return findings;
}

ObkFinding
obk_profile_check (const ObkKeyMetadata *metadata, const ObkState *state, char **text)
{
  g_autoptr (GPtrArray) findings = obk_profile_findings (metadata, state);
  const ObkProfileFinding *first = findings->len > 0 ? findings->pdata[0] : NULL;

  if (text != NULL)
    *text = first != NULL ? g_strdup (first->text) : NULL;
  return first != NULL ? first->finding : OBK_FINDING_NONE;
}
