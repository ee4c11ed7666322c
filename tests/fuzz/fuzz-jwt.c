/* SPDX-License-Identifier: Apache-2.0 */
/* A JWT that passes is safe within a JSON string and lives long enough; a refusal says why. */
#include "fuzz.h"

#include "base/error.h"
#include "openbao/jwt.h"

#include <string.h>

#define NOW 1800000000

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const audience[] = { "bao", NULL };
  const ObkJwtRules rules = {
    .min_remaining_ttl_us = 120 * G_USEC_PER_SEC,
    .clock_skew_leeway_us = 30 * G_USEC_PER_SEC,
    .expected_issuer = "me",
    .expected_audience = audience,
    .expected_subject = "kms",
  };
  g_autofree char *jwt = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;
  gint64 expires_unix = -1;

  if (!obk_jwt_check ((const char *)data, size, &rules, NOW, &expires_unix, &error))
    {
      g_assert_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID);
      return 0;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (jwt), ==, size);
  g_assert_cmpuint (strspn (jwt, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_."), ==, size);
  g_assert_cmpint (expires_unix, >=, NOW + 120);
  return 0;
}
