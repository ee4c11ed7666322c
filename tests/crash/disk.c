/* SPDX-License-Identifier: Apache-2.0 */
/* What a power cut may leave of a directory, as far as POSIX and its fsync() promise. Pure. */
#include "disk.h"

#include <glib/gstdio.h>

#include <string.h>

#define MAX_PENDING 14 /* changes of names that wait for a sync; each doubles the images */

/* A file's content, whatever its names are. */
typedef struct
{
  GByteArray *content;
  gsize synced; /* so much of it, for good; files are only ever appended to */
} Inode;

/* What happens to the names in one step. */
typedef struct
{
  const char *unset; /* (nullable) */
  const char *set;   /* (nullable) */
  guint inode;
} NameChange;

typedef struct
{
  GPtrArray *inodes;   /* of Inode */
  guint first_made;    /* inodes before it are those of the beginning */
  GHashTable *names;   /* as processes see them: name to inode + 1 */
  GHashTable *durable; /* as of the last sync */
  GArray *pending;     /* of NameChange since then */
} Disk;

typedef enum
{
  UNSYNCED_LOST,
  UNSYNCED_CUT,
  UNSYNCED_ZERO,
  UNSYNCED_THERE,
  N_UNSYNCED
} Unsynced;

static void
inode_free (gpointer data)
{
  Inode *inode = data;

  g_byte_array_unref (inode->content);
  g_free (inode);
}

static Inode *
add_inode (Disk *disk)
{
  Inode *inode = g_new0 (Inode, 1);

  inode->content = g_byte_array_new ();
  g_ptr_array_add (disk->inodes, inode);
  return inode;
}

static void
change_names (GHashTable *names, const NameChange *change)
{
  if (change->unset != NULL)
    g_hash_table_remove (names, change->unset);
  if (change->set != NULL)
    g_hash_table_insert (names, g_strdup (change->set), GUINT_TO_POINTER (change->inode + 1));
}

static GHashTable *
copy_names (GHashTable *names)
{
  GHashTable *copy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer name = NULL;
  gpointer inode = NULL;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, &inode))
    g_hash_table_insert (copy, g_strdup (name), inode);
  return copy;
}

static void
do_names (Disk *disk, NameChange change)
{
  change_names (disk->names, &change);
  g_array_append_val (disk->pending, change);
}

static void
play (Disk *disk, const ShimLog *log, const ShimOperation *operation)
{
  guint number = disk->first_made + operation->file;
  Inode *inode = NULL;
  gpointer found = NULL;

  switch (operation->kind)
    {
    case SHIM_CREATE:
      g_assert_cmpuint (number, ==, disk->inodes->len);
      add_inode (disk);
      do_names (disk, (NameChange){ .set = operation->name, .inode = number });
      break;
    case SHIM_WRITE:
      inode = disk->inodes->pdata[number];
      g_byte_array_append (inode->content, (const guint8 *)log->bytes + operation->offset, (guint)operation->length);
      break;
    case SHIM_SYNC:
      inode = disk->inodes->pdata[number];
      inode->synced = inode->content->len;
      break;
    case SHIM_RENAME:
      found = g_hash_table_lookup (disk->names, operation->name);
      g_assert_nonnull (found);
      do_names (
          disk,
          (NameChange){ .unset = operation->name, .set = operation->new_name, .inode = GPOINTER_TO_UINT (found) - 1 });
      break;
    case SHIM_LINK:
      found = g_hash_table_lookup (disk->names, operation->name);
      g_assert_nonnull (found);
      do_names (disk, (NameChange){ .set = operation->new_name, .inode = GPOINTER_TO_UINT (found) - 1 });
      break;
    case SHIM_UNLINK:
      do_names (disk, (NameChange){ .unset = operation->name });
      break;
    case SHIM_SYNC_DIRECTORY:
      g_hash_table_unref (disk->durable);
      disk->durable = copy_names (disk->names);
      g_array_set_size (disk->pending, 0);
      break;
    default:
      g_assert_not_reached ();
    }
}

static Disk *
disk_new (const GPtrArray *before, const ShimLog *log)
{
  Disk *disk = g_new0 (Disk, 1);

  disk->inodes = g_ptr_array_new_with_free_func (inode_free);
  disk->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  disk->pending = g_array_new (FALSE, FALSE, sizeof (NameChange));
  for (guint i = 0; i < before->len; i++)
    {
      const DiskFile *file = before->pdata[i];
      Inode *inode = add_inode (disk);
      const NameChange change = { .set = file->name, .inode = i };
      gsize length = 0;
      gconstpointer data = g_bytes_get_data (file->content, &length);

      g_byte_array_append (inode->content, data, (guint)length);
      inode->synced = length;
      change_names (disk->names, &change);
    }
  disk->first_made = before->len;
  disk->durable = copy_names (disk->names);
  for (guint i = 0; i < log->n_operations; i++)
    play (disk, log, &log->operations[i]);
  return disk;
}

static void
disk_free (Disk *disk)
{
  g_ptr_array_unref (disk->inodes);
  g_hash_table_unref (disk->names);
  g_hash_table_unref (disk->durable);
  g_array_unref (disk->pending);
  g_free (disk);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disk, disk_free)

static void
file_free (gpointer data)
{
  DiskFile *file = data;

  g_free (file->name);
  g_bytes_unref (file->content);
  g_free (file);
}

static gint
compare_files (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const DiskFile *const *)a)->name, (*(const DiskFile *const *)b)->name);
}

static GBytes *
content_after (const Inode *inode, Unsynced unsynced)
{
  gsize whole = inode->content->len;
  gsize rest = whole - inode->synced;
  guint8 *content = g_memdup2 (inode->content->data, whole);
  gsize length = whole;

  if (unsynced == UNSYNCED_LOST)
    length = inode->synced;
  else if (unsynced == UNSYNCED_CUT)
    length = inode->synced + rest / 2;
  else if (unsynced == UNSYNCED_ZERO && rest > 0)
    memset (content + inode->synced, 0, rest);
  return g_bytes_new_take (content, length);
}

static void
add_file (GPtrArray *files, const char *name, GBytes *content)
{
  DiskFile *file = g_new0 (DiskFile, 1);

  file->name = g_strdup (name);
  file->content = content;
  g_ptr_array_add (files, file);
}

static GPtrArray *
files_of (const Disk *disk, GHashTable *names, Unsynced unsynced)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (file_free);
  GHashTableIter iter;
  gpointer name = NULL;
  gpointer inode = NULL;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, &inode))
    add_file (files, name, content_after (disk->inodes->pdata[GPOINTER_TO_UINT (inode) - 1], unsynced));
  g_ptr_array_sort (files, compare_files);
  return files;
}

void
disk_power_cuts (const GPtrArray *before, const ShimLog *log, DiskImage image, gpointer user_data)
{
  g_autoptr (Disk) disk = disk_new (before, log);
  guint n = disk->pending->len;

  g_assert_cmpuint (n, <=, MAX_PENDING);
  for (guint chosen = 0; chosen < 1u << n; chosen++)
    {
      g_autoptr (GHashTable) names = copy_names (disk->durable);

      for (guint i = 0; i < n; i++)
        if ((chosen & 1u << i) != 0)
          change_names (names, &g_array_index (disk->pending, NameChange, i));
      for (guint unsynced = 0; unsynced < N_UNSYNCED; unsynced++)
        {
          g_autoptr (GPtrArray) files = files_of (disk, names, (Unsynced)unsynced);

          image (files, user_data);
        }
    }
}

GPtrArray *
disk_after_kill (const GPtrArray *before, const ShimLog *log)
{
  g_autoptr (Disk) disk = disk_new (before, log);

  return files_of (disk, disk->names, UNSYNCED_THERE);
}

GPtrArray *
disk_read (const char *path)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (file_free);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name = NULL;

  g_assert_nonnull (directory);
  while ((name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);
      char *content = NULL;
      gsize length = 0;

      g_assert_true (g_file_get_contents (inside, &content, &length, NULL));
      add_file (files, name, g_bytes_new_take (content, length));
    }
  g_ptr_array_sort (files, compare_files);
  return files;
}

void
disk_write (const GPtrArray *files, const char *path)
{
  g_autoptr (GPtrArray) old = disk_read (path);

  for (guint i = 0; i < old->len; i++)
    {
      const DiskFile *file = old->pdata[i];
      g_autofree char *inside = g_build_filename (path, file->name, NULL);

      g_assert_cmpint (g_unlink (inside), ==, 0);
    }
  for (guint i = 0; i < files->len; i++)
    {
      const DiskFile *file = files->pdata[i];
      g_autofree char *inside = g_build_filename (path, file->name, NULL);
      gsize length = 0;
      const char *content = g_bytes_get_data (file->content, &length);

      g_assert_true (g_file_set_contents_full (inside, content != NULL ? content : "", (gssize)length,
                                               G_FILE_SET_CONTENTS_NONE, 0, NULL));
      g_assert_cmpint (g_chmod (inside, g_str_has_suffix (file->name, ".lock") ? 0600 : 0640), ==, 0);
    }
}

gboolean
disk_equal (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    {
      const DiskFile *x = a->pdata[i];
      const DiskFile *y = b->pdata[i];

      if (!g_str_equal (x->name, y->name) || !g_bytes_equal (x->content, y->content))
        return FALSE;
    }
  return TRUE;
}

char *
disk_digest (const GPtrArray *files)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint i = 0; i < files->len; i++)
    {
      const DiskFile *file = files->pdata[i];
      gsize length = 0;
      gconstpointer content = g_bytes_get_data (file->content, &length);
      g_autofree char *head = g_strdup_printf ("%s %" G_GSIZE_FORMAT "\n", file->name, length);

      g_checksum_update (checksum, (const guchar *)head, -1);
      g_checksum_update (checksum, content, (gssize)length);
    }
  return g_strdup (g_checksum_get_string (checksum));
}
