/* SPDX-License-Identifier: Apache-2.0 */
/* What a power cut may leave of a directory, as far as POSIX and its fsync() promise. Pure. */
#pragma once

#include "shim.h"

G_BEGIN_DECLS

/* One file of an image. */
typedef struct
{
  char *name;
  GBytes *content;
} DiskFile;

/* @files: (element-type DiskFile): by name */
typedef void (*DiskImage) (const GPtrArray *files, gpointer user_data);

/**
 * disk_power_cuts:
 * @before: (element-type DiskFile): the directory when @log began, all of it on disk for good
 *
 * Calls @image for everything that may be found after the power goes at the end of @log: each change of names since the
 * directory was last synced may or may not have got to the disk, in any combination; content that was not synced may be
 * missing, cut off, zero or there.
 */
void disk_power_cuts (const GPtrArray *before, const ShimLog *log, DiskImage image, gpointer user_data);

/* Returns: (element-type DiskFile): what a process finds that starts after the last one was killed */
GPtrArray *disk_after_kill (const GPtrArray *before, const ShimLog *log);

/* Reads and writes a real directory. */
GPtrArray *disk_read (const char *path);
void disk_write (const GPtrArray *files, const char *path);
gboolean disk_equal (const GPtrArray *a, const GPtrArray *b);
/* Returns: (transfer full): tells one content of a directory from another */
char *disk_digest (const GPtrArray *files);

G_END_DECLS
