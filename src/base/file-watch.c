/* SPDX-License-Identifier: Apache-2.0 */
/* Tells when the file at a path has been changed or replaced. */
#include "base/file-watch.h"

#include "base/descriptors.h"

#include <gio/gio.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLE_MS 50 /* a writer that writes in pieces is let finish */
#define AGAIN_MS 500 /* while no descriptor is left to read it with */
#define MAX_LINKS 40 /* as the kernel has it */

/* What tells one content of a path from another; all zero when there is no file. */
typedef struct
{
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified;
  struct timespec changed;
} Stamp;

struct _ObkFileWatch
{
  char *path;
  void (*changed) (gpointer user_data);
  gpointer user_data;
  Stamp stamp;
  GPtrArray *monitors;
  GSource *settle;
  GSource *poll;
};

static Stamp
stamp_of (const char *path)
{
  Stamp stamp;
  struct stat status;

  memset (&stamp, 0, sizeof stamp); /* padding too: stamps are compared as bytes */
  if (stat (path, &status) == 0)
    {
      stamp.device = status.st_dev;
      stamp.inode = status.st_ino;
      stamp.size = status.st_size;
      stamp.modified = status.st_mtim;
      stamp.changed = status.st_ctim;
    }
  return stamp;
}

static void monitor_all (ObkFileWatch *watch);
static void look_again (ObkFileWatch *watch, guint ms);

static gboolean
check (gpointer data)
{
  ObkFileWatch *watch = data;
  Stamp stamp = stamp_of (watch->path);

  if (memcmp (&stamp, &watch->stamp, sizeof stamp) != 0)
    {
      if (!obk_descriptors_left (1)) /* who is told could not read it, and would not be told again */
        {
          look_again (watch, AGAIN_MS);
          return G_SOURCE_CONTINUE;
        }
      monitor_all (watch); /* the way to the file may be another one now */
      watch->stamp = stamp_of (watch->path);
      watch->changed (watch->user_data);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
settled (gpointer data)
{
  ObkFileWatch *watch = data;

  g_clear_pointer (&watch->settle, g_source_unref);
  monitor_all (watch); /* likewise, with no file at its end yet */
  check (watch);
  return G_SOURCE_REMOVE;
}

static GSource *
attach (GSource *source, GSourceFunc function, ObkFileWatch *watch)
{
  g_source_set_callback (source, function, watch, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

static void
stop (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
look_again (ObkFileWatch *watch, guint ms)
{
  if (watch->settle == NULL) /* not once more for each event: a busy directory has no end of them */
    watch->settle = attach (g_timeout_source_new (ms), settled, watch);
}

static void
directory_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, ObkFileWatch *watch)
{
  look_again (watch, SETTLE_MS);
}

static void
monitor_free (gpointer monitor)
{
  g_file_monitor_cancel (monitor);
  g_object_unref (monitor);
}

static void
monitor (ObkFileWatch *watch, const char *directory)
{
  g_autoptr (GFile) file = g_file_new_for_path (directory);
  g_autoptr (GFileMonitor) made = g_file_monitor_directory (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);

  if (made == NULL) /* polling goes on */
    return;
  g_file_monitor_set_rate_limit (made, SETTLE_MS);
  g_signal_connect (made, "changed", G_CALLBACK (directory_changed), watch);
  g_ptr_array_add (watch->monitors, g_steal_pointer (&made));
}

/*
 * The directory of the file, and that of each symbolic link on the way to it: the entries that can be made to
 * lead elsewhere. Directories that are none are not expected to be replaced; polling would notice.
 */
static void
monitor_way (ObkFileWatch *watch, const char *path, guint *links)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *way = g_strdup (path);

  monitor (watch, directory);
  for (char *end = way + strlen (way); end > way; end = strrchr (way, '/'))
    {
      char target[PATH_MAX];
      ssize_t length = 0;

      *end = '\0';
      length = *way != '\0' ? readlink (way, target, sizeof target - 1) : -1;
      if (length > 0 && ++*links <= MAX_LINKS)
        {
          g_autofree char *from = g_path_get_dirname (way);
          g_autofree char *to = NULL;

          target[length] = '\0';
          to = g_canonicalize_filename (target, from);
          if (strcmp (from, directory) != 0)
            monitor (watch, from);
          monitor_way (watch, to, links);
        }
    }
}

static void
monitor_all (ObkFileWatch *watch)
{
  g_autofree char *path = g_canonicalize_filename (watch->path, NULL);
  guint links = 0;

  g_ptr_array_set_size (watch->monitors, 0);
  monitor_way (watch, path, &links);
}

ObkFileWatch *
obk_file_watch_new (const char *path, void (*changed) (gpointer user_data), gpointer user_data)
{
  ObkFileWatch *watch = NULL;

  g_return_val_if_fail (path != NULL && changed != NULL, NULL);

  watch = g_new0 (ObkFileWatch, 1);
  watch->path = g_strdup (path);
  watch->changed = changed;
  watch->user_data = user_data;
  watch->stamp = stamp_of (watch->path);
  watch->monitors = g_ptr_array_new_with_free_func (monitor_free);
  monitor_all (watch);
  watch->poll = attach (g_timeout_source_new_seconds (OBK_FILE_WATCH_POLL_SECONDS), check, watch);
  return watch;
}

void
obk_file_watch_free (ObkFileWatch *watch)
{
  if (watch == NULL)
    return;
  stop (&watch->settle);
  stop (&watch->poll);
  g_ptr_array_unref (watch->monitors);
  g_free (watch->path);
  g_free (watch);
}
