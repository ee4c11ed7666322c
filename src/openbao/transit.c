/* SPDX-License-Identifier: Apache-2.0 */
/* The Transit calls that the provider makes, and no others. */
#include "openbao/transit.h"

#include "base/error.h"
#include "base/json.h"
#include "base/names.h"
#include "openbao/transit-ciphertext.h"
#include "openbao/transit-key.h"

#include <string.h>

#define MAX_NUMBER 20 /* digits */

struct _ObkTransit
{
  ObkClient *client;
  /* percent-encoded, once */
  char *encrypt_path;
  char *decrypt_path;
  char *key_path;
  char *upsert_path;
};

/* What a call's answer is checked against, and who gets it. Lives as long as the call. */
typedef struct
{
  const char *operation;
  guint32 key_version;
  gboolean secret_answer;
  union
  {
    ObkTransitCiphertextDone encrypted;
    ObkTransitPlaintextDone decrypted;
    ObkTransitKeyDone key;
    ObkTransitUpsertDone upsert;
  } done;
  gpointer user_data;
} Asked;

static Asked *
asked_new (const char *operation, gpointer user_data)
{
  Asked *asked = g_new0 (Asked, 1);

  asked->operation = operation;
  asked->user_data = user_data;
  return asked;
}

/* --- bodies --- */

static void
append_text (ObkSecret *body, const char *text)
{
  obk_secret_append (body, text, strlen (text));
}

/* The inside of a JSON string: @text as it is but for what may not stand there. */
static void
append_escaped (ObkSecret *body, const char *text)
{
  while (*text != '\0')
    {
      gsize plain = 0;

      while ((guchar)text[plain] >= ' ' && text[plain] != '"' && text[plain] != '\\')
        plain++;
      obk_secret_append (body, text, plain);
      text += plain;
      if (*text != '\0')
        {
          char escape[sizeof "\\u0000"];

          g_snprintf (escape, sizeof escape, "\\u%04x", (guint)(guchar)*text);
          append_text (body, escape);
          text++;
        }
    }
}

static ObkSecret *
encrypt_body (guint32 key_version, gconstpointer plaintext, gsize length, const char *associated_data)
{
  static const char start[] = "{\"plaintext\":\"",
                    version[] = "\",\"key_version\":", rest[] = ",\"associated_data\":\"";
  gsize size = sizeof start + sizeof version + sizeof rest + MAX_NUMBER + (length + 2) / 3 * 4
               + strlen (associated_data) + strlen ("\"}");
  ObkSecret *body = obk_secret_new (size);
  char number[MAX_NUMBER + 1];

  g_snprintf (number, sizeof number, "%" G_GUINT32_FORMAT, key_version);
  append_text (body, start);
  obk_secret_append_base64 (body, plaintext, length);
  append_text (body, version);
  append_text (body, number);
  append_text (body, rest);
  append_text (body, associated_data);
  append_text (body, "\"}");
  return body;
}

static ObkSecret *
decrypt_body (const char *ciphertext, const char *associated_data)
{
  static const char start[] = "{\"ciphertext\":\"", rest[] = "\",\"associated_data\":\"";
  gsize size = sizeof start + sizeof rest + strlen (ciphertext) + strlen (associated_data) + strlen ("\"}");
  ObkSecret *body = obk_secret_new (size);

  append_text (body, start);
  append_escaped (body, ciphertext);
  append_text (body, rest);
  append_text (body, associated_data);
  append_text (body, "\"}");
  return body;
}

/* --- answers --- */

static gboolean
refuse (GError **error, const char *problem)
{
  g_set_error_literal (error, OBK_ERROR, OBK_ERROR_JSON, problem);
  return FALSE;
}

/* Returns: (transfer full): @cause as the outside sees it: an answer that cannot be used */
static GError *
unusable (const Asked *asked, const GError *cause)
{
  return g_error_new (OBK_ERROR, OBK_ERROR_UNAVAILABLE, "the answer to \"%s\" cannot be used: %s", asked->operation,
                      cause->message);
}

static gboolean
read_ciphertext (const json_t *json, guint32 key_version, const char **ciphertext, GError **error)
{
  const json_t *data = NULL;
  gint64 version = key_version;

  if (!obk_json_get_object (json, "data", &data, error) || !obk_json_get_string (data, "ciphertext", ciphertext, error))
    return FALSE;
  if (json_object_get (data, "key_version") != NULL && !obk_json_get_int (data, "key_version", &version, error))
    return FALSE;
  if (version != key_version || !obk_transit_ciphertext_is_whole (*ciphertext, strlen (*ciphertext), key_version))
    return refuse (error, "\"ciphertext\" is not one of the version that was asked for");
  return TRUE;
}

static void
encrypted (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  const Asked *asked = user_data;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) own_error = NULL;
  const char *ciphertext = NULL;

  if (error == NULL && !read_ciphertext (json, asked->key_version, &ciphertext, &cause))
    error = own_error = unusable (asked, cause);
  asked->done.encrypted (error == NULL ? ciphertext : NULL, error, asked->user_data);
}

static ObkSecret *
read_plaintext (const json_t *json, GError **error)
{
  const json_t *data = NULL;
  const char *base64 = NULL;
  ObkSecret *plaintext = NULL;

  if (!obk_json_get_object (json, "data", &data, error) || !obk_json_get_string (data, "plaintext", &base64, error))
    return NULL;
  plaintext = obk_secret_decode_base64 (base64, strlen (base64));
  if (plaintext == NULL)
    refuse (error, "\"plaintext\" is not base64");
  else if (obk_secret_length (plaintext) == 0) /* nothing that was encrypted here */
    {
      refuse (error, "\"plaintext\" is empty");
      g_clear_pointer (&plaintext, obk_secret_unref);
    }
  return plaintext;
}

static void
decrypted (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  const Asked *asked = user_data;
  g_autoptr (ObkSecret) plaintext = NULL;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) own_error = NULL;

  if (error == NULL)
    plaintext = read_plaintext (json, &cause);
  if (cause != NULL)
    error = own_error = unusable (asked, cause);
  asked->done.decrypted (plaintext, error, asked->user_data);
}

static void
key_read (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  const Asked *asked = user_data;
  g_autoptr (ObkKeyMetadata) metadata = NULL;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) own_error = NULL;
  const json_t *data = NULL;

  if (error == NULL && obk_json_get_object (json, "data", &data, &cause))
    metadata = obk_transit_key_read (data, &cause);
  if (cause != NULL)
    error = own_error = unusable (asked, cause);
  if (metadata != NULL)
    metadata->server_date_unix = date_unix;
  asked->done.key (metadata, error, asked->user_data);
}

static void
upsert_read (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  const Asked *asked = user_data;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) own_error = NULL;
  const json_t *data = NULL;
  gboolean disable_upsert = FALSE;

  if (error == NULL
      && (!obk_json_get_object (json, "data", &data, &cause)
          || !obk_json_get_boolean (data, "disable_upsert", &disable_upsert, &cause)))
    error = own_error = unusable (asked, cause);
  asked->done.upsert (disable_upsert, error, asked->user_data);
}

/* --- calls --- */

static ObkCall *
ask (ObkTransit *transit, const char *path, ObkSecret *body, gint64 deadline_us, ObkClientDone done, Asked *asked)
{
  const ObkClientRequest request = {
    .operation = asked->operation,
    .path = path,
    .body = body,
    .secret_answer = asked->secret_answer,
    .deadline_us = deadline_us,
    .free_user_data = g_free,
  };

  return obk_client_send (transit->client, &request, done, asked);
}

ObkCall *
obk_transit_encrypt (ObkTransit *transit, guint32 key_version, gconstpointer plaintext, gsize length,
                     const char *associated_data_base64, gint64 deadline_us, ObkTransitCiphertextDone done,
                     gpointer user_data)
{
  g_autoptr (ObkSecret) body = NULL;
  Asked *asked = NULL;

  g_return_val_if_fail (transit != NULL && plaintext != NULL && length > 0 && done != NULL, NULL);
  g_return_val_if_fail (key_version > 0, NULL);
  g_return_val_if_fail (associated_data_base64 != NULL && *associated_data_base64 != '\0', NULL);

  asked = asked_new (OBK_OPERATION_ENCRYPT, user_data);
  asked->key_version = key_version;
  asked->done.encrypted = done;
  body = encrypt_body (key_version, plaintext, length, associated_data_base64);
  return ask (transit, transit->encrypt_path, body, deadline_us, encrypted, asked);
}

ObkCall *
obk_transit_decrypt (ObkTransit *transit, const char *ciphertext, const char *associated_data_base64,
                     gint64 deadline_us, ObkTransitPlaintextDone done, gpointer user_data)
{
  g_autoptr (ObkSecret) body = NULL;
  Asked *asked = NULL;

  g_return_val_if_fail (transit != NULL && ciphertext != NULL && done != NULL, NULL);
  g_return_val_if_fail (associated_data_base64 != NULL && *associated_data_base64 != '\0', NULL);

  asked = asked_new (OBK_OPERATION_DECRYPT, user_data);
  asked->secret_answer = TRUE;
  asked->done.decrypted = done;
  body = decrypt_body (ciphertext, associated_data_base64);
  return ask (transit, transit->decrypt_path, body, deadline_us, decrypted, asked);
}

ObkCall *
obk_transit_read_key (ObkTransit *transit, gint64 deadline_us, ObkTransitKeyDone done, gpointer user_data)
{
  Asked *asked = NULL;

  g_return_val_if_fail (transit != NULL && done != NULL, NULL);

  asked = asked_new (OBK_OPERATION_METADATA_READ, user_data);
  asked->done.key = done;
  return ask (transit, transit->key_path, NULL, deadline_us, key_read, asked);
}

ObkCall *
obk_transit_read_upsert (ObkTransit *transit, gint64 deadline_us, ObkTransitUpsertDone done, gpointer user_data)
{
  Asked *asked = NULL;

  g_return_val_if_fail (transit != NULL && done != NULL, NULL);

  asked = asked_new (OBK_OPERATION_UPSERT_READ, user_data);
  asked->done.upsert = done;
  return ask (transit, transit->upsert_path, NULL, deadline_us, upsert_read, asked);
}

/* --- life --- */

static void
clear_paths (ObkTransit *transit)
{
  g_free (transit->encrypt_path);
  g_free (transit->decrypt_path);
  g_free (transit->key_path);
  g_free (transit->upsert_path);
}

ObkTransit *
obk_transit_new (ObkClient *client, const char *mount_path, const char *key_name)
{
  g_autofree char *mount = NULL;
  g_autofree char *key = NULL;
  ObkTransit *transit = NULL;

  g_return_val_if_fail (client != NULL && mount_path != NULL && key_name != NULL, NULL);

  mount = g_uri_escape_string (mount_path, "/", FALSE);
  key = g_uri_escape_string (key_name, NULL, FALSE);
  transit = g_new0 (ObkTransit, 1);
  transit->client = client;
  transit->encrypt_path = g_strconcat (mount, "/encrypt/", key, NULL);
  transit->decrypt_path = g_strconcat (mount, "/decrypt/", key, NULL);
  transit->key_path = g_strconcat (mount, "/keys/", key, NULL);
  transit->upsert_path = g_strconcat (mount, "/config/keys", NULL);
  return transit;
}

ObkTransit *
obk_transit_copy (const ObkTransit *transit)
{
  ObkTransit *copy = g_new0 (ObkTransit, 1);

  obk_transit_redirect (copy, transit);
  return copy;
}

void
obk_transit_redirect (ObkTransit *transit, const ObkTransit *other)
{
  g_return_if_fail (transit != NULL && other != NULL && transit != other);

  clear_paths (transit);
  transit->client = other->client;
  transit->encrypt_path = g_strdup (other->encrypt_path);
  transit->decrypt_path = g_strdup (other->decrypt_path);
  transit->key_path = g_strdup (other->key_path);
  transit->upsert_path = g_strdup (other->upsert_path);
}

void
obk_transit_free (ObkTransit *transit)
{
  if (transit == NULL)
    return;
  clear_paths (transit);
  g_free (transit);
}
