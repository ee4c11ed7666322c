/* SPDX-License-Identifier: Apache-2.0 */
/* OpenBao asked and waited for: for commands, which do one thing after the other. */
#include "cli/ask.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/names.h"
#include "cli/sample.h"
#include "health/metadata-read.h"

#include <stdlib.h>
#include <string.h>

#define CAPABILITIES_PATH "sys/capabilities-self"

/* openbao.timeout bounds each attempt by itself; this leaves time for the login by which a denial is told from a lost
 * token. */
#define DEADLINE_US (30 * (gint64)G_USEC_PER_SEC)

/* One answer; what of it is set depends on the call. */
typedef struct
{
  GMainLoop *loop;
  GError *error;
  ObkKeyMetadata *metadata;
  const char *reason;
  gboolean disable_upsert;
  char *ciphertext;
  ObkSecret *plaintext;
  json_t *json;
  ObkAuthWait *wait;
} Answer;

static void
answer_clear (Answer *answer)
{
  g_clear_pointer (&answer->loop, g_main_loop_unref);
  g_clear_error (&answer->error);
  g_clear_pointer (&answer->metadata, obk_key_metadata_free);
  g_clear_pointer (&answer->ciphertext, g_free);
  g_clear_pointer (&answer->plaintext, obk_secret_unref);
  g_clear_pointer (&answer->json, json_decref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

/* Returns: whether it can go on with what has come */
static gboolean
end (Answer *answer, const GError *error)
{
  if (error != NULL)
    answer->error = g_error_copy (error);
  g_main_loop_quit (answer->loop);
  return error == NULL;
}

/* Returns: whether there was no error */
static gboolean
wait_for (Answer *answer, GError **error)
{
  g_main_loop_run (answer->loop);
  if (answer->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&answer->error));
  return FALSE;
}

static gint64
deadline (void)
{
  return obk_clock_boot_us () + DEADLINE_US;
}

/* Login */

static void
logged_in (ObkSecret *token, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  answer->wait = NULL;
  end (answer, error);
}

static gboolean
login_timed_out (gpointer user_data)
{
  Answer *answer = user_data;

  g_clear_pointer (&answer->wait, obk_auth_wait_cancel);
  answer->error = g_error_new_literal (OBK_ERROR, OBK_ERROR_TIMEOUT, "the login did not end in time");
  g_main_loop_quit (answer->loop);
  return G_SOURCE_CONTINUE;
}

gboolean
obk_ask_login (ObkSession *session, gint64 timeout_us, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };
  ObkAuth *auth = obk_session_auth (session);
  guint timer = 0;
  gboolean passed = FALSE;

  timer = g_timeout_add ((guint)MIN (timeout_us / 1000 + 1000, G_MAXINT), login_timed_out, &answer);
  obk_auth_start (auth);
  answer.wait = obk_auth_acquire (auth, logged_in, &answer);
  passed = wait_for (&answer, error);
  g_source_remove (timer);
  return passed;
}

/* Transit */

static void
got_key (const ObkKeyMetadata *metadata, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  if (end (answer, error))
    answer->metadata = obk_key_metadata_copy (metadata);
}

ObkKeyMetadata *
obk_ask_key (ObkSession *session, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };

  obk_transit_read_key (obk_session_transit (session), deadline (), got_key, &answer);
  return wait_for (&answer, error) ? g_steal_pointer (&answer.metadata) : NULL;
}

static void
got_metadata (const ObkKeyMetadata *metadata, const char *reason, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  answer->reason = reason;
  got_key (metadata, error, answer);
}

ObkKeyMetadata *
obk_ask_metadata (ObkSession *session, const char **reason, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };
  gboolean passed = FALSE;

  obk_metadata_read_start (obk_session_transit (session), got_metadata, &answer);
  passed = wait_for (&answer, error);
  *reason = answer.reason;
  return passed ? g_steal_pointer (&answer.metadata) : NULL;
}

static void
got_upsert (gboolean disable_upsert, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  answer->disable_upsert = disable_upsert;
  end (answer, error);
}

gboolean
obk_ask_upsert (ObkSession *session, gboolean *disable_upsert, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };

  obk_transit_read_upsert (obk_session_transit (session), deadline (), got_upsert, &answer);
  if (!wait_for (&answer, error))
    return FALSE;
  *disable_upsert = answer.disable_upsert;
  return TRUE;
}

static void
got_ciphertext (const char *ciphertext, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  if (end (answer, error))
    answer->ciphertext = g_strdup (ciphertext);
}

static char *
ask_encrypt (ObkSession *session, guint32 version, const ObkSecret *plaintext, const char *associated_data_base64,
             GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };

  obk_transit_encrypt (obk_session_transit (session), version, obk_secret_data (plaintext),
                       obk_secret_length (plaintext), associated_data_base64, deadline (), got_ciphertext, &answer);
  return wait_for (&answer, error) ? g_steal_pointer (&answer.ciphertext) : NULL;
}

static void
got_plaintext (ObkSecret *plaintext, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  if (end (answer, error))
    answer->plaintext = obk_secret_ref (plaintext);
}

ObkSecret *
obk_ask_decrypt (ObkSession *session, const char *ciphertext, const char *associated_data_base64, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };

  obk_transit_decrypt (obk_session_transit (session), ciphertext, associated_data_base64, deadline (), got_plaintext,
                       &answer);
  return wait_for (&answer, error) ? g_steal_pointer (&answer.plaintext) : NULL;
}

gboolean
obk_ask_canary (ObkSession *session, guint32 version, const char *associated_data_base64, char **ciphertext,
                GError **error)
{
  g_autoptr (ObkSecret) sample = obk_sample_new (error);
  g_autofree char *made = sample != NULL ? ask_encrypt (session, version, sample, associated_data_base64, error) : NULL;
  g_autoptr (ObkSecret) back = made != NULL ? obk_ask_decrypt (session, made, associated_data_base64, error) : NULL;

  if (back == NULL || !obk_sample_check (sample, back, error))
    return FALSE;
  if (ciphertext != NULL)
    *ciphertext = g_steal_pointer (&made);
  return TRUE;
}

/* Capabilities */

static void
got_json (const json_t *json, gint64 date_unix, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  if (end (answer, error))
    answer->json = json_deep_copy (json);
}

static ObkSecret *
paths_body (const char *const *paths)
{
  g_autoptr (json_t) body = json_object ();
  json_t *list = json_array ();
  char *text = NULL;
  ObkSecret *secret = NULL;

  for (; *paths != NULL; paths++)
    json_array_append_new (list, json_string (*paths));
  json_object_set_new (body, "paths", list);
  text = json_dumps (body, JSON_COMPACT);
  secret = obk_secret_new (strlen (text));
  obk_secret_append (secret, text, strlen (text));
  free (text);
  return secret;
}

json_t *
obk_ask_capabilities (ObkSession *session, const char *const *paths, GError **error)
{
  g_auto (Answer) answer = { .loop = g_main_loop_new (NULL, FALSE) };
  g_autoptr (ObkSecret) body = paths_body (paths);
  const json_t *data = NULL;

  obk_client_send (obk_session_client (session),
                   &(ObkClientRequest){
                       .operation = OBK_OPERATION_CAPABILITIES,
                       .path = CAPABILITIES_PATH,
                       .body = body,
                       .deadline_us = deadline (),
                   },
                   got_json, &answer);
  if (!wait_for (&answer, error))
    return NULL;
  if (obk_json_get_object (answer.json, "data", &data, error))
    return json_deep_copy (data);
  return NULL;
}
