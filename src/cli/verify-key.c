/* SPDX-License-Identifier: Apache-2.0 */
/* "verify-key": the Transit key alone, against the profile and against every version that this node's state retains. */
#include "cli/command.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/names.h"
#include "cli/ask.h"
#include "cli/doctor/report.h"
#include "cli/registry-command.h"
#include "identity/key-identity.h"
#include "registry/profile.h"
#include "registry/rotation.h"

#include <glib/gi18n.h>

#include <stdio.h>
#include <unistd.h>

/* Those of doctor that are of the key, in its order. */
static const char *const steps[] = { "registry.state",  "openbao.auth",           "transit.metadata",
                                     "transit.profile", "transit.disable_upsert", "transit.version_restrictions" };

#define N_STEPS G_N_ELEMENTS (steps)
#define LAST_PREREQUISITE 2 /* transit.metadata: without it there is nothing to verify */

/* One retained version. */
typedef struct
{
  guint32 version;
  ObkSnapshotState state;
  gint64 created_at_unix;
  ObkCheckReport *report;
} Version;

typedef struct
{
  GPtrArray *reports; /* of ObkCheckReport, one a step */
  GArray *versions;   /* of Version */
} Result;

static void
version_clear (gpointer data)
{
  obk_check_report_free (((Version *)data)->report);
}

static void
result_clear (Result *result)
{
  g_clear_pointer (&result->reports, g_ptr_array_unref);
  g_clear_pointer (&result->versions, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* The versions */

static void
judge_version (ObkDoctor *doctor, const ObkSnapshot *snapshot, ObkCheckReport *report)
{
  const ObkKeyMetadata *metadata = doctor->metadata;
  gint64 created_at = obk_key_metadata_created_at (metadata, snapshot->version);
  ObkKeyIdentity *identity = NULL;
  g_autoptr (GError) error = NULL;

  if (snapshot->version < obk_profile_first_available (metadata))
    {
      obk_check_fail (report, _ ("lies below the minimum version %u and does not decrypt"),
                      obk_profile_first_available (metadata));
      obk_doctor_advise_on_minimum (doctor, report);
      return;
    }
  if (snapshot->version > metadata->latest_version || created_at == 0)
    {
      obk_check_fail (report, _ ("OpenBao does not have it"));
      obk_doctor_advise_on_lost_version (doctor, report);
      return;
    }
  if (created_at != snapshot->created_at_unix)
    {
      g_autofree char *now = obk_registry_command_time (created_at);

      obk_check_fail (report, _ ("is another one: OpenBao says it was created %s"), now);
      obk_doctor_advise_on_lost_version (doctor, report);
      return;
    }
  if (!obk_rotation_may_encrypt (metadata, snapshot->version))
    {
      /* It can be asked for nothing: the metadata has the last word. */
      obk_check_ok (report,
                    _ ("decrypts by the metadata; it cannot be tried, since Transit encrypts from version %u on"),
                    metadata->min_encryption_version);
      return;
    }
  identity = obk_key_identity_new (doctor->scope, snapshot->version, snapshot->created_at_unix);
  if (obk_ask_canary (doctor->session, snapshot->version, obk_key_identity_associated_data_base64 (identity), NULL,
                      &error))
    obk_check_ok (report, _ ("encrypts, and decrypts what it has encrypted"));
  else
    {
      obk_check_fail (report, "%s", error->message);
      obk_doctor_advise_on_call (doctor, report, error);
    }
  obk_key_identity_unref (identity);
}

static void
judge_versions (ObkDoctor *doctor, Result *result)
{
  const ObkState *state = obk_doctor_state (doctor);

  for (guint i = 0; state != NULL && i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      Version version
          = { .version = snapshot->version, .state = snapshot->state, .created_at_unix = snapshot->created_at_unix };

      if (!obk_snapshot_is_retained (snapshot))
        continue;
      version.report = obk_check_report_new ();
      judge_version (doctor, snapshot, version.report);
      g_array_append_val (result->versions, version);
    }
}

static void
run_steps (ObkDoctor *doctor, Result *result)
{
  for (gsize i = 0; i < N_STEPS; i++)
    {
      const ObkCheck *check = obk_check_find (steps[i]);
      ObkCheckReport *report = obk_check_report_new ();
      gboolean possible
          = i != LAST_PREREQUISITE ? i < LAST_PREREQUISITE || doctor->metadata != NULL : doctor->session != NULL;

      if (possible)
        check->run (doctor, report);
      else
        obk_check_skip (report, _ ("needs %s"), steps[MIN (i - 1, LAST_PREREQUISITE)]);
      obk_check_report_complete (report, _ (check->remedy));
      g_ptr_array_add (result->reports, report);
    }
  if (doctor->metadata != NULL)
    judge_versions (doctor, result);
}

/* The report */

static gboolean
has_passed (const Result *result)
{
  for (guint i = 0; i < result->reports->len; i++)
    if (obk_check_report_has_failed (g_ptr_array_index (result->reports, i)))
      return FALSE;
  for (guint i = 0; i < result->versions->len; i++)
    if (obk_check_report_has_failed (g_array_index (result->versions, Version, i).report))
      return FALSE;
  return TRUE;
}

static void
print_text (const Result *result, const ObkConfig *config)
{
  ObkDoctorStyle style = obk_doctor_style ();

  obk_doctor_style_set_config (&style, config);
  for (guint i = 0; i < result->reports->len; i++)
    {
      g_autofree char *text = obk_doctor_report_text (steps[i], g_ptr_array_index (result->reports, i), &style);

      fputs (text, stdout);
    }
  for (guint i = 0; i < result->versions->len; i++)
    {
      const Version *version = &g_array_index (result->versions, Version, i);
      g_autofree char *id
          = g_strdup_printf (_ ("version %u (%s)"), version->version, obk_snapshot_state_name (version->state));
      g_autofree char *text = obk_doctor_report_text (id, version->report, &style);

      fputs (text, stdout);
    }
}

static void
print_json (const Result *result, gboolean in_namespace)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "passed", has_passed (result));
  obk_canonical_json_begin_array (json, "checks");
  for (guint i = 0; i < result->reports->len; i++)
    obk_doctor_report_add_json (json, steps[i], g_ptr_array_index (result->reports, i), in_namespace);
  obk_canonical_json_end_array (json);
  obk_canonical_json_begin_array (json, "versions");
  for (guint i = 0; i < result->versions->len; i++)
    {
      const Version *version = &g_array_index (result->versions, Version, i);
      const ObkCheckFinding *finding = g_ptr_array_index (version->report->findings, 0);
      g_autofree char *created = obk_registry_command_time (version->created_at_unix);

      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_int (json, "version", version->version);
      obk_canonical_json_string (json, "state", obk_snapshot_state_name (version->state));
      obk_canonical_json_string (json, "createdAt", created);
      obk_doctor_report_add_finding (json, finding, in_namespace);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

static ObkExit
run (const ObkGlobals *globals)
{
  g_auto (ObkRegistryCommand) command = { 0 };
  g_auto (ObkDoctor) doctor = { .options = { .config_path = globals->config_path, .is_service = TRUE } };
  g_auto (Result) result = { 0 };
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_FAILED;

  if (!obk_registry_command_load (&command, globals, &exit))
    return exit;
  if (!obk_registry_command_become_owner (&command, &error))
    return obk_registry_command_refuse (error);
  result.reports = g_ptr_array_new_with_free_func ((GDestroyNotify)obk_check_report_free);
  result.versions = g_array_new (FALSE, FALSE, sizeof (Version));
  g_array_set_clear_func (result.versions, version_clear);
  doctor.config = g_steal_pointer (&command.config);
  doctor.scope = g_steal_pointer (&command.scope);
  doctor.units = g_steal_pointer (&command.units);
  obk_ids_of_uid (geteuid (), getegid (), &doctor.options.service);
  run_steps (&doctor, &result);
  if (globals->json)
    print_json (&result, doctor.config->openbao.namespace[0] != '\0');
  else
    print_text (&result, doctor.config);
  return has_passed (&result) ? OBK_EXIT_OK : OBK_EXIT_CHECK;
}

const ObkCommand obk_command_verify_key = {
  .name = "verify-key",
  .summary = N_ ("Check the Transit key alone: its profile, and every version that this node's state retains."),
  .details
  = N_ ("It logs in, reads the key and this node's state, and has each version that the state retains encrypt and "
        "decrypt bytes of its own, as far as Transit still lets it encrypt. Nothing is changed, and it may run "
        "beside a running provider; run it as root or the service's user, who may read the state. It knows "
        "nothing of what is in etcd."),
  .example = OBK_PROGRAM " verify-key --config " OBK_DEFAULT_CONFIG,
  .run = run,
  .has_report = TRUE,
};
