/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes that are sent to be encrypted, and must come back. */
#include "cli/sample.h"

#include "base/error.h"

#include <glib/gi18n.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>

ObkSecret *
obk_sample_new (GError **error)
{
  g_autoptr (ObkSecret) sample = obk_secret_new (OBK_SAMPLE_LENGTH);

  if (getrandom (obk_secret_writable (sample), OBK_SAMPLE_LENGTH, 0) != OBK_SAMPLE_LENGTH)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("cannot get random bytes: %s"), g_strerror (errno));
      return NULL;
    }
  obk_secret_set_length (sample, OBK_SAMPLE_LENGTH);
  return g_steal_pointer (&sample);
}

gboolean
obk_sample_check (const ObkSecret *sample, const ObkSecret *back, GError **error)
{
  if (obk_secret_length (back) == obk_secret_length (sample)
      && memcmp (obk_secret_data (back), obk_secret_data (sample), obk_secret_length (sample)) == 0)
    return TRUE;
  return obk_refuse (error, OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, "%s", _ ("what came back is not what was encrypted"));
}
