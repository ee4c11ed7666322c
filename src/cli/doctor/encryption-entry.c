/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of an EncryptionConfiguration as they were read, and what they come to for this provider. */
#include "cli/doctor/encryption-entry.h"

#include <glib/gi18n.h>

#include <string.h>

#define TIMEOUT_SLACK_US G_USEC_PER_SEC

typedef struct
{
  const GPtrArray *entries;
  const char *path;
  const char *endpoint; /* ours, as it must be written */
  const ObkEncryptionQuestion *question;
  ObkCheckReport *report;
} Judge;

int
obk_encryption_timeout_s (const ObkEncryptionQuestion *question)
{
  return (int)((question->openbao_timeout_us + TIMEOUT_SLACK_US + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
}

gsize
obk_encryption_resource_length (const char *name)
{
  gsize length = strcspn (name, ".");

  return name[length] == '.' && name[length + 1] == '\0' && strcmp (name, "*.") != 0 ? length : strlen (name);
}

gboolean
obk_encryption_entry_lists (const ObkEncryptionEntry *entry, const char *resource)
{
  for (guint i = 0; i < entry->resources->children->len; i++)
    {
      const char *name = ((const ObkYaml *)g_ptr_array_index (entry->resources->children, i))->text;

      if (strncmp (name, resource, obk_encryption_resource_length (name)) == 0
          && strlen (resource) == obk_encryption_resource_length (name))
        return TRUE;
    }
  return FALSE;
}

/* Whether the entry is about Secrets: by name, by the wildcard of the core group, or by that of all. */
static gboolean
covers_secrets (const ObkEncryptionEntry *entry)
{
  return obk_encryption_entry_lists (entry, "secrets") || obk_encryption_entry_lists (entry, "*.")
         || obk_encryption_entry_lists (entry, "*.*");
}

void
obk_encryption_caution (ObkCheckReport *report, const char *path, guint line, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  obk_check_warn (report, "%s:%u: %s", path, line, text);
}

static const ObkEncryptionProvider *
ours_in (const ObkEncryptionEntry *entry, guint *position)
{
  for (guint i = 0; i < entry->providers->len; i++)
    {
      const ObkEncryptionProvider *provider = &g_array_index (entry->providers, ObkEncryptionProvider, i);

      if (provider->kind != OBK_ENCRYPTION_OURS)
        continue;
      *position = i;
      return provider;
    }
  return NULL;
}

static char *
list_resources (const ObkEncryptionEntry *entry)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < entry->resources->children->len; i++)
    g_string_append_printf (list, "%s%s", i > 0 ? ", " : "",
                            ((const ObkYaml *)g_ptr_array_index (entry->resources->children, i))->text);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

/* The first provider writes, all of them read. */
static void
judge_order (const Judge *judge, const ObkEncryptionEntry *entry, guint position)
{
  g_autofree char *resources = list_resources (entry);
  const ObkEncryptionProvider *first = &g_array_index (entry->providers, ObkEncryptionProvider, 0);

  if (position > 0)
    {
      obk_encryption_caution (judge->report, judge->path, first->line,
                              _ ("%s are written by \"%s\", which stands before our provider"), resources, first->type);
      obk_check_remedy (judge->report, _ ("right while not all API servers read by the provider yet; then put our kms "
                                          "provider first on all of them"));
    }
  for (guint i = position + 1; i < entry->providers->len; i++)
    {
      const ObkEncryptionProvider *more = &g_array_index (entry->providers, ObkEncryptionProvider, i);

      if (more->kind == OBK_ENCRYPTION_OURS)
        continue;
      obk_encryption_caution (judge->report, judge->path, more->line,
                              more->kind == OBK_ENCRYPTION_IDENTITY
                                  ? _ ("\"%s\" is still read for %s: what is in etcd in clear is taken as good")
                                  : _ ("\"%s\" is still read for %s"),
                              more->type, resources);
      obk_check_remedy (judge->report, _ ("rewrite all of them once, then take it out"));
      if (obk_encryption_entry_lists (entry, "secrets"))
        obk_check_command (judge->report, "kubectl get secrets -A -o json | kubectl replace -f -");
    }
}

static void
judge_all (const Judge *judge)
{
  const ObkEncryptionEntry *of_secrets = NULL;
  gboolean found = FALSE;

  for (guint i = 0; i < judge->entries->len; i++)
    {
      const ObkEncryptionEntry *entry = g_ptr_array_index (judge->entries, i);
      g_autofree char *resources = list_resources (entry);
      guint position = 0;
      gboolean has_ours = ours_in (entry, &position) != NULL;

      found = found || has_ours;
      if (of_secrets == NULL && covers_secrets (entry)) /* the API server takes the first entry that fits */
        of_secrets = entry;
      if (has_ours)
        judge_order (judge, entry, position);
      else
        obk_encryption_caution (judge->report, judge->path, entry->line, _ ("%s do not go through our provider"),
                                resources);
    }
  if (!found)
    {
      obk_check_fail (judge->report, _ ("%s: no kms provider is named \"%s\" or has the endpoint \"%s\""), judge->path,
                      judge->question->provider_name, judge->endpoint);
      obk_check_remedy (judge->report,
                        _ ("add to providers: - kms: {apiVersion: v2, name: %s, endpoint: %s, timeout: %ds}"),
                        judge->question->provider_name, judge->endpoint, obk_encryption_timeout_s (judge->question));
    }
  else if (of_secrets == NULL || ours_in (of_secrets, &(guint){ 0 }) == NULL)
    {
      obk_check_warn (judge->report,
                      of_secrets == NULL ? _ ("%s: Secrets are in no entry and are stored in clear")
                                         : _ ("%s: the first entry that fits Secrets is without our provider"),
                      judge->path);
      obk_check_remedy (judge->report, _ ("list secrets in the entry with our provider, and put it first"));
    }
}

static void
say_how_it_stands (const Judge *judge)
{
  for (guint i = 0; i < judge->entries->len; i++)
    {
      const ObkEncryptionEntry *entry = g_ptr_array_index (judge->entries, i);
      g_autofree char *resources = list_resources (entry);
      guint position = 0;

      if (ours_in (entry, &position) != NULL)
        obk_check_ok (judge->report, _ ("%s: %s go through our provider, %s"), judge->path, resources,
                      position == 0 ? _ ("which writes") : _ ("which only reads yet"));
    }
}

void
obk_encryption_entries_judge (const GPtrArray *entries, const char *path, gboolean sound,
                              const ObkEncryptionQuestion *question, ObkCheckReport *report)
{
  g_autofree char *endpoint = g_strconcat ("unix://", question->socket_path, NULL);
  Judge judge = {
    .entries = entries,
    .path = path,
    .endpoint = endpoint,
    .question = question,
    .report = report,
  };

  judge_all (&judge);
  if (sound)
    say_how_it_stands (&judge);
}
