/* SPDX-License-Identifier: Apache-2.0 */
/* Whether another way to OpenBao leads to the key whose history is in force. */
#include "health/key-proof.h"

#include "base/error.h"
#include "health/metadata-read.h"
#include "registry/profile.h"

#define OTHER_KEY "it leads to another key: "

struct _ObkKeyProof
{
  const ObkHistory *history;
  ObkDeepProbe *deep;
  ObkTransit *transit;
  ObkKeyProofDone done;
  gpointer user_data;
  ObkMetadataRead *read; /* at most one of the two runs */
  ObkCall *call;
  guint32 version; /* whose canary is asked */
};

static void
finish (ObkKeyProof *proof, const GError *error)
{
  proof->done (error, proof->user_data);
  g_free (proof);
}

static void
canary_decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  ObkKeyProof *proof = user_data;
  g_autoptr (GError) other = NULL;

  proof->call = NULL;
  if (obk_error_code (error) == OBK_ERROR_TRANSIT_AUTHENTICATION_TAG
      || (error == NULL && !obk_deep_probe_is_canary (proof->deep, proof->version, plaintext)))
    error = other
        = g_error_new (OBK_ERROR, OBK_ERROR_STATE_REFUSED,
                       OTHER_KEY "version %u does not decrypt what the key in use has encrypted", proof->version);
  finish (proof, error);
}

/* Of those above the latest nothing is known: a standby may lag, or it is another key. */
static gboolean
knows_version (const ObkKeyMetadata *metadata, guint32 version, GError **error)
{
  if (metadata->latest_version >= version && obk_key_metadata_created_at (metadata, version) > 0)
    return TRUE;
  g_set_error (error, OBK_ERROR, OBK_ERROR_STANDBY_LAGGING, "the key there does not show version %u, which is in use",
               version);
  return FALSE;
}

static gboolean
was_created_as_known (const ObkKeyMetadata *metadata, const ObkState *state, GError **error)
{
  g_autoptr (GPtrArray) findings = obk_profile_findings (metadata, state);

  for (guint i = 0; i < findings->len; i++)
    {
      const ObkProfileFinding *finding = findings->pdata[i];

      if (finding->finding != OBK_FINDING_CREATION_TIME_CHANGED)
        continue;
      g_set_error_literal (error, OBK_ERROR, OBK_ERROR_STATE_REFUSED,
                           OTHER_KEY "a version was created at another time than that of the key in use");
      return FALSE;
    }
  return TRUE;
}

static void
metadata_read (const ObkKeyMetadata *metadata, const char *reason, const GError *error, gpointer user_data)
{
  ObkKeyProof *proof = user_data;
  const ObkState *state = obk_history_state (proof->history);
  g_autoptr (GError) own_error = NULL;

  proof->read = NULL;
  if (error != NULL || state == NULL)
    {
      finish (proof, error);
      return;
    }
  proof->version = obk_state_active (state)->version;
  if (!was_created_as_known (metadata, state, &own_error) || !knows_version (metadata, proof->version, &own_error))
    {
      finish (proof, own_error);
      return;
    }
  proof->call = obk_deep_probe_ask_canary (proof->deep, proof->version, proof->transit, canary_decrypted, proof);
  if (proof->call == NULL)
    finish (proof, NULL);
}

ObkKeyProof *
obk_key_proof_start (const ObkHistory *history, ObkDeepProbe *deep, ObkTransit *transit, ObkKeyProofDone done,
                     gpointer user_data)
{
  ObkKeyProof *proof = NULL;

  g_return_val_if_fail (history != NULL && deep != NULL && transit != NULL && done != NULL, NULL);

  proof = g_new0 (ObkKeyProof, 1);
  proof->history = history;
  proof->deep = deep;
  proof->transit = transit;
  proof->done = done;
  proof->user_data = user_data;
  proof->read = obk_metadata_read_start (transit, metadata_read, proof);
  return proof;
}

void
obk_key_proof_cancel (ObkKeyProof *proof)
{
  g_return_if_fail (proof != NULL);

  g_clear_pointer (&proof->read, obk_metadata_read_cancel);
  g_clear_pointer (&proof->call, obk_call_cancel);
  g_free (proof);
}
