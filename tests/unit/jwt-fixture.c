/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt-fixture.h"

#include <string.h>

static const char *const nobody[] = { NULL };

const ObkJwtRules jwt_any = {
  .min_remaining_ttl_us = 120 * (gint64)G_USEC_PER_SEC,
  .clock_skew_leeway_us = 30 * (gint64)G_USEC_PER_SEC,
  .expected_issuer = "",
  .expected_audience = nobody,
  .expected_subject = "",
};

char *
jwt_encode (const char *text)
{
  char *base64 = g_base64_encode ((const guchar *)text, strlen (text));

  g_strdelimit (base64, "+", '-');
  g_strdelimit (base64, "/", '_');
  base64[strcspn (base64, "=")] = '\0';
  return base64;
}

char *
jwt_make (const char *header, const char *claims)
{
  g_autofree char *first = jwt_encode (header);
  g_autofree char *second = jwt_encode (claims);

  return g_strdup_printf ("%s.%s." JWT_SIGNATURE, first, second);
}
