/* SPDX-License-Identifier: Apache-2.0 */
/* Ciphertexts of known plaintext, one for each key version, that show whether a version still decrypts. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define OBK_CANARY_PLAINTEXT 32 /* random bytes; not secret */
#define OBK_CANARIES_A_ROUND 16

/* A plain value inside of the set. */
typedef struct
{
  guint32 version;
  guint8 plaintext[OBK_CANARY_PLAINTEXT];
  char *ciphertext;
  const char *finding; /* static: "" while all is well, else why the last check failed definitely */
} ObkCanary;

/* Of the main loop. In memory only: a run judges by what it made itself. */
typedef struct _ObkCanarySet ObkCanarySet;

ObkCanarySet *obk_canary_set_new (void);
void obk_canary_set_free (ObkCanarySet *set);

/* Keeps those of the versions that count (of guint32) and forgets the rest. */
void obk_canary_set_retain (ObkCanarySet *set, const GArray *versions);

/* Returns: (nullable): that version's */
ObkCanary *obk_canary_set_find (ObkCanarySet *set, guint32 version);

/* @ciphertext: of @plaintext under @version. The first one of a version stays: a later one would hide a change. */
void obk_canary_set_keep (ObkCanarySet *set, guint32 version, const guint8 *plaintext, const char *ciphertext);

/**
 * obk_canary_set_round:
 *
 * Returns: (transfer container) (element-type guint32): the versions to check now, %OBK_CANARIES_A_ROUND at most: those
 *   that failed last, then the others in turn
 */
GArray *obk_canary_set_round (ObkCanarySet *set);

/* Returns: the finding of one that failed, "" when none did */
const char *obk_canary_set_finding (const ObkCanarySet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ObkCanarySet, obk_canary_set_free)

G_END_DECLS
