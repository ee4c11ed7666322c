/* SPDX-License-Identifier: Apache-2.0 */
/* Whether another way to OpenBao leads to the key whose history is in force. */
#pragma once

#include <glib.h>

#include "health/deep-probe.h"
#include "health/history.h"
#include "openbao/transit.h"

G_BEGIN_DECLS

/* Valid until its callback has run or it is cancelled. */
typedef struct _ObkKeyProof ObkKeyProof;

/* @error: %NULL: it does; OBK_ERROR_STATE_REFUSED: it leads to another key; else OpenBao could not tell yet */
typedef void (*ObkKeyProofDone) (const GError *error, gpointer user_data);

/**
 * obk_key_proof_start:
 * @history: borrowed; whatever is in force when OpenBao answers counts
 * @deep: borrowed; a canary that it has of the active version must decrypt
 * @transit: borrowed: the other way
 *
 * By the creation times of all versions that must decrypt, which two keys made in one second may share, and by a
 * ciphertext of this run's, which they cannot. Before there is a history any key will do. The callback never runs from
 * within this function.
 */
ObkKeyProof *obk_key_proof_start (const ObkHistory *history, ObkDeepProbe *deep, ObkTransit *transit,
                                  ObkKeyProofDone done, gpointer user_data);
void obk_key_proof_cancel (ObkKeyProof *proof);

G_END_DECLS
