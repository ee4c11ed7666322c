/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KMS v2 messages: requests are read in place, answers are packed.
 *
 * Requests are not read with protobuf-c: its strings end at a zero byte, so that a key_id with more behind one would
 * pass for the key_id, and it copies the plaintext to places that nobody locks or wipes.
 */
#include "kms/message.h"

#include "base/error.h"
#include "base/names.h"
#include "base/utf8.h"
#include "proto/kms.pb-c.h"

#include <string.h>

/* The wire types of protobuf; groups (3, 4) have left the language long ago. */
enum
{
  WIRE_VARINT = 0,
  WIRE_FIXED64 = 1,
  WIRE_BYTES = 2,
  WIRE_FIXED32 = 5
};

#define MAX_TAG_BITS 32 /* field number and wire type */

typedef struct
{
  char *at;
  char *end;
} Reader;

typedef struct
{
  guint64 number;
  char *bytes; /* %NULL unless the wire type is WIRE_BYTES */
  gsize length;
} Field;

static gboolean
read_varint (Reader *reader, guint64 *value)
{
  guint64 result = 0;

  for (guint shift = 0; shift < 64 && reader->at < reader->end; shift += 7)
    {
      guint8 byte = (guint8)*reader->at++;

      result |= (guint64)(byte & 0x7f) << shift;
      if (byte >= 0x80)
        continue;
      *value = result;
      return shift < 63 || byte <= 1;
    }
  return FALSE;
}

static gboolean
read_bytes (Reader *reader, guint64 length, Field *field)
{
  if (length > (guint64)(reader->end - reader->at))
    return FALSE;
  field->bytes = reader->at;
  field->length = (gsize)length;
  reader->at += length;
  return TRUE;
}

static gboolean
read_field (Reader *reader, Field *field)
{
  guint64 tag = 0;
  guint64 value = 0;
  gboolean whole = FALSE;

  if (!read_varint (reader, &tag) || tag >> MAX_TAG_BITS != 0)
    return FALSE;
  field->number = tag >> 3;
  switch (tag & 7)
    {
    case WIRE_VARINT:
      whole = read_varint (reader, &value);
      break;
    case WIRE_FIXED64:
      whole = read_bytes (reader, 8, field);
      break;
    case WIRE_FIXED32:
      whole = read_bytes (reader, 4, field);
      break;
    case WIRE_BYTES:
      return field->number != 0 && read_varint (reader, &value) && read_bytes (reader, value, field);
    default:
      return FALSE;
    }
  field->bytes = NULL;
  return whole && field->number != 0;
}

/* What to do with one field of a message. Returns: FALSE when the message is none */
typedef gboolean (*FieldReader) (const Field *field, gpointer message);

static gboolean
read_message (char *bytes, gsize length, FieldReader read, gpointer message)
{
  Reader reader = { bytes, bytes + length };

  while (reader.at < reader.end)
    {
      Field field = { 0 };

      if (!read_field (&reader, &field) || !read (&field, message))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_string (const Field *field)
{
  return field->bytes != NULL && obk_utf8_is_valid (field->bytes, field->length);
}

static gboolean
refuse (const char *name, GError **error)
{
  g_set_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN, "what was sent is no %s", name);
  return FALSE;
}

static gboolean
read_nothing (const Field *field, gpointer message)
{
  return TRUE;
}

gboolean
obk_status_message_read (char *bytes, gsize length, GError **error)
{
  return read_message (bytes, length, read_nothing, NULL) || refuse ("StatusRequest", error);
}

static gboolean
read_encrypt_field (const Field *field, gpointer user_data)
{
  ObkEncryptMessage *message = user_data;

  switch (field->number)
    {
    case 1:
      message->plaintext = field->bytes;
      message->plaintext_length = field->length;
      return field->bytes != NULL;
    case 2:
      message->uid = field->bytes;
      message->uid_length = field->length;
      return is_string (field);
    default:
      return TRUE;
    }
}

gboolean
obk_encrypt_message_read (char *bytes, gsize length, ObkEncryptMessage *message, GError **error)
{
  *message = (ObkEncryptMessage){ 0 };
  return read_message (bytes, length, read_encrypt_field, message) || refuse ("EncryptRequest", error);
}

/*
 * Ends the string by a zero byte. There is room for it: a length stands before each field's bytes and is read by now.
 * A zero byte inside becomes a space, so that it does not end the key early: no valid key has either.
 */
static const char *
make_key (const Field *field)
{
  char *key = field->bytes - 1;

  memmove (key, field->bytes, field->length);
  key[field->length] = '\0';
  for (char *zero = memchr (key, '\0', field->length); zero != NULL;
       zero = memchr (zero, '\0', field->length - (gsize)(zero - key)))
    *zero = ' ';
  return key;
}

static gboolean
read_annotation_field (const Field *field, gpointer user_data)
{
  ObkAnnotation *annotation = user_data;

  switch (field->number)
    {
    case 1:
      if (!is_string (field))
        return FALSE;
      annotation->key = make_key (field);
      return TRUE;
    case 2:
      annotation->value = field->bytes;
      annotation->value_length = field->length;
      return field->bytes != NULL;
    default:
      return TRUE;
    }
}

static gboolean
read_decrypt_field (const Field *field, gpointer user_data)
{
  ObkDecryptMessage *message = user_data;
  ObkAnnotation annotation = { .key = "", .value = "" };

  switch (field->number)
    {
    case 1:
      message->ciphertext = field->bytes;
      message->ciphertext_length = field->length;
      return field->bytes != NULL;
    case 2:
      message->uid = field->bytes;
      message->uid_length = field->length;
      return is_string (field);
    case 3:
      message->key_id = field->bytes;
      message->key_id_length = field->length;
      return is_string (field);
    case 4:
      if (field->bytes == NULL || !read_message (field->bytes, field->length, read_annotation_field, &annotation))
        return FALSE;
      g_array_append_val (message->annotations, annotation);
      return TRUE;
    default:
      return TRUE;
    }
}

gboolean
obk_decrypt_message_read (char *bytes, gsize length, ObkDecryptMessage *message, GError **error)
{
  *message = (ObkDecryptMessage){ .key_id = "" };
  message->annotations = g_array_new (FALSE, FALSE, sizeof (ObkAnnotation));
  if (read_message (bytes, length, read_decrypt_field, message))
    return TRUE;
  obk_decrypt_message_clear (message);
  return refuse ("DecryptRequest", error);
}

void
obk_decrypt_message_clear (ObkDecryptMessage *message)
{
  g_clear_pointer (&message->annotations, g_array_unref);
}

ObkSecret *
obk_status_answer_pack (const char *healthz, const char *key_id)
{
  V2__StatusResponse answer = V2__STATUS_RESPONSE__INIT;
  ObkSecret *packed = NULL;

  answer.version = (char *)OBK_KMS_API_VERSION;
  answer.healthz = (char *)healthz;
  answer.key_id = (char *)key_id;
  packed = obk_secret_new (v2__status_response__get_packed_size (&answer));
  obk_secret_set_length (packed, v2__status_response__pack (&answer, (guint8 *)obk_secret_writable (packed)));
  return packed;
}

ObkSecret *
obk_encrypt_answer_pack (const char *ciphertext, const ObkKeyIdentity *identity)
{
  V2__EncryptResponse answer = V2__ENCRYPT_RESPONSE__INIT;
  gsize n = 0;
  const ObkAnnotation *annotations = obk_key_identity_annotations (identity, &n);
  g_autofree V2__EncryptResponse__AnnotationsEntry *entries = g_new (V2__EncryptResponse__AnnotationsEntry, n);
  g_autofree V2__EncryptResponse__AnnotationsEntry **pointers = g_new (V2__EncryptResponse__AnnotationsEntry *, n);
  ObkSecret *packed = NULL;

  for (gsize i = 0; i < n; i++)
    {
      entries[i] = (V2__EncryptResponse__AnnotationsEntry)V2__ENCRYPT_RESPONSE__ANNOTATIONS_ENTRY__INIT;
      entries[i].key = (char *)annotations[i].key;
      entries[i].value.data = (guint8 *)annotations[i].value;
      entries[i].value.len = annotations[i].value_length;
      pointers[i] = &entries[i];
    }
  answer.ciphertext.data = (guint8 *)ciphertext;
  answer.ciphertext.len = strlen (ciphertext);
  answer.key_id = (char *)obk_key_identity_key_id (identity);
  answer.annotations = pointers;
  answer.n_annotations = n;
  packed = obk_secret_new (v2__encrypt_response__get_packed_size (&answer));
  obk_secret_set_length (packed, v2__encrypt_response__pack (&answer, (guint8 *)obk_secret_writable (packed)));
  return packed;
}

ObkSecret *
obk_decrypt_answer_pack (const ObkSecret *plaintext)
{
  V2__DecryptResponse answer = V2__DECRYPT_RESPONSE__INIT;
  ObkSecret *packed = NULL;

  answer.plaintext.data = (guint8 *)obk_secret_data (plaintext);
  answer.plaintext.len = obk_secret_length (plaintext);
  packed = obk_secret_new (v2__decrypt_response__get_packed_size (&answer));
  obk_secret_set_length (packed, v2__decrypt_response__pack (&answer, (guint8 *)obk_secret_writable (packed)));
  return packed;
}

gsize
obk_decrypt_answer_size (gsize plaintext_length)
{
  V2__DecryptResponse answer = V2__DECRYPT_RESPONSE__INIT;

  answer.plaintext.len = plaintext_length;
  return v2__decrypt_response__get_packed_size (&answer);
}
