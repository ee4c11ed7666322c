/* SPDX-License-Identifier: Apache-2.0 */
#include "transit-stand-in.h"

#include <string.h>

static void
call_free (gpointer data)
{
  ObkCall *call = data;

  if (call->source != 0)
    g_source_remove (call->source);
  g_clear_pointer (&call->plaintext, obk_secret_unref);
  g_free (call->ciphertext);
  g_free (call->associated_data);
  g_free (call);
}

ObkTransit *
stand_in_new (void)
{
  ObkTransit *transit = g_new0 (ObkTransit, 1);

  transit->calls = g_ptr_array_new_with_free_func (call_free);
  return transit;
}

void
obk_transit_free (ObkTransit *transit)
{
  g_ptr_array_unref (transit->calls);
  g_free (transit->last_associated_data);
  g_free (transit);
}

char *
stand_in_encrypt (guint32 version, gconstpointer plaintext, gsize length)
{
  g_autofree char *base64 = g_base64_encode (plaintext, length);

  return g_strdup_printf ("vault:v%u:%s", version, base64);
}

/* Takes the call out of those that wait. */
static ObkCall *
take (ObkTransit *transit, guint position)
{
  ObkCall *call = NULL;

  g_assert_cmpuint (position, <, transit->calls->len);
  call = g_ptr_array_steal_index (transit->calls, position);
  return call;
}

static void
answer_call (ObkCall *call)
{
  if (call->key_version != 0)
    {
      g_autofree char *ciphertext = stand_in_encrypt (call->key_version, obk_secret_data (call->plaintext),
                                                      obk_secret_length (call->plaintext));

      call->encrypted (ciphertext, NULL, call->user_data);
    }
  else
    {
      const char *base64 = strchr (strchr (call->ciphertext, ':') + 1, ':') + 1;
      g_autoptr (ObkSecret) plaintext = obk_secret_decode_base64 (base64, strlen (base64));

      g_assert_nonnull (plaintext);
      call->decrypted (plaintext, NULL, call->user_data);
    }
  call_free (call);
}

void
stand_in_answer (ObkTransit *transit)
{
  answer_call (take (transit, 0));
}

void
stand_in_answer_encrypt (ObkTransit *transit, const char *ciphertext)
{
  ObkCall *call = take (transit, 0);

  g_assert_cmpuint (call->key_version, !=, 0);
  call->encrypted (ciphertext, NULL, call->user_data);
  call_free (call);
}

void
stand_in_answer_decrypt (ObkTransit *transit, ObkSecret *plaintext)
{
  ObkCall *call = take (transit, 0);

  g_assert_cmpuint (call->key_version, ==, 0);
  call->decrypted (plaintext, NULL, call->user_data);
  call_free (call);
}

void
stand_in_fail (ObkTransit *transit, const GError *error)
{
  ObkCall *call = take (transit, 0);

  if (call->key_version != 0)
    call->encrypted (NULL, error, call->user_data);
  else
    call->decrypted (NULL, error, call->user_data);
  call_free (call);
}

static gboolean
answer_by_itself (gpointer user_data)
{
  ObkCall *call = user_data;
  guint position = 0;

  g_assert_true (g_ptr_array_find (call->transit->calls, call, &position));
  call->source = 0;
  answer_call (take (call->transit, position));
  return G_SOURCE_REMOVE;
}

static ObkCall *
start (ObkTransit *transit, guint32 version, const char *associated_data, gint64 deadline_us, gpointer user_data)
{
  ObkCall *call = g_new0 (ObkCall, 1);

  call->transit = transit;
  call->key_version = version;
  call->associated_data = g_strdup (associated_data);
  call->deadline_us = deadline_us;
  call->user_data = user_data;
  g_ptr_array_add (transit->calls, call);
  transit->started++;
  transit->last_version = version;
  g_free (transit->last_associated_data);
  transit->last_associated_data = g_strdup (associated_data);
  if (!transit->silent)
    call->source = g_idle_add_full (G_PRIORITY_DEFAULT, answer_by_itself, call, NULL);
  return call;
}

ObkCall *
obk_transit_encrypt (ObkTransit *transit, guint32 key_version, gconstpointer plaintext, gsize length,
                     const char *associated_data_base64, gint64 deadline_us, ObkTransitCiphertextDone done,
                     gpointer user_data)
{
  ObkCall *call = start (transit, key_version, associated_data_base64, deadline_us, user_data);

  g_assert_cmpuint (key_version, !=, 0);
  call->plaintext = obk_secret_new_copy (plaintext, length);
  call->encrypted = done;
  return call;
}

ObkCall *
obk_transit_decrypt (ObkTransit *transit, const char *ciphertext, const char *associated_data_base64,
                     gint64 deadline_us, ObkTransitPlaintextDone done, gpointer user_data)
{
  ObkCall *call = start (transit, 0, associated_data_base64, deadline_us, user_data);

  call->ciphertext = g_strdup (ciphertext);
  call->decrypted = done;
  return call;
}

/* The whole of transit.h is here, so that the linker does not fetch the real one beside it. No test gets to these. */
ObkCall *
obk_transit_read_key (ObkTransit *transit, gint64 deadline_us, ObkTransitKeyDone done, gpointer user_data)
{
  g_assert_not_reached ();
}

ObkCall *
obk_transit_read_upsert (ObkTransit *transit, gint64 deadline_us, ObkTransitUpsertDone done, gpointer user_data)
{
  g_assert_not_reached ();
}

void
obk_call_cancel (ObkCall *call)
{
  call->transit->cancelled++;
  g_assert_true (g_ptr_array_remove (call->transit->calls, call));
}
