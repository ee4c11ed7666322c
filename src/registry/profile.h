/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a key may be used at all: the definite findings of one metadata read. Pure. */
#pragma once

#include <glib.h>

#include "base/key-metadata.h"
#include "registry/state.h"

G_BEGIN_DECLS

/* Phrases of findings, by which doctor tells them apart. */
#define OBK_PROFILE_SAYS_SOFT_DELETED "is soft-deleted"
#define OBK_PROFILE_SAYS_DELETABLE "may be deleted"
#define OBK_PROFILE_SAYS_OTHER_KEY "use another key"
#define OBK_PROFILE_SAYS_OTHER_TYPE "is not of type"

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

typedef enum
{
  OBK_IMPACT_CRYPTOGRAPHIC_SAFETY,
  OBK_IMPACT_API_SERVER_AVAILABILITY
} ObkImpact;

/* One thing that is wrong. */
typedef struct
{
  ObkFinding finding;
  ObkImpact impact;
  char *text; /* one line for people: what is wrong and what to do; no names of keys or paths */
} ObkProfileFinding;

/* Returns: "upsert_allowed", … ; "" for none */
const char *obk_finding_name (ObkFinding finding);
/* Returns: "cryptographic_safety" or "api_server_availability" */
const char *obk_impact_name (ObkImpact impact);

/**
 * obk_profile_findings:
 * @state: (nullable): %NULL before a first state exists
 *
 * The definite refusals of spec registry.md, "Metadata probe", all that apply, except those that a lagging standby may
 * feign (they belong to rotation.h). Versions above the latest that @metadata knows are not judged.
 *
 * Returns: (transfer container) (element-type ObkProfileFinding): empty when the key may be used
 */
GPtrArray *obk_profile_findings (const ObkKeyMetadata *metadata, const ObkState *state);

/* Puts one where the order of their kinds wants it, behind those of the same kind: the first one becomes Status's
 * reason.
 */
void obk_profile_add_finding (GPtrArray *findings, ObkFinding kind, ObkImpact impact, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* The first of them alone. @text: (out) (transfer full) (nullable) (optional) */
ObkFinding obk_profile_check (const ObkKeyMetadata *metadata, const ObkState *state, char **text);

/* Returns: the first version that OpenBao still has: the greatest of 1 and the minimum available and decryption ones */
guint32 obk_profile_first_available (const ObkKeyMetadata *metadata);

G_END_DECLS
