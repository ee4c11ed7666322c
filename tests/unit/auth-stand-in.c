/* SPDX-License-Identifier: Apache-2.0 */
#include "auth-stand-in.h"

#include "base/clock.h"

#include <string.h>

struct _ObkAuthWait
{
  ObkAuth *auth;
  guint source;
  ObkAuthDone done;
  gpointer user_data;
};

static void
wait_free (gpointer data)
{
  ObkAuthWait *wait = data;

  if (wait->source != 0)
    g_source_remove (wait->source);
  g_free (wait);
}

static void
set_token (ObkAuth *auth, const char *token)
{
  g_clear_pointer (&auth->token, obk_secret_unref);
  if (token != NULL)
    auth->token = obk_secret_new_copy (token, strlen (token));
}

ObkAuth *
auth_stand_in_new (const char *token)
{
  ObkAuth *auth = g_new0 (ObkAuth, 1);

  auth->waits = g_ptr_array_new_with_free_func (wait_free);
  set_token (auth, token);
  return auth;
}

void
auth_stand_in_free (ObkAuth *auth)
{
  g_ptr_array_unref (auth->waits);
  set_token (auth, NULL);
  g_free (auth);
}

static gboolean
answer (gpointer data)
{
  ObkAuthWait *wait = data;
  ObkAuth *auth = wait->auth;
  g_autoptr (GError) error = NULL;
  guint position = 0;

  wait->source = 0;
  if (auth->login == NULL)
    error = g_error_new_literal (OBK_ERROR, (int)auth->refusal, "no login");
  else if (auth->token == NULL || strcmp (obk_secret_data (auth->token), auth->login) != 0)
    {
      set_token (auth, auth->login);
      auth->issued_us = obk_clock_boot_us ();
    }
  g_assert_true (g_ptr_array_find (auth->waits, wait, &position));
  g_ptr_array_steal_index (auth->waits, position);
  wait->done (error == NULL ? auth->token : NULL, error, wait->user_data);
  g_free (wait);
  return G_SOURCE_REMOVE;
}

static ObkAuthWait *
wait_new (ObkAuth *auth, ObkAuthDone done, gpointer user_data)
{
  ObkAuthWait *wait = g_new0 (ObkAuthWait, 1);

  wait->auth = auth;
  wait->done = done;
  wait->user_data = user_data;
  g_ptr_array_add (auth->waits, wait);
  if (!auth->silent)
    wait->source = g_idle_add (answer, wait);
  return wait;
}

ObkSecret *
obk_auth_peek (ObkAuth *auth)
{
  return auth->token;
}

ObkAuthWait *
obk_auth_acquire (ObkAuth *auth, ObkAuthDone done, gpointer user_data)
{
  auth->acquired++;
  return wait_new (auth, done, user_data);
}

ObkAuthWait *
obk_auth_refused (ObkAuth *auth, ObkSecret *token, ObkAuthDone done, gpointer user_data)
{
  g_assert_nonnull (token);
  auth->refused++;
  return wait_new (auth, done, user_data);
}

void
obk_auth_wait_cancel (ObkAuthWait *wait)
{
  wait->auth->cancelled++;
  g_assert_true (g_ptr_array_remove (wait->auth->waits, wait));
}

gint64
obk_auth_token_age_us (const ObkAuth *auth)
{
  return auth->token != NULL ? obk_clock_boot_us () - auth->issued_us : G_MAXINT64;
}

gboolean
obk_auth_has_expired (const ObkAuth *auth)
{
  return FALSE;
}
