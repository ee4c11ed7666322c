/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a key may be used at all: the definite findings of one metadata read. Pure. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "registry/state.h"

G_BEGIN_DECLS

/* The reasons of /ready and status.changed (spec observability.md, "Health"), as far as metadata gives them. */
typedef enum
{
  OBK_FINDING_NONE,
  OBK_FINDING_UPSERT_ALLOWED,
  OBK_FINDING_PROFILE_INVALID,
  OBK_FINDING_VERSION_ROLLBACK,
  OBK_FINDING_VERSION_LOST,
  OBK_FINDING_CREATION_TIME_CHANGED,
  OBK_FINDING_MINIMUM_ABOVE_RETAINED
} ObkFinding;

/* Returns: "upsert_allowed", … ; "" for none */
const char *obk_finding_name (ObkFinding finding);
/* Returns: "cryptographic_safety" or "api_server_availability" */
const char *obk_finding_impact (ObkFinding finding);

/**
 * obk_profile_check:
 * @state: (nullable): %NULL before a first state exists
 * @text: (out) (transfer full): one line for people: what is wrong and what to do; no names of keys or paths
 *
 * The definite refusals of spec registry.md, "Metadata probe", except those that a lagging standby may feign (they
 * belong to rotation.h).
 */
ObkFinding obk_profile_check (const ObkKeyMetadata *metadata, const ObkState *state, char **text);

G_END_DECLS
