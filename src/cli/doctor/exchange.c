/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes through a running provider and back. */
#include "cli/doctor/exchange.h"

#include "base/error.h"

#include <glib/gi18n.h>

#include <string.h>
#include <sys/random.h>

#define PLAINTEXT_LENGTH 32
#define UID "doctor"

static ObkSecret *
random_plaintext (void)
{
  ObkSecret *plaintext = obk_secret_new (PLAINTEXT_LENGTH);

  if (getrandom (obk_secret_writable (plaintext), PLAINTEXT_LENGTH, 0) != PLAINTEXT_LENGTH)
    g_clear_pointer (&plaintext, obk_secret_unref);
  else
    obk_secret_set_length (plaintext, PLAINTEXT_LENGTH);
  return plaintext;
}

gboolean
obk_exchange_run (ObkKmsClient *client, GError **error)
{
  g_autoptr (ObkSecret) plaintext = random_plaintext ();
  g_autoptr (ObkSecret) back = NULL;
  g_auto (ObkKmsEncrypted) encrypted = { 0 };

  if (plaintext == NULL)
    {
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "cannot get random bytes");
      return FALSE;
    }
  if (!obk_kms_client_encrypt (client, OBK_EXCHANGE_TIMEOUT_US, plaintext, UID, &encrypted, error))
    return FALSE;
  back = obk_kms_client_decrypt (client, OBK_EXCHANGE_TIMEOUT_US, &encrypted, UID, error);
  if (back == NULL)
    return FALSE;
  if (obk_secret_length (back) == PLAINTEXT_LENGTH
      && memcmp (obk_secret_data (back), obk_secret_data (plaintext), PLAINTEXT_LENGTH) == 0)
    return TRUE;
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNKNOWN, _ ("what came back is not what was encrypted"));
  return FALSE;
}
