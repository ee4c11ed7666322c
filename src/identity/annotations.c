/* SPDX-License-Identifier: Apache-2.0 */
/* The annotations of a KMS v2 answer, and the form that a request's must have. */
#include "identity/annotations.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/names.h"
#include "base/utf8.h"

#include <string.h>

/* spec kms-v2.md, "Limits" */
#define MAX_TOTAL 32767
#define MAX_KEY 253
#define MAX_LABEL 63

static gboolean
is_label_character (char c)
{
  return g_ascii_islower (c) || g_ascii_isdigit (c) || c == '-';
}

static gboolean
is_fqdn (const char *key, gsize length)
{
  gsize start = 0;
  guint labels = 0;

  if (length > MAX_KEY)
    return FALSE;
  for (gsize i = 0; i <= length; i++)
    {
      if (i < length && key[i] != '.')
        {
          if (!is_label_character (key[i]))
            return FALSE;
          continue;
        }
      if (i == start || i - start > MAX_LABEL || key[start] == '-' || key[i - 1] == '-')
        return FALSE;
      labels++;
      start = i + 1;
    }
  return labels >= 2;
}

gboolean
obk_annotations_check_limits (const ObkAnnotation *annotations, gsize n, GError **error)
{
  const char *problem = NULL;
  gsize total = 0;

  for (gsize i = 0; i < n && problem == NULL; i++)
    {
      gsize key_length = strlen (annotations[i].key);

      total += key_length; /* cannot overflow: all of it is in memory */
      total += annotations[i].value_length;
      if (total > MAX_TOTAL)
        problem = "annotations are too large";
      else if (!is_fqdn (annotations[i].key, key_length))
        problem = "an annotation's key is not a fully qualified domain name";
      else if (!obk_utf8_is_valid (annotations[i].value, annotations[i].value_length))
        problem = "an annotation's value is not UTF-8";
    }
  if (problem != NULL)
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_REQUEST_LIMIT, problem);
  return problem == NULL;
}

const ObkAnnotation *
obk_annotations_find (const ObkAnnotation *annotations, gsize n, const char *key)
{
  for (gsize i = n; i > 0; i--)
    if (strcmp (annotations[i - 1].key, key) == 0)
      return &annotations[i - 1];
  return NULL;
}

gboolean
obk_annotation_is (const ObkAnnotation *annotation, const char *value)
{
  gsize length = strlen (value);

  return annotation != NULL && annotation->value_length == length
         && (length == 0 || memcmp (annotation->value, value, length) == 0);
}

/* Decimal as we write it, without sign, leading zeros or spaces. Returns: 0 when it is not one of 32 bits */
static guint32
parse_version (const char *text, gsize length)
{
  guint64 version = 0;

  if (length == 0 || text[0] == '0')
    return 0;
  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return 0;
      version = version * 10 + (guint64)(text[i] - '0');
      if (version > G_MAXUINT32)
        return 0;
    }
  return (guint32)version;
}

static gboolean
is_anything (const ObkAnnotation *annotation)
{
  return TRUE;
}

static gboolean
is_hash (const ObkAnnotation *annotation)
{
  return obk_hash_is_valid (annotation->value, annotation->value_length);
}

static gboolean
is_version (const ObkAnnotation *annotation)
{
  return parse_version (annotation->value, annotation->value_length) != 0;
}

static gboolean
is_provider_marker (const ObkAnnotation *annotation)
{
  return obk_annotation_is (annotation, OBK_PROVIDER_MARKER);
}

static gboolean
is_aad_version (const ObkAnnotation *annotation)
{
  return obk_annotation_is (annotation, OBK_AAD_VERSION);
}

static const struct
{
  const char *key;
  gboolean (*is_valid) (const ObkAnnotation *annotation); /* of one that is not empty */
} forms[] = {
  { OBK_ANNOTATION_PROVIDER, is_provider_marker },
  { OBK_ANNOTATION_KEY_ID_HASH, is_hash },
  { OBK_ANNOTATION_KEY_VERSION, is_version },
  { OBK_ANNOTATION_MOUNT_HASH, is_hash },
  { OBK_ANNOTATION_KEY_HASH, is_hash },
  { OBK_ANNOTATION_NAMESPACE_HASH, is_hash },
  { OBK_ANNOTATION_PLUGIN_VERSION, is_anything },
  { OBK_ANNOTATION_AAD_VERSION, is_aad_version },
};

gboolean
obk_annotations_check_form (const ObkAnnotation *annotations, gsize n, const ObkScope *scope, GError **error)
{
  gboolean has_namespace = FALSE;

  g_return_val_if_fail (scope != NULL, FALSE);

  has_namespace = obk_scope_has_namespace (scope);
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      const ObkAnnotation *annotation = obk_annotations_find (annotations, n, forms[i].key);
      const char *problem = NULL;

      if (!has_namespace && strcmp (forms[i].key, OBK_ANNOTATION_NAMESPACE_HASH) == 0)
        continue;
      if (annotation == NULL)
        problem = "is missing";
      else if (annotation->value_length == 0)
        problem = "is empty";
      else if (!forms[i].is_valid (annotation))
        problem = "is malformed";
      if (problem != NULL)
        {
          g_set_error (error, OBK_ERROR, OBK_ERROR_ANNOTATION_INVALID, "annotation \"%s\" %s", forms[i].key, problem);
          return FALSE;
        }
    }
  if (!has_namespace && obk_annotations_find (annotations, n, OBK_ANNOTATION_NAMESPACE_HASH) != NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_AAD_MISMATCH, "annotation \"%s\" is present without a namespace",
                   OBK_ANNOTATION_NAMESPACE_HASH);
      return FALSE;
    }
  return TRUE;
}

static gboolean
is_hash_of (const ObkAnnotation *annotation, const char *text)
{
  g_autofree char *hash = obk_hash (text, -1);

  return obk_annotation_is (annotation, hash);
}

gboolean
obk_annotations_are_of_scope (const ObkAnnotation *annotations, gsize n, const ObkScope *scope, const char *key_id)
{
  const ObkAnnotation *namespace = obk_annotations_find (annotations, n, OBK_ANNOTATION_NAMESPACE_HASH);

  g_return_val_if_fail (scope != NULL && key_id != NULL, FALSE);

  if (obk_scope_has_namespace (scope) ? !is_hash_of (namespace, scope->namespace) : namespace != NULL)
    return FALSE;
  return obk_annotation_is (obk_annotations_find (annotations, n, OBK_ANNOTATION_PROVIDER), OBK_PROVIDER_MARKER)
         && is_hash_of (obk_annotations_find (annotations, n, OBK_ANNOTATION_MOUNT_HASH), scope->mount_id)
         && is_hash_of (obk_annotations_find (annotations, n, OBK_ANNOTATION_KEY_HASH), scope->key_lineage_id)
         && is_hash_of (obk_annotations_find (annotations, n, OBK_ANNOTATION_KEY_ID_HASH), key_id);
}

guint32
obk_annotations_key_version (const ObkAnnotation *annotations, gsize n)
{
  const ObkAnnotation *version = obk_annotations_find (annotations, n, OBK_ANNOTATION_KEY_VERSION);

  g_return_val_if_fail (version != NULL, 0);

  return parse_version (version->value, version->value_length);
}
