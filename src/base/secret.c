/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for plaintext, JWTs, tokens and PINs: locked, left out of core dumps, wiped. */
#include "base/secret.h"

#include "base/secret-pool.h"

#include <string.h>

struct _ObkSecret
{
  gint references;
  gsize length;
  ObkSecretBlock block; /* one byte of it is for the zero at the end */
};

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
obk_wipe (gpointer data, gsize length)
{
  if (length > 0)
    explicit_bzero (data, length);
}

ObkSecret *
obk_secret_new (gsize capacity)
{
  ObkSecret *secret = NULL;

  g_return_val_if_fail (capacity < G_MAXSSIZE, NULL);

  secret = g_new0 (ObkSecret, 1);
  secret->references = 1;
  secret->block = obk_secret_pool_take (capacity + 1);
  return secret;
}

ObkSecret *
obk_secret_new_copy (gconstpointer data, gsize length)
{
  ObkSecret *secret = obk_secret_new (length);

  obk_secret_append (secret, data, length);
  return secret;
}

ObkSecret *
obk_secret_ref (ObkSecret *secret)
{
  g_return_val_if_fail (secret != NULL, NULL);

  g_atomic_int_inc (&secret->references);
  return secret;
}

void
obk_secret_unref (ObkSecret *secret)
{
  if (secret == NULL || !g_atomic_int_dec_and_test (&secret->references))
    return;
  obk_secret_pool_give (secret->block);
  g_free (secret);
}

const char *
obk_secret_data (const ObkSecret *secret)
{
  return secret->block.data;
}

char *
obk_secret_writable (ObkSecret *secret)
{
  return secret->block.data;
}

gsize
obk_secret_length (const ObkSecret *secret)
{
  return secret->length;
}

gsize
obk_secret_capacity (const ObkSecret *secret)
{
  return secret->block.size - 1;
}

void
obk_secret_set_length (ObkSecret *secret, gsize length)
{
  g_return_if_fail (secret != NULL && length <= obk_secret_capacity (secret));

  /* To the end of the block: the caller may have written past the old length. */
  explicit_bzero (secret->block.data + length, secret->block.size - length);
  secret->length = length;
}

/* Makes room for @extra bytes more and returns where they go. */
static char *
reserve (ObkSecret *secret, gsize extra)
{
  ObkSecretBlock old = secret->block;

  if (extra > obk_secret_capacity (secret) - secret->length)
    {
      g_assert (extra < G_MAXSSIZE - secret->length);
      secret->block = obk_secret_pool_take (MAX (secret->length + extra + 1, 2 * old.size));
      memcpy (secret->block.data, old.data, secret->length);
      obk_secret_pool_give (old);
    }
  return secret->block.data + secret->length;
}

/* The zero byte; it is there already unless the caller wrote past the length. */
static void
add_length (ObkSecret *secret, gsize extra)
{
  secret->length += extra;
  secret->block.data[secret->length] = '\0';
}

void
obk_secret_append (ObkSecret *secret, gconstpointer data, gsize length)
{
  g_return_if_fail (secret != NULL);

  if (length == 0)
    return;
  memcpy (reserve (secret, length), data, length);
  add_length (secret, length);
}

void
obk_secret_append_base64 (ObkSecret *secret, gconstpointer data, gsize length)
{
  const guint8 *in = data;
  gsize size = (length + 2) / 3 * 4;
  char *out = reserve (secret, size);

  for (gsize left = length; left > 0; in += 3, out += 4, left -= MIN (left, 3))
    {
      guint32 bits = (guint32)in[0] << 16 | (left > 1 ? (guint32)in[1] << 8 : 0) | (left > 2 ? in[2] : 0U);

      out[0] = base64_alphabet[bits >> 18];
      out[1] = base64_alphabet[bits >> 12 & 63];
      out[2] = left > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
      out[3] = left > 2 ? base64_alphabet[bits & 63] : '=';
    }
  add_length (secret, size);
}

/* Returns: 0..63, or -1 */
static int
base64_value (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, @n of which are not padding, into @n - 1 bytes. */
static gboolean
decode_quad (const char *text, gsize n, char *out)
{
  guint32 bits = 0;

  for (gsize i = 0; i < n; i++)
    {
      int value = base64_value (text[i]);

      if (value < 0)
        return FALSE;
      bits |= (guint32)value << (18 - 6 * i);
    }
  for (gsize i = 0; i < n - 1; i++)
    out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
  /* Bits that encode nothing must be zero: then each content has one text only. */
  return (bits << (8 * (n - 1)) & 0xffffff) == 0;
}

ObkSecret *
obk_secret_decode_base64 (const char *text, gsize length)
{
  g_autoptr (ObkSecret) secret = NULL;
  gsize padding = 0, done = 0;

  g_return_val_if_fail (text != NULL || length == 0, NULL);

  if (length % 4 != 0)
    return NULL;
  if (length > 0 && text[length - 1] == '=')
    padding = text[length - 2] == '=' ? 2 : 1;
  secret = obk_secret_new (length / 4 * 3 - padding);
  for (gsize i = 0; i < length; i += 4)
    {
      gsize n = i + 4 == length ? 4 - padding : 4;

      if (!decode_quad (text + i, n, secret->block.data + done))
        return NULL;
      done += n - 1;
    }
  add_length (secret, done);
  return g_steal_pointer (&secret);
}
