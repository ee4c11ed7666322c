/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of openbao/client in a program that is not linked with the whole library. */
#pragma once

#include "openbao/client.h"

/* A call that has come and is not answered. Secrets are referenced, as the real one does. */
struct _ObkCall
{
  ObkClient *client;
  ObkClientRequest request;
  char *path;
  ObkClientDone done;
  gpointer user_data;
};

struct _ObkClient
{
  GPtrArray *calls;
  guint started;
  guint cancelled;
};

ObkClient *stand_in_client_new (void);
void stand_in_client_free (ObkClient *client); /* no call may be left */
/* The only call that waits. */
const ObkCall *stand_in_call (ObkClient *client);
/* Answer it; @json is that of a 200. */
void stand_in_answer (ObkClient *client, const char *json);
void stand_in_fail (ObkClient *client, GQuark domain, int code, const char *text);
