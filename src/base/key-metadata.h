/* SPDX-License-Identifier: Apache-2.0 */
/* What Transit says of a key: read by openbao/transit, judged by registry/. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  guint32 version;        /* > 0 */
  gint64 created_at_unix; /* > 0; 0 when OpenBao gave none */
} ObkKeyVersion;

/* A plain value. Owner: whoever called obk_key_metadata_new(). */
typedef struct
{
  char *type; /* "aes256-gcm96" is the only one that passes */
  gboolean soft_deleted;
  gboolean derived;
  gboolean convergent;
  gboolean exportable;
  gboolean allow_plaintext_backup;
  gboolean deletion_allowed;
  gboolean supports_encryption;
  gboolean supports_decryption;
  guint32 latest_version;
  guint32 min_available_version;  /* 0: no limit */
  guint32 min_decryption_version; /* 0: no limit */
  guint32 min_encryption_version; /* 0: the latest is what is used, nothing is excluded */
  GArray *versions;               /* of ObkKeyVersion, ascending by version, no duplicates */
  gboolean disable_upsert;        /* of the mount; set by whoever read it */
  gint64 server_date_unix;        /* the answer's Date header; 0 without one */
} ObkKeyMetadata;

ObkKeyMetadata *obk_key_metadata_new (void);
ObkKeyMetadata *obk_key_metadata_copy (const ObkKeyMetadata *metadata);
void obk_key_metadata_free (ObkKeyMetadata *metadata);

/* Returns: that version's creation time in Unix seconds, 0 when it is unknown */
gint64 obk_key_metadata_created_at (const ObkKeyMetadata *metadata, guint32 version);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkKeyMetadata, obk_key_metadata_free)

G_END_DECLS
