/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 URIs (RFC 7512), as far as a configuration needs them. */
#include "config/pkcs11-uri.h"

#include <glib/gi18n.h>

#include <string.h>

#define SCHEME "pkcs11:"
#define FILE_SCHEME "file:"

/* RFC 7512, 2.3 */
static const char *const path_attributes[] = {
  "token",
  "manufacturer",
  "serial",
  "model",
  "library-manufacturer",
  "library-version",
  "library-description",
  "object",
  "type",
  "id",
  "slot-description",
  "slot-manufacturer",
  "slot-id",
  NULL,
};
static const char *const query_attributes[] = { "pin-source", "pin-value", "module-name", "module-path", NULL };

/* Returns: (transfer full) (nullable): the path's "name=value" parts, then the query's */
static GStrv
split (const char *uri, gsize *n_path)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  g_auto (GStrv) halves = NULL;
  g_autofree GStrv path = NULL;
  g_autofree GStrv query = NULL;

  if (!g_str_has_prefix (uri, SCHEME))
    return NULL;
  halves = g_strsplit (uri + strlen (SCHEME), "?", 2);
  path = g_strsplit (halves[0] != NULL ? halves[0] : "", ";", -1);
  query = g_strsplit (halves[0] != NULL && halves[1] != NULL ? halves[1] : "", "&", -1);
  for (gsize i = 0; path[i] != NULL; i++)
    g_ptr_array_add (parts, path[i]);
  *n_path = parts->len;
  for (gsize i = 0; query[i] != NULL; i++)
    g_ptr_array_add (parts, query[i]);
  g_ptr_array_add (parts, NULL);
  return (GStrv)g_ptr_array_free (g_steal_pointer (&parts), FALSE);
}

/* Returns: (transfer full) (nullable): %NULL when the percent-encoding is wrong, or hides a zero byte */
static char *
decode (const char *value)
{
  gsize length = strlen (value);
  g_autoptr (GBytes) bytes = g_uri_unescape_bytes (value, (gssize)length, NULL, NULL);

  if (bytes == NULL || memchr (g_bytes_get_data (bytes, NULL), '\0', g_bytes_get_size (bytes)) != NULL)
    return NULL;
  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

/* Of a URI of this machine: file:/PATH or file:///PATH (RFC 8089, section 2). Returns: (nullable) */
static const char *
file_path (const char *uri)
{
  const char *path = g_str_has_prefix (uri, FILE_SCHEME) ? uri + strlen (FILE_SCHEME) : "";

  if (g_str_has_prefix (path, "//"))
    path += 2;
  return path[0] == '/' ? path : NULL;
}

static const char *
check_part (const char *part, const char *const *known, GHashTable *seen)
{
  const char *equals = strchr (part, '=');
  g_autofree char *name = equals != NULL ? g_strndup (part, (gsize)(equals - part)) : NULL;
  g_autofree char *value = NULL;

  if (name == NULL)
    return _ ("must be of NAME=VALUE attributes (RFC 7512)");
  if (!g_strv_contains (known, name))
    return _ ("holds an attribute that RFC 7512 does not know in that place");
  if (strcmp (name, "pin-value") == 0)
    return _ ("must not hold the PIN itself; use pin-source=file:PATH");
  value = decode (equals + 1);
  if (value == NULL)
    return _ ("holds a wrong percent-encoding");
  if (strcmp (name, "pin-source") == 0 && file_path (value) == NULL)
    return _ ("pin-source must be file:PATH with an absolute path");
  return g_hash_table_add (seen, g_steal_pointer (&name)) ? NULL : _ ("holds an attribute twice");
}

const char *
obk_pkcs11_uri_check (const char *uri)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) parts = NULL;
  gsize n_path = 0;

  g_return_val_if_fail (uri != NULL, NULL);

  parts = split (uri, &n_path);
  if (parts == NULL)
    return _ ("must begin with \"pkcs11:\"");
  for (const char *at = uri; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      return _ ("must not hold white space or anything that is not ASCII; write it with percent-encoding");
  for (gsize i = 0; parts[i] != NULL; i++)
    {
      const char *problem = check_part (parts[i], i < n_path ? path_attributes : query_attributes, seen);

      if (problem != NULL)
        return problem;
    }
  if (!g_hash_table_contains (seen, "object") && !g_hash_table_contains (seen, "id"))
    return _ ("must name the key by object or id");
  return NULL;
}

char *
obk_pkcs11_uri_get (const char *uri, const char *name)
{
  g_auto (GStrv) parts = NULL;
  gsize n_path = 0;
  gsize length = 0;

  g_return_val_if_fail (uri != NULL && name != NULL, NULL);

  parts = split (uri, &n_path);
  length = strlen (name);
  for (gsize i = 0; parts != NULL && parts[i] != NULL; i++)
    if (strncmp (parts[i], name, length) == 0 && parts[i][length] == '=')
      {
        char *value = decode (parts[i] + length + 1);

        const char *path = value != NULL && strcmp (name, "pin-source") == 0 ? file_path (value) : NULL;

        if (path != NULL)
          memmove (value, path, strlen (path) + 1);
        return value;
      }
  return NULL;
}
