/* SPDX-License-Identifier: Apache-2.0 */
/* What is allowed at the KMS boundary: the checks of Encrypt and Decrypt, in order, and their calls to Transit. */
#pragma once

#include <glib.h>

#include "base/correlation.h"
#include "health/board.h"
#include "health/prober.h"
#include "identity/annotations.h"
#include "openbao/transit.h"

G_BEGIN_DECLS

/* Of the main loop. */
typedef struct _ObkService ObkService;

/* One request under way: a place in the queue or a call to Transit. */
typedef struct _ObkServiceCall ObkServiceCall;

/* A plain value; pointers are borrowed and outlive the service. */
typedef struct
{
  ObkPoller *poller;
  ObkBoardSlot *board;
  ObkTransit *transit;
  ObkProber *prober; /* (nullable): looks for an unknown key_id, and again when a version turns out to be unusable */
  guint max_encrypt; /* calls at once */
  guint max_decrypt;
} ObkServiceOptions;

ObkService *obk_service_new (const ObkServiceOptions *options);
void obk_service_free (ObkService *service);

/* Calls at once, from now on: more of those that wait run at once, and what runs is let finish. */
void obk_service_set_limits (ObkService *service, guint max_encrypt, guint max_decrypt);

/* @correlation: (nullable): for the records of requests that come from now on */
void obk_service_set_correlation (ObkService *service, ObkCorrelation *correlation);

/* All borrowed until the callback has run or the call is cancelled. */
typedef struct
{
  gconstpointer plaintext;
  gsize plaintext_length;
  gint64 arrived_us;  /* its duration counts from then on */
  gint64 deadline_us; /* OBK_NO_DEADLINE without one */
  const char *uid;    /* (nullable): what the API server calls it */
  gsize uid_length;
} ObkEncryptRequest;

typedef struct
{
  gconstpointer ciphertext;
  gsize ciphertext_length;
  const char *key_id;
  gsize key_id_length;
  const ObkAnnotation *annotations;
  gsize n_annotations;
  gint64 arrived_us;
  gint64 deadline_us;
  const char *uid; /* (nullable) */
  gsize uid_length;
} ObkDecryptRequest;

/* @identity: the version that was used: its key_id and annotations go into the answer */
typedef void (*ObkEncryptDone) (const char *ciphertext, const ObkKeyIdentity *identity, const GError *error,
                                gpointer user_data);
typedef void (*ObkDecryptDone) (ObkSecret *plaintext, const GError *error, gpointer user_data);

/* A request that is refused at once gets its callback before these return, and they return %NULL. */
ObkServiceCall *obk_service_encrypt (ObkService *service, const ObkEncryptRequest *request, ObkEncryptDone done,
                                     gpointer user_data);
ObkServiceCall *obk_service_decrypt (ObkService *service, const ObkDecryptRequest *request, ObkDecryptDone done,
                                     gpointer user_data);

/* The slot is free at once; the callback will not run. */
void obk_service_cancel (ObkServiceCall *call);

/* Returns: when a Decrypt last went to Transit with that key version, Unix seconds; 0: not in this run */
gint64 obk_service_last_use (const ObkService *service, guint32 version);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkService, obk_service_free)

G_END_DECLS
