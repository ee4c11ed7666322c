/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the place of openbao/transit in a program that is not linked with the whole library: an OpenBao with one key,
 * which tests rotate, trim, spoil and cut off.
 */
#pragma once

#include "base/error.h"
#include "openbao/transit.h"

typedef enum
{
  STAND_IN_ENCRYPT = 1 << 0,
  STAND_IN_DECRYPT = 1 << 1,
  STAND_IN_READ_KEY = 1 << 2,
  STAND_IN_READ_UPSERT = 1 << 3,
  STAND_IN_READS = STAND_IN_READ_KEY | STAND_IN_READ_UPSERT,
  STAND_IN_ALL = STAND_IN_ENCRYPT | STAND_IN_DECRYPT | STAND_IN_READS
} StandInKinds;

/* A call that has come and is not answered. */
struct _ObkCall
{
  ObkTransit *transit;
  StandInKinds kind;
  guint source;        /* of an answer by itself */
  guint32 key_version; /* to encrypt */
  ObkSecret *plaintext;
  char *ciphertext;
  char *associated_data;
  gint64 deadline_us;
  char *uid_hash; /* (nullable) */
  ObkTransitCiphertextDone encrypted;
  ObkTransitPlaintextDone decrypted;
  ObkTransitKeyDone key_read;
  ObkTransitUpsertDone upsert_read;
  gpointer user_data;
};

struct _ObkTransit
{
  gboolean silent;   /* hold all calls; else each is answered at the next turn of the main loop */
  StandInKinds held; /* or hold those of these kinds */
  GPtrArray *calls;  /* that wait for an answer, of either sort */
  guint started;
  guint cancelled;
  guint reads;     /* of the key */
  guint encrypted; /* answered well */
  guint decrypted; /* likewise */
  char *last_associated_data;
  guint32 last_version; /* 0: the last call was no encryption */

  ObkKeyMetadata *key;  /* (nullable): what OpenBao has; without one each version works, and no reads may come */
  GHashTable *material; /* version -> how often its key material was replaced */
  guint lag;            /* versions that a standby does not know yet: reads do not show them */
  gboolean no_date;     /* answers come without a Date header */
  StandInKinds failing; /* calls of these kinds get @error */
  GError *error;
};

ObkTransit *stand_in_new (void);
/* The transformation of the stand-in: "vault:vN:" and base64, of key material that was never replaced */
char *stand_in_encrypt (guint32 version, gconstpointer plaintext, gsize length);

/* The first that waits, whatever is held or fails */
void stand_in_answer (ObkTransit *transit);
void stand_in_answer_encrypt (ObkTransit *transit, const char *ciphertext);
void stand_in_answer_decrypt (ObkTransit *transit, ObkSecret *plaintext);
void stand_in_fail (ObkTransit *transit, const GError *error);
/* Holds nothing any more; what waits is answered at the next turn of the main loop. */
void stand_in_release (ObkTransit *transit);

/* A good key with one version */
void stand_in_make_key (ObkTransit *transit, gint64 created_at_unix);
void stand_in_rotate (ObkTransit *transit, gint64 created_at_unix);
/* Versions below @first are gone for good. */
void stand_in_trim (ObkTransit *transit, guint32 first);
/* The latest version is lost, as by a restore from an older backup. */
void stand_in_lose_latest (ObkTransit *transit);
/* Another key under the same number, and nothing in the metadata shows it */
void stand_in_replace_material (ObkTransit *transit, guint32 version);
/* Calls of these kinds fail from now on, with a text that says no more than "stand-in"; 0: none */
void stand_in_break (ObkTransit *transit, StandInKinds kinds, ObkError code);
