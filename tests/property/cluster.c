/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a cluster over one OpenBao: what is in force on each, on which clock, and on which disk. */
#include "cluster.h"

#include "base/error.h"

#include <glib/gstdio.h>

#include <sys/stat.h>

const ObkScope cluster_scope = {
  .provider_name = (char *)"provider",
  .cluster_id = (char *)"cluster",
  .instance_id = (char *)"instance",
  .namespace = (char *)"name/space",
  .mount_id = (char *)"mount",
  .key_lineage_id = (char *)"lineage",
};

const ObkRotationPolicy cluster_policy = {
  .activation_delay_us = 120 * G_USEC_PER_SEC,
  .stable_observation_count = 3,
  .reject_version_rollback = TRUE,
  .probe_interval_us = 30 * G_USEC_PER_SEC,
  .max_staleness_us = 120 * G_USEC_PER_SEC,
};

static void
start (Node *node)
{
  node->running = TRUE;
  node->catching_up = TRUE;
  node->memory = (ObkRotationMemory){ 0 };
  node->stable_version = 0;
}

static ObkState *
open_and_load (Node *node)
{
  g_autoptr (GError) error = NULL;
  ObkState *state = NULL;

  node->store = obk_store_open (node->path, &error);
  g_assert_no_error (error);
  if (!obk_store_load (node->store, &cluster_scope, &state, &error))
    g_test_message ("%s", error->message);
  return state;
}

void
node_set_up (Node *node, const OpenBao *bao, gboolean on_disk)
{
  ObkState *first = obk_state_first (&cluster_scope, bao->now, bao->now);

  *node = (Node){ .booted_at = bao->now - 1000, .good_at = bao->now, .active_before = 1 };
  node->served = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (on_disk)
    {
      node->directory = g_dir_make_tmp ("obk-history-XXXXXX", NULL);
      g_assert_cmpint (chmod (node->directory, 0750), ==, 0);
      node->path = g_build_filename (node->directory, "state.json", NULL);
      g_assert_null (open_and_load (node));
    }
  g_assert_true (node_save (node, first, FALSE));
  start (node);
}

static void
remove_file (const Node *node, const char *suffix)
{
  g_autofree char *path = g_strconcat (node->path, suffix, NULL);

  g_remove (path);
}

void
node_tear_down (Node *node)
{
  g_clear_pointer (&node->store, obk_store_free);
  if (node->directory != NULL)
    {
      remove_file (node, "");
      remove_file (node, ".checkpoint");
      remove_file (node, ".lock");
      g_assert_cmpint (g_rmdir (node->directory), ==, 0);
    }
  obk_state_free (node->state);
  obk_state_free (node->checked);
  g_free (node->directory);
  g_free (node->path);
  g_hash_table_unref (node->served);
}

ObkNow
node_now (const Node *node, const OpenBao *bao)
{
  return (ObkNow){
    .unix_s = bao->now + node->wall_is_off,
    .boot_us = (bao->now - node->booted_at) * G_USEC_PER_SEC,
  };
}

const ObkSnapshot *
node_pending (const Node *node)
{
  for (guint i = 0; i < node->state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (node->state->snapshots, ObkSnapshot, i);

      if (snapshot->state == OBK_SNAPSHOT_PENDING)
        return snapshot;
    }
  return NULL;
}

/* A directory where the temporary file should be keeps a save from being done. */
static gboolean
save_on_disk (Node *node, ObkState *state, gboolean fails)
{
  g_autofree char *temporary = g_strconcat (node->path, ".tmp", NULL);
  g_autoptr (GError) error = NULL;
  gboolean saved = FALSE;

  if (fails)
    g_assert_cmpint (g_mkdir (temporary, 0700), ==, 0);
  saved = obk_store_save (node->store, state, &error);
  if (fails)
    g_assert_cmpint (g_rmdir (temporary), ==, 0);
  else
    g_assert_no_error (error);
  return saved;
}

gboolean
node_save (Node *node, ObkState *state, gboolean fails)
{
  gboolean saved = node->store != NULL ? save_on_disk (node, state, fails) : !fails;

  if (!saved)
    {
      obk_state_free (state);
      return FALSE;
    }
  obk_state_free (node->state);
  node->state = state;
  return TRUE;
}

char *
node_restart (Node *node, const OpenBao *bao, gboolean machine, gboolean lose_checkpoint)
{
  g_autoptr (ObkState) loaded = NULL;

  start (node);
  if (machine)
    node->booted_at = bao->now - 5;
  if (node->store == NULL)
    return NULL;
  g_clear_pointer (&node->store, obk_store_free);
  if (lose_checkpoint)
    remove_file (node, ".checkpoint");
  loaded = open_and_load (node);
  if (loaded == NULL)
    return g_strdup ("what was saved does not load");
  if (!obk_state_same_content (loaded, node->state))
    return g_strdup ("what loads is not what was in force");
  obk_state_free (node->state);
  node->state = g_steal_pointer (&loaded);
  return NULL;
}

/* Whether the promotion came when it had to, by the true time: neither early nor late. */
static char *
judge_promotion (const Node *node, const OpenBao *bao, const ObkKeyMetadata *read, const ObkProbeResult *result)
{
  const ObkSnapshot *pending = node_pending (node);
  gboolean is_candidate = pending != NULL && pending->version == read->latest_version;
  gboolean is_stable = is_candidate && pending->stable_at_unix != 0;
  gint64 waited = (bao->now - node->stable_at) * G_USEC_PER_SEC;

  if (result->caught_up || read->min_encryption_version > obk_state_active (node->state)->version)
    return NULL;
  if (!is_stable)
    return result->promoted != 0 ? g_strdup_printf ("version %u is promoted without being stable", result->promoted)
                                 : NULL;
  if (node->stable_version != pending->version) /* stable since before this run: the system clock's word holds */
    return NULL;
  if (waited < cluster_policy.activation_delay_us && result->promoted != 0)
    return g_strdup_printf ("version %u is promoted after %" G_GINT64_FORMAT " us", result->promoted, waited);
  if (waited >= cluster_policy.activation_delay_us && result->promoted != pending->version)
    return g_strdup_printf ("version %u is not promoted after %" G_GINT64_FORMAT " us", pending->version, waited);
  return NULL;
}

/* After a save: when did the candidate become stable? */
static void
note_stability (Node *node, const OpenBao *bao, gboolean was_stable)
{
  const ObkSnapshot *pending = node_pending (node);

  if (pending == NULL || pending->stable_at_unix == 0 || was_stable)
    return;
  node->stable_version = pending->version;
  node->stable_at = bao->now;
}

static char *
judge_kind (const ObkProbeResult *result, const Weather *weather)
{
  const ObkProfileFinding *finding = result->findings->len > 0 ? result->findings->pdata[0] : NULL;

  if (result->kind == OBK_PROBE_REFUSED && !weather->finding)
    return g_strdup_printf ("refused: %s", finding->text);
  if (result->kind != OBK_PROBE_GOOD && result->state != NULL)
    return g_strdup ("a probe that was not good changes the state");
  return NULL;
}

char *
node_probe (Node *node, const OpenBao *bao, const Weather *weather)
{
  g_autoptr (ObkKeyMetadata) read = openbao_read (bao, weather->lag);
  g_auto (ObkProbeResult) result = { 0 };
  const ObkSnapshot *pending = node_pending (node);
  guint32 pending_before = pending != NULL ? pending->version : 0;
  gboolean was_stable = pending != NULL && pending->stable_at_unix != 0;
  char *fault = NULL;

  read->deletion_allowed = weather->finding;
  if (weather->without_date)
    read->server_date_unix = 0;
  if (bao->now - node->good_at > cluster_policy.max_staleness_us / G_USEC_PER_SEC)
    node->catching_up = TRUE;
  obk_rotation_probe (node->state, read, node_now (node, bao), &cluster_policy, node->catching_up, &node->memory,
                      &result);
  fault = judge_kind (&result, weather);
  if (fault != NULL || result.kind != OBK_PROBE_GOOD)
    return fault;
  fault = judge_promotion (node, bao, read, &result);
  if (fault != NULL
      || (result.state != NULL && !node_save (node, g_steal_pointer (&result.state), weather->save_fails)))
    return fault;
  pending = node_pending (node);
  note_stability (node, bao, was_stable && pending != NULL && pending->version == pending_before);
  node->good_at = bao->now;
  if (obk_rotation_may_encrypt (read, obk_state_active (node->state)->version))
    node->catching_up = FALSE;
  return NULL;
}

char *
node_discover (Node *node, const OpenBao *bao, gint64 lag, gboolean save_fails)
{
  g_autoptr (ObkKeyMetadata) read = openbao_read (bao, lag);
  guint32 wanted = bao->key->latest_version;
  g_autoptr (ObkState) found = obk_rotation_discover (node->state, read, node_now (node, bao), &node->memory);
  const ObkSnapshot *snapshot = NULL;

  if (found != NULL && !node_save (node, g_steal_pointer (&found), save_fails))
    return NULL;
  if (read->latest_version < wanted)
    return NULL;
  snapshot = obk_state_find_version (node->state, wanted);
  if (snapshot == NULL || !obk_snapshot_is_retained (snapshot))
    return g_strdup_printf ("version %u was looked for and does not decrypt", wanted);
  return NULL;
}
