/* SPDX-License-Identifier: Apache-2.0 */
/* Asks OpenBao of the key again and again, follows its rotation, and puts on the board what Status says. */
#include "health/prober.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/metric.h"
#include "base/names.h"
#include "base/process.h"
#include "health/breaker.h"
#include "health/deep-probe.h"
#include "health/history.h"
#include "health/metadata-read.h"
#include "health/probe-log.h"
#include "health/verdict.h"

#define BLOCKED_US (2 * G_USEC_PER_SEC)   /* to the next metadata probe while the active version may not encrypt */
#define MIN_DOUBT_US (2 * G_USEC_PER_SEC) /* between probes that refused Encrypts start */

struct _ObkProber
{
  ObkProberOptions options;
  ObkHistory *history;
  ObkRotationMemory memory;
  ObkVerdict verdict;
  ObkVerdict published; /* as the board has it: while a save runs the other one is ahead */
  ObkKeyring *keyring;  /* (nullable): what the board holds */
  ObkDiscovery *discovery;
  ObkProbeLog log;

  /* metadata probe */
  ObkTimer metadata_timer;
  ObkBreaker metadata_breaker;
  gboolean probing; /* from the start of the read to the end of the save that it brings */
  ObkMetadataRead *read;
  gint64 asked_us;           /* when that read began; a machine that sleeps may find its answer much later */
  ObkProbeResult result;     /* of the probe whose state is being saved */
  gboolean outrun;           /* a find's save began after the read did: it is to be read again */
  ObkKeyMetadata *late_find; /* (nullable): what discovery read while a save ran */

  /* deep probe */
  ObkTimer deep_timer;
  ObkBreaker deep_breaker;
  ObkDeepProbe *deep;
  guint32 deep_version;           /* of the last round */
  ObkBreakerOutcome deep_outcome; /* likewise */
  gboolean deep_again;            /* when it is over: another version is active by now */

  gboolean healthy;     /* Status, as last published */
  ObkTimer stale_timer; /* Status goes stale by itself: that is to be told */
  gint64 doubt_us;      /* the last time that an Encrypt was refused and started probes */
};

static void start_deep (ObkProber *prober);
static void after_save (ObkProber *prober);
static void read_metadata (ObkProber *prober);

static ObkBreakerOutcome
outcome_of (const GError *error)
{
  if (error == NULL)
    return OBK_BREAKER_PASSED;
  return obk_error_code (error) == OBK_ERROR_NO_DESCRIPTORS ? OBK_BREAKER_NOT_TRIED : OBK_BREAKER_FAILED;
}

/* The board */

static void
hasten (ObkProber *prober, ObkTimer *timer, const ObkBreaker *breaker, gint64 deadline_us)
{
  if (timer->position != 0 && timer->deadline_us > deadline_us && !obk_breaker_is_open (breaker))
    obk_poller_set_timer (prober->options.poller, timer, deadline_us);
}

/* Quick tries begin with the loss of health, not an interval later. */
static void
hasten_metadata (ObkProber *prober, gint64 now_us)
{
  hasten (prober, &prober->metadata_timer, &prober->metadata_breaker, now_us + prober->options.retry_interval_us);
}

static void
publish (ObkProber *prober)
{
  const ObkState *state = obk_history_state (prober->history);
  g_autoptr (ObkKeyring) before = g_steal_pointer (&prober->keyring);
  g_autoptr (ObkBoard) board = NULL;
  gint64 now_us = obk_clock_boot_us ();
  gint64 max_staleness_us = prober->options.rotation.max_staleness_us;
  gint64 fresh_until_us = obk_verdict_fresh_until_us (&prober->verdict, max_staleness_us);
  gboolean was_healthy = prober->healthy;

  prober->healthy = obk_verdict_settle (&prober->verdict, now_us, max_staleness_us);
  prober->published = prober->verdict;
  if (was_healthy && !prober->healthy)
    hasten_metadata (prober, now_us);
  if (state != NULL)
    prober->keyring = obk_keyring_new (state, prober->verdict.serving, before);
  board = obk_board_new (prober->options.scope, &(ObkBoardFacts){
                                                    .keyring = prober->keyring,
                                                    .reason = obk_verdict_reason (&prober->verdict),
                                                    .stale_reason = obk_verdict_stale_reason (&prober->verdict),
                                                    .fresh_until_us = fresh_until_us,
                                                });
  obk_board_slot_set (prober->options.board, board);
  obk_poller_set_timer (prober->options.poller, &prober->stale_timer,
                        now_us < fresh_until_us ? fresh_until_us : OBK_NO_DEADLINE);
  if (obk_probe_log_status (&prober->log, board, now_us) && prober->options.changed != NULL)
    prober->options.changed (prober->options.user_data);
}

static void
went_stale (ObkTimer *timer)
{
  publish (OBK_CONTAINER_OF (timer, ObkProber, stale_timer));
}

/* Deep probe */

/* Or later, when there is something to probe: that is the metadata probe's to bring about. */
static void
start_deep (ObkProber *prober)
{
  const ObkState *state = obk_history_state (prober->history);
  g_autoptr (GArray) retained = NULL;

  if (obk_deep_probe_is_running (prober->deep))
    {
      prober->deep_again = prober->deep_version != prober->verdict.active;
      return;
    }
  if (state == NULL || prober->verdict.good_us == 0 || obk_verdict_is_blocked (&prober->verdict))
    {
      obk_poller_set_timer (prober->options.poller, &prober->deep_timer,
                            obk_clock_boot_us () + prober->options.retry_interval_us);
      return;
    }
  obk_poller_cancel_timer (prober->options.poller, &prober->deep_timer);
  prober->deep_version = prober->verdict.active;
  prober->deep_again = FALSE;
  prober->deep_outcome = OBK_BREAKER_PASSED;
  retained = obk_state_retained_versions (state);
  obk_probe_log_begin (&prober->log, OBK_PROBE_DEEP);
  obk_deep_probe_start (prober->deep, &(ObkDeepProbeTargets){
                                          .active = prober->verdict.active,
                                          .min_encryption = prober->verdict.min_encryption,
                                          .retained = retained,
                                      });
}

static void
deep_proved (guint32 version, const char *finding, const GError *error, gpointer user_data)
{
  ObkProber *prober = user_data;

  obk_probe_log_deep (&prober->log, version, finding, error);
  prober->deep_outcome = outcome_of (error);
  if (error == NULL)
    obk_verdict_deep_passed (&prober->verdict, version);
  else if (*finding != '\0')
    obk_verdict_deep_failed (&prober->verdict, version, finding);
  publish (prober);
  /* What was to be asked again soon as Status was unhealthy can wait now. */
  if (prober->healthy && prober->metadata_timer.position != 0)
    obk_poller_set_timer (prober->options.poller, &prober->metadata_timer,
                          prober->verdict.good_us + prober->options.rotation.probe_interval_us);
}

static void
deep_ended (const char *finding, gpointer user_data)
{
  ObkProber *prober = user_data;
  const ObkBreakerPace pace
      = { .interval_us = prober->options.deep_probe_interval_us, .retry_us = prober->options.retry_interval_us };
  gint64 wait_us = 0;

  if (*finding != '\0')
    {
      prober->deep_outcome = OBK_BREAKER_FAILED;
      obk_probe_log_deep (&prober->log, 0, finding, NULL);
    }
  prober->verdict.canary = finding;
  publish (prober);
  wait_us = obk_breaker_next (&prober->deep_breaker, &pace, prober->deep_outcome, prober->healthy, obk_random_unit ());
  /* One that failed is made again soon while Status is healthy, too: a promoted version may wait for its proof. */
  if (prober->deep_outcome != OBK_BREAKER_PASSED && !obk_breaker_is_open (&prober->deep_breaker))
    wait_us = MIN (wait_us, pace.retry_us);
  obk_poller_set_timer (prober->options.poller, &prober->deep_timer, obk_clock_boot_us () + wait_us);
  if (prober->deep_again)
    start_deep (prober);
}

static void
deep_due (ObkTimer *timer)
{
  start_deep (OBK_CONTAINER_OF (timer, ObkProber, deep_timer));
}

/* Metadata probe: read, judged, saved, in force; then the next */

static void
schedule_metadata (ObkProber *prober, ObkBreakerOutcome outcome)
{
  const ObkBreakerPace pace
      = { .interval_us = prober->options.rotation.probe_interval_us, .retry_us = prober->options.retry_interval_us };
  gint64 wait_us = obk_breaker_next (&prober->metadata_breaker, &pace, outcome, prober->healthy, obk_random_unit ());

  if (outcome == OBK_BREAKER_PASSED && obk_verdict_is_blocked (&prober->verdict))
    wait_us = BLOCKED_US;
  obk_poller_set_timer (prober->options.poller, &prober->metadata_timer, obk_clock_boot_us () + wait_us);
}

/* @outcome: a lagging standby's is no failure: OpenBao answers */
static void
conclude_metadata (ObkProber *prober, ObkBreakerOutcome outcome)
{
  gboolean deep_may_start
      = prober->deep_outcome == OBK_BREAKER_PASSED || prober->deep_version != prober->verdict.active;

  prober->probing = FALSE;
  publish (prober);
  if (outcome == OBK_BREAKER_PASSED && deep_may_start && obk_verdict_wants_proof (&prober->verdict))
    start_deep (prober);
  schedule_metadata (prober, outcome);
}

/* What the save of a probe's state came to. */
static void
note_save (ObkProber *prober, const GError *error, gboolean must_be_saved)
{
  gboolean locked_out = obk_error_code (error) == OBK_ERROR_STATE_LOCKED;

  prober->verdict.save_trouble = error != NULL && (must_be_saved || locked_out) ? OBK_REASON_STATE_SAVE_FAILED : "";
  if (error == NULL)
    obk_verdict_use_state (&prober->verdict, obk_history_state (prober->history), must_be_saved);
}

/* One that went well does not end the trouble of a catching up that is yet to be saved: the next probe does. */
static void
find_saved (const GError *error, gpointer user_data)
{
  ObkProber *prober = user_data;

  if (obk_error_code (error) == OBK_ERROR_STATE_LOCKED)
    prober->verdict.save_trouble = OBK_REASON_STATE_SAVE_FAILED;
  publish (prober);
  after_save (prober);
}

/* Discovery has read the key's metadata. */
static void
take_find (const ObkKeyMetadata *metadata, gpointer user_data)
{
  ObkProber *prober = user_data;
  const ObkState *state = obk_history_state (prober->history);
  ObkState *found = NULL;

  if (state == NULL)
    return;
  found = obk_rotation_discover (state, metadata, obk_clock_now (), &prober->memory);
  if (found != NULL)
    {
      obk_probe_log_find (state, found);
      obk_history_adopt (prober->history, found);
      publish (prober);
    }
  if (obk_history_is_saving (prober->history))
    {
      /* What is being saved follows a state without it. */
      g_clear_pointer (&prober->late_find, obk_key_metadata_free);
      prober->late_find = obk_key_metadata_copy (metadata);
    }
  else if (obk_history_is_unsaved (prober->history))
    obk_history_save (prober->history, obk_state_copy (obk_history_state (prober->history)), find_saved, prober);
}

/* What had to wait for the end of a save. */
static void
after_save (ObkProber *prober)
{
  g_autoptr (ObkKeyMetadata) find = g_steal_pointer (&prober->late_find);

  if (find != NULL)
    take_find (find, prober);
  if (obk_history_is_saving (prober->history))
    return;
  if (prober->outrun)
    {
      prober->outrun = FALSE;
      read_metadata (prober);
    }
}

static void
probe_saved (const GError *error, gpointer user_data)
{
  ObkProber *prober = user_data;
  g_auto (ObkProbeResult) result = prober->result;

  prober->result = (ObkProbeResult){ 0 };
  note_save (prober, error, result.caught_up || prober->verdict.active == 0);
  if (error == NULL)
    obk_probe_log_rotation (&result, obk_history_state (prober->history));
  conclude_metadata (prober, OBK_BREAKER_PASSED);
  after_save (prober);
}

/* The first state, of a key that was never rotated (spec registry.md, "First start").
 * Returns: FALSE when only an operator can go on, who has been told. */
static gboolean
judge_first (ObkProber *prober, const ObkKeyMetadata *metadata, ObkProbeResult *result)
{
  g_autoptr (GError) error = NULL;

  result->findings = obk_profile_findings (metadata, NULL);
  if (result->findings->len > 0)
    result->kind = OBK_PROBE_REFUSED;
  else if (metadata->latest_version == 1 && obk_profile_first_available (metadata) == 1)
    result->state
        = obk_state_first (prober->options.scope, obk_key_metadata_created_at (metadata, 1), obk_clock_unix ());
  else
    {
      error = g_error_new (OBK_ERROR, OBK_ERROR_STATE_REFUSED,
                           "the key has been rotated (its latest version is %u) and there is no state: restore both "
                           "state files from a backup or a healthy peer, or run \"" OBK_PROGRAM " recover-state\"",
                           metadata->latest_version);
      prober->options.refused (error, prober->options.user_data);
      return FALSE;
    }
  return TRUE;
}

static void
judge_good (ObkProber *prober, const ObkKeyMetadata *metadata, ObkProbeResult *result)
{
  ObkState *next = g_steal_pointer (&result->state);

  obk_verdict_metadata_good (&prober->verdict, metadata, prober->asked_us);
  if (next == NULL && obk_history_is_degraded (prober->history)) /* whether saving works again, only a save tells */
    next = obk_state_copy (obk_history_state (prober->history));
  if (next == NULL)
    {
      prober->verdict.save_trouble = obk_history_has_lock (prober->history) ? "" : OBK_REASON_STATE_SAVE_FAILED;
      conclude_metadata (prober, OBK_BREAKER_PASSED);
      return;
    }
  /* Until it is on disk, nobody may be told that all is well with the version before it. */
  if (result->caught_up)
    prober->verdict.save_trouble = OBK_REASON_STATE_UNAVAILABLE;
  prober->result = *result;
  *result = (ObkProbeResult){ 0 };
  obk_history_save (prober->history, next, probe_saved, prober);
}

static const char *
first_finding (const ObkProbeResult *result)
{
  return obk_finding_name (((const ObkProfileFinding *)result->findings->pdata[0])->finding);
}

static void
count_observation (ObkProbeKind kind)
{
  static const char *const statuses[] = {
    [OBK_PROBE_GOOD] = OBK_STATUS_OK,
    [OBK_PROBE_LAGGING] = OBK_OBSERVATION_LAGGING,
    [OBK_PROBE_REFUSED] = OBK_STATUS_ERROR,
  };

  obk_metric_count (OBK_METRIC_METADATA_OBSERVATION, statuses[kind], NULL);
  if (kind == OBK_PROBE_LAGGING)
    obk_metric_count (OBK_METRIC_STALE_READS, NULL, NULL);
}

static void
judge (ObkProber *prober, const ObkKeyMetadata *metadata)
{
  const ObkState *state = obk_history_state (prober->history);
  g_auto (ObkProbeResult) result = { 0 };
  ObkNow now = obk_clock_now ();

  (void)obk_verdict_settle (&prober->verdict, now.boot_us, prober->options.rotation.max_staleness_us);
  if (state != NULL)
    obk_rotation_probe (state, metadata, now, &prober->options.rotation, !prober->verdict.settled, &prober->memory,
                        &result);
  else if (!judge_first (prober, metadata, &result))
    return;
  count_observation (result.kind);
  obk_probe_log_metadata (&prober->log, &result);
  switch (result.kind)
    {
    case OBK_PROBE_GOOD:
      judge_good (prober, metadata, &result);
      break;
    case OBK_PROBE_LAGGING:
      obk_verdict_metadata_failed (&prober->verdict, OBK_REASON_STANDBY_LAGGING);
      conclude_metadata (prober, OBK_BREAKER_PASSED);
      break;
    case OBK_PROBE_REFUSED:
      obk_verdict_metadata_refused (&prober->verdict, first_finding (&result));
      conclude_metadata (prober, OBK_BREAKER_FAILED);
      break;
    }
}

static void
metadata_read (const ObkKeyMetadata *metadata, const char *reason, const GError *error, gpointer user_data)
{
  ObkProber *prober = user_data;

  prober->read = NULL;
  if (error != NULL)
    {
      obk_metric_count (OBK_METRIC_METADATA_OBSERVATION, OBK_STATUS_ERROR, NULL);
      obk_probe_log_metadata_error (&prober->log, reason, error);
      if (obk_error_code (error) == OBK_ERROR_KEY_MISSING)
        obk_verdict_metadata_refused (&prober->verdict, reason);
      else
        obk_verdict_metadata_failed (&prober->verdict, reason);
      conclude_metadata (prober, outcome_of (error));
    }
  else if (obk_history_is_saving (prober->history))
    prober->outrun = TRUE; /* what has been read is old by the time that the save ends */
  else
    judge (prober, metadata);
}

static void
read_metadata (ObkProber *prober)
{
  obk_probe_log_begin (&prober->log, OBK_PROBE_METADATA);
  prober->asked_us = obk_clock_boot_us ();
  prober->read = obk_metadata_read_start (prober->options.transit, metadata_read, prober);
}

/* One at a time, from the read to the end of its save. */
static void
start_metadata (ObkProber *prober)
{
  if (prober->probing)
    return;
  prober->probing = TRUE;
  obk_poller_cancel_timer (prober->options.poller, &prober->metadata_timer);
  read_metadata (prober);
}

static void
metadata_due (ObkTimer *timer)
{
  start_metadata (OBK_CONTAINER_OF (timer, ObkProber, metadata_timer));
}

/* The prober */

ObkProber *
obk_prober_new (const ObkProberOptions *options, ObkStore *store, ObkState *state)
{
  static const ObkDeepProbeCallbacks deep_callbacks = { .proved = deep_proved, .ended = deep_ended };
  ObkProber *prober = NULL;

  g_return_val_if_fail (options != NULL && store != NULL, NULL);
  g_return_val_if_fail (options->poller != NULL && options->transit != NULL && options->refused != NULL, NULL);

  prober = g_new0 (ObkProber, 1);
  prober->options = *options;
  prober->verdict = (ObkVerdict)OBK_VERDICT_INIT;
  prober->history = obk_history_new (store, state);
  prober->deep = obk_deep_probe_new (options->transit, &deep_callbacks, prober);
  prober->discovery = obk_discovery_new (&(ObkDiscoveryOptions){
      .transit = options->transit,
      .interval_us = options->rotation.probe_interval_us,
      .found = take_find,
      .user_data = prober,
  });
  prober->metadata_timer.expired = metadata_due;
  prober->deep_timer.expired = deep_due;
  prober->stale_timer.expired = went_stale;
  obk_probe_log_init (&prober->log, options->grace_timeout_us);
  if (state != NULL)
    obk_verdict_use_state (&prober->verdict, state, TRUE);
  publish (prober);
  return prober;
}

void
obk_prober_free (ObkProber *prober)
{
  if (prober == NULL)
    return;
  obk_poller_cancel_timer (prober->options.poller, &prober->metadata_timer);
  obk_poller_cancel_timer (prober->options.poller, &prober->deep_timer);
  obk_poller_cancel_timer (prober->options.poller, &prober->stale_timer);
  g_clear_pointer (&prober->read, obk_metadata_read_cancel);
  obk_deep_probe_free (prober->deep);
  obk_discovery_free (prober->discovery);
  obk_history_free (prober->history);
  g_clear_pointer (&prober->keyring, obk_keyring_unref);
  g_clear_pointer (&prober->late_find, obk_key_metadata_free);
  obk_probe_result_clear (&prober->result);
  g_free (prober);
}

void
obk_prober_start (ObkProber *prober)
{
  obk_poller_set_timer (prober->options.poller, &prober->metadata_timer, obk_clock_boot_us ());
}

void
obk_prober_retry (ObkProber *prober)
{
  prober->metadata_breaker = (ObkBreaker){ 0 };
  prober->deep_breaker = (ObkBreaker){ 0 };
  start_metadata (prober);
  if (prober->deep_outcome != OBK_BREAKER_PASSED)
    start_deep (prober);
}

void
obk_prober_tune (ObkProber *prober, const ObkProberOptions *options)
{
  gint64 now_us = obk_clock_boot_us ();

  prober->options.rotation = options->rotation;
  prober->options.deep_probe_interval_us = options->deep_probe_interval_us;
  prober->options.retry_interval_us = options->retry_interval_us;
  prober->log.grace_timeout_us = options->grace_timeout_us;
  obk_discovery_set_interval (prober->discovery, options->rotation.probe_interval_us);
  hasten (prober, &prober->metadata_timer, &prober->metadata_breaker, now_us + options->rotation.probe_interval_us);
  hasten (prober, &prober->deep_timer, &prober->deep_breaker, now_us + options->deep_probe_interval_us);
  publish (prober); /* freshness may last longer now, or be over */
  if (!prober->healthy)
    hasten_metadata (prober, now_us);
}

ObkKeyProof *
obk_prober_prove (ObkProber *prober, ObkTransit *transit, ObkKeyProofDone done, gpointer user_data)
{
  return obk_key_proof_start (prober->history, prober->deep, transit, done, user_data);
}

void
obk_prober_doubt (ObkProber *prober)
{
  gint64 now_us = obk_clock_boot_us ();

  if (now_us - prober->doubt_us < MIN_DOUBT_US)
    return;
  prober->doubt_us = now_us;
  start_metadata (prober);
  start_deep (prober);
}

gboolean
obk_prober_is_degraded (const ObkProber *prober)
{
  return obk_history_is_degraded (prober->history);
}

void
obk_prober_view (const ObkProber *prober, ObkNow now, ObkProberView *view)
{
  const ObkRotationPolicy *rotation = &prober->options.rotation;

  view->verdict = &prober->published;
  view->state = obk_history_state (prober->history);
  view->fresh_until_us = obk_verdict_fresh_until_us (&prober->published, rotation->max_staleness_us);
  view->due_us
      = view->state != NULL ? obk_rotation_due_us (view->state, now, rotation, &prober->memory) : OBK_NO_DEADLINE;
  view->breaker = MAX (obk_breaker_state (&prober->metadata_breaker, prober->probing),
                       obk_breaker_state (&prober->deep_breaker, obk_deep_probe_is_running (prober->deep)));
}

ObkDiscovery *
obk_prober_discovery (ObkProber *prober)
{
  return prober->discovery;
}

gboolean
obk_prober_knows_version (const ObkProber *prober, guint32 version)
{
  const ObkState *state = obk_history_state (prober->history);
  const ObkSnapshot *snapshot = state != NULL ? obk_state_find_version (state, version) : NULL;

  return snapshot != NULL && snapshot->state != OBK_SNAPSHOT_REJECTED;
}
