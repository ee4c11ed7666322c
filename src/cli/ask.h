/* SPDX-License-Identifier: Apache-2.0 */
/* OpenBao asked and waited for: for commands, which do one thing after the other. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "provider/session.h"

G_BEGIN_DECLS

/* Each runs a main loop of the default context until the answer is there; openbao.timeout bounds each attempt,
 * auth.loginTimeout the login and the one that follows a denial. @error: as the calls themselves have it. */

gboolean obk_ask_login (ObkSession *session, gint64 timeout_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;
ObkKeyMetadata *obk_ask_key (ObkSession *session, GError **error);

/**
 * obk_ask_metadata:
 * @reason: (out): static: of ObkMetadataReadDone
 *
 * All that a metadata probe reads.
 */
ObkKeyMetadata *obk_ask_metadata (ObkSession *session, const char **reason, GError **error);

gboolean obk_ask_upsert (ObkSession *session, gboolean *disable_upsert, GError **error) G_GNUC_WARN_UNUSED_RESULT;
ObkSecret *obk_ask_decrypt (ObkSession *session, const char *ciphertext, const char *associated_data_base64,
                            GError **error);

/**
 * obk_ask_canary:
 * @error: what the call says; OBK_ERROR_TRANSIT_AUTHENTICATION_TAG when another plaintext came back
 *
 * Random bytes under @version to Transit and back.
 */
gboolean obk_ask_canary (ObkSession *session, guint32 version, const char *associated_data_base64, char **ciphertext,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* @paths: %NULL-ended. Returns: (transfer full): the object path -> [capability, …] */
json_t *obk_ask_capabilities (ObkSession *session, const char *const *paths, GError **error);

G_END_DECLS
