/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of a token: read from its file, and never tried again once it was refused, since tokens lock. */
#include "openbao/pin.h"

#include "base/error.h"
#include "base/safe-file.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

ObkSecret *
obk_pin_read (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (ObkSecret) pin = obk_safe_file_read (path, OBK_FILE_MASK_PRIVATE, OBK_PIN_MAX_BYTES + 1, &cause);
  gsize length = 0;

  if (pin == NULL)
    {
      g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "PIN file: %s", cause->message);
      return NULL;
    }
  length = obk_secret_length (pin);
  if (length > 0 && obk_secret_data (pin)[length - 1] == '\n')
    obk_secret_set_length (pin, --length);
  if (length > 0 && length <= OBK_PIN_MAX_BYTES)
    return g_steal_pointer (&pin);
  g_set_error (error, OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "PIN file \"%s\": a PIN has 1 to %d bytes", path,
               OBK_PIN_MAX_BYTES);
  return NULL;
}

static char *
hash (const ObkPinGuard *guard, const char *token, ObkSecret *pin)
{
  GHmac *hmac = g_hmac_new (G_CHECKSUM_SHA256, guard->key, sizeof guard->key);
  char *text = NULL;

  g_hmac_update (hmac, (const guchar *)token, (gssize)strlen (token) + 1);
  g_hmac_update (hmac, (const guchar *)obk_secret_data (pin), (gssize)obk_secret_length (pin));
  text = g_strdup (g_hmac_get_string (hmac));
  g_hmac_unref (hmac);
  return text;
}

void
obk_pin_guard_remember (ObkPinGuard *guard, const char *token, ObkSecret *pin)
{
  obk_pin_guard_clear (guard);
  if (TEMP_FAILURE_RETRY (getrandom (guard->key, sizeof guard->key, 0)) != sizeof guard->key)
    memset (guard->key, 0, sizeof guard->key); /* cannot be; it would still be remembered */
  guard->refused = hash (guard, token, pin);
}

gboolean
obk_pin_guard_knows (const ObkPinGuard *guard, const char *token, ObkSecret *pin)
{
  g_autofree char *text = guard->refused != NULL ? hash (guard, token, pin) : NULL;

  return text != NULL && strcmp (text, guard->refused) == 0;
}

void
obk_pin_guard_clear (ObkPinGuard *guard)
{
  g_clear_pointer (&guard->refused, g_free);
}
