/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way that one side has given and the other has not yet taken. */
#include "openbao/rest.h"

void
obk_rest_clear (ObkRest *rest)
{
  g_clear_pointer (&rest->bytes, obk_secret_unref);
  rest->taken = 0;
}

gboolean
obk_rest_is_empty (const ObkRest *rest)
{
  return rest->bytes == NULL;
}

void
obk_rest_keep (ObkRest *rest, const char *data, gsize size)
{
  g_return_if_fail (obk_rest_is_empty (rest) && size > 0);

  rest->bytes = obk_secret_new_copy (data, size);
}

const char *
obk_rest_left (const ObkRest *rest, gsize *size)
{
  g_return_val_if_fail (!obk_rest_is_empty (rest), NULL);

  *size = obk_secret_length (rest->bytes) - rest->taken;
  return obk_secret_data (rest->bytes) + rest->taken;
}

gboolean
obk_rest_take (ObkRest *rest, gsize n)
{
  g_return_val_if_fail (!obk_rest_is_empty (rest), TRUE);
  g_return_val_if_fail (n <= obk_secret_length (rest->bytes) - rest->taken, FALSE);

  rest->taken += n;
  if (rest->taken < obk_secret_length (rest->bytes))
    return FALSE;
  obk_rest_clear (rest);
  return TRUE;
}
