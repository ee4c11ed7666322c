/* SPDX-License-Identifier: Apache-2.0 */
/* The identity scope: what a key_id, the annotations and the associated data are derived from. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A plain value; every string is valid UTF-8 without control characters, checked by config/. */
typedef struct
{
  char *provider_name;
  char *cluster_id;
  char *instance_id;
  char *namespace; /* %NULL without one */
  char *mount_id;
  char *key_lineage_id;
} ObkScope;

ObkScope *obk_scope_copy (const ObkScope *scope);
void obk_scope_free (ObkScope *scope);
gboolean obk_scope_has_namespace (const ObkScope *scope); /* an empty one is none */
gboolean obk_scope_equal (const ObkScope *a, const ObkScope *b);

/* Returns: (transfer full): "cfg1." and H(j), spec identity.md "Configuration fingerprint" */
char *obk_scope_fingerprint (const ObkScope *scope, const char *mount_path, const char *key_name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkScope, obk_scope_free)

G_END_DECLS
