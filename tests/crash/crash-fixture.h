/* SPDX-License-Identifier: Apache-2.0 */
/* What the crash tests share: two directories, the one in which processes are killed and the one where images are
 * tried. */
#pragma once

#include "disk.h"
#include "shim.h"

#include "registry/state.h"

#define NAME "s"
#define CREATED 1700000000
#define NOW 1800000000

extern const ObkScope crash_scope;

typedef struct
{
  char *live;        /* the directory that processes work in */
  char *scratch;     /* where images are tried */
  GPtrArray *before; /* the live one at the beginning */
  ShimLog *log;
  GHashTable *tried; /* digests of images, with what was promised */
  guint images;
  guint faults; /* images that were not right, where a test goes on */
} Fixture;

void crash_set_up (Fixture *fixture, gconstpointer unused);
void crash_tear_down (Fixture *fixture, gconstpointer unused);

/* Forgets what was done, and takes the live directory as it is for what is on disk for good. */
void crash_begin (Fixture *fixture);

/* Returns: whether the child came to its end with @exit_code 0, instead of being killed */
gboolean crash_wait (pid_t child);

/* Whether the image has not been seen with what is promised now; counts it. */
gboolean crash_is_new (Fixture *fixture, const GPtrArray *files);

/* The model of the disk must say of a killed process what the real one does; then every image of a power cut. */
void crash_try_images (Fixture *fixture, DiskImage try_image);
