/* SPDX-License-Identifier: Apache-2.0 */
/* Long generated histories of a key and the nodes that follow it. OBK_PROPERTY_SEED repeats the one of that seed. */
#include "invariants.h"

#include "base/log.h"
#include "registry/document.h"
#include "registry/retirement.h"

#include <string.h>

#define START 1700000000
#define STEPS 1500
#define SEEDS 6
#define DISK_SEEDS 2
#define HOUR 3600
#define CATCH_UP_AGE (120 + 3 * 30 + 120)
#define MAX_LAG 100 /* seconds: less than what makes a loss of it */

/* What a run may be asked to break, so that the invariants are seen to find it. */
typedef enum
{
  SABOTAGE_NONE,
  SABOTAGE_TWO_ACTIVE,
  SABOTAGE_GO_BACK,
  SABOTAGE_FORGET,
  SABOTAGE_ANOTHER_KEY,
  SABOTAGE_TIMES,
  SABOTAGE_PROMOTE_EARLY,
  SABOTAGE_PROMOTE_LATE,
  SABOTAGE_LOSE_VERSION,
  SABOTAGE_LAST
} Sabotage;

typedef struct
{
  GRand *random;
  OpenBao *bao;
  Node nodes[N_NODES];
  guint32 retired_below;
  Sabotage sabotage;
  guint promotions; /* seen, so that a history in which nothing happens is no test */
  guint recoveries;
  guint retirements;
} History;

static gboolean
one_in (History *history, gint n)
{
  return g_rand_int_range (history->random, 0, n) == 0;
}

static Node *
any_node (History *history)
{
  return &history->nodes[g_rand_int_range (history->random, 0, N_NODES)];
}

static Weather
any_weather (History *history)
{
  return (Weather){
    .lag = one_in (history, 4) ? g_rand_int_range (history->random, 1, MAX_LAG) : 0,
    .without_date = one_in (history, 20),
    .finding = one_in (history, 12),
    .save_fails = one_in (history, 6),
  };
}

static char *
probe_all (History *history)
{
  char *fault = NULL;

  for (guint i = 0; i < N_NODES && fault == NULL; i++)
    {
      const Weather weather = any_weather (history);
      Node *node = &history->nodes[i];
      guint32 before = obk_state_active (node->state)->version;

      if (!node->running)
        continue;
      fault = node_probe (node, history->bao, &weather);
      history->promotions += obk_state_active (node->state)->version > before;
    }
  return fault;
}

static char *
step_time (History *history)
{
  history->bao->now += one_in (history, 25) ? g_rand_int_range (history->random, 100, 2000)
                                            : g_rand_int_range (history->random, 1, 45);
  return probe_all (history);
}

static char *
step_rotate (History *history)
{
  gint n = one_in (history, 3) ? g_rand_int_range (history->random, 1, 4) : 1;

  while (n-- > 0)
    {
      openbao_rotate (history->bao);
      history->bao->now += g_rand_int_range (history->random, 0, 3);
    }
  return NULL;
}

static char *
step_minimum_encryption (History *history)
{
  guint32 latest = history->bao->key->latest_version;

  openbao_set_minimum_encryption (history->bao, one_in (history, 2) ? 0 : latest - (guint32)one_in (history, 2));
  return NULL;
}

static char *
step_clock (History *history)
{
  any_node (history)->wall_is_off += one_in (history, 2) ? HOUR : -HOUR;
  return NULL;
}

static char *
step_restart (History *history)
{
  return node_restart (any_node (history), history->bao, one_in (history, 3), one_in (history, 3));
}

/* One node is away, for a while; then it comes back to what has become of the key. */
static char *
step_stop (History *history)
{
  guint running = 0;
  Node *node = any_node (history);

  for (guint i = 0; i < N_NODES; i++)
    running += (guint)history->nodes[i].running;
  if (!node->running)
    return node_restart (node, history->bao, FALSE, FALSE);
  node->running = running == 1;
  return NULL;
}

static char *
step_discover (History *history)
{
  Node *node = any_node (history);
  gint64 lag = one_in (history, 3) ? g_rand_int_range (history->random, 1, MAX_LAG) : 0;

  return node->running ? node_discover (node, history->bao, lag, one_in (history, 4)) : NULL;
}

static gboolean
is_below (gpointer key, gpointer value, gpointer user_data)
{
  return GPOINTER_TO_UINT (value) < GPOINTER_TO_UINT (user_data);
}

static gboolean
is_above (gpointer key, gpointer value, gpointer user_data)
{
  return GPOINTER_TO_UINT (value) > GPOINTER_TO_UINT (user_data);
}

static ObkState *
retire_on (const Node *node, guint32 below, const OpenBao *bao)
{
  return obk_retirement_retire (node->state, below, bao->now, &cluster_policy, NULL);
}

/* As the guide has it: the same on every node that runs, below what all of them use. */
static char *
step_retire (History *history)
{
  guint32 below = G_MAXUINT32;

  for (guint i = 0; i < N_NODES; i++)
    if (history->nodes[i].running)
      below = MIN (below, obk_state_active (history->nodes[i].state)->version);
  for (guint i = 0; i < N_NODES; i++)
    {
      g_autoptr (ObkState) plan = retire_on (&history->nodes[i], below, history->bao);

      if (history->nodes[i].running && plan == NULL) /* too young, or unknown there */
        return NULL;
    }
  for (guint i = 0; i < N_NODES; i++)
    {
      Node *node = &history->nodes[i];

      if (!node->running)
        continue;
      g_assert_true (node_save (node, retire_on (node, below, history->bao), FALSE));
      g_hash_table_foreach_remove (node->served, is_below, GUINT_TO_POINTER (below));
    }
  history->retirements += below > history->retired_below;
  history->retired_below = MAX (history->retired_below, below);
  return NULL;
}

/* Up to what any node, running or not, still decrypts. */
static char *
step_trim (History *history)
{
  guint32 lowest = G_MAXUINT32;

  for (guint i = 0; i < N_NODES; i++)
    for (guint j = 0; j < history->nodes[i].state->snapshots->len; j++)
      {
        const ObkSnapshot *snapshot = &g_array_index (history->nodes[i].state->snapshots, ObkSnapshot, j);

        if (obk_snapshot_is_retained (snapshot))
          lowest = MIN (lowest, snapshot->version);
      }
  openbao_set_minimum (history->bao, lowest, one_in (history, 2) ? lowest : 0);
  return NULL;
}

/* OpenBao is restored to before the last rotations; whoever can no longer go on is recovered. */
static char *
step_disaster (History *history)
{
  guint32 first = MAX (1, MAX (history->bao->key->min_available_version, history->bao->key->min_decryption_version));
  guint32 latest = history->bao->key->latest_version;
  guint32 lost = (guint32)g_rand_int_range (history->random, 1, 4);
  g_autoptr (ObkKeyMetadata) read = NULL;

  latest -= MIN (lost, latest - first);
  openbao_restore (history->bao, latest);
  history->retired_below = MIN (history->retired_below, latest);
  read = openbao_read (history->bao, 0);
  for (guint i = 0; i < N_NODES; i++)
    {
      Node *node = &history->nodes[i];
      const ObkRecovery recovery = { .scope = &cluster_scope,
                                     .metadata = read,
                                     .replaced = node->state,
                                     .now_unix = node_now (node, history->bao).unix_s };
      g_autoptr (GError) error = NULL;
      ObkState *state = obk_retirement_recover (&recovery, &error);
      char *fault = NULL;

      if (state == NULL && strstr (error->message, "can go on") == NULL)
        return g_strdup (error->message);
      if (state != NULL)
        {
          guint64 generation = node->state->generation;

          node_save (node, state, FALSE);
          if (node->store != NULL && node->state->generation != generation + 1)
            return g_strdup ("the generations do not continue");
          history->recoveries++;
        }
      g_hash_table_foreach_remove (node->served, is_above, GUINT_TO_POINTER (latest));
      node->active_before = obk_state_active (node->state)->version;
      fault = node_restart (node, history->bao, FALSE, FALSE);
      if (fault != NULL)
        return fault;
    }
  return NULL;
}

static char *
any_step (History *history)
{
  static const struct
  {
    gint of_a_hundred;
    char *(*step) (History *history);
  } steps[] = {
    { 68, step_time },   { 4, step_rotate },   { 3, step_minimum_encryption }, { 4, step_clock },
    { 5, step_restart }, { 4, step_stop },     { 5, step_discover },           { 3, step_retire },
    { 3, step_trim },    { 1, step_disaster },
  };
  gint number = g_rand_int_range (history->random, 0, 100);

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      number -= steps[i].of_a_hundred;
      if (number < 0)
        return steps[i].step (history);
    }
  g_assert_not_reached ();
}

/* Breaks what is in force on a node, if there is something to break. */
static void
commit_sabotage (Sabotage sabotage, Node *node)
{
  ObkState *state = node->state;
  ObkSnapshot *active = &g_array_index (state->snapshots, ObkSnapshot, 0);
  ObkSnapshot *last = &g_array_index (state->snapshots, ObkSnapshot, state->snapshots->len - 1);

  switch (sabotage)
    {
    case SABOTAGE_TWO_ACTIVE:
      last->state = OBK_SNAPSHOT_ACTIVE;
      break;
    case SABOTAGE_GO_BACK:
      active->state = OBK_SNAPSHOT_RETIRED;
      last->state = OBK_SNAPSHOT_ACTIVE;
      obk_state_sort (state);
      break;
    case SABOTAGE_FORGET:
      for (guint i = state->snapshots->len; i > 1; i--)
        if (g_array_index (state->snapshots, ObkSnapshot, i - 1).state == OBK_SNAPSHOT_RETIRED)
          g_array_remove_index (state->snapshots, i - 1);
      break;
    case SABOTAGE_ANOTHER_KEY:
      obk_state_add (state, last->version, last->created_at_unix + 1, OBK_SNAPSHOT_RETIRED);
      obk_state_sort (state);
      break;
    case SABOTAGE_TIMES:
      active->promoted_at_unix = 1;
      break;
    case SABOTAGE_PROMOTE_EARLY:
      node->memory.stable_since_us -= HOUR * (gint64)G_USEC_PER_SEC;
      break;
    case SABOTAGE_PROMOTE_LATE:
      node->memory.stable_since_us += HOUR * (gint64)G_USEC_PER_SEC;
      break;
    case SABOTAGE_LOSE_VERSION:
      node->memory.highest_read++;
      break;
    default:
      break;
    }
}

static char *
one_step (History *history, gboolean sabotaged)
{
  char *fault = NULL;

  if (sabotaged)
    commit_sabotage (history->sabotage, &history->nodes[0]);
  else
    fault = any_step (history);
  for (guint i = 0; i < N_NODES && fault == NULL; i++)
    fault = invariants_check (&history->nodes[i], history->bao, history->retired_below);
  return fault;
}

/* In fair weather all nodes come to the same, and decrypt whatever any of them wrote. */
static char *
settle (History *history)
{
  const Weather fair = { 0 };
  const char *active = NULL;

  for (guint i = 0; i < N_NODES; i++)
    if (!history->nodes[i].running)
      node_restart (&history->nodes[i], history->bao, FALSE, FALSE);
  for (guint n = 0; n < 12; n++)
    {
      history->bao->now += 30;
      for (guint i = 0; i < N_NODES; i++)
        {
          char *fault = node_probe (&history->nodes[i], history->bao, &fair);

          if (fault == NULL)
            fault = invariants_check (&history->nodes[i], history->bao, history->retired_below);
          if (fault != NULL)
            return fault;
        }
    }
  for (guint i = 0; i < N_NODES; i++)
    {
      const ObkSnapshot *mine = obk_state_active (history->nodes[i].state);

      if (mine->version != history->bao->key->latest_version || (active != NULL && !g_str_equal (active, mine->key_id)))
        return g_strdup_printf ("after a while node %u is at version %u", i, mine->version);
      active = mine->key_id;
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): the first fault, with its step */
static char *
run (History *history, guint32 seed, gboolean on_disk, guint sabotaged_step)
{
  g_autofree char *fault = NULL;
  guint step = 0;

  history->random = g_rand_new_with_seed (seed);
  history->bao = openbao_new (START);
  for (guint i = 0; i < N_NODES; i++)
    node_set_up (&history->nodes[i], history->bao, on_disk);
  for (step = 0; step < STEPS && fault == NULL; step++)
    fault = one_step (history, history->sabotage != SABOTAGE_NONE && step >= sabotaged_step && step % 20 == 0);
  if (fault == NULL)
    fault = settle (history);
  for (guint i = 0; i < N_NODES; i++)
    node_tear_down (&history->nodes[i]);
  openbao_free (history->bao);
  g_rand_free (history->random);
  return fault != NULL ? g_strdup_printf ("seed %u, step %u: %s", seed, step, fault) : NULL;
}

static void
run_sound (guint32 seed, gboolean on_disk)
{
  History history = { 0 };
  g_autofree char *fault = run (&history, seed, on_disk, 0);

  g_test_message ("OBK_PROPERTY_SEED=%u%s: %u promotions, %u retirements, %u recoveries", seed,
                  on_disk ? ", on disk" : "", history.promotions, history.retirements, history.recoveries);
  if (fault != NULL)
    g_test_message ("%s", fault);
  g_assert_null (fault);
  g_assert_cmpuint (history.promotions, >, 10);
  g_assert_cmpuint (history.retirements, >, 0);
}

/* Returns: the first of the seeds to run: as told, or a new one each time */
static guint32
first_seed (guint *n)
{
  const char *told = g_getenv ("OBK_PROPERTY_SEED");

  if (told == NULL)
    return g_random_int ();
  *n = 1;
  return (guint32)g_ascii_strtoull (told, NULL, 10);
}

static void
test_in_memory (void)
{
  guint n = SEEDS;
  guint32 seed = first_seed (&n);

  for (guint i = 0; i < n; i++)
    run_sound (seed + i, FALSE);
}

static void
test_on_disk (void)
{
  guint n = DISK_SEEDS;
  guint32 seed = first_seed (&n);

  for (guint i = 0; i < n; i++)
    run_sound (seed + i, TRUE);
}

/* Each kind of sabotage is found: the invariants can fail. */
static void
test_finds_sabotage (void)
{
  static const char *const wanted[SABOTAGE_LAST] = {
    [SABOTAGE_TWO_ACTIVE] = "2 snapshots are active",
    [SABOTAGE_GO_BACK] = "goes back from",
    [SABOTAGE_FORGET] = "was served and does not decrypt",
    [SABOTAGE_ANOTHER_KEY] = "has another key_id than on other nodes",
    [SABOTAGE_TIMES] = "promoted before it was observed",
    [SABOTAGE_PROMOTE_EARLY] = "is promoted after",
    [SABOTAGE_PROMOTE_LATE] = "is not promoted after",
    [SABOTAGE_LOSE_VERSION] = "refused: OpenBao's latest version is",
  };

  for (Sabotage sabotage = SABOTAGE_NONE + 1; sabotage < SABOTAGE_LAST; sabotage++)
    {
      gboolean found = FALSE;

      for (guint32 seed = 1; seed <= 20 && !found; seed++)
        {
          History history = { .sabotage = sabotage };
          g_autofree char *fault = run (&history, seed, FALSE, 200);

          found = fault != NULL && strstr (fault, wanted[sabotage]) != NULL;
          if (found)
            g_test_message ("%s", fault);
        }
      g_assert_true (found);
    }
}

/* At each step of a rotation the clock jumps by an hour: what is saved loads, and the promotion comes when it must. */
static void
rotate_with_jump (guint at, gint64 jump)
{
  const Weather fair = { 0 };
  OpenBao *bao = openbao_new (START);
  Node node;

  node_set_up (&node, bao, TRUE);
  node.catching_up = FALSE;
  openbao_rotate (bao);
  for (guint step = 1; step <= 8; step++)
    {
      g_autofree char *fault = NULL;
      g_autoptr (ObkState) loaded = NULL;
      ObkCheckpointStatus status = OBK_CHECKPOINT_ABSENT;

      bao->now += 30;
      node.wall_is_off = step >= at ? jump : 0;
      fault = node_probe (&node, bao, &fair);
      g_assert_cmpstr (fault, ==, NULL);
      fault = invariants_check (&node, bao, 0);
      g_assert_cmpstr (fault, ==, NULL);
      g_assert_true (obk_store_peek (node.path, &cluster_scope, &loaded, &status, NULL));
      g_assert_cmpint (status, ==, OBK_CHECKPOINT_CURRENT);
      g_assert_true (obk_state_same_content (loaded, node.state));
      g_assert_cmpuint (obk_state_active (node.state)->version, ==, step < 7 ? 1 : 2);
    }
  node_tear_down (&node);
  openbao_free (bao);
}

static void
test_clock_jumps (void)
{
  for (guint at = 1; at <= 8; at++)
    {
      rotate_with_jump (at, HOUR);
      rotate_with_jump (at, -HOUR);
    }
}

static void
be_quiet (const ObkLogRecord *record, gpointer user_data)
{
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  obk_log_set_sink (be_quiet, NULL);
  g_test_add_func ("/property/history/in-memory", test_in_memory);
  g_test_add_func ("/property/history/on-disk", test_on_disk);
  g_test_add_func ("/property/history/finds-sabotage", test_finds_sabotage);
  g_test_add_func ("/property/history/clock-jumps", test_clock_jumps);
  return g_test_run ();
}
