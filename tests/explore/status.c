/* SPDX-License-Identifier: Apache-2.0 */
/* What Status says of a packed node, and what becomes of it with time. */
#include "status.h"

#include "base/names.h"
#include "image.h"

gint64
status_ago_us (const Scenario *scenario, guint age)
{
  return model_now.boot_us - (gint64)age * scenario->tick_s * G_USEC_PER_SEC;
}

ObkVerdict
status_unpack (const Scenario *scenario, const Node *node)
{
  ObkVerdict verdict = OBK_VERDICT_INIT;

  if (node->finding)
    verdict.finding = OBK_REASON_VERSION_LOST;
  if (node->save_trouble)
    verdict.save_trouble = OBK_REASON_STATE_SAVE_FAILED;
  if (node->deep_finding)
    verdict.deep_finding = OBK_REASON_DEEP_PROBE_FAILED;
  verdict.good_us = node->good == 0 ? 0 : status_ago_us (scenario, node->good - 1);
  verdict.min_encryption = node->min_encryption;
  verdict.proved = node->proved;
  verdict.active = node->held == 0 ? 0 : SLOT_VERSION (image_active (node->held));
  verdict.serving = node->serving;
  verdict.settled = node->settled;
  return verdict;
}

void
status_pack (const Scenario *scenario, const ObkVerdict *verdict, Node *node)
{
  guint good = 0;

  if (verdict->good_us != 0)
    good = 1 + (guint)((model_now.boot_us - verdict->good_us) / G_USEC_PER_SEC / scenario->tick_s);
  node->finding = *verdict->finding != '\0';
  node->save_trouble = *verdict->save_trouble != '\0';
  node->deep_finding = *verdict->deep_finding != '\0';
  node->good = MIN (good, 1 + scenario->staleness) & 7u;
  node->min_encryption = verdict->min_encryption & 7u;
  node->proved = verdict->proved & 7u;
  node->serving = verdict->serving & 7u;
  node->settled = verdict->settled != FALSE;
}

gboolean
status_settle (const Scenario *scenario, ObkVerdict *verdict)
{
  gint64 staleness_us = scenario->policy.max_staleness_us;
  const ObkVerdict before = *verdict;
  gboolean healthy = FALSE;

  if (scenario->mutant == MUTANT_NEVER_STALE && verdict->good_us != 0)
    staleness_us = G_MAXINT32;
  healthy = obk_verdict_settle (verdict, model_now.boot_us, staleness_us);
  if (scenario->mutant == MUTANT_STALE_STAYS_SETTLED)
    verdict->settled |= before.settled;
  if (scenario->mutant == MUTANT_FORMER_SERVES_AFTER_STALENESS)
    verdict->serving = before.serving;
  return healthy;
}

gboolean
node_healthy (const Scenario *scenario, const Node *node)
{
  ObkVerdict verdict = status_unpack (scenario, node);

  return node->running && status_settle (scenario, &verdict);
}

gboolean
node_fresh (const Scenario *scenario, const Node *node)
{
  ObkVerdict verdict = status_unpack (scenario, node);

  return model_now.boot_us < obk_verdict_fresh_until_us (&verdict, scenario->policy.max_staleness_us);
}

guint
node_cache (const Node *node, Slot slot)
{
  return node->cache >> (2 * slot) & 3u;
}

void
status_fill_cache (const Scenario *scenario, Node *node, Slot slot)
{
  node->cache = (guint16)((node->cache & ~(3u << (2 * slot))) | scenario->wait << (2 * slot));
}

void
node_age (const Scenario *scenario, Node *node, gboolean api_off)
{
  ObkVerdict verdict = status_unpack (scenario, node);
  gboolean served = node->running && !api_off && status_settle (scenario, &verdict);
  guint serving = node->serving;
  Slot slot = 0;

  for (Slot s = 0; s < N_SLOTS; s++)
    if (node_cache (node, s) > 0)
      node->cache = (guint16)(node->cache - (1u << (2 * s)));
  if (served && image_find (node->held, serving, &slot)) /* until this very moment */
    status_fill_cache (scenario, node, slot);
  node->disk = image_age (node->disk, scenario);
  node->held = image_age (node->held, scenario);
  node->probed = 0;
  if (node->good != 0 && node->good <= scenario->staleness)
    node->good = (node->good + 1) & 7u;
  if (node->lagging_reads > 0)
    node->lagging_age = MIN (node->lagging_age + 1u, scenario->staleness) & 3u;
  verdict = status_unpack (scenario, node);
  (void)status_settle (scenario, &verdict);
  status_pack (scenario, &verdict, node);
}

gboolean
node_would_discover (const Scenario *scenario, const Node *node, Slot slot)
{
  Slot found = 0;

  if (scenario->mutant == MUTANT_NO_DISCOVERY)
    return FALSE;
  if (!image_find (node->held, SLOT_VERSION (slot), &found))
    return TRUE;
  return scenario->mutant == MUTANT_REMOVED_IS_FOUND && image_kind (node->held, found) == 1 + OBK_SNAPSHOT_REMOVED;
}
