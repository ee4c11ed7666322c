/* SPDX-License-Identifier: Apache-2.0 */
/* The values of the model: what a moment of OpenBao, the nodes and their API servers is packed into. */
#pragma once

#include "registry/rotation.h"

G_BEGIN_DECLS

#define MAX_NODES 3
#define MAX_VERSIONS 4
#define N_SLOTS (2 * MAX_VERSIONS) /* a version number may come twice: before and after a restore of OpenBao */

/* Which key material: the version's number and whether it was made after a restore. */
typedef guint8 Slot;

#define SLOT(version, again) ((Slot)(2 * ((version)-1) + (again)))
#define SLOT_VERSION(slot) ((slot) / 2u + 1)
#define SLOT_AGAIN(slot) ((slot) % 2u)

/* A registry state: three bits a slot (0: none, else 1 + ObkSnapshotState), then the candidate's count and age of
 * stability. Its other times decide nothing. 0: there is none. */
typedef guint32 Image;

/* The key as OpenBao, or a standby of it, shows it. */
typedef struct
{
  guint16 latest : 3;
  guint16 min_decryption : 3;
  guint16 min_encryption : 3;
  guint16 again : 4; /* a bit a version */
  guint16 spare : 3;
} View;

/* Times are ages in ticks, capped where more makes no difference. */
typedef struct
{
  Image disk; /* 0: lost */
  Image held; /* in force; 0 when it does not run */
  guint32 running : 1;
  guint32 settled : 1;
  guint32 finding : 1;
  guint32 save_trouble : 1;
  guint32 deep_finding : 1;
  guint32 highest_read : 3;
  guint32 lagging_reads : 2;
  guint32 lagging_age : 2;
  guint32 lagging_behind : 3;
  guint32 good : 3; /* 0: none, else 1 + age of the last good probe */
  guint32 min_encryption : 3;
  guint32 proved : 3;
  guint32 serving : 3;
  guint32 disk_full : 1; /* nothing can be saved */
  guint32 refused : 1;   /* OpenBao refuses its deep probes for good */
  guint32 spare : 1;
  guint16 cache;            /* two bits a slot: ticks for which its API server may still write under it */
  guint16 named : 3;        /* what Status named last */
  guint16 tested : 4;       /* a bit a version: its last deep probe of this run passed */
  guint16 must_recover : 1; /* OpenBao was restored */
  guint16 probed : 1;       /* in this tick, where that is all that it may */
  guint16 odd : 1;          /* the one with other settings, where there is one */
  guint16 spare_flags : 6;
} Node;

typedef struct
{
  View truth;
  View lagged[2];       /* the truth at the last tick, and at the one before */
  guint16 lost : 3;     /* the latest version before OpenBao was restored; 0: it was not */
  guint16 restored : 3; /* ticks since then */
  guint16 api_off : 1;  /* all API servers are stopped */
  guint16 troubles : 4; /* that may still come */
  guint16 spare : 5;
  guint32 ages;          /* four bits a slot: since its creation */
  guint8 data;           /* a bit a slot: that something may be encrypted under it */
  guint8 spare_bytes[3]; /* zero: worlds are compared as bytes */
  Node nodes[MAX_NODES];
} World;

G_STATIC_ASSERT (sizeof (Node) == 16 && sizeof (World) == 16 + MAX_NODES * sizeof (Node));

#define UNLIMITED 15 /* troubles */

/* What may happen in a scenario beside time, rotation, probes and discovery. */
typedef enum
{
  MAY_LAG = 1 << 0,
  MAY_FILL_DISK = 1 << 1,
  MAY_STOP = 1 << 2,
  MAY_LOSE_STATE = 1 << 3,
  MAY_RETIRE = 1 << 4,
  MAY_BRING_BACK = 1 << 5,
  MAY_RAISE_DECRYPTION = 1 << 6, /* once nobody needs what is below */
  MAY_RAISE_ENCRYPTION = 1 << 7, /* once nobody serves under what is below */
  MAY_RAISE_WRONGLY = 1 << 8,    /* whatever is in use; and lower again */
  MAY_RESTORE = 1 << 9,          /* OpenBao, by the guide */
  MAY_RESTORE_WRONGLY = 1 << 10, /* while all goes on; and undo that */
  IS_WITHOUT_DATE = 1 << 11,     /* OpenBao's answers */
  IS_PACED = 1 << 12,            /* one probe a tick */
  MAY_REFUSE = 1 << 13,          /* deep probes */
  MAY_STICK = 1 << 14            /* a standby, at the beginning; it answers those who have seen more in this run */
} Possibility;

/* What must hold beside what always must. */
typedef enum
{
  EXPECT_DATA = 1 << 0,      /* whatever may be encrypted decrypts on each running node */
  EXPECT_NO_ALARM = 1 << 1,  /* no definite finding, ever */
  EXPECT_NO_GAP = 1 << 2,    /* a good probe takes no health away */
  EXPECT_KNOWN = 1 << 3,     /* who has just probed needs no discovery */
  EXPECT_CAUGHT = 1 << 4,    /* what an operator does wrongly shows in Status */
  EXPECT_UNBLOCKED = 1 << 5, /* a raised minimum costs as many probes as the count, and no time */
  EXPECT_QUIET = 1 << 6,     /* left alone, all become healthy under the latest version */
  EXPECT_WAY_OUT = 1 << 7    /* the same after what the findings tell the operator to do */
} Expectation;

/* A rule that is taken out, from outside of the shipped code. */
typedef enum
{
  MUTANT_NONE,
  MUTANT_NO_CATCHING_UP,
  MUTANT_STALE_STAYS_SETTLED,
  MUTANT_UNSAVED_CATCHING_UP,
  MUTANT_OLD_SERVES_WHILE_CATCHING_UP,
  MUTANT_CATCH_UP_AT_ANY_AGE,
  MUTANT_NO_DATE_IS_YOUNG,
  MUTANT_OTHER_SETTINGS,
  MUTANT_UNSAVED_PROMOTION,
  MUTANT_NO_DELAY,
  MUTANT_NO_COUNT,
  MUTANT_NO_PROOF,
  MUTANT_NOBODY_SERVES_MEANWHILE,
  MUTANT_FORMER_SERVES_AFTER_STALENESS,
  MUTANT_FAILURE_KEEPS_PROOF,
  MUTANT_FORMER_IS_DROPPED,
  MUTANT_SUPERSEDED_IS_DROPPED,
  MUTANT_JUMPED_IS_DROPPED,
  MUTANT_MINIMUM_IS_OVERLOOKED,
  MUTANT_BLOCKED_WAITS,
  MUTANT_NEVER_STALE,
  MUTANT_LAG_IS_GOOD,
  MUTANT_LAG_IS_LOSS,
  MUTANT_LAG_IS_NEVER_LOSS,
  MUTANT_READS_ARE_FORGOTTEN,
  MUTANT_REJECTED_STAYS,
  MUTANT_NO_DISCOVERY,
  MUTANT_FIND_WAITS_FOR_SAVE,
  MUTANT_FIND_IS_PROMOTED,
  MUTANT_REMOVED_IS_FOUND,
  MUTANT_RETIRE_YOUNG,
  MUTANT_RETIRE_WITHOUT_WAIT,
  MUTANT_RETIRE_PAST_THE_UNHEALTHY,
  MUTANT_RESTORE_UNDER_WRITERS,
  MUTANT_RESTORE_WITHOUT_RECOVERY
} Mutant;

typedef struct
{
  const char *name;
  guint nodes;
  guint versions; /* at most */
  guint may;      /* of Possibility */
  guint expect;   /* of Expectation */
  guint troubles; /* at most: disks that fill, deep probes that are refused, stops, losses of state */
  guint tick_s;
  guint probe_s; /* rotation and status settings, in seconds */
  guint delay_s;
  guint count;
  guint staleness_s;
  gboolean accept_loss;
  Mutant mutant;

  /* worked out by scenario_prepare() */
  ObkRotationPolicy policy;
  ObkRotationPolicy odd_policy; /* of the node with other settings */
  guint delay;                  /* ticks */
  guint staleness;
  guint wait; /* for which an API server may go on under what Status named */
  guint oldest;
} Scenario;

/* What does not hold. */
typedef enum
{
  FAULT_NONE,
  FAULT_INVALID,
  FAULT_ACTIVE_WENT_BACK,
  FAULT_STATUS_WENT_BACK,
  FAULT_UNPROVED,
  FAULT_NOT_RETAINED,
  FAULT_CANNOT_ENCRYPT,
  FAULT_UNREADABLE,
  FAULT_ALARM,
  FAULT_GAP,
  FAULT_UNKNOWN,
  FAULT_NOT_CAUGHT,
  FAULT_BLOCKED,
  FAULT_NOT_QUIET,
  FAULT_NO_WAY_OUT
} Fault;

G_END_DECLS
