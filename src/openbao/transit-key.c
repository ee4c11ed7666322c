/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to GET keys/KEY, read strictly. */
#include "openbao/transit-key.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define MAX_UNIX G_GINT64_CONSTANT (253402300799) /* the end of the year 9999 */

static gboolean
refuse (GError **error, const char *name, const char *problem)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_JSON, "\"%s\" %s", name, problem);
  return FALSE;
}

/* "YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)" */
static gboolean
read_rfc3339 (const char *text, gint64 *unix_s)
{
  static const char form[] = "dddd-dd-ddTdd:dd:dd";
  g_autoptr (GDateTime) time = NULL;
  gsize at = strlen (form);

  for (gsize i = 0; i < at; i++)
    if (form[i] == 'd' ? !g_ascii_isdigit (text[i]) : text[i] != form[i])
      return FALSE;
  if (text[at] == '.')
    {
      gsize digits = strspn (text + at + 1, "0123456789");

      if (digits == 0)
        return FALSE;
      at += 1 + digits;
    }
  if (strcmp (text + at, "Z") != 0 && ((text[at] != '+' && text[at] != '-') || strlen (text + at) != strlen ("+HH:MM")))
    return FALSE;
  time = g_date_time_new_from_iso8601 (text, NULL);
  if (time == NULL)
    return FALSE;
  *unix_s = g_date_time_to_unix (time);
  return TRUE;
}

/* Go's zero time and the like become 0: none given. */
static gboolean
read_creation_time (const json_t *value, gint64 *unix_s)
{
  if (json_is_object (value))
    value = json_object_get (value, "creation_time");
  if (json_is_integer (value))
    *unix_s = json_integer_value (value);
  else if (json_is_real (value))
    *unix_s = (gint64)CLAMP (json_real_value (value), 0, (double)MAX_UNIX + 1);
  else if (!json_is_string (value) || !read_rfc3339 (json_string_value (value), unix_s))
    return FALSE;
  *unix_s = MAX (*unix_s, 0);
  return *unix_s <= MAX_UNIX;
}

/* A decimal without sign or leading zeros, so that no two texts are the same version. */
static gboolean
read_version (const char *text, guint32 *version)
{
  guint64 value = 0;

  if (*text < '1' || *text > '9' || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT32, &value, NULL))
    return FALSE;
  *version = (guint32)value;
  return TRUE;
}

static gint
compare_versions (gconstpointer a, gconstpointer b)
{
  guint32 x = ((const ObkKeyVersion *)a)->version;
  guint32 y = ((const ObkKeyVersion *)b)->version;

  return (x > y) - (x < y);
}

/* @optional: of a key that does not encrypt; OpenBao shows no versions of those of type hmac */
static gboolean
read_versions (const json_t *data, gboolean optional, GArray *versions, GError **error)
{
  const json_t *keys = NULL;
  const char *text = NULL;
  json_t *value = NULL;

  if (optional && json_object_get (data, "keys") == NULL)
    return TRUE;
  if (!obk_json_get_object (data, "keys", &keys, error))
    return FALSE;
  if (json_object_size (keys) > OBK_TRANSIT_MAX_VERSIONS)
    return refuse (error, "keys", "has too many versions");
  json_object_foreach ((json_t *)keys, text, value)
    {
      ObkKeyVersion version = { .version = 0 };

      if (!read_version (text, &version.version))
        return refuse (error, "keys", "has a member that is not a version");
      if (!read_creation_time (value, &version.created_at_unix))
        return refuse (error, "keys", "has a creation time that is none");
      g_array_append_val (versions, version);
    }
  g_array_sort (versions, compare_versions);
  return TRUE;
}

/* @optional: whether it may be missing, and is 0 then */
static gboolean
read_number (const json_t *data, const char *name, gboolean optional, guint32 *number, GError **error)
{
  gint64 value = 0;

  if (optional && json_object_get (data, name) == NULL)
    return TRUE;
  if (!obk_json_get_int (data, name, &value, error))
    return FALSE;
  if (value < 0 || value > G_MAXUINT32)
    return refuse (error, name, "is out of range");
  *number = (guint32)value;
  return TRUE;
}

static gboolean
read_flag (const json_t *data, const char *name, gboolean optional, gboolean *flag, GError **error)
{
  if (optional && json_object_get (data, name) == NULL)
    return TRUE;
  return obk_json_get_boolean (data, name, flag, error);
}

static gboolean
read_flags (const json_t *data, ObkKeyMetadata *metadata, GError **error)
{
  return read_flag (data, "soft_deleted", TRUE, &metadata->soft_deleted, error)
         && read_flag (data, "derived", FALSE, &metadata->derived, error)
         && read_flag (data, "convergent_encryption", TRUE, &metadata->convergent, error)
         && read_flag (data, "exportable", FALSE, &metadata->exportable, error)
         && read_flag (data, "allow_plaintext_backup", FALSE, &metadata->allow_plaintext_backup, error)
         && read_flag (data, "deletion_allowed", FALSE, &metadata->deletion_allowed, error)
         && read_flag (data, "supports_encryption", FALSE, &metadata->supports_encryption, error)
         && read_flag (data, "supports_decryption", FALSE, &metadata->supports_decryption, error);
}

static gboolean
read_numbers (const json_t *data, ObkKeyMetadata *metadata, GError **error)
{
  if (!read_number (data, "latest_version", FALSE, &metadata->latest_version, error)
      || !read_number (data, "min_available_version", TRUE, &metadata->min_available_version, error)
      || !read_number (data, "min_decryption_version", TRUE, &metadata->min_decryption_version, error)
      || !read_number (data, "min_encryption_version", TRUE, &metadata->min_encryption_version, error))
    return FALSE;
  return metadata->latest_version > 0 || refuse (error, "latest_version", "is not positive");
}

ObkKeyMetadata *
obk_transit_key_read (const json_t *data, GError **error)
{
  g_autoptr (ObkKeyMetadata) metadata = obk_key_metadata_new ();
  const char *type = NULL;

  if (!obk_json_get_string (data, "type", &type, error) || !read_flags (data, metadata, error)
      || !read_numbers (data, metadata, error)
      || !read_versions (data, !metadata->supports_encryption, metadata->versions, error))
    return NULL;
  metadata->type = g_strdup (type);
  return g_steal_pointer (&metadata);
}
