/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes through a running provider and back. */
#include "cli/doctor/exchange.h"

#include "cli/sample.h"

#define UID "doctor"

gboolean
obk_exchange_run (ObkKmsClient *client, GError **error)
{
  g_autoptr (ObkSecret) sample = obk_sample_new (error);
  g_autoptr (ObkSecret) back = NULL;
  g_auto (ObkKmsEncrypted) encrypted = { 0 };

  if (sample == NULL || !obk_kms_client_encrypt (client, OBK_EXCHANGE_TIMEOUT_US, sample, UID, &encrypted, error))
    return FALSE;
  back = obk_kms_client_decrypt (client, OBK_EXCHANGE_TIMEOUT_US, &encrypted, UID, error);
  return back != NULL && obk_sample_check (sample, back, error);
}
