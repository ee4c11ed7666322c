/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a cluster over one OpenBao: what is in force on each, on which clock, and on which disk. */
#pragma once

#include "openbao.h"
#include "registry/rotation.h"
#include "registry/store.h"

G_BEGIN_DECLS

#define N_NODES 2

typedef struct
{
  gboolean running;
  ObkState *state; /* in force */
  ObkRotationMemory memory;
  gboolean catching_up;
  gint64 good_at;     /* true time of the last good probe that was saved */
  gint64 wall_is_off; /* seconds that its system clock is ahead of the true time */
  gint64 booted_at;   /* true time */
  char *directory;    /* %NULL when it has no disk and the state is kept for it */
  char *path;
  ObkStore *store;

  /* what the invariants are judged by */
  ObkState *checked; /* what the last check saw; %NULL before the first */
  guint32 active_before;
  GHashTable *served;     /* key_id to version: was active here, and is not retired on purpose */
  guint32 stable_version; /* the candidate that was seen, and saved, to become stable in this run; 0 for none */
  gint64 stable_at;       /* true time */
} Node;

/* What one probe is given beside OpenBao's answer. */
typedef struct
{
  gint64 lag;
  gboolean without_date;
  gboolean finding; /* a profile that is not in order */
  gboolean save_fails;
} Weather;

extern const ObkScope cluster_scope;
extern const ObkRotationPolicy cluster_policy;

void node_set_up (Node *node, const OpenBao *bao, gboolean on_disk);
void node_tear_down (Node *node);
ObkNow node_now (const Node *node, const OpenBao *bao);
const ObkSnapshot *node_pending (const Node *node);

/* @state: (transfer full). Returns: whether it is in force now */
gboolean node_save (Node *node, ObkState *state, gboolean fails);

/* The process alone, or the machine with its boot clock. Returns: (transfer full) (nullable): what went wrong */
char *node_restart (Node *node, const OpenBao *bao, gboolean machine, gboolean lose_checkpoint);

/* One metadata probe. Returns: (transfer full) (nullable): what it did that it may not do */
char *node_probe (Node *node, const OpenBao *bao, const Weather *weather);

/* Looks for OpenBao's latest version, as for a Decrypt of what a peer wrote. Returns: as above */
char *node_discover (Node *node, const OpenBao *bao, gint64 lag, gboolean save_fails);

G_END_DECLS
