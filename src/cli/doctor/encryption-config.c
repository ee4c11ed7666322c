/* SPDX-License-Identifier: Apache-2.0 */
/* The API server's EncryptionConfiguration, held against this provider's configuration. Pure. */
#include "cli/doctor/encryption-config.h"

#include "base/duration.h"
#include "base/secret.h"
#include "cli/doctor/encryption-entry.h"
#include "config/problem.h"
#include "config/suggestion.h"
#include "config/yaml.h"

#include <glib/gi18n.h>

#include <string.h>

#define API_VERSION "apiserver.config.k8s.io/v1"
#define KIND "EncryptionConfiguration"
#define OLD_API_VERSION "v1"
#define OLD_KIND "EncryptionConfig"
#define DEFAULT_TIMEOUT "3s"

typedef struct
{
  const char *path;
  const ObkEncryptionQuestion *question;
  ObkCheckReport *report;
  char *endpoint;        /* ours, as it must be written */
  GPtrArray *entries;    /* of ObkEncryptionEntry */
  GHashTable *kms_names; /* char * (borrowed): seen so far */
  guint faults;          /* the API server refuses the file */
} Reader;

static void
entry_free (gpointer data)
{
  ObkEncryptionEntry *entry = data;

  g_array_unref (entry->providers);
  g_free (entry);
}

/* Findings */

/* What the API server does not take. With a remedy of no great use, for the caller to replace. */
G_GNUC_PRINTF (3, 4)
static void
fault (Reader *reader, const ObkYaml *at, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  obk_check_fail (reader->report, "%s:%u: %s", reader->path, at->line, text);
  obk_check_remedy (reader->report, _ ("correct that line; \"bao-kms-provider init\" writes such a file"));
  reader->faults++;
}

/* Shapes */

static gboolean
is_of (Reader *reader, const ObkYaml *node, ObkYamlKind kind, const char *what)
{
  static const char *const kinds[] = {
    [OBK_YAML_SCALAR] = N_ ("a string"), [OBK_YAML_SEQUENCE] = N_ ("a list"), [OBK_YAML_MAPPING] = N_ ("a mapping")
  };

  if (node->kind == kind)
    return TRUE;
  fault (reader, node, _ ("\"%s\" must be %s"), what, _ (kinds[kind]));
  return FALSE;
}

/* Strictly: a field that is not known is refused, in whatever case it is written. */
static void
check_fields (Reader *reader, const ObkYaml *mapping, const char *const *known)
{
  for (guint i = 0; i < mapping->children->len; i++)
    {
      const ObkYaml *child = g_ptr_array_index (mapping->children, i);
      const char *nearest = NULL;

      if (g_strv_contains (known, child->key))
        continue;
      nearest = obk_suggestion (child->key, known);
      fault (reader, child, _ ("unknown field \"%s\", which the API server refuses"), child->key);
      if (nearest != NULL)
        obk_check_remedy (reader->report, _ ("write \"%s\""), nearest);
      else
        obk_check_remedy (reader->report, _ ("take the line out"));
    }
}

static const ObkYaml *
find (const ObkYaml *mapping, const char *key)
{
  const ObkYaml *found = obk_yaml_find (mapping, key, strlen (key));

  return found != NULL && !obk_yaml_is_null (found) ? found : NULL;
}

/* Returns: (nullable) (transfer none): the text of a member that is a string */
static const char *
find_text (Reader *reader, const ObkYaml *mapping, const char *key)
{
  const ObkYaml *found = find (mapping, key);

  return found != NULL && is_of (reader, found, OBK_YAML_SCALAR, key) ? found->text : NULL;
}

/* Providers */

static void
check_our_version (Reader *reader, const ObkYaml *kms)
{
  const char *version = find_text (reader, kms, "apiVersion");

  if (g_strcmp0 (version, "v2") == 0)
    return;
  if (version == NULL)
    fault (reader, kms, _ ("our kms provider has no apiVersion, and without one it is v1"));
  else
    fault (reader, kms, _ ("our kms provider has apiVersion \"%s\""), version);
  obk_check_remedy (reader->report, _ ("write apiVersion: v2"));
}

static void
check_our_endpoint (Reader *reader, const ObkYaml *kms)
{
  const char *endpoint = find_text (reader, kms, "endpoint");

  if (g_strcmp0 (endpoint, reader->endpoint) == 0)
    return;
  fault (reader, kms, _ ("endpoint is \"%s\", and the provider's socket is \"%s\""), endpoint != NULL ? endpoint : "",
         reader->question->socket_path);
  obk_check_remedy (reader->report, _ ("write endpoint: %s"), reader->endpoint);
}

static void
check_our_timeout (Reader *reader, const ObkYaml *kms)
{
  const char *text = find_text (reader, kms, "timeout");
  gint64 timeout_us = 0;

  if (!obk_duration_parse (text != NULL ? text : DEFAULT_TIMEOUT, &timeout_us, NULL) || timeout_us <= 0)
    {
      fault (reader, kms, _ ("timeout \"%s\" is no duration above zero"), text);
      obk_check_remedy (reader->report, _ ("write timeout: %ds"), obk_encryption_timeout_s (reader->question));
    }
  else if (timeout_us < reader->question->openbao_timeout_us)
    {
      obk_encryption_caution (
          reader->report, reader->path, kms->line,
          text != NULL ? _ ("timeout %s is shorter than openbao.timeout: the API server gives up first")
                       : _ ("timeout is not set, and so %s, which is shorter than openbao.timeout: the API server "
                            "gives up first"),
          text != NULL ? text : DEFAULT_TIMEOUT);
      obk_check_remedy (reader->report, _ ("write timeout: %ds"), obk_encryption_timeout_s (reader->question));
    }
}

static void
check_ours (Reader *reader, const ObkYaml *kms, const char *name)
{
  check_our_version (reader, kms);
  check_our_endpoint (reader, kms);
  check_our_timeout (reader, kms);
  if (g_strcmp0 (name, reader->question->provider_name) != 0)
    {
      obk_encryption_caution (reader->report, reader->path, kms->line,
                              _ ("the kms provider at our socket is named \"%s\", and providerName is \"%s\""), name,
                              reader->question->provider_name);
      obk_check_remedy (reader->report,
                        _ ("what is in etcd bears that name: change it only before anything was written"));
    }
}

/* What holds for any kms provider. Returns: whether it is ours */
static gboolean
read_kms (Reader *reader, const ObkYaml *kms, const char **name)
{
  static const char *const fields[] = { "apiVersion", "name", "cachesize", "endpoint", "timeout", NULL };
  const char *endpoint = NULL;
  const char *version = NULL;
  gboolean ours = FALSE;

  check_fields (reader, kms, fields);
  *name = find_text (reader, kms, "name");
  endpoint = find_text (reader, kms, "endpoint");
  version = find_text (reader, kms, "apiVersion");
  if (*name == NULL || **name == '\0')
    {
      fault (reader, kms, _ ("a kms provider without a name"));
      obk_check_remedy (reader->report, _ ("write name: %s"), reader->question->provider_name);
    }
  else if (strchr (*name, ':') != NULL)
    fault (reader, kms, _ ("the name \"%s\" has a \":\" in it"), *name);
  else if (g_strcmp0 (version, "v2") == 0 && !g_hash_table_add (reader->kms_names, (gpointer)*name))
    {
      fault (reader, kms, _ ("a second kms provider of the name \"%s\", which the API server refuses"), *name);
      obk_check_remedy (reader->report, _ ("name both lists of resources in one entry, or give the second provider "
                                           "another name"));
    }
  if (endpoint == NULL || !g_str_has_prefix (endpoint, "unix://"))
    {
      fault (reader, kms, _ ("endpoint must begin with \"unix://\""));
      obk_check_remedy (reader->report, _ ("write endpoint: %s"), reader->endpoint);
    }
  if (g_strcmp0 (version, "v2") == 0 && find (kms, "cachesize") != NULL)
    {
      fault (reader, kms, _ ("cachesize is not allowed with apiVersion v2"));
      obk_check_remedy (reader->report, _ ("take cachesize out"));
    }
  ours = g_strcmp0 (*name, reader->question->provider_name) == 0 || g_strcmp0 (endpoint, reader->endpoint) == 0;
  if (ours)
    check_ours (reader, kms, *name);
  return ours;
}

/* As API servers have it: standard base64, in which they pass over line ends. Returns: -1 for what is none */
static gssize
secret_length (const char *text)
{
  g_auto (GStrv) lines = g_strsplit_set (text, "\r\n", -1);
  g_autofree char *joined = g_strjoinv ("", lines);
  gsize length = 0;
  g_autofree guchar *secret = g_base64_decode (joined, &length);
  g_autofree char *again = g_base64_encode (secret, length);
  gboolean same = strcmp (joined, again) == 0;

  obk_wipe (secret, length);
  return same ? (gssize)length : -1;
}

static void
check_secret (Reader *reader, const ObkYaml *key, const char *type)
{
  const char *text = find_text (reader, key, "secret");
  gboolean only_32 = strcmp (type, "secretbox") == 0;
  gssize length = text != NULL ? secret_length (text) : 32;

  if (length == 32 || (!only_32 && (length == 16 || length == 24)))
    return;
  if (length < 0)
    fault (reader, key, _ ("a secret of %s is not base64"), type);
  else
    fault (reader, key,
           only_32 ? _ ("a secret of %s has %d bytes; it must be 32")
                   : _ ("a secret of %s has %d bytes; it must be 16, 24 or 32"),
           type, (int)length);
  obk_check_remedy (reader->report, _ ("write the whole secret as it was made; only for a new key make another one:"));
  obk_check_command (reader->report, "head -c 32 /dev/urandom | base64");
}

static void
read_keys (Reader *reader, const ObkYaml *provider, const char *type)
{
  static const char *const fields[] = { "keys", NULL };
  static const char *const key_fields[] = { "name", "secret", NULL };
  const ObkYaml *keys = NULL;

  check_fields (reader, provider, fields);
  keys = find (provider, "keys");
  if (keys == NULL || !is_of (reader, keys, OBK_YAML_SEQUENCE, "keys") || keys->children->len == 0)
    {
      if (keys == NULL || keys->kind == OBK_YAML_SEQUENCE)
        fault (reader, provider, _ ("%s without keys"), type);
      return;
    }
  for (guint i = 0; i < keys->children->len; i++)
    {
      const ObkYaml *key = g_ptr_array_index (keys->children, i);

      if (!is_of (reader, key, OBK_YAML_MAPPING, "keys"))
        continue;
      check_fields (reader, key, key_fields);
      if (find (key, "name") == NULL || find (key, "secret") == NULL)
        fault (reader, key, _ ("a key of %s without name or secret"), type);
      else
        check_secret (reader, key, type);
    }
}

/* "- kms:" with nothing below it, and its fields beside it. Returns: whether that was said */
static gboolean
is_badly_indented (Reader *reader, const ObkYaml *node, const char *const *types)
{
  for (guint i = 0; i < node->children->len && node->children->len > 1; i++)
    {
      const ObkYaml *child = g_ptr_array_index (node->children, i);

      if (!g_strv_contains (types, child->key) || !obk_yaml_is_null (child))
        continue;
      fault (reader, node, _ ("\"%s:\" has nothing below it: what belongs there stands beside it"), child->key);
      obk_check_remedy (reader->report, _ ("indent it below %s: by two spaces more"), child->key);
      return TRUE;
    }
  return FALSE;
}

static void
refuse_identity (Reader *reader, const ObkYaml *at)
{
  fault (reader, at, _ ("identity must be written as \"identity: {}\""));
  obk_check_remedy (reader->report, _ ("write \"- identity: {}\""));
}

static void
read_provider (Reader *reader, const ObkYaml *node, ObkEncryptionEntry *entry)
{
  static const char *const types[] = { "aesgcm", "aescbc", "secretbox", "identity", "kms", NULL };
  ObkEncryptionProvider provider = { .kind = OBK_ENCRYPTION_OTHER, .line = node->line };
  const ObkYaml *inner = NULL;

  if (node->kind == OBK_YAML_SCALAR && strcmp (node->text, "identity") == 0)
    {
      refuse_identity (reader, node);
      return;
    }
  if (!is_of (reader, node, OBK_YAML_MAPPING, "providers") || is_badly_indented (reader, node, types))
    return;
  check_fields (reader, node, types);
  if (node->children->len != 1)
    {
      fault (reader, node, _ ("each of providers must be of exactly one type"));
      obk_check_remedy (reader->report, _ ("begin each type with a \"- \" of its own"));
      return;
    }
  inner = g_ptr_array_index (node->children, 0);
  for (gsize i = 0; types[i] != NULL; i++)
    if (strcmp (inner->key, types[i]) == 0)
      provider.type = types[i];
  if (provider.type == NULL)
    return;
  if (strcmp (provider.type, "identity") == 0)
    {
      provider.kind = OBK_ENCRYPTION_IDENTITY;
      if (inner->kind != OBK_YAML_MAPPING)
        {
          refuse_identity (reader, inner);
          return;
        }
    }
  else if (!is_of (reader, inner, OBK_YAML_MAPPING, provider.type))
    return;
  else if (strcmp (provider.type, "kms") == 0)
    provider.kind = read_kms (reader, inner, &provider.name) ? OBK_ENCRYPTION_OURS : OBK_ENCRYPTION_OTHER;
  else
    read_keys (reader, inner, provider.type);
  g_array_append_val (entry->providers, provider);
}

/* Resources */

/* Whether another name of the list, a wildcard, has @name in it, too. */
static gboolean
is_masked (const ObkEncryptionEntry *entry, const char *name)
{
  const char *dot = strchr (name, '.');
  g_autofree char *of_group = g_strconcat ("*", dot != NULL ? dot : ".", NULL);

  if (strcmp (name, "*.*") == 0)
    return entry->resources->children->len > 1;
  return strcmp (name, of_group) != 0 && obk_encryption_entry_lists (entry, of_group);
}

static gboolean
has_capitals (const char *name)
{
  while (*name != '\0' && !g_ascii_isupper (*name))
    name++;
  return *name != '\0';
}

/* Names that API servers refuse by themselves. Returns: whether it is one, which was said */
static gboolean
is_refused (Reader *reader, const ObkYaml *node)
{
  static const char *const internal[]
      = { "apiserveripinfo", "serviceipallocations", "servicenodeportallocations", NULL };
  const char *name = node->text;
  const char *dot = strchr (name, '.');
  const char *group = dot != NULL ? dot + 1 : "";

  if (strcmp (name, "*") == 0)
    {
      fault (reader, node, _ ("\"*\" is no resource"));
      obk_check_remedy (reader->report, _ ("write '*.' for the core group, '*.*' for everything"));
    }
  else if (has_capitals (name))
    fault (reader, node, _ ("\"%s\" has capital letters, which no resource has"), name);
  else if (g_strv_contains (internal, name))
    fault (reader, node, _ ("\"%s\" is the API server's own and cannot be encrypted"), name);
  else if (strcmp (group, "extensions") == 0)
    {
      fault (reader, node, _ ("\"%s\": the group extensions is no more"), name);
      obk_check_remedy (reader->report, _ ("name the group that the resource is in now: apps, networking.k8s.io"));
    }
  else if (strcmp (group, "*") == 0 && strcmp (name, "*.*") != 0)
    {
      fault (reader, node, _ ("\"%s\": a resource of all groups cannot be named"), name);
      obk_check_remedy (reader->report, _ ("name its group, or write '*.*' for everything"));
    }
  else if (strcmp (group, "events.k8s.io") == 0)
    {
      fault (reader, node, _ ("\"%s\" is stored as events of the core group"), name);
      obk_check_remedy (reader->report, _ ("write events"));
    }
  else
    return FALSE;
  return TRUE;
}

static void
check_resources (Reader *reader, const ObkEncryptionEntry *entry)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *names = entry->resources->children;

  for (guint i = 0; i < names->len; i++)
    {
      const ObkYaml *name = g_ptr_array_index (names, i);

      if (is_refused (reader, name))
        continue;
      if (!g_hash_table_add (seen, g_strndup (name->text, obk_encryption_resource_length (name->text))))
        fault (reader, name, _ ("\"%s\" is listed twice"), name->text);
      else if (is_masked (entry, name->text))
        {
          fault (reader, name, _ ("\"%s\" overlaps with others of the same list"), name->text);
          obk_check_remedy (reader->report, _ ("give the wildcard an entry of its own, after the others"));
        }
    }
}

/* Returns: (nullable): the list, when all in it are strings */
static const ObkYaml *
read_resources (Reader *reader, const ObkYaml *node)
{
  const ObkYaml *list = find (node, "resources");

  if (list == NULL || (list->kind == OBK_YAML_SEQUENCE && list->children->len == 0))
    {
      fault (reader, node, _ ("an entry without resources"));
      return NULL;
    }
  if (!is_of (reader, list, OBK_YAML_SEQUENCE, "resources"))
    return NULL;
  for (guint i = 0; i < list->children->len; i++)
    if (!is_of (reader, g_ptr_array_index (list->children, i), OBK_YAML_SCALAR, "resources"))
      return NULL;
  return list;
}

static void
read_entry (Reader *reader, const ObkYaml *node)
{
  static const char *const fields[] = { "resources", "providers", NULL };
  const ObkYaml *providers = NULL;
  ObkEncryptionEntry *entry = NULL;

  if (!is_of (reader, node, OBK_YAML_MAPPING, "resources"))
    return;
  check_fields (reader, node, fields);
  entry = g_new0 (ObkEncryptionEntry, 1);
  entry->line = node->line;
  entry->providers = g_array_new (FALSE, FALSE, sizeof (ObkEncryptionProvider));
  entry->resources = read_resources (reader, node);
  providers = find (node, "providers");
  if (providers == NULL || (providers->kind == OBK_YAML_SEQUENCE && providers->children->len == 0))
    fault (reader, node, _ ("an entry without providers"));
  else if (is_of (reader, providers, OBK_YAML_SEQUENCE, "providers"))
    for (guint i = 0; i < providers->children->len; i++)
      read_provider (reader, g_ptr_array_index (providers->children, i), entry);
  if (entry->resources == NULL || entry->providers->len == 0)
    {
      entry_free (entry);
      return;
    }
  check_resources (reader, entry);
  g_ptr_array_add (reader->entries, entry);
}

/* What kind of file it says it is. */
static void
check_head (Reader *reader, const ObkYaml *root)
{
  if (g_strcmp0 (find_text (reader, root, "kind"), OLD_KIND) == 0
      && g_strcmp0 (find_text (reader, root, "apiVersion"), OLD_API_VERSION) == 0)
    {
      obk_encryption_caution (reader->report, reader->path, root->line,
                              _ ("this is the form of before 1.13, which may go"));
      obk_check_remedy (reader->report, _ ("write apiVersion: %s, kind: %s"), API_VERSION, KIND);
      return;
    }
  if (g_strcmp0 (find_text (reader, root, "apiVersion"), API_VERSION) != 0)
    {
      fault (reader, root, _ ("apiVersion is not \"%s\""), API_VERSION);
      obk_check_remedy (reader->report, _ ("write apiVersion: %s"), API_VERSION);
    }
  if (g_strcmp0 (find_text (reader, root, "kind"), KIND) != 0)
    {
      fault (reader, root, _ ("kind is not \"%s\""), KIND);
      obk_check_remedy (reader->report, _ ("write kind: %s"), KIND);
    }
}

static void
read_root (Reader *reader, const ObkYaml *root)
{
  static const char *const fields[] = { "apiVersion", "kind", "resources", NULL };
  const ObkYaml *entries = NULL;

  if (!is_of (reader, root, OBK_YAML_MAPPING, KIND))
    return;
  check_fields (reader, root, fields);
  check_head (reader, root);
  entries = find (root, "resources");
  if (entries == NULL || (entries->kind == OBK_YAML_SEQUENCE && entries->children->len == 0))
    fault (reader, root, _ ("\"resources\" is missing or empty"));
  else if (is_of (reader, entries, OBK_YAML_SEQUENCE, "resources"))
    for (guint i = 0; i < entries->children->len; i++)
      read_entry (reader, g_ptr_array_index (entries->children, i));
}

static gboolean
has_tab (const char *text, gsize length, guint line)
{
  g_autofree char *whole = g_strndup (text, length);
  g_auto (GStrv) lines = g_strsplit (whole, "\n", -1);

  return line > 0 && line <= g_strv_length (lines) && strchr (lines[line - 1], '\t') != NULL;
}

static void
add_problems (Reader *reader, const char *text, gsize length, const GPtrArray *problems)
{
  for (guint i = 0; i < problems->len; i++)
    {
      const ObkConfigProblem *problem = g_ptr_array_index (problems, i);
      g_autofree char *line = obk_config_problem_format (problem, reader->path);

      reader->faults++;
      if (problem->kind == OBK_PROBLEM_YAML_FEATURE)
        {
          obk_check_skip (reader->report, _ ("%s (API servers take it, but doctor cannot judge the file)"), line);
          return;
        }
      obk_check_fail (reader->report, "%s", line);
      obk_check_remedy (reader->report,
                        has_tab (text, length, problem->line)
                            ? _ ("indent with spaces: YAML takes no tabs there")
                            : _ ("write each key once in its mapping and one document alone, indented with spaces"));
    }
}

void
obk_encryption_config_judge (const char *text, gsize length, const char *path, const ObkEncryptionQuestion *question,
                             ObkCheckReport *report)
{
  g_autoptr (GPtrArray) problems = obk_config_problems_new ();
  g_autoptr (ObkYaml) root = obk_yaml_parse (text, length, problems);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (entry_free);
  g_autoptr (GHashTable) kms_names = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *endpoint = g_strconcat ("unix://", question->socket_path, NULL);
  Reader reader = {
    .path = path,
    .question = question,
    .report = report,
    .endpoint = endpoint,
    .entries = entries,
    .kms_names = kms_names,
  };

  add_problems (&reader, text, length, problems);
  if (root != NULL && problems->len == 0)
    {
      read_root (&reader, root);
      obk_encryption_entries_judge (entries, path, reader.faults == 0, question, report);
    }
  else if (reader.faults == 0)
    {
      obk_check_fail (report, _ ("%s is empty"), path);
      obk_check_remedy (report, _ ("write it, as \"bao-kms-provider init\" does"));
    }
}
