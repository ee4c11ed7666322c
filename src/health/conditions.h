/* SPDX-License-Identifier: Apache-2.0 */
/* All that may stand between Status and health, each by itself: what /ready shows. Pure. */
#pragma once

#include <glib.h>

#include "health/verdict.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_CONDITION_REGISTRY,        /* loaded, and saved where it must be */
  OBK_CONDITION_METADATA_READ,   /* the last metadata probe told something of the key */
  OBK_CONDITION_FRESHNESS,       /* a good one is not too old */
  OBK_CONDITION_KEY,             /* it had no definite finding */
  OBK_CONDITION_ENCRYPTION,      /* the active version may encrypt */
  OBK_CONDITION_DEEP_PROBE,      /* a value went to Transit and back under it */
  OBK_CONDITION_CANARY,          /* all other versions decrypt, as far as was asked */
  OBK_CONDITION_CIRCUIT_BREAKER, /* probes go at their pace */
  OBK_CONDITION_AUTHENTICATION,  /* the last probe had a token that was good for it */
  OBK_N_CONDITIONS
} ObkConditionName;

/* A plain value; both static. */
typedef struct
{
  const char *name;   /* "registry" */
  const char *reason; /* "" while it holds, else one of names.h */
} ObkCondition;

/**
 * obk_conditions_judge:
 * @fresh_until_us: when the last good metadata probe becomes too old; 0 when none has passed
 * @breaker_open: whether probes are held back
 *
 * While Status is healthy, metadata_read, circuit_breaker and authentication may fail: they tell what is coming.
 */
void obk_conditions_judge (const ObkVerdict *verdict, gint64 now_us, gint64 fresh_until_us, gboolean breaker_open,
                           ObkCondition conditions[OBK_N_CONDITIONS]);

G_END_DECLS
