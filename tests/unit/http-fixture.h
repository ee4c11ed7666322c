/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of openbao/http share: the way to the stand-in, a request, and what became of it. */
#pragma once

#include "base/error.h"
#include "openbao/http.h"
#include "stand-in.h"

#include <jansson.h>

#define MS 1000
#define PATIENCE_US (20 * G_USEC_PER_SEC)

extern StandIn *stand_in;

typedef struct
{
  ObkPoller *poller;
  ObkTunnel *tunnel;
  ObkHttp *http;
} Fixture;

void setup_with (Fixture *f, const char *ca_file);
void setup (Fixture *f, gconstpointer data);
void teardown (Fixture *f, gconstpointer data);

/* What a callback was told. */
typedef struct
{
  guint calls;
  guint status; /* 0 with an error */
  char *body;
  gsize length;
  gint64 date_unix;
  ObkError code;
  char *text;
} Result;

void result_clear (Result *result);
/* An ObkHttpDone for a Result. */
void take_result (const ObkHttpResponse *response, const GError *error, gpointer user_data);

/* @kind: of the stand-in's servers */
ObkEndpoint *endpoint_of (const char *kind, const char *host, const char *name);
ObkTransfer *send_to (Fixture *f, ObkEndpoint *endpoint, const char *path, ObkSecret *body, gint64 patience_us,
                      Result *result);
void wait_for (Result *result);

/* One request from first to last. */
void ask (Fixture *f, const char *kind, const char *path, gsize body_length, Result *result);
void ask_well (Fixture *f, const char *kind, const char *path, Result *result);

/* How often the stand-in has seen that connection or request. */
json_int_t count (Fixture *f, const char *what, const char *key);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)
