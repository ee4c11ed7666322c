/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation as it stands: what "rotation-plan" and "verify-rotation" report. */
#include "cli/rotation-report.h"

#include "base/hash.h"
#include "base/names.h"

#include <glib/gi18n.h>

#include <stdio.h>

typedef enum
{
  CHECK_STATE,
  CHECK_METADATA,
  CHECK_PROFILE,
  CHECK_COMPLETE,
  N_CHECKS
} CheckId;

typedef enum
{
  CHECK_SKIPPED,
  CHECK_OK,
  CHECK_FAILED
} CheckResult;

/* One thing that is wrong. */
typedef struct
{
  CheckId check;
  const char *reason;
  const char *impact; /* (nullable) */
  char *text;
} Finding;

typedef struct
{
  ObkNow now;
  ObkState *state; /* (nullable) */
  gboolean has_checkpoint;
  ObkCheckpointStatus checkpoint;
  ObkKeyMetadata *metadata; /* (nullable) */
  const ObkSnapshot *active;
  const ObkSnapshot *pending;   /* (nullable) */
  gint64 expected_at_unix;      /* of the promotion of @pending */
  guint required;               /* observations */
  CheckResult checks[N_CHECKS]; /* the last one only of verify-rotation */
  gsize n_checks;
  GPtrArray *findings; /* of Finding */
} Report;

static const char *const check_names[N_CHECKS]
    = { "registry.state", "transit.metadata", "transit.profile", "rotation.complete" };
static const char *const result_names[] = { "skip", "ok", "fail" };

static const ObkRemark limitations[] = {
  { "this_node_alone", N_ ("the state of this node alone was read: look at the other nodes, running or not, too") },
  { "no_kubernetes_object",
    N_ ("no Kubernetes object was read: whether one still needs an older version is not known") },
  { "no_etcd", N_ ("etcd was not read: what it holds may be of any version") },
  { "no_backup", N_ ("no backup was read, of etcd or of OpenBao: one may need older versions, or lack newer ones") },
};

static void
finding_free (gpointer data)
{
  Finding *finding = data;

  g_free (finding->text);
  g_free (finding);
}

static void
report_clear (Report *report)
{
  g_clear_pointer (&report->state, obk_state_free);
  g_clear_pointer (&report->metadata, obk_key_metadata_free);
  g_clear_pointer (&report->findings, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Report, report_clear)

/* The check that it belongs to has failed. @text: (transfer full) */
static void
add_finding (Report *report, CheckId check, const char *reason, const char *impact, char *text)
{
  Finding *finding = g_new0 (Finding, 1);

  finding->check = check;
  finding->reason = reason;
  finding->impact = impact;
  finding->text = text;
  report->checks[check] = CHECK_FAILED;
  g_ptr_array_add (report->findings, finding);
}

static void
read_state (Report *report, const ObkRegistryCommand *command)
{
  const char *path = command->config->state.path;
  g_autoptr (GError) error = NULL;

  report->checks[CHECK_STATE] = CHECK_OK;
  if (!obk_store_peek (path, command->scope, &report->state, &report->checkpoint, &error))
    {
      add_finding (report, CHECK_STATE, OBK_REASON_STATE_UNAVAILABLE, NULL, g_strdup (error->message));
      return;
    }
  report->has_checkpoint = TRUE;
  if (report->state == NULL)
    return;
  report->active = obk_state_active (report->state);
  report->pending = obk_state_pending (report->state);
}

static void
read_metadata (Report *report, const ObkRegistryCommand *command)
{
  g_autoptr (GError) error = NULL;
  const char *reason = NULL;

  report->metadata = obk_registry_command_read_metadata (command, &reason, &error);
  if (report->metadata != NULL)
    report->checks[CHECK_METADATA] = CHECK_OK;
  else
    add_finding (report, CHECK_METADATA, reason, NULL, g_strdup (error->message));
}

static void
add_findings_of_profile (Report *report, const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++)
    {
      const ObkProfileFinding *finding = findings->pdata[i];

      add_finding (report, CHECK_PROFILE, obk_finding_name (finding->finding), obk_impact_name (finding->impact),
                   g_strdup (finding->text));
    }
}

/* As the next probe would, but for what a running provider remembers. */
static void
judge_with_state (Report *report, const ObkRotationPolicy *policy)
{
  g_auto (ObkProbeResult) result = { 0 };
  ObkRotationMemory memory = { 0 };

  obk_rotation_probe (report->state, report->metadata, report->now, policy, FALSE, &memory, &result);
  if (result.kind == OBK_PROBE_REFUSED)
    add_findings_of_profile (report, result.findings);
  else if (result.kind == OBK_PROBE_LAGGING)
    add_finding (report, CHECK_PROFILE, OBK_REASON_STANDBY_LAGGING, obk_impact_name (OBK_IMPACT_CRYPTOGRAPHIC_SAFETY),
                 g_strdup_printf ("OpenBao's latest version is %u, but a newer one has been seen: a standby that lags "
                                  "behind, or OpenBao has lost it; try again, then see to OpenBao",
                                  report->metadata->latest_version));
  if (report->metadata->min_encryption_version > report->active->version)
    add_finding (report, CHECK_PROFILE, OBK_REASON_ENCRYPTION_BLOCKED,
                 obk_impact_name (OBK_IMPACT_API_SERVER_AVAILABILITY),
                 g_strdup_printf ("OpenBao's minimum encryption version %u is above the active version %u, so that "
                                  "nothing can be encrypted: lower it, or wait for the promotion",
                                  report->metadata->min_encryption_version, report->active->version));
}

/* Without a state: may serve make a first one? */
static void
judge_without_state (Report *report)
{
  g_autoptr (GPtrArray) findings = obk_profile_findings (report->metadata, NULL);

  add_findings_of_profile (report, findings);
  if (report->has_checkpoint
      && (report->metadata->latest_version != 1 || obk_profile_first_available (report->metadata) > 1))
    add_finding (report, CHECK_STATE, OBK_REASON_STATE_UNAVAILABLE, NULL,
                 g_strdup ("there is no state, and the key was already rotated: restore the files from a backup or a "
                           "healthy peer, or run \"" OBK_PROGRAM " recover-state\""));
}

static void
judge (Report *report, const ObkRotationPolicy *policy)
{
  if (report->metadata == NULL)
    return;
  report->checks[CHECK_PROFILE] = CHECK_OK;
  if (report->state != NULL)
    judge_with_state (report, policy);
  else
    judge_without_state (report);
}

/* A report knows no more of the delay than the state says: when the candidate became stable by the system clock. */
static void
expect_promotion (Report *report, const ObkRotationPolicy *policy)
{
  ObkRotationMemory memory = { 0 };
  gint64 wait_us = 0;

  if (report->pending == NULL)
    return;
  wait_us = obk_rotation_due_us (report->state, report->now, policy, &memory) - report->now.boot_us;
  report->expected_at_unix = report->now.unix_s + MAX (wait_us, 0) / G_USEC_PER_SEC;
}

static void
check_complete (Report *report)
{
  const ObkSnapshot *latest = NULL;

  if (report->checks[CHECK_STATE] != CHECK_OK || report->metadata == NULL)
    return;
  report->checks[CHECK_COMPLETE] = CHECK_OK;
  if (report->state == NULL)
    return;
  latest = obk_state_find_version (report->state, report->metadata->latest_version);
  if (report->pending != NULL)
    add_finding (report, CHECK_COMPLETE, "rotation_pending", NULL,
                 g_strdup_printf ("version %u is still pending: wait for its promotion", report->pending->version));
  else if (report->metadata->latest_version > report->active->version
           && (latest == NULL || latest->state != OBK_SNAPSHOT_REMOVED))
    add_finding (report, CHECK_COMPLETE, "rotation_pending", NULL,
                 g_strdup_printf ("version %u is not yet observed: see that serve runs and is healthy",
                                  report->metadata->latest_version));
}

static gboolean
has_passed (const Report *report)
{
  for (gsize i = 0; i < report->n_checks; i++)
    if (report->checks[i] != CHECK_OK)
      return FALSE;
  return TRUE;
}

/* Text */

static void
print_checks (const Report *report)
{
  for (gsize i = 0; i < report->n_checks; i++)
    {
      g_autofree char *label = g_strdup_printf ("[%s]", result_names[report->checks[i]]);

      if (report->checks[i] != CHECK_FAILED)
        printf ("%-6s %s\n", label, check_names[i]);
      for (guint j = 0; j < report->findings->len; j++)
        {
          const Finding *finding = report->findings->pdata[j];

          if (finding->check != i)
            continue;
          printf ("%-6s %s  %s", label, check_names[i], finding->reason);
          if (finding->impact != NULL)
            printf (" (%s)", finding->impact);
          printf (": %s\n", finding->text);
        }
    }
}

static void
print_pending (const Report *report)
{
  g_autofree char *expected = obk_registry_command_time (report->expected_at_unix);

  obk_registry_command_print_row (_ ("pending version"), "%u", report->pending->version);
  obk_registry_command_print_row (_ ("observations"), _ ("%lld of %u"), (long long)report->pending->stable_count,
                                  report->required);
  obk_registry_command_print_row (_ ("expected promotion"), _ ("%s, or with the next probe after it"), expected);
}

static void
print_text (const Report *report, ObkRotationReportKind kind)
{
  print_checks (report);
  printf ("\n");
  if (report->state != NULL)
    {
      g_autofree char *key_id_hash = obk_hash (report->active->key_id, -1);

      obk_registry_command_print_row (_ ("generation"), "%" G_GUINT64_FORMAT, report->state->generation);
      obk_registry_command_print_row (_ ("state hash"), "%s", report->state->current_hash);
      obk_registry_command_print_row (_ ("active version"), "%u", report->active->version);
      obk_registry_command_print_row (_ ("active key_id hash"), "%s", key_id_hash);
    }
  if (report->has_checkpoint)
    obk_registry_command_print_row (_ ("checkpoint"), "%s", obk_checkpoint_status_name (report->checkpoint));
  if (report->metadata != NULL)
    obk_registry_command_print_row (_ ("latest version"), "%u", report->metadata->latest_version);
  if (report->pending != NULL)
    print_pending (report);
  if (report->state != NULL)
    obk_registry_command_print_versions (report->state);
  if (kind == OBK_ROTATION_VERIFY)
    {
      obk_registry_command_print_row (_ ("confidence"), "limited");
      obk_registry_command_print_remarks (_ ("What this does not say:"), limitations, G_N_ELEMENTS (limitations));
    }
}

/* JSON */

static void
add_checks (ObkCanonicalJson *json, const Report *report)
{
  obk_canonical_json_begin_array (json, "checks");
  for (gsize i = 0; i < report->n_checks; i++)
    {
      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_string (json, "id", check_names[i]);
      obk_canonical_json_string (json, "result", result_names[report->checks[i]]);
      obk_canonical_json_begin_array (json, "findings");
      for (guint j = 0; j < report->findings->len; j++)
        {
          const Finding *finding = report->findings->pdata[j];
          g_autofree char *text = g_utf8_make_valid (finding->text, -1);

          if (finding->check != i)
            continue;
          obk_canonical_json_begin_object (json, NULL);
          obk_canonical_json_string (json, "reason", finding->reason);
          if (finding->impact != NULL)
            obk_canonical_json_string (json, "impact", finding->impact);
          obk_canonical_json_string (json, "text", text);
          obk_canonical_json_end_object (json);
        }
      obk_canonical_json_end_array (json);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
}

static void
add_state (ObkCanonicalJson *json, const Report *report)
{
  g_autofree char *key_id_hash = NULL;

  if (report->state == NULL)
    {
      obk_canonical_json_null (json, "generation");
      obk_canonical_json_null (json, "stateHash");
      obk_canonical_json_null (json, "activeVersion");
      obk_canonical_json_null (json, "activeKeyIdHash");
      return;
    }
  key_id_hash = obk_hash (report->active->key_id, -1);
  obk_canonical_json_int (json, "generation", (gint64)report->state->generation);
  obk_canonical_json_string (json, "stateHash", report->state->current_hash);
  obk_canonical_json_int (json, "activeVersion", report->active->version);
  obk_canonical_json_string (json, "activeKeyIdHash", key_id_hash);
}

static void
add_pending (ObkCanonicalJson *json, const Report *report)
{
  g_autofree char *expected = NULL;

  if (report->pending == NULL)
    {
      obk_canonical_json_null (json, "pending");
      return;
    }
  expected = obk_registry_command_time (report->expected_at_unix);
  obk_canonical_json_begin_object (json, "pending");
  obk_canonical_json_int (json, "version", report->pending->version);
  obk_canonical_json_int (json, "observations", report->pending->stable_count);
  obk_canonical_json_int (json, "requiredObservations", report->required);
  obk_canonical_json_string (json, "expectedPromotionAt", expected);
  obk_canonical_json_end_object (json);
}

static void
print_json (const Report *report, ObkRotationReportKind kind)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (2);
  g_autofree char *checked_at = obk_registry_command_time (report->now.unix_s);
  g_autofree char *text = NULL;

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_boolean (json, "passed", has_passed (report));
  obk_canonical_json_string (json, "checkedAt", checked_at);
  if (kind == OBK_ROTATION_VERIFY)
    {
      obk_canonical_json_string (json, "confidence", "limited");
      obk_registry_command_add_remarks (json, "limitations", limitations, G_N_ELEMENTS (limitations));
    }
  add_checks (json, report);
  add_state (json, report);
  if (report->has_checkpoint)
    obk_canonical_json_string (json, "checkpoint", obk_checkpoint_status_name (report->checkpoint));
  else
    obk_canonical_json_null (json, "checkpoint");
  if (report->metadata != NULL)
    obk_canonical_json_int (json, "latestVersion", report->metadata->latest_version);
  else
    obk_canonical_json_null (json, "latestVersion");
  add_pending (json, report);
  obk_registry_command_add_versions (json, report->state);
  obk_canonical_json_end_object (json);
  text = obk_canonical_json_steal (json, NULL);
  puts (text);
}

ObkExit
obk_rotation_report_run (ObkRotationReportKind kind, const ObkGlobals *globals)
{
  g_auto (ObkRegistryCommand) command = { 0 };
  g_auto (Report) report = { 0 };
  g_autoptr (GError) error = NULL;
  ObkExit exit = OBK_EXIT_OK;

  if (!obk_registry_command_load (&command, globals, &exit))
    return exit;
  if (!obk_registry_command_become_owner (&command, &error))
    return obk_registry_command_refuse (error);
  report.findings = g_ptr_array_new_with_free_func (finding_free);
  report.n_checks = kind == OBK_ROTATION_VERIFY ? N_CHECKS : CHECK_COMPLETE;
  report.required = command.policy.stable_observation_count;
  read_state (&report, &command); /* first: what is saved in between is then newer than what it is judged by */
  read_metadata (&report, &command);
  report.now = obk_clock_now ();
  judge (&report, &command.policy);
  expect_promotion (&report, &command.policy);
  if (kind == OBK_ROTATION_VERIFY)
    check_complete (&report);
  if (globals->json)
    print_json (&report, kind);
  else
    print_text (&report, kind);
  return has_passed (&report) ? OBK_EXIT_OK : OBK_EXIT_CHECK;
}
