/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before the system calls that change files: counts them, dies or fails at one, and writes down what was done.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define SHIM_MAX_OPERATIONS 512
#define SHIM_MAX_BYTES (256 * 1024)
#define SHIM_MAX_NAME 64

typedef enum
{
  SHIM_CREATE,
  SHIM_WRITE,
  SHIM_SYNC,
  SHIM_RENAME,
  SHIM_LINK,
  SHIM_UNLINK,
  SHIM_SYNC_DIRECTORY
} ShimKind;

/* Something that happened to the files. Which steps made no difference to them (close, fchmod) is not kept. */
typedef struct
{
  ShimKind kind;
  guint file; /* CREATE, WRITE, SYNC: which of the files ever made */
  char name[SHIM_MAX_NAME];
  char new_name[SHIM_MAX_NAME];
  gsize offset; /* WRITE: where its bytes are in @bytes */
  gsize length;
} ShimOperation;

/* In memory that a child shares with its parent, so that it outlives the child. */
typedef struct
{
  guint n_operations;
  guint n_files;
  gsize n_bytes;
  guint64 promised; /* the generation that somebody was told is saved, or works with */
  ShimOperation operations[SHIM_MAX_OPERATIONS];
  char bytes[SHIM_MAX_BYTES];
} ShimLog;

#define SHIM_NEVER G_MAXUINT

/* What befalls a run. */
typedef struct
{
  guint die_at; /* the step before which the process is killed; a write is two steps, of half of it each */
  guint fail_at;
  int fail_with;       /* errno */
  gboolean fail_after; /* it reports failure and has been done all the same */
} ShimFate;

ShimLog *shim_log_new (void);
void shim_log_clear (ShimLog *log);

/* From here on the calls of this process count. */
void shim_arm (ShimLog *log, ShimFate fate);
/* Returns: how many steps there were */
guint shim_disarm (void);

G_END_DECLS
