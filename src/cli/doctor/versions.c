/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: the key's versions, by what this node's state needs of them. */
#include "cli/doctor/doctor.h"

#include "registry/profile.h"
#include "registry/rotation.h"

#include <glib/gi18n.h>

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

void
obk_doctor_advise_on_lost_version (const ObkDoctor *doctor, ObkCheckReport *report)
{
  obk_check_remedy (report,
                    _ ("restore the key in OpenBao from a backup that has the version. Where there is none, what "
                       "it has encrypted is lost: stop the API servers, and plan on every node a state without "
                       "it, which changes nothing yet:"));
  obk_doctor_advise_recovery (doctor, report, " --replace");
}

void
obk_doctor_advise_on_minimum (const ObkDoctor *doctor, ObkCheckReport *report)
{
  guint32 lowest = lowest_retained (doctor->state);

  if (doctor->metadata->min_available_version > lowest)
    {
      obk_doctor_advise_on_lost_version (doctor, report);
      return;
    }
  obk_check_remedy (report, _ ("lower the minimum to what this node still needs; whoever raised it retires the old "
                               "versions on all nodes first (retire-versions)"));
  obk_check_command (report, "bao write <mount>/keys/<key>/config min_decryption_version=%u", lowest);
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
  obk_check_remedy (report,
                    _ ("see whether transit.keyName, openbao.namespace or state.path are another key's; else "
                       "restore the key in OpenBao from a backup that has the version. Where there is none, what "
                       "it has encrypted is lost: stop the API servers, and plan on every node a state without "
                       "it, which changes nothing yet:"));
  obk_doctor_advise_recovery (doctor, report, " --replace");
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
      if (finding->finding == OBK_FINDING_MINIMUM_ABOVE_RETAINED)
        obk_doctor_advise_on_minimum (doctor, report);
      else
        obk_doctor_advise_on_lost_version (doctor, report);
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
