/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of openbao/transit in a program that is not linked with the whole library. */
#pragma once

#include "openbao/transit.h"

/* A call that has come and is not answered. */
struct _ObkCall
{
  ObkTransit *transit;
  guint source;        /* of an answer by itself */
  guint32 key_version; /* 0: to decrypt */
  ObkSecret *plaintext;
  char *ciphertext;
  char *associated_data;
  gint64 deadline_us;
  ObkTransitCiphertextDone encrypted;
  ObkTransitPlaintextDone decrypted;
  gpointer user_data;
};

struct _ObkTransit
{
  gboolean silent; /* hold all calls; else each is answered at the next turn of the main loop */
  GPtrArray *calls;
  guint started;
  guint cancelled;
  char *last_associated_data;
  guint32 last_version;
};

ObkTransit *stand_in_new (void);
/* The transformation of the stand-in: "vault:vN:" and base64 */
char *stand_in_encrypt (guint32 version, gconstpointer plaintext, gsize length);
/* Answer the first that waits. */
void stand_in_answer (ObkTransit *transit);
void stand_in_answer_encrypt (ObkTransit *transit, const char *ciphertext);
void stand_in_answer_decrypt (ObkTransit *transit, ObkSecret *plaintext);
void stand_in_fail (ObkTransit *transit, const GError *error);
