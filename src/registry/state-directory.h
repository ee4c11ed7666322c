/* SPDX-License-Identifier: Apache-2.0 */
/* The state's directory on disk: checked, locked, read, and written so that a crash leaves old or new. */
#pragma once

#include <glib.h>

#include "base/names.h"

G_BEGIN_DECLS

/* What an operator can do about a state that may not be used (spec registry.md, "Loading"). */
#define OBK_STATE_WAY_OUT                                                                                              \
  "restore both files from a backup or a healthy peer, or run \"" OBK_PROGRAM " recover-state --replace\""

#define OBK_STATE_CHECKPOINT_SUFFIX ".checkpoint" /* of state.path */
#define OBK_STATE_UNSAFE_FILE_MODE 0137           /* group write, any execute, any world bit */
#define OBK_STATE_UNSAFE_DIRECTORY_MODE 0022

typedef enum
{
  OBK_STATE_FILE_STATE,
  OBK_STATE_FILE_CHECKPOINT
} ObkStateFile;

/**
 * ObkStateDirectory:
 *
 * The directory of state.path as one open descriptor: all that is checked, read, written and locked goes by it, so
 * that nobody can put another directory in between. No thread of its own, no lock against threads.
 */
typedef struct _ObkStateDirectory ObkStateDirectory;

/* @error: OBK_ERROR_STATE_REFUSED when the directory is missing or unsafe */
ObkStateDirectory *obk_state_directory_open (const char *state_path, GError **error);
void obk_state_directory_free (ObkStateDirectory *directory);
const char *obk_state_directory_lock_path (const ObkStateDirectory *directory);
const char *obk_state_directory_path (const ObkStateDirectory *directory, ObkStateFile file);

/**
 * obk_state_directory_lock:
 * @error: OBK_ERROR_STATE_LOCKED when another process has it, else OBK_ERROR_STATE_REFUSED
 *
 * Takes the exclusive lock and clears away what a crash in mid-save left.
 */
gboolean obk_state_directory_lock (ObkStateDirectory *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* FALSE with OBK_ERROR_STATE_REFUSED when obk_state_directory_lock() would refuse the lock file that is there. Makes,
 * locks and changes nothing. */
gboolean obk_state_directory_examine_lock (const ObkStateDirectory *directory,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* FALSE with OBK_ERROR_STATE_LOCKED when the lock no longer keeps others out: its file or the directory was replaced.
 */
gboolean obk_state_directory_check_lock (ObkStateDirectory *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * obk_state_directory_read:
 * @text: (out) (nullable): %NULL when there is no such file
 * @error: OBK_ERROR_STATE_REFUSED: unsafe, too large or unreadable; names the file and the way out
 */
gboolean obk_state_directory_read (ObkStateDirectory *directory, ObkStateFile file, char **text, gsize *length,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes and syncs the new content beside the file. OBK_ERROR_STATE_NOT_SAVED */
gboolean obk_state_directory_prepare (ObkStateDirectory *directory, ObkStateFile file, const char *text, gsize length,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Puts what was prepared in the file's place and syncs the directory. OBK_ERROR_STATE_NOT_SAVED: either may be there */
gboolean obk_state_directory_commit (ObkStateDirectory *directory, ObkStateFile file,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Makes all renames so far last, those of an earlier process too. OBK_ERROR_STATE_NOT_SAVED */
gboolean obk_state_directory_sync (ObkStateDirectory *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Removes what was prepared and not committed. */
void obk_state_directory_discard (ObkStateDirectory *directory);

/**
 * obk_state_directory_keep:
 * @now_unix: part of the name that the file gets beside its own: "<file>.damaged-<now_unix>"
 * @kept: (out) (transfer full) (nullable): that path; %NULL when there is no such file
 * @error: OBK_ERROR_STATE_NOT_SAVED, when it is not of a kind that can have a second name
 *
 * What is put in its place afterwards leaves it there. obk_state_directory_sync() makes it last.
 */
gboolean obk_state_directory_keep (ObkStateDirectory *directory, ObkStateFile file, gint64 now_unix, char **kept,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Returns: (transfer full) (nullable): H of the file's content, or of what it is where it cannot be read; %NULL when
 *   there is none. Never refuses, so that a refused file can be named. */
char *obk_state_directory_digest (const ObkStateDirectory *directory, ObkStateFile file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkStateDirectory, obk_state_directory_free)

G_END_DECLS
