/* SPDX-License-Identifier: Apache-2.0 */
/* A KMS v2 client on a Unix socket, for the commands that ask a running provider. Blocking. */
#pragma once

#include <glib.h>

#include "base/secret.h"

G_BEGIN_DECLS

/* A phrase of the errors, by which doctor tells them. */
#define OBK_KMS_CLIENT_SAYS_DENIED "permission denied"

typedef struct _ObkKmsClient ObkKmsClient;

typedef struct
{
  char *version;
  char *healthz;
  char *key_id;
} ObkKmsStatus;

typedef struct
{
  GBytes *ciphertext;
  char *key_id;
  GHashTable *annotations; /* char * -> GBytes * */
} ObkKmsEncrypted;

/**
 * obk_kms_client_new:
 * @timeout_us: how long to wait for a place in the queue of a socket that accepts none at the moment
 * @error: OBK_ERROR_SOCKET_UNAVAILABLE, saying what is wrong with the socket
 */
ObkKmsClient *obk_kms_client_new (const char *socket_path, gint64 timeout_us, GError **error);
void obk_kms_client_free (ObkKmsClient *client);

/* Each: @timeout_us bounds the call; @error: the class that fits the gRPC status, its text holding code and message. */
gboolean obk_kms_client_status (ObkKmsClient *client, gint64 timeout_us, ObkKmsStatus *status, GError **error);
gboolean obk_kms_client_encrypt (ObkKmsClient *client, gint64 timeout_us, ObkSecret *plaintext, const char *uid,
                                 ObkKmsEncrypted *encrypted, GError **error);
ObkSecret *obk_kms_client_decrypt (ObkKmsClient *client, gint64 timeout_us, const ObkKmsEncrypted *encrypted,
                                   const char *uid, GError **error);

void obk_kms_status_clear (ObkKmsStatus *status);
void obk_kms_encrypted_clear (ObkKmsEncrypted *encrypted);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkKmsClient, obk_kms_client_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkKmsStatus, obk_kms_status_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ObkKmsEncrypted, obk_kms_encrypted_clear)

G_END_DECLS
