/* SPDX-License-Identifier: Apache-2.0 */
/* key_id: derived from scope, version and creation time; opaque and safe to log. */
#include "identity/key-id.h"

#include "base/hash.h"

#include <string.h>

#define PREFIX "obk2."
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define DOMAIN "openbao-kubernetes-kms/key-id/v1"

G_STATIC_ASSERT (PREFIX_LENGTH + OBK_HASH_LENGTH == OBK_KEY_ID_LENGTH);

/* The zero byte at the end keeps parts apart: no part can hold one. */
static void
append_part (GString *message, const char *part)
{
  g_string_append_len (message, part, (gssize)strlen (part) + 1);
}

char *
obk_key_id_derive (const ObkScope *scope, guint32 version, gint64 created_at_unix)
{
  g_autoptr (GString) message = NULL;
  g_autofree char *hash = NULL;

  g_return_val_if_fail (scope != NULL && version > 0 && created_at_unix > 0, NULL);

  message = g_string_sized_new (512);
  append_part (message, DOMAIN);
  append_part (message, scope->provider_name);
  append_part (message, scope->cluster_id);
  append_part (message, scope->instance_id);
  if (obk_scope_has_namespace (scope))
    append_part (message, scope->namespace);
  append_part (message, scope->mount_id);
  append_part (message, scope->key_lineage_id);
  g_string_append_printf (message, "%" G_GUINT32_FORMAT "%c", version, '\0');
  g_string_append_printf (message, "%" G_GINT64_FORMAT "%c", created_at_unix, '\0');
  hash = obk_hash (message->str, (gssize)message->len);
  return g_strconcat (PREFIX, hash, NULL);
}

gboolean
obk_key_id_is_well_formed (const char *text, gsize length)
{
  return length == OBK_KEY_ID_LENGTH && memcmp (text, PREFIX, PREFIX_LENGTH) == 0
         && obk_hash_is_valid (text + PREFIX_LENGTH, length - PREFIX_LENGTH);
}
