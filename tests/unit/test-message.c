/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/message.h"

#include "base/error.h"
#include "proto/kms.pb-c.h"

#include <string.h>

/* A string literal with what it holds, zero bytes too */
typedef struct
{
  const char *bytes;
  gsize length;
} Bytes;

#define BYTES(literal)                                                                                                 \
  {                                                                                                                    \
    literal, sizeof (literal) - 1                                                                                      \
  }

static gboolean
read_status (char *bytes, gsize length, GError **error)
{
  return obk_status_message_read (bytes, length, error);
}

static gboolean
read_encrypt (char *bytes, gsize length, GError **error)
{
  ObkEncryptMessage message;

  return obk_encrypt_message_read (bytes, length, &message, error);
}

static gboolean
read_decrypt (char *bytes, gsize length, GError **error)
{
  g_auto (ObkDecryptMessage) message = { 0 };

  return obk_decrypt_message_read (bytes, length, &message, error);
}

/* Reads a copy of exactly that size, so that a sanitizer sees a step beyond it. */
static gboolean
reads (gboolean (*read) (char *bytes, gsize length, GError **error), Bytes input)
{
  g_autofree char *copy = g_memdup2 (input.bytes, input.length);
  g_autoptr (GError) error = NULL;
  gboolean ok = read (copy, input.length, &error);

  if (ok)
    g_assert_no_error (error);
  else
    g_assert_error (error, OBK_ERROR, OBK_ERROR_UNKNOWN);
  return ok;
}

static void
expect_all (gboolean (*read) (char *bytes, gsize length, GError **error), const Bytes *inputs, gsize n, gboolean ok)
{
  for (gsize i = 0; i < n; i++)
    {
      g_test_message ("%s %" G_GSIZE_FORMAT, ok ? "good" : "bad", i);
      g_assert_cmpint (reads (read, inputs[i]), ==, ok);
    }
}

/* The wire */

static const Bytes well_formed[] = {
  BYTES (""),
  BYTES ("\x58\x00"),                                     /* field 11, a number */
  BYTES ("\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* the greatest one */
  BYTES ("\x58\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* zero, at its longest */
  BYTES ("\x59\x01\x02\x03\x04\x05\x06\x07\x08"),         /* 64 bits */
  BYTES ("\x5d\x01\x02\x03\x04"),                         /* 32 bits */
  BYTES ("\x5a\x00"),                                     /* bytes: none */
  BYTES ("\x5a\x80\x00"),                                 /* a length that is longer than it need be */
  BYTES ("\xf8\xff\xff\xff\x0f\x00"),                     /* the greatest field number */
  BYTES ("\x58\x01\x58\x02\x5a\x01x"),                    /* several, one of another type than before */
};

static const Bytes broken[] = {
  BYTES ("\x00\x00"), /* field 0 */
  BYTES ("\x02\x00"), /* field 0, bytes */
  BYTES ("\x58"),     /* cut short: no number */
  BYTES ("\x58\x80"), /* nor its end */
  BYTES ("\x80"),     /* nor the end of the tag */
  BYTES ("\x59\x01\x02\x03\x04\x05\x06\x07"),
  BYTES ("\x5d\x01\x02\x03"),
  BYTES ("\x5a"),
  BYTES ("\x5a\x01"),
  BYTES ("\x5a\x02x"),
  BYTES ("\x5a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),    /* a length of 2^64 - 1 */
  BYTES ("\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* a number beyond 64 bits */
  BYTES ("\x58\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* of eleven bytes */
  BYTES ("\xf8\xff\xff\xff\x1f\x00"),                         /* a tag beyond 32 bits */
  BYTES ("\x5b"),                                             /* a group */
  BYTES ("\x5b\x5c"),                                         /* with its end */
  BYTES ("\x5c"),
  BYTES ("\x5e\x00"), /* wire types that are none */
  BYTES ("\x5f\x00"),
};

/* Fields that a later API may add are skipped, broken ones are not. */
static void
test_wire (void)
{
  gboolean (*const readers[]) (char *bytes, gsize length, GError **error) = { read_status, read_encrypt, read_decrypt };

  for (guint i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      expect_all (readers[i], well_formed, G_N_ELEMENTS (well_formed), TRUE);
      expect_all (readers[i], broken, G_N_ELEMENTS (broken), FALSE);
    }
}

/* Encrypt */

static void
test_encrypt (void)
{
  char bytes[] = "\x0a\x03one\x12\x03uid\x0a\x05t\0w\xffo";
  ObkEncryptMessage message = { .plaintext = "x", .plaintext_length = 1 };
  g_autoptr (GError) error = NULL;

  g_assert_true (obk_encrypt_message_read (bytes, sizeof bytes - 1, &message, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (message.plaintext, message.plaintext_length, "t\0w\xffo", 5); /* the last one counts */
  g_assert_cmpmem (message.uid, message.uid_length, "uid", 3);
  g_assert_true ((const char *)message.plaintext > bytes && (const char *)message.plaintext < bytes + sizeof bytes);
  g_assert_true (obk_encrypt_message_read (bytes, 0, &message, &error));
  g_assert_cmpuint (message.plaintext_length, ==, 0);
  g_assert_null (message.uid);
}

static void
test_encrypt_types (void)
{
  static const Bytes bad[] = {
    BYTES ("\x08\x01"),             /* a plaintext that is a number */
    BYTES ("\x0d\x01\x02\x03\x04"), /* 32 bits */
    BYTES ("\x10\x01"),             /* a uid that is a number */
    BYTES ("\x12\x01\xff"),         /* that is not UTF-8 */
    BYTES ("\x12\x02\xc0\x80"),     /* overlong */
    BYTES ("\x12\x03\xed\xa0\x80"), /* a surrogate */
    BYTES ("\x0a\x01x\x12\x01\xff"),
  };
  static const Bytes good[]
      = { BYTES ("\x12\x00"), BYTES ("\x12\x02\xc3\xa4"), BYTES ("\x12\x01\0"), BYTES ("\x0a\x00") };

  expect_all (read_encrypt, bad, G_N_ELEMENTS (bad), FALSE);
  expect_all (read_encrypt, good, G_N_ELEMENTS (good), TRUE);
}

/* Decrypt */

static void
expect_annotation (const ObkDecryptMessage *message, guint i, const char *key, Bytes value)
{
  const ObkAnnotation *annotation = &g_array_index (message->annotations, ObkAnnotation, i);

  g_assert_cmpstr (annotation->key, ==, key);
  g_assert_cmpmem (annotation->value, annotation->value_length, value.bytes, value.length);
}

static void
test_decrypt (void)
{
  char bytes[] = "\x0a\x02\xff\0"
                 "\x1a\x02id"
                 "\x22\x08\x0a\x03"
                 "a.b\x12\x01\xff"
                 "\x12\x03uid"
                 "\x22\x06\x12\x01v\x0a\x01k" /* in the other order */
                 "\x22\x02\x12\x00"           /* without a key, and nothing in it */
                 "\x22\x00"
                 "\x22\x03\x0a\x01k"; /* again, and without a value */
  g_auto (ObkDecryptMessage) message = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (obk_decrypt_message_read (bytes, sizeof bytes - 1, &message, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (message.ciphertext, message.ciphertext_length, "\xff\0", 2);
  g_assert_cmpmem (message.key_id, message.key_id_length, "id", 2);
  g_assert_cmpuint (message.annotations->len, ==, 5);
  expect_annotation (&message, 0, "a.b", (Bytes)BYTES ("\xff"));
  expect_annotation (&message, 1, "k", (Bytes)BYTES ("v"));
  expect_annotation (&message, 2, "", (Bytes)BYTES (""));
  expect_annotation (&message, 3, "", (Bytes)BYTES (""));
  expect_annotation (&message, 4, "k", (Bytes)BYTES (""));
}

/* A zero byte does not end a key or a key_id early: they would pass for others. */
static void
test_decrypt_zero_bytes (void)
{
  char bytes[] = "\x1a\x04id\0x"
                 "\x22\x07\x0a\x05"
                 "a.b\0c"
                 "\x22\x05\x0a\x03\0\0\0"
                 "\x22\x02\x0a\x00";
  g_auto (ObkDecryptMessage) message = { 0 };

  g_assert_true (obk_decrypt_message_read (bytes, sizeof bytes - 1, &message, NULL));
  g_assert_cmpmem (message.key_id, message.key_id_length, "id\0x", 4);
  g_assert_cmpuint (message.annotations->len, ==, 3);
  expect_annotation (&message, 0, "a.b c", (Bytes)BYTES (""));
  expect_annotation (&message, 1, "   ", (Bytes)BYTES (""));
  expect_annotation (&message, 2, "", (Bytes)BYTES (""));
}

static void
test_decrypt_empty (void)
{
  char none[1];
  g_auto (ObkDecryptMessage) message = { 0 };

  g_assert_true (obk_decrypt_message_read (none, 0, &message, NULL));
  g_assert_cmpuint (message.ciphertext_length, ==, 0);
  g_assert_cmpuint (message.key_id_length, ==, 0);
  g_assert_cmpuint (message.annotations->len, ==, 0);
}

static void
test_decrypt_types (void)
{
  static const Bytes bad[] = {
    BYTES ("\x08\x01"),             /* a ciphertext that is a number */
    BYTES ("\x18\x01"),             /* a key_id */
    BYTES ("\x1a\x01\xff"),         /* that is not UTF-8 */
    BYTES ("\x12\x01\x80"),         /* a uid */
    BYTES ("\x20\x01"),             /* an annotation that is a number */
    BYTES ("\x22\x03\x0a\x01\xff"), /* with a key that is not UTF-8 */
    BYTES ("\x22\x02\x08\x01"),     /* that is a number */
    BYTES ("\x22\x02\x10\x01"),     /* a value that is one */
    BYTES ("\x22\x02\x0a\x01"),     /* cut short inside, though more follows */
    BYTES ("\x22\x02\x0a\x01k"),
    BYTES ("\x22\x01\x0b"),
  };
  static const Bytes good[] = { BYTES ("\x22\x02\x18\x01"), BYTES ("\x22\x04\x12\x02\xff\xfe") };

  expect_all (read_decrypt, bad, G_N_ELEMENTS (bad), FALSE);
  expect_all (read_decrypt, good, G_N_ELEMENTS (good), TRUE);
}

/* Answers, read by protobuf-c */

static void
test_status_answer (void)
{
  g_autoptr (ObkSecret) packed = obk_status_answer_pack ("unhealthy", "");
  V2__StatusResponse *answer
      = v2__status_response__unpack (NULL, obk_secret_length (packed), (const guint8 *)obk_secret_data (packed));

  g_assert_nonnull (answer);
  g_assert_cmpstr (answer->version, ==, "v2");
  g_assert_cmpstr (answer->healthz, ==, "unhealthy");
  g_assert_cmpstr (answer->key_id, ==, "");
  v2__status_response__free_unpacked (answer, NULL);
}

static void
test_encrypt_answer (void)
{
  const ObkScope scope = { (char *)"p", (char *)"c", (char *)"i", (char *)"n", (char *)"m", (char *)"l" };
  g_autoptr (ObkKeyIdentity) identity = obk_key_identity_new (&scope, 7, 1700000700);
  g_autoptr (ObkSecret) packed = obk_encrypt_answer_pack ("vault:v7:x", identity);
  V2__EncryptResponse *answer
      = v2__encrypt_response__unpack (NULL, obk_secret_length (packed), (const guint8 *)obk_secret_data (packed));
  gsize n = 0;
  const ObkAnnotation *annotations = obk_key_identity_annotations (identity, &n);

  g_assert_nonnull (answer);
  g_assert_cmpmem (answer->ciphertext.data, answer->ciphertext.len, "vault:v7:x", 10);
  g_assert_cmpstr (answer->key_id, ==, obk_key_identity_key_id (identity));
  g_assert_cmpuint (answer->n_annotations, ==, n);
  for (gsize i = 0; i < n; i++)
    {
      g_assert_cmpstr (answer->annotations[i]->key, ==, annotations[i].key);
      g_assert_cmpmem (answer->annotations[i]->value.data, answer->annotations[i]->value.len, annotations[i].value,
                       annotations[i].value_length);
    }
  v2__encrypt_response__free_unpacked (answer, NULL);
}

/* Sizes around where the length takes a byte more, and the greatest that one message holds */
static void
test_decrypt_answer (void)
{
  static const gsize lengths[] = { 1, 127, 128, 16383, 16384, OBK_MAX_MESSAGE - 4 };

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autofree char *bytes = g_strnfill (lengths[i], '\xff');
      g_autoptr (ObkSecret) plaintext = obk_secret_new_copy (bytes, lengths[i]);
      g_autoptr (ObkSecret) packed = obk_decrypt_answer_pack (plaintext);
      V2__DecryptResponse *answer
          = v2__decrypt_response__unpack (NULL, obk_secret_length (packed), (const guint8 *)obk_secret_data (packed));

      g_assert_nonnull (answer);
      g_assert_cmpmem (answer->plaintext.data, answer->plaintext.len, bytes, lengths[i]);
      g_assert_cmpuint (obk_decrypt_answer_size (lengths[i]), ==, obk_secret_length (packed));
      v2__decrypt_response__free_unpacked (answer, NULL);
    }
  g_assert_cmpuint (obk_decrypt_answer_size (OBK_MAX_MESSAGE - 4), ==, OBK_MAX_MESSAGE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/wire", test_wire);
  g_test_add_func ("/message/encrypt", test_encrypt);
  g_test_add_func ("/message/encrypt/types", test_encrypt_types);
  g_test_add_func ("/message/decrypt", test_decrypt);
  g_test_add_func ("/message/decrypt/zero-bytes", test_decrypt_zero_bytes);
  g_test_add_func ("/message/decrypt/empty", test_decrypt_empty);
  g_test_add_func ("/message/decrypt/types", test_decrypt_types);
  g_test_add_func ("/message/status-answer", test_status_answer);
  g_test_add_func ("/message/encrypt-answer", test_encrypt_answer);
  g_test_add_func ("/message/decrypt-answer", test_decrypt_answer);
  return g_test_run ();
}
