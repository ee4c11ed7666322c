/* SPDX-License-Identifier: Apache-2.0 */
/* The deep probe: a random value to Transit and back, and the canaries of all retained versions. */
#include "health/deep-probe.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/names.h"
#include "health/canary.h"

#include <string.h>
#include <sys/random.h>

#define ASSOCIATED_DATA "openbao-kubernetes-kms/status-probe/v1"

struct _ObkDeepProbe
{
  ObkTransit *transit;
  ObkDeepProbeCallbacks callbacks;
  gpointer user_data;
  ObkCanarySet *canaries;
  char *associated_data_base64;

  /* the round that runs */
  gboolean running;
  guint32 active;
  guint32 version; /* that the present step is about */
  guint8 plaintext[OBK_CANARY_PLAINTEXT];
  char *ciphertext;
  GArray *to_make;  /* of guint32: taken from the end */
  GArray *to_check; /* likewise */
  ObkCall *call;
};

ObkDeepProbe *
obk_deep_probe_new (ObkTransit *transit, const ObkDeepProbeCallbacks *callbacks, gpointer user_data)
{
  ObkDeepProbe *probe = NULL;

  g_return_val_if_fail (transit != NULL && callbacks != NULL, NULL);

  probe = g_new0 (ObkDeepProbe, 1);
  probe->transit = transit;
  probe->callbacks = *callbacks;
  probe->user_data = user_data;
  probe->canaries = obk_canary_set_new ();
  probe->associated_data_base64 = g_base64_encode ((const guchar *)ASSOCIATED_DATA, strlen (ASSOCIATED_DATA));
  return probe;
}

static void
forget_round (ObkDeepProbe *probe)
{
  g_clear_pointer (&probe->call, obk_call_cancel);
  g_clear_pointer (&probe->ciphertext, g_free);
  g_clear_pointer (&probe->to_make, g_array_unref);
  g_clear_pointer (&probe->to_check, g_array_unref);
  probe->running = FALSE;
}

void
obk_deep_probe_free (ObkDeepProbe *probe)
{
  if (probe == NULL)
    return;
  forget_round (probe);
  obk_canary_set_free (probe->canaries);
  g_free (probe->associated_data_base64);
  g_free (probe);
}

gboolean
obk_deep_probe_is_running (const ObkDeepProbe *probe)
{
  return probe->running;
}

/* Whether OpenBao has said something of the key itself, and not of the way to it. */
static gboolean
is_definite (const GError *error)
{
  switch (obk_error_code (error))
    {
    case OBK_ERROR_TRANSIT_REFUSED:
    case OBK_ERROR_TRANSIT_AUTHENTICATION_TAG:
    case OBK_ERROR_VERSION_UNUSABLE:
    case OBK_ERROR_KEY_MISSING:
    case OBK_ERROR_POLICY_DENIED:
      return TRUE;
    default:
      return FALSE;
    }
}

static void
end_round (ObkDeepProbe *probe)
{
  forget_round (probe);
  probe->callbacks.ended (obk_canary_set_finding (probe->canaries), probe->user_data);
}

static void
encrypt (ObkDeepProbe *probe, guint32 version, ObkTransitCiphertextDone done)
{
  probe->version = version;
  /* Never fails for so few bytes once the machine has started; what came of it is no secret. */
  (void)!getrandom (probe->plaintext, sizeof probe->plaintext, 0);
  probe->call = obk_transit_encrypt (probe->transit, version, probe->plaintext, sizeof probe->plaintext,
                                     probe->associated_data_base64, OBK_NO_DEADLINE, done, probe);
}

/* Checking canaries */

static void check_next (ObkDeepProbe *probe);

static gboolean
is_plaintext (const ObkSecret *answer, const guint8 *plaintext)
{
  return obk_secret_length (answer) == OBK_CANARY_PLAINTEXT
         && memcmp (obk_secret_data (answer), plaintext, OBK_CANARY_PLAINTEXT) == 0;
}

static void
canary_decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  ObkDeepProbe *probe = user_data;
  ObkCanary *canary = obk_canary_set_find (probe->canaries, probe->version);

  probe->call = NULL;
  if (error != NULL && !is_definite (error))
    end_round (probe); /* the rest can wait until OpenBao answers */
  else
    {
      canary->finding = error == NULL && is_plaintext (plaintext, canary->plaintext) ? "" : OBK_REASON_CANARY_FAILED;
      check_next (probe);
    }
}

static void
check_next (ObkDeepProbe *probe)
{
  const ObkCanary *canary = NULL;

  if (probe->to_check->len == 0)
    {
      end_round (probe);
      return;
    }
  probe->version = g_array_index (probe->to_check, guint32, probe->to_check->len - 1);
  g_array_set_size (probe->to_check, probe->to_check->len - 1);
  canary = obk_canary_set_find (probe->canaries, probe->version);
  probe->call = obk_transit_decrypt (probe->transit, canary->ciphertext, probe->associated_data_base64, OBK_NO_DEADLINE,
                                     canary_decrypted, probe);
}

/* Making canaries */

static void make_next (ObkDeepProbe *probe);

static void
canary_made (const char *ciphertext, const GError *error, gpointer user_data)
{
  ObkDeepProbe *probe = user_data;

  probe->call = NULL;
  if (error == NULL)
    obk_canary_set_keep (probe->canaries, probe->version, probe->plaintext, ciphertext);
  if (error != NULL && !is_definite (error))
    end_round (probe);
  else
    make_next (probe); /* a version that may not encrypt gets none */
}

static void
make_next (ObkDeepProbe *probe)
{
  guint32 version = 0;

  if (probe->to_make->len == 0)
    {
      probe->to_check = obk_canary_set_round (probe->canaries);
      check_next (probe);
      return;
    }
  version = g_array_index (probe->to_make, guint32, probe->to_make->len - 1);
  g_array_set_size (probe->to_make, probe->to_make->len - 1);
  encrypt (probe, version, canary_made);
}

/* The active version */

static void
conclude (ObkDeepProbe *probe, const char *finding, const GError *error)
{
  probe->callbacks.proved (probe->active, finding, error, probe->user_data);
  if (error != NULL)
    end_round (probe);
  else
    make_next (probe);
}

static void
fail_proof (ObkDeepProbe *probe, const GError *error)
{
  conclude (probe, is_definite (error) ? OBK_REASON_DEEP_PROBE_FAILED : "", error);
}

static void
proof_decrypted (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  ObkDeepProbe *probe = user_data;
  g_autoptr (GError) wrong = NULL;

  probe->call = NULL;
  if (error != NULL)
    fail_proof (probe, error);
  else if (is_plaintext (plaintext, probe->plaintext))
    {
      obk_canary_set_keep (probe->canaries, probe->active, probe->plaintext, probe->ciphertext);
      conclude (probe, "", NULL);
    }
  else
    {
      wrong = g_error_new_literal (OBK_ERROR, OBK_ERROR_UNAVAILABLE, "another plaintext came back than was sent");
      conclude (probe, OBK_REASON_DEEP_PROBE_INVALID, wrong);
    }
}

static void
proof_encrypted (const char *ciphertext, const GError *error, gpointer user_data)
{
  ObkDeepProbe *probe = user_data;

  probe->call = NULL;
  if (error != NULL)
    {
      fail_proof (probe, error);
      return;
    }
  probe->ciphertext = g_strdup (ciphertext);
  probe->call = obk_transit_decrypt (probe->transit, ciphertext, probe->associated_data_base64, OBK_NO_DEADLINE,
                                     proof_decrypted, probe);
}

/* Returns: (transfer full): the versions that may encrypt and have no canary yet, but for the active one */
static GArray *
missing_canaries (ObkDeepProbe *probe, const ObkDeepProbeTargets *targets)
{
  GArray *missing = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < targets->retained->len; i++)
    {
      guint32 version = g_array_index (targets->retained, guint32, i);

      if (version != targets->active && version >= targets->min_encryption
          && obk_canary_set_find (probe->canaries, version) == NULL)
        g_array_append_val (missing, version);
    }
  return missing;
}

void
obk_deep_probe_start (ObkDeepProbe *probe, const ObkDeepProbeTargets *targets)
{
  g_return_if_fail (probe != NULL && targets != NULL && !probe->running);

  probe->running = TRUE;
  probe->active = targets->active;
  obk_canary_set_retain (probe->canaries, targets->retained);
  probe->to_make = missing_canaries (probe, targets);
  encrypt (probe, targets->active, proof_encrypted);
}

ObkCall *
obk_deep_probe_ask_canary (ObkDeepProbe *probe, guint32 version, ObkTransit *transit, ObkTransitPlaintextDone done,
                           gpointer user_data)
{
  const ObkCanary *canary = NULL;

  g_return_val_if_fail (probe != NULL && transit != NULL && done != NULL, NULL);

  canary = obk_canary_set_find (probe->canaries, version);
  if (canary == NULL)
    return NULL;
  return obk_transit_decrypt (transit, canary->ciphertext, probe->associated_data_base64, OBK_NO_DEADLINE, done,
                              user_data);
}

gboolean
obk_deep_probe_is_canary (ObkDeepProbe *probe, guint32 version, const ObkSecret *plaintext)
{
  const ObkCanary *canary = obk_canary_set_find (probe->canaries, version);

  return canary == NULL || is_plaintext (plaintext, canary->plaintext);
}
