/* SPDX-License-Identifier: Apache-2.0 */
/* What a JWT must say before it is sent: looked at without verifying its signature, which is OpenBao's affair. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_JWT_MAX_BYTES (64 * 1024)

/* Which claim the error is about, by which doctor tells them apart. */
#define OBK_JWT_SAYS_EXP "\"exp\""
#define OBK_JWT_SAYS_NBF "\"nbf\""
#define OBK_JWT_SAYS_IAT "\"iat\""
#define OBK_JWT_SAYS_ISS "\"iss\""
#define OBK_JWT_SAYS_AUD "\"aud\""
#define OBK_JWT_SAYS_SUB "\"sub\""

typedef struct
{
  gint64 min_remaining_ttl_us;
  gint64 clock_skew_leeway_us;
  const char *expected_issuer;          /* "" for any */
  const char *const *expected_audience; /* empty for any; else one of them must be in aud */
  const char *expected_subject;         /* "" for any */
} ObkJwtRules;

/* A copy that owns what it points to, and its end. */
void obk_jwt_rules_copy (ObkJwtRules *to, const ObkJwtRules *from);
void obk_jwt_rules_clear (ObkJwtRules *rules);

/**
 * obk_jwt_check:
 * @now_unix: the system clock
 * @expires_unix: (out) (optional): its exp
 * @error: OBK_ERROR_CREDENTIAL_INVALID; the text holds nothing of the JWT but the names of claims
 *
 * What passes holds only letters, digits, "-", "_" and two dots.
 *
 * Source: spec openbao.md, "JWT from a file".
 */
gboolean obk_jwt_check (const char *jwt, gsize length, const ObkJwtRules *rules, gint64 now_unix, gint64 *expires_unix,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
