/* SPDX-License-Identifier: Apache-2.0 */
#include "client-stand-in.h"

#include "base/json.h"

#include <string.h>

static void
call_free (gpointer data)
{
  ObkCall *call = data;

  g_clear_pointer (&call->request.body, obk_secret_unref);
  g_clear_pointer (&call->request.token, obk_secret_unref);
  g_free (call->path);
  g_free (call);
}

ObkClient *
stand_in_client_new (void)
{
  ObkClient *client = g_new0 (ObkClient, 1);

  client->calls = g_ptr_array_new_with_free_func (call_free);
  return client;
}

void
stand_in_client_free (ObkClient *client)
{
  g_assert_cmpuint (client->calls->len, ==, 0);
  g_ptr_array_unref (client->calls);
  g_free (client);
}

ObkCall *
obk_client_send (ObkClient *client, const ObkClientRequest *request, ObkClientDone done, gpointer user_data)
{
  ObkCall *call = g_new0 (ObkCall, 1);

  call->client = client;
  call->request = *request;
  call->path = g_strdup (request->path);
  call->request.path = call->path;
  if (request->body != NULL)
    obk_secret_ref (request->body);
  if (request->token != NULL)
    obk_secret_ref (request->token);
  call->done = done;
  call->user_data = user_data;
  g_ptr_array_add (client->calls, call);
  client->started++;
  return call;
}

void
obk_call_cancel (ObkCall *call)
{
  ObkClient *client = call->client;

  client->cancelled++;
  g_assert_true (g_ptr_array_remove (client->calls, call));
}

const ObkCall *
stand_in_call (ObkClient *client)
{
  g_assert_cmpuint (client->calls->len, ==, 1);
  return g_ptr_array_index (client->calls, 0);
}

static void
finish (ObkClient *client, const json_t *json, const GError *error)
{
  ObkCall *call = NULL;

  g_assert_cmpuint (client->calls->len, ==, 1);
  call = g_ptr_array_steal_index (client->calls, 0);
  call->done (json, 0, error, call->user_data);
  call_free (call);
}

void
stand_in_answer (ObkClient *client, const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) value = obk_json_parse (json, strlen (json), &error);

  g_assert_no_error (error);
  finish (client, value, NULL);
}

void
stand_in_fail (ObkClient *client, GQuark domain, int code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (domain, code, text);

  finish (client, NULL, error);
}
