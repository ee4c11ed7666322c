/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of an EncryptionConfiguration as they were read, and what they come to for this provider. */
#pragma once

#include <glib.h>

#include "cli/doctor/encryption-config.h"
#include "config/yaml.h"

G_BEGIN_DECLS

typedef enum
{
  OBK_ENCRYPTION_OTHER, /* aescbc, aesgcm, secretbox, somebody else's kms */
  OBK_ENCRYPTION_IDENTITY,
  OBK_ENCRYPTION_OURS
} ObkEncryptionKind;

typedef struct
{
  ObkEncryptionKind kind;
  const char *type; /* "kms", …; static */
  const char *name; /* of a kms; borrowed */
  guint line;
} ObkEncryptionProvider;

typedef struct
{
  const ObkYaml *resources; /* a sequence of scalars */
  GArray *providers;        /* of ObkEncryptionProvider */
  guint line;
} ObkEncryptionEntry;

/* Returns: how much of @name counts: "secrets." is secrets of the core group, as "secrets" is */
gsize obk_encryption_resource_length (const char *name);

gboolean obk_encryption_entry_lists (const ObkEncryptionEntry *entry, const char *resource);

/**
 * obk_encryption_entries_judge:
 * @entries: (element-type ObkEncryptionEntry): in the order of the file
 * @sound: whether API servers take the file
 *
 * Which resources go through our provider, in what order; adds what is missing or left over.
 */
void obk_encryption_entries_judge (const GPtrArray *entries, const char *path, gboolean sound,
                                   const ObkEncryptionQuestion *question, ObkCheckReport *report);

/* Warns of what API servers take and an operator may not want. @line: from 1 */
void obk_encryption_caution (ObkCheckReport *report, const char *path, guint line, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

/* Returns: seconds: what our timeout should be at least */
int obk_encryption_timeout_s (const ObkEncryptionQuestion *question);

G_END_DECLS
