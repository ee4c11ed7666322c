/* SPDX-License-Identifier: Apache-2.0 */
/* One node and the OpenBao that it reads, for the tests of what becomes of the key's history. */
#pragma once

#include "registry/rotation.h"

#include <string.h>

#define CREATED 1700000000
#define START 1800000000 /* all times in descriptions are seconds since then */
#define BOOT_START (1000 * (gint64)G_USEC_PER_SEC)

static const ObkScope scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

static const ObkRotationPolicy default_policy = {
  .activation_delay_us = 120 * G_USEC_PER_SEC,
  .stable_observation_count = 3,
  .reject_version_rollback = TRUE,
  .probe_interval_us = 30 * G_USEC_PER_SEC,
  .max_staleness_us = 120 * G_USEC_PER_SEC,
};

typedef struct
{
  ObkState *state; /* in force */
  ObkKeyMetadata *metadata;
  ObkRotationPolicy policy;
  ObkRotationMemory memory;
  gboolean catching_up;
  ObkNow now;
  ObkProbeResult result; /* of the last probe */
} Node;

static inline void
add_version (ObkKeyMetadata *metadata, guint32 version, gint64 created_at_unix)
{
  const ObkKeyVersion entry = { .version = version, .created_at_unix = created_at_unix };

  g_array_append_val (metadata->versions, entry);
  metadata->latest_version = version;
}

/* A good key with versions 1 to @latest. */
static inline ObkKeyMetadata *
make_metadata (guint32 latest)
{
  ObkKeyMetadata *metadata = obk_key_metadata_new ();

  metadata->type = g_strdup ("aes256-gcm96");
  metadata->supports_encryption = TRUE;
  metadata->supports_decryption = TRUE;
  metadata->disable_upsert = TRUE;
  metadata->min_decryption_version = 1;
  for (guint32 version = 1; version <= latest; version++)
    add_version (metadata, version, CREATED + version);
  return metadata;
}

static inline void
show (Node *node, guint32 latest)
{
  g_clear_pointer (&node->metadata, obk_key_metadata_free);
  node->metadata = make_metadata (latest);
}

static inline void
set_created (Node *node, guint32 version, gint64 created_at_unix)
{
  for (guint i = 0; i < node->metadata->versions->len; i++)
    if (g_array_index (node->metadata->versions, ObkKeyVersion, i).version == version)
      g_array_index (node->metadata->versions, ObkKeyVersion, i).created_at_unix = created_at_unix;
}

static inline void
set_up (Node *node, gconstpointer data)
{
  node->state = obk_state_first (&scope, CREATED + 1, START);
  node->policy = default_policy;
  node->now = (ObkNow){ .unix_s = START, .boot_us = BOOT_START };
  show (node, 1);
}

static inline void
tear_down (Node *node, gconstpointer data)
{
  obk_state_free (node->state);
  obk_key_metadata_free (node->metadata);
  obk_probe_result_clear (&node->result);
}

static inline void
advance (Node *node, gint64 seconds)
{
  node->now.unix_s += seconds;
  node->now.boot_us += seconds * G_USEC_PER_SEC;
}

static inline void
describe_time (GString *text, char letter, gint64 time_unix)
{
  if (time_unix != 0)
    g_string_append_printf (text, " %c%" G_GINT64_FORMAT, letter, time_unix - START);
}

/* "active 2 o30 n3 s90 p210; retired 1 o0 p0": observed, count, stable, promoted; "2@5" was created 5 s late. */
static inline char *
describe (const ObkState *state)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      gint64 late = snapshot->created_at_unix - CREATED - snapshot->version;

      g_string_append_printf (text, "%s%s %u", i > 0 ? "; " : "", obk_snapshot_state_name (snapshot->state),
                              snapshot->version);
      if (late != 0)
        g_string_append_printf (text, "@%" G_GINT64_FORMAT, late);
      describe_time (text, 'o', snapshot->observed_at_unix);
      if (snapshot->stable_count != 0)
        g_string_append_printf (text, " n%" G_GINT64_FORMAT, snapshot->stable_count);
      describe_time (text, 's', snapshot->stable_at_unix);
      describe_time (text, 'p', snapshot->promoted_at_unix);
    }
  return g_string_free (text, FALSE);
}

static inline void
assert_state (const ObkState *state, const char *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gboolean valid = FALSE;

  g_assert_nonnull (state);
  text = describe (state);
  g_assert_cmpstr (text, ==, wanted);
  valid = obk_state_validate (state, &error);
  g_assert_no_error (error);
  g_assert_true (valid);
}

/* Puts "active 2 o30 p60; retired 1" and so on in force. */
static inline void
use (Node *node, const char *description)
{
  g_auto (GStrv) snapshots = g_strsplit (description, "; ", -1);

  obk_state_free (node->state);
  node->state = obk_state_new (&scope);
  for (guint i = 0; snapshots[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit (snapshots[i], " ", -1);
      char *end = NULL;
      guint32 version = (guint32)g_ascii_strtoull (words[1], &end, 10);
      gint64 late = *end == '@' ? g_ascii_strtoll (end + 1, NULL, 10) : 0;
      ObkSnapshotState kind = OBK_SNAPSHOT_ACTIVE;
      ObkSnapshot *snapshot = NULL;

      g_assert_true (obk_snapshot_state_parse (words[0], &kind));
      snapshot = obk_state_add (node->state, version, CREATED + version + late, kind);
      for (guint j = 2; words[j] != NULL; j++)
        {
          gint64 number = g_ascii_strtoll (words[j] + 1, NULL, 10);

          switch (words[j][0])
            {
            case 'o':
              snapshot->observed_at_unix = START + number;
              break;
            case 'n':
              snapshot->stable_count = number;
              break;
            case 's':
              snapshot->stable_at_unix = START + number;
              break;
            default:
              g_assert_cmpint (words[j][0], ==, 'p');
              snapshot->promoted_at_unix = START + number;
            }
        }
    }
  assert_state (node->state, description);
}

/* One probe, whose state is not yet in force. */
static inline void
probe (Node *node)
{
  g_autoptr (ObkState) before = obk_state_copy (node->state);

  obk_probe_result_clear (&node->result);
  obk_rotation_probe (node->state, node->metadata, node->now, &node->policy, node->catching_up, &node->memory,
                      &node->result);
  g_assert_true (obk_state_same_content (node->state, before));
  g_assert_nonnull (node->result.findings);
  g_assert_cmpint (node->result.findings->len > 0, ==, node->result.kind == OBK_PROBE_REFUSED);
  if (node->result.kind != OBK_PROBE_GOOD)
    {
      g_assert_null (node->result.state);
      g_assert_cmpuint (node->result.observed + node->result.promoted + node->result.rejected, ==, 0);
      g_assert_false (node->result.caught_up || node->result.clock_regressed);
    }
  if (node->result.state != NULL)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (obk_state_same_content (node->state, node->result.state));
      g_assert_true (obk_state_validate (node->result.state, &error));
      g_assert_no_error (error);
    }
}

/* What the last probe gave was saved. */
static inline void
save (Node *node)
{
  if (node->result.state == NULL)
    return;
  obk_state_free (node->state);
  node->state = g_steal_pointer (&node->result.state);
}

static inline void
restart (Node *node)
{
  node->memory = (ObkRotationMemory){ 0 };
}

static inline void
probe_good (Node *node)
{
  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_GOOD);
  save (node);
}

static inline void
probe_lagging (Node *node)
{
  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_LAGGING);
}

static inline void
probe_refused (Node *node, ObkFinding wanted)
{
  const ObkProfileFinding *first = NULL;

  probe (node);
  g_assert_cmpint (node->result.kind, ==, OBK_PROBE_REFUSED);
  first = node->result.findings->pdata[0];
  g_assert_cmpstr (obk_finding_name (first->finding), ==, obk_finding_name (wanted));
}

/* Thirty seconds later a good probe, saved, leaves this in force. */
static inline void
step (Node *node, const char *wanted)
{
  advance (node, 30);
  probe_good (node);
  assert_state (node->state, wanted);
}

static inline void
add (const char *path, void (*test) (Node *node, gconstpointer data))
{
  g_test_add (path, Node, NULL, set_up, test, tear_down);
}
