/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed attempt at one address is worth: whether to go on to the next one, and as the answer to the call. Pure.
 */
#include "openbao/worth.h"

#include "base/error.h"

gboolean
obk_worth_going_on (const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_TIMEOUT:
    case OBK_ERROR_TLS_FAILED:
    case OBK_ERROR_DNS_FAILED:
    case OBK_ERROR_CONNECTION_FAILED:
    case OBK_ERROR_UNAVAILABLE:
    case OBK_ERROR_ANSWER_REFUSED:
    case OBK_ERROR_SEALED:
    case OBK_ERROR_STANDBY_LAGGING:
      return TRUE;
    default:
      return FALSE;
    }
}

ObkWorth
obk_worth_of (const GError *error, gboolean waited_out)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_TIMEOUT:
      return waited_out ? OBK_WORTH_SILENCE : OBK_WORTH_CUT_SHORT;
    case OBK_ERROR_TLS_FAILED:
    case OBK_ERROR_DNS_FAILED:
    case OBK_ERROR_CONNECTION_FAILED:
      return OBK_WORTH_NO_CONNECTION;
    default:
      return OBK_WORTH_ANSWER;
    }
}
