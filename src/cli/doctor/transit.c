/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: whether the key is one that may be used, and does what it should. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/ask.h"
#include "cli/doctor/advice.h"
#include "identity/key-identity.h"
#include "openbao/answer.h"
#include "registry/profile.h"

#include <glib/gi18n.h>

#include <string.h>

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

/* One that was used is never made anew: what it has encrypted would be lost behind a key of the same name. */
static void
advise_on_missing_key (ObkDoctor *doctor, ObkCheckReport *report)
{
  if (obk_doctor_state (doctor) != NULL)
    {
      obk_check_remedy (report,
                        _ ("correct transit.keyName or transit.mountPath, if they have changed; else restore the key "
                           "in OpenBao from a backup, and do not make a new one: this node has a state of the key, "
                           "and what was encrypted needs it. These are there:"));
      obk_check_command (report, "bao list <mount>/keys");
      return;
    }
  obk_check_remedy (report, _ ("correct transit.keyName; only for a new cluster make the key"));
  obk_check_command (report, "bao list <mount>/keys\nbao write <mount>/keys/<key> type=aes256-gcm96");
}

void
obk_doctor_advise_on_call (ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
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
      advise_on_missing_key (doctor, report);
      break;
    case OBK_ERROR_POLICY_DENIED:
    case OBK_ERROR_DENIAL_UNCONFIRMED:
      obk_doctor_advise_on_policy (doctor, report, FALSE);
      obk_check_remedy (report,
                        _ ("the policy denies the call, or limits its parameters (allowed_parameters, "
                           "denied_parameters, required_parameters, min_wrapping_ttl); write the one that is needed:"));
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

static void
refuse_call (ObkDoctor *doctor, ObkCheckReport *report, const GError *error)
{
  gboolean foreign = strstr (error->message, OBK_ANSWER_SAYS_FOREIGN) != NULL;
  gboolean missing
      = obk_error_code (error) == OBK_ERROR_KEY_MISSING && strstr (error->message, OBK_ANSWER_SAYS_NO_ROUTE) == NULL;

  if ((foreign || missing) && is_another_engine (doctor))
    {
      obk_check_fail (report, _ ("what is mounted at transit.mountPath is not Transit: %s"), error->message);
      obk_check_remedy (report, _ ("correct that field, or mount Transit elsewhere and name that"));
      obk_check_command (report, "bao secrets list");
      return;
    }
  if (missing)
    obk_check_fail (report, _ ("there is no key of the name of transit.keyName: %s"), error->message);
  else
    obk_check_fail (report, "%s", error->message);
  obk_doctor_advise_on_call (doctor, report, error);
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

/* Nothing was encrypted with it by this node, so that there is nothing to move. */
static void
advise_on_first_key (ObkCheckReport *report)
{
  ObkCheckFinding *finding = g_ptr_array_index (report->findings, report->findings->len - 1);

  if (g_strcmp0 (finding->remedy, _ (OBK_ADVICE_OTHER_KEY)) == 0)
    obk_check_remedy (report,
                      _ ("make another key and name it in transit.keyName, on all nodes; if other nodes use this one "
                         "already, with a keyLineageId of its own and by a second provider beside this one"));
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
      if (obk_advice_add (obk_advice_on_key, finding->text, report) && obk_doctor_state (doctor) == NULL)
        advise_on_first_key (report);
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
      obk_doctor_advise_on_lost_version (doctor, report);
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
