/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's annotations, one a line as key=value; the first line is the request's key_id.
 * Nothing passes that does not equal what the key demands.
 */
#include "fuzz.h"

#include "base/error.h"
#include "base/names.h"
#include "identity/key-id.h"
#include "identity/key-identity.h"

#include <string.h>

#define MAX_ANNOTATIONS 64

typedef struct
{
  ObkScope *scope;
  ObkKeyIdentity *identity;
} Key;

/* The two keys that the corpus was written for */
static const Key *
get_keys (void)
{
  static Key keys[2];

  if (keys[0].scope == NULL)
    {
      ObkScope scope = {
        .provider_name = (char *)"p",
        .cluster_id = (char *)"c",
        .instance_id = (char *)"i",
        .mount_id = (char *)"m",
        .key_lineage_id = (char *)"k",
      };

      keys[0].scope = obk_scope_copy (&scope);
      scope.namespace = (char *)"n";
      keys[1].scope = obk_scope_copy (&scope);
      for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        keys[i].identity = obk_key_identity_new (keys[i].scope, 3, 5);
    }
  return keys;
}

static void
check_passed (const Key *key, const ObkAnnotation *annotations, gsize n)
{
  gsize n_own = 0;
  const ObkAnnotation *own = obk_key_identity_annotations (key->identity, &n_own);

  g_assert_true (obk_annotations_are_of_scope (annotations, n, key->scope, obk_key_identity_key_id (key->identity)));
  g_assert_cmpuint (obk_annotations_key_version (annotations, n), ==, 3);
  for (gsize i = 0; i < n_own; i++)
    {
      const ObkAnnotation *theirs = obk_annotations_find (annotations, n, own[i].key);

      g_assert_nonnull (theirs);
      if (strcmp (own[i].key, OBK_ANNOTATION_PLUGIN_VERSION) != 0)
        g_assert_cmpmem (theirs->value, theirs->value_length, own[i].value, own[i].value_length);
    }
}

static void
check (const Key *key, const ObkAnnotation *annotations, gsize n)
{
  g_autoptr (GError) error = NULL;

  if (!obk_annotations_check_form (annotations, n, key->scope, &error))
    {
      if (!g_error_matches (error, OBK_ERROR, OBK_ERROR_AAD_MISMATCH))
        g_assert_error (error, OBK_ERROR, OBK_ERROR_ANNOTATION_INVALID);
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (obk_annotations_key_version (annotations, n), >, 0);
  if (obk_key_identity_check (key->identity, annotations, n, &error))
    check_passed (key, annotations, n);
  else
    g_assert_error (error, OBK_ERROR, OBK_ERROR_AAD_MISMATCH);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *at = (const char *)data;
  const char *end = at + size;
  const char *line_end = size > 0 ? memchr (at, '\n', size) : NULL;
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  ObkAnnotation annotations[MAX_ANNOTATIONS];
  gsize n = 0;

  if (obk_key_id_is_well_formed (at, (gsize)((line_end != NULL ? line_end : end) - at)))
    g_assert_true (memcmp (at, "obk2.", 5) == 0);
  while (line_end != NULL && n < MAX_ANNOTATIONS)
    {
      const char *equals = NULL;

      at = line_end + 1;
      line_end = at < end ? memchr (at, '\n', (gsize)(end - at)) : NULL;
      equals = at < end ? memchr (at, '=', (gsize)((line_end != NULL ? line_end : end) - at)) : NULL;
      if (equals == NULL)
        continue;
      annotations[n].key = g_strndup (at, (gsize)(equals - at));
      g_ptr_array_add (keys, (gpointer)annotations[n].key);
      annotations[n].value = equals + 1;
      annotations[n].value_length = (gsize)((line_end != NULL ? line_end : end) - equals - 1);
      n++;
    }
  (void)!obk_annotations_check_limits (annotations, n, NULL);
  for (guint i = 0; i < 2; i++)
    check (&get_keys ()[i], annotations, n);
  return 0;
}
