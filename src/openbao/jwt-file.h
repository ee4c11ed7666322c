/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT from a file: read before each login, checked without its signature, watched for replacement. */
#pragma once

#include "openbao/credential.h"

G_BEGIN_DECLS

typedef struct
{
  const char *path; /* or credential:NAME */
  const char *role;
  gint64 min_remaining_ttl_us;
  gint64 clock_skew_leeway_us;
  const char *expected_issuer;          /* "" for any */
  const char *const *expected_audience; /* empty for any; else one of them must be in aud */
  const char *expected_subject;         /* "" for any */
} ObkJwtFileOptions;

ObkCredential *obk_jwt_file_new (const ObkJwtFileOptions *options, GError **error);

/**
 * obk_jwt_check:
 * @now_unix: the system clock
 * @expires_unix: (out) (optional): its exp
 * @error: OBK_ERROR_CREDENTIAL_INVALID; the text holds nothing of the JWT but the names of claims
 *
 * Spec openbao.md, "JWT from a file".
 */
gboolean obk_jwt_check (const char *jwt, gsize length, const ObkJwtFileOptions *options, gint64 now_unix,
                        gint64 *expires_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
