/* SPDX-License-Identifier: Apache-2.0 */
/* A service over a board that the test sets, an OpenBao of the stand-in's, and a time that the test moves. */
#pragma once

#include "base/error.h"
#include "kms/service.h"
#include "time-stand-in.h"
#include "transit-stand-in.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define MAX_ENCRYPT 2
#define MAX_DECRYPT 3
#define PLAINTEXT "a seed of thirty-two bytes......"

/* The versions on the board */
#define REMOVED 1
#define RETIRED 2
#define ACTIVE 3
#define PENDING 4
#define REJECTED 5
#define N_VERSIONS 5

typedef struct
{
  ObkPoller *poller;
  ObkTransit *transit; /* silent: the test answers */
  ObkBoardSlot *board;
  ObkService *service;
  ObkKeyIdentity *identities[N_VERSIONS + 1]; /* by version */
  guint answers;                              /* of all calls */
  GPtrArray *log;                             /* of texts: the class of each record of a request, or "ok" */
} Service;

void service_set_up (Service *s, gconstpointer data);
void service_tear_down (Service *s, gconstpointer data);
/* @reason: "" for a healthy one */
void service_set_board (Service *s, guint32 active, const char *reason, gint64 fresh_until_us);
/* How many records of the log have this class */
guint service_count_log (Service *s, const char *class);

/* One call and what became of it */
typedef struct
{
  Service *s;
  ObkServiceCall *call; /* (nullable): while there is no answer */
  guint answers;
  guint order; /* the answer was that one of all */
  GError *error;
  char *ciphertext;
  char *key_id;
  ObkSecret *plaintext;
} Call;

void call_clear (Call *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

/* Each returns: whether it runs or waits */
gboolean call_encrypt (Service *s, Call *call, gint64 deadline_us);
gboolean call_encrypt_text (Service *s, Call *call, gconstpointer plaintext, gsize length, gint64 deadline_us);
gboolean call_decrypt (Service *s, Call *call, const ObkDecryptRequest *request);
void call_cancel (Call *call);

/* It was answered once, with just this. */
void call_expect_error (const Call *call, ObkError code);
void call_expect_encrypted (const Call *call, guint32 version);
void call_expect_decrypted (const Call *call);

/* What was encrypted under a version; a test spoils what it likes. */
typedef struct
{
  char *ciphertext;
  ObkAnnotation annotations[16];
  ObkDecryptRequest request; /* of the others */
} Sealed;

void sealed_init (Sealed *sealed, Service *s, guint32 version);
void sealed_clear (Sealed *sealed);
void sealed_set_ciphertext (Sealed *sealed, const char *ciphertext);
ObkAnnotation *sealed_annotation (Sealed *sealed, const char *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sealed, sealed_clear)
