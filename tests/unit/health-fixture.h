/* SPDX-License-Identifier: Apache-2.0 */
/* A prober between a state on disk, an OpenBao of the stand-in's, and a time that the test moves. */
#pragma once

#include "base/error.h"
#include "health/prober.h"
#include "time-stand-in.h"
#include "transit-stand-in.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define START 1800000000 /* the system clock when a program begins */
#define CREATED (START - 1000000)

/* What default options say, in seconds */
#define PROBE_INTERVAL 30
#define RETRY_INTERVAL 5
#define STALENESS 120
#define DEEP_INTERVAL 300
#define DELAY 60
#define COUNT 3
#define CATCH_UP_AGE (DELAY + COUNT * PROBE_INTERVAL + STALENESS)

extern const ObkScope scope;

typedef struct
{
  char *directory;
  char *path; /* of the state */
  ObkPoller *poller;
  ObkTransit *transit; /* has version 1, and not yet another */
  ObkBoardSlot *board;
  ObkProberOptions options;
  ObkProber *prober; /* (nullable): health_open() makes it */
  GError *refused;   /* (nullable): what the prober cannot go on for */
  guint changed;     /* how often the prober has told of a change */

  GMutex lock;      /* saves log in a thread of their own */
  GPtrArray *log;   /* of texts: "warn status.probe probe_kind=metadata ..." */
  GString *changes; /* all that was logged of Status: "deep_probe_pending@1 ok@1" */
  char *told;       /* (nullable): the last of them */
} Health;

void health_set_up (Health *f, gconstpointer data);
void health_tear_down (Health *f, gconstpointer data);

/* Opens the store, and starts a prober with what it holds. */
void health_open (Health *f);
void health_close (Health *f);
/* health_open(), and Status is healthy under @version. */
void health_open_well (Health *f, guint32 version);

/* Versions 1 to @active are on disk, the last one active, and OpenBao has them; all were created long ago. */
void health_make_history (Health *f, guint32 active);
/* Those below @first are removed on disk. */
void health_remove_below (Health *f, guint32 first);

/* Turns the main loop until nothing happens any more: calls that are not held are answered, saves are done. */
void health_settle (Health *f);
/* Time passes; all that is due happens at its time. */
void health_advance (Health *f, gint64 us);

/* Status now: "ok@2", or a reason and the version that would serve, 0 without a registry */
void health_expect (Health *f, const char *status);
/* All changes of Status that were logged since the last time */
void health_expect_changes (Health *f, const char *changes);
/* What is on disk: "active 1; pending 2 n1"; "" for nothing */
void health_expect_disk (Health *f, const char *snapshots);
/* How many records of the log hold all of these (%NULL: any) */
guint health_count_log (Health *f, const char *a, const char *b);

/* Whether the board would decrypt what is under this version, created then */
gboolean health_decrypts (Health *f, guint32 version, gint64 created_at_unix);

/* No save is told to be over until health_release_saves(), though it is. */
void health_hold_saves (void);
void health_release_saves (Health *f);
guint health_saves_held (void);

/* Saving fails, for a reason that stops root as well. */
void health_spoil_disk (Health *f);
void health_mend_disk (Health *f);
/* Another process could take the lock now. */
void health_lose_lock (Health *f);

void health_test (const char *path, void (*test) (Health *f, gconstpointer data));
