/* SPDX-License-Identifier: Apache-2.0 */
/* A client with all that is below it, against the TLS stand-in, and a token source that the test holds. */
#pragma once

#include "auth-stand-in.h"
#include "openbao/addresses.h"
#include "openbao/client.h"
#include "stand-in.h"

#define MS 1000
#define PATIENCE_US (20 * G_USEC_PER_SEC)

typedef struct
{
  ObkPoller *poller;
  ObkTunnel *tunnel;
  ObkHttp *http;
  ObkAuth *auth;
  ObkAddresses *addresses;
  ObkClient *client;
} ClientFixture;

/* The one server of the test program. */
extern StandIn *fixture_server;

/* With one good address, openbao.timeout 20 s, an old token "old". */
void client_fixture_set_up (ClientFixture *f, gconstpointer unused);
void client_fixture_tear_down (ClientFixture *f, gconstpointer unused);

/* Another client. @addresses: "KIND" or "KIND/PREFIX" of the stand-in, separated by spaces */
void client_fixture_use (ClientFixture *f, const char *addresses, gint64 timeout_us);

/* What a call's callback was told. */
typedef struct
{
  guint calls;
  guint freed; /* user data */
  json_t *json;
  gint64 date_unix;
  ObkError code;
  char *text; /* of the error */
} ClientResult;

void client_result_clear (ClientResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClientResult, client_result_clear)

/* @request: its operation and path are filled in here. Sees that nothing is called back from within. */
ObkCall *client_fixture_send (ClientFixture *f, const char *path, ObkClientRequest request, ClientResult *result);
void client_result_wait (ClientResult *result);

void client_result_assert_good (const ClientResult *result);
void client_result_assert_failed (const ClientResult *result, ObkError code);

/* The same for a GET without a deadline, from first to last; forgets what @result held. */
void client_fixture_ask (ClientFixture *f, const char *path, ClientResult *result);

/* Returns: a GET whose client waits so long */
ObkClientRequest get_within (gint64 patience_us);

/* Returns: how often the stand-in got that: "good /v1/echo" */
json_int_t client_fixture_count (const char *what);
