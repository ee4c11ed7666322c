/* SPDX-License-Identifier: Apache-2.0 */
#include "transit-stand-in.h"

#include "base/clock.h"

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
  g_free (call->uid_hash);
  g_free (call);
}

ObkTransit *
stand_in_new (void)
{
  ObkTransit *transit = g_new0 (ObkTransit, 1);

  transit->calls = g_ptr_array_new_with_free_func (call_free);
  transit->material = g_hash_table_new (NULL, NULL);
  return transit;
}

void
obk_transit_free (ObkTransit *transit)
{
  g_ptr_array_unref (transit->calls);
  g_free (transit->last_associated_data);
  g_clear_pointer (&transit->key, obk_key_metadata_free);
  g_hash_table_unref (transit->material);
  g_clear_error (&transit->error);
  g_free (transit);
}

/* The key */

void
stand_in_make_key (ObkTransit *transit, gint64 created_at_unix)
{
  g_assert_null (transit->key);
  transit->key = obk_key_metadata_new ();
  transit->key->type = g_strdup ("aes256-gcm96");
  transit->key->supports_encryption = TRUE;
  transit->key->supports_decryption = TRUE;
  transit->key->disable_upsert = TRUE;
  transit->key->min_decryption_version = 1;
  stand_in_rotate (transit, created_at_unix);
}

void
stand_in_rotate (ObkTransit *transit, gint64 created_at_unix)
{
  const ObkKeyVersion entry = { .version = transit->key->latest_version + 1, .created_at_unix = created_at_unix };

  g_array_append_val (transit->key->versions, entry);
  transit->key->latest_version++;
}

void
stand_in_trim (ObkTransit *transit, guint32 first)
{
  transit->key->min_available_version = first;
  transit->key->min_decryption_version = MAX (transit->key->min_decryption_version, first);
  while (g_array_index (transit->key->versions, ObkKeyVersion, 0).version < first)
    g_array_remove_index (transit->key->versions, 0);
}

static void
forget_latest (ObkKeyMetadata *key)
{
  g_assert_cmpuint (key->versions->len, >, 1);
  g_array_set_size (key->versions, key->versions->len - 1);
  key->latest_version--;
}

void
stand_in_lose_latest (ObkTransit *transit)
{
  forget_latest (transit->key);
}

static guint
material_of (const ObkTransit *transit, guint32 version)
{
  gpointer replaced = g_hash_table_lookup (transit->material, GUINT_TO_POINTER (version));

  return GPOINTER_TO_UINT (replaced);
}

void
stand_in_replace_material (ObkTransit *transit, guint32 version)
{
  guint replaced = material_of (transit, version) + 1;

  g_hash_table_insert (transit->material, GUINT_TO_POINTER (version), GUINT_TO_POINTER (replaced));
}

void
stand_in_break (ObkTransit *transit, StandInKinds kinds, ObkError code)
{
  transit->failing = kinds;
  g_clear_error (&transit->error);
  transit->error = g_error_new_literal (OBK_ERROR, (gint)code, "stand-in");
}

/* "vault:vN:", then "~M." when the material has been replaced, then base64 */
static char *
make_ciphertext (guint32 version, guint replaced, gconstpointer plaintext, gsize length)
{
  g_autofree char *base64 = g_base64_encode (plaintext, length);

  if (replaced == 0)
    return g_strdup_printf ("vault:v%u:%s", version, base64);
  return g_strdup_printf ("vault:v%u:~%u.%s", version, replaced, base64);
}

char *
stand_in_encrypt (guint32 version, gconstpointer plaintext, gsize length)
{
  return make_ciphertext (version, 0, plaintext, length);
}

/* Answers */

static GError *
refuse (ObkError code, const char *text)
{
  return g_error_new_literal (OBK_ERROR, (gint)code, text);
}

/* Returns: (nullable): why the version cannot be used, as openbao/transit would tell it */
static GError *
judge_version (const ObkTransit *transit, guint32 version, gboolean encrypts)
{
  const ObkKeyMetadata *key = transit->key;

  if (key == NULL)
    return NULL;
  if (version > key->latest_version - MIN (transit->lag, key->latest_version))
    return refuse (OBK_ERROR_STANDBY_LAGGING, "the version is higher than the latest");
  if (version < key->min_available_version || version < key->min_decryption_version)
    return refuse (OBK_ERROR_VERSION_UNUSABLE, "the version is too old");
  if (encrypts && version < key->min_encryption_version)
    return refuse (OBK_ERROR_VERSION_UNUSABLE, "the version is below the minimum");
  return NULL;
}

static void
answer_encrypt (ObkCall *call)
{
  g_autoptr (GError) error = judge_version (call->transit, call->key_version, TRUE);
  g_autofree char *ciphertext = NULL;

  if (error == NULL)
    {
      ciphertext = make_ciphertext (call->key_version, material_of (call->transit, call->key_version),
                                    obk_secret_data (call->plaintext), obk_secret_length (call->plaintext));
      call->transit->encrypted++;
    }
  call->encrypted (ciphertext, error, call->user_data);
}

/* Returns: (transfer full) (nullable): the plaintext, if the ciphertext is of the material that the version has now */
static ObkSecret *
open_ciphertext (const ObkTransit *transit, guint32 version, const char *body)
{
  guint replaced = 0;

  if (*body == '~')
    {
      char *end = NULL;

      replaced = (guint)g_ascii_strtoull (body + 1, &end, 10);
      g_assert_cmpint (*end, ==, '.');
      body = end + 1;
    }
  if (replaced != material_of (transit, version))
    return NULL;
  return obk_secret_decode_base64 (body, strlen (body));
}

static void
answer_decrypt (ObkCall *call)
{
  g_autoptr (ObkSecret) plaintext = NULL;
  g_autoptr (GError) error = NULL;
  guint32 version = 0;
  char *end = NULL;

  g_assert_true (g_str_has_prefix (call->ciphertext, "vault:v"));
  version = (guint32)g_ascii_strtoull (call->ciphertext + strlen ("vault:v"), &end, 10);
  g_assert_cmpint (*end, ==, ':');
  error = judge_version (call->transit, version, FALSE);
  if (error == NULL)
    plaintext = open_ciphertext (call->transit, version, end + 1);
  if (error == NULL && plaintext == NULL)
    error = refuse (OBK_ERROR_TRANSIT_AUTHENTICATION_TAG, "cipher: message authentication failed");
  call->transit->decrypted += plaintext != NULL;
  call->decrypted (plaintext, error, call->user_data);
}

static void
answer_read_key (ObkCall *call)
{
  g_autoptr (ObkKeyMetadata) shown = NULL;

  g_assert_nonnull (call->transit->key);
  shown = obk_key_metadata_copy (call->transit->key);
  shown->disable_upsert = FALSE; /* the other read tells */
  shown->server_date_unix = call->transit->no_date ? 0 : obk_clock_unix ();
  for (guint i = 0; i < call->transit->lag; i++)
    forget_latest (shown);
  call->key_read (shown, NULL, call->user_data);
}

static void
fail_call (ObkCall *call, const GError *error)
{
  switch (call->kind)
    {
    case STAND_IN_ENCRYPT:
      call->encrypted (NULL, error, call->user_data);
      break;
    case STAND_IN_DECRYPT:
      call->decrypted (NULL, error, call->user_data);
      break;
    case STAND_IN_READ_KEY:
      call->key_read (NULL, error, call->user_data);
      break;
    default:
      call->upsert_read (FALSE, error, call->user_data);
      break;
    }
}

static void
answer_well (ObkCall *call)
{
  switch (call->kind)
    {
    case STAND_IN_ENCRYPT:
      answer_encrypt (call);
      break;
    case STAND_IN_DECRYPT:
      answer_decrypt (call);
      break;
    case STAND_IN_READ_KEY:
      answer_read_key (call);
      break;
    default:
      call->upsert_read (call->transit->key->disable_upsert, NULL, call->user_data);
      break;
    }
}

static void
answer_call (ObkCall *call)
{
  g_autoptr (GError) error = NULL;

  if ((call->kind & call->transit->failing) != 0)
    {
      error = g_error_copy (call->transit->error);
      fail_call (call, error);
    }
  else
    answer_well (call);
  call_free (call);
}

/* Takes the call out of those that wait. */
static ObkCall *
take (ObkTransit *transit, guint position)
{
  g_assert_cmpuint (position, <, transit->calls->len);
  return g_ptr_array_steal_index (transit->calls, position);
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

  g_assert_cmpint (call->kind, ==, STAND_IN_ENCRYPT);
  call->encrypted (ciphertext, NULL, call->user_data);
  call_free (call);
}

void
stand_in_answer_decrypt (ObkTransit *transit, ObkSecret *plaintext)
{
  ObkCall *call = take (transit, 0);

  g_assert_cmpint (call->kind, ==, STAND_IN_DECRYPT);
  call->decrypted (plaintext, NULL, call->user_data);
  call_free (call);
}

void
stand_in_fail (ObkTransit *transit, const GError *error)
{
  ObkCall *call = take (transit, 0);

  fail_call (call, error);
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

static void
answer_soon (ObkCall *call)
{
  call->source = g_idle_add_full (G_PRIORITY_DEFAULT, answer_by_itself, call, NULL);
}

void
stand_in_release (ObkTransit *transit)
{
  transit->silent = FALSE;
  transit->held = 0;
  for (guint i = 0; i < transit->calls->len; i++)
    if (((ObkCall *)transit->calls->pdata[i])->source == 0)
      answer_soon (transit->calls->pdata[i]);
}

/* Calls */

static ObkCall *
start (ObkTransit *transit, StandInKinds kind, const char *associated_data, gint64 deadline_us, gpointer user_data)
{
  ObkCall *call = g_new0 (ObkCall, 1);

  call->transit = transit;
  call->kind = kind;
  call->associated_data = g_strdup (associated_data);
  call->deadline_us = deadline_us;
  call->user_data = user_data;
  g_ptr_array_add (transit->calls, call);
  transit->started++;
  transit->last_version = 0;
  g_free (transit->last_associated_data);
  transit->last_associated_data = g_strdup (associated_data);
  if (!transit->silent && (kind & transit->held) == 0)
    answer_soon (call);
  return call;
}

void
obk_call_set_correlation (ObkCall *call, ObkCorrelation *correlation, const char *uid_hash)
{
  g_free (call->uid_hash);
  call->uid_hash = g_strdup (uid_hash);
}

ObkCall *
obk_transit_encrypt (ObkTransit *transit, guint32 key_version, gconstpointer plaintext, gsize length,
                     const char *associated_data_base64, gint64 deadline_us, ObkTransitCiphertextDone done,
                     gpointer user_data)
{
  ObkCall *call = start (transit, STAND_IN_ENCRYPT, associated_data_base64, deadline_us, user_data);

  g_assert_cmpuint (key_version, !=, 0);
  transit->last_version = key_version;
  call->key_version = key_version;
  call->plaintext = obk_secret_new_copy (plaintext, length);
  call->encrypted = done;
  return call;
}

ObkCall *
obk_transit_decrypt (ObkTransit *transit, const char *ciphertext, const char *associated_data_base64,
                     gint64 deadline_us, ObkTransitPlaintextDone done, gpointer user_data)
{
  ObkCall *call = start (transit, STAND_IN_DECRYPT, associated_data_base64, deadline_us, user_data);

  call->ciphertext = g_strdup (ciphertext);
  call->decrypted = done;
  return call;
}

ObkCall *
obk_transit_read_key (ObkTransit *transit, gint64 deadline_us, ObkTransitKeyDone done, gpointer user_data)
{
  ObkCall *call = start (transit, STAND_IN_READ_KEY, NULL, deadline_us, user_data);

  transit->reads++;
  call->key_read = done;
  return call;
}

ObkCall *
obk_transit_read_upsert (ObkTransit *transit, gint64 deadline_us, ObkTransitUpsertDone done, gpointer user_data)
{
  ObkCall *call = start (transit, STAND_IN_READ_UPSERT, NULL, deadline_us, user_data);

  call->upsert_read = done;
  return call;
}

void
obk_call_cancel (ObkCall *call)
{
  call->transit->cancelled++;
  g_assert_true (g_ptr_array_remove (call->transit->calls, call));
}
