/* SPDX-License-Identifier: Apache-2.0 */
/* Ciphertexts of known plaintext, one for each key version, that show whether a version still decrypts. */
#include "health/canary.h"

#include <string.h>

struct _ObkCanarySet
{
  GHashTable *by_version; /* version -> ObkCanary */
  guint32 last_checked;   /* the next round begins behind it */
};

static void
canary_free (gpointer data)
{
  ObkCanary *canary = data;

  g_free (canary->ciphertext);
  g_free (canary);
}

ObkCanarySet *
obk_canary_set_new (void)
{
  ObkCanarySet *set = g_new0 (ObkCanarySet, 1);

  set->by_version = g_hash_table_new_full (NULL, NULL, NULL, canary_free);
  return set;
}

void
obk_canary_set_free (ObkCanarySet *set)
{
  if (set == NULL)
    return;
  g_hash_table_unref (set->by_version);
  g_free (set);
}

void
obk_canary_set_retain (ObkCanarySet *set, const GArray *versions)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer version = NULL;

  for (guint i = 0; i < versions->len; i++)
    g_hash_table_add (wanted, GUINT_TO_POINTER (g_array_index (versions, guint32, i)));
  g_hash_table_iter_init (&iter, set->by_version);
  while (g_hash_table_iter_next (&iter, &version, NULL))
    if (!g_hash_table_contains (wanted, version))
      g_hash_table_iter_remove (&iter);
}

ObkCanary *
obk_canary_set_find (ObkCanarySet *set, guint32 version)
{
  return g_hash_table_lookup (set->by_version, GUINT_TO_POINTER (version));
}

void
obk_canary_set_keep (ObkCanarySet *set, guint32 version, const guint8 *plaintext, const char *ciphertext)
{
  ObkCanary *canary = NULL;

  if (obk_canary_set_find (set, version) != NULL)
    return;
  canary = g_new0 (ObkCanary, 1);
  canary->version = version;
  memcpy (canary->plaintext, plaintext, sizeof canary->plaintext);
  canary->ciphertext = g_strdup (ciphertext);
  canary->finding = "";
  g_hash_table_insert (set->by_version, GUINT_TO_POINTER (version), canary);
}

static gint
compare_versions (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *)a;
  guint32 y = *(const guint32 *)b;

  return (x > y) - (x < y);
}

/* @failed: those whose last check failed, else the others */
static GArray *
sorted_versions (const ObkCanarySet *set, gboolean failed)
{
  GArray *versions = g_array_new (FALSE, FALSE, sizeof (guint32));
  GHashTableIter iter;
  gpointer value = NULL;

  g_hash_table_iter_init (&iter, set->by_version);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const ObkCanary *canary = value;

      if ((*canary->finding != '\0') == failed)
        g_array_append_val (versions, canary->version);
    }
  g_array_sort (versions, compare_versions);
  return versions;
}

GArray *
obk_canary_set_round (ObkCanarySet *set)
{
  GArray *round = sorted_versions (set, TRUE);
  g_autoptr (GArray) others = sorted_versions (set, FALSE);
  guint first = 0;

  while (first < others->len && g_array_index (others, guint32, first) <= set->last_checked)
    first++;
  for (guint i = 0; i < others->len && round->len < OBK_CANARIES_A_ROUND; i++)
    {
      set->last_checked = g_array_index (others, guint32, (first + i) % others->len);
      g_array_append_val (round, set->last_checked);
    }
  if (round->len > OBK_CANARIES_A_ROUND)
    g_array_set_size (round, OBK_CANARIES_A_ROUND);
  return round;
}

const char *
obk_canary_set_finding (const ObkCanarySet *set)
{
  GHashTableIter iter;
  gpointer value = NULL;

  g_hash_table_iter_init (&iter, set->by_version);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (*((const ObkCanary *)value)->finding != '\0')
      return ((const ObkCanary *)value)->finding;
  return "";
}
