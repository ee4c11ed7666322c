/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State and checkpoint documents. Each input is read as it is, and once more with a hash that fits it, since
 * nearly every change is otherwise found by the hash alone. What is taken is valid and is written as it was read.
 */
#include "fuzz.h"

#include "base/canonical-json.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "registry/document.h"

#include <string.h>

#define MAX_DEPTH 8

/* Of the corpus */
static const ObkScope scope = {
  .provider_name = (char *)"openbao-kms-workload-a",
  .cluster_id = (char *)"workload-a",
  .instance_id = (char *)"bao-prod-a",
  .mount_id = (char *)"transit-prod-primary",
  .key_lineage_id = (char *)"01HXEXAMPLEKEYLINEAGEID",
};

static void
write_value (ObkCanonicalJson *json, const char *name, json_t *value, guint depth)
{
  const char *member = NULL;
  json_t *inner = NULL;
  size_t i = 0;

  if (json_is_string (value))
    obk_canonical_json_string (json, name, json_string_value (value));
  else if (json_is_integer (value))
    obk_canonical_json_int (json, name, json_integer_value (value));
  else if (json_is_array (value) && depth < MAX_DEPTH)
    {
      obk_canonical_json_begin_array (json, name);
      json_array_foreach (value, i, inner)
        write_value (json, NULL, inner, depth + 1);
      obk_canonical_json_end_array (json);
    }
  else if (json_is_object (value) && depth < MAX_DEPTH)
    {
      obk_canonical_json_begin_object (json, name);
      json_object_foreach (value, member, inner)
        write_value (json, member, inner, depth + 1);
      obk_canonical_json_end_object (json);
    }
  else
    obk_canonical_json_null (json, name);
}

static char *
encode (json_t *value)
{
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);

  write_value (json, NULL, value, 0);
  return obk_canonical_json_steal (json, NULL);
}

static void
check_error (const GError *error)
{
  g_assert_error (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_cmpuint (strlen (error->message), <, 600);
}

static void
check_text (const char *text, gsize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) checkpoint_error = NULL;
  g_auto (ObkCheckpoint) checkpoint = { 0 };
  g_autoptr (ObkState) state = obk_document_read_state (text, length, &scope, &error);

  if (state != NULL)
    {
      gsize written_length = 0;
      g_autofree char *hash = g_strdup (state->current_hash);
      g_autofree char *written = obk_document_write_state (state, &written_length);
      g_autoptr (ObkState) again = obk_document_read_state (written, written_length, &scope, &error);

      g_assert_no_error (error);
      g_assert_true (obk_state_validate (state, &error));
      g_assert_true (obk_state_same_content (state, again));
      g_assert_true (obk_document_is_hash (hash));
      g_assert_cmpuint (state->generation, ==, again->generation);
    }
  else
    check_error (error);
  if (obk_document_read_checkpoint (text, length, &checkpoint, &checkpoint_error))
    {
      g_assert_cmpuint (checkpoint.generation, >, 0);
      g_assert_true (obk_document_is_hash (checkpoint.current_hash));
      g_assert_null (state);
    }
  else
    check_error (checkpoint_error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (json_t) document = obk_json_parse ((const char *)data, size, NULL);
  g_autofree char *body = NULL;
  g_autofree char *hash = NULL;
  g_autofree char *value = NULL;
  g_autofree char *sealed = NULL;

  check_text ((const char *)data, size);
  if (!json_is_object (document))
    return 0;
  json_object_del (document, "currentHash");
  body = encode (document);
  hash = obk_hash (body, -1);
  value = g_strconcat ("krs1.", hash, NULL);
  json_object_set_new (document, "currentHash", json_string (value));
  sealed = encode (document);
  check_text (sealed, strlen (sealed));
  return 0;
}
