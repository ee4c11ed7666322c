/* SPDX-License-Identifier: Apache-2.0 */
/* An auth between stand-ins for its client and for time, and what its tests do again and again. */
#pragma once

#include "base/error.h"
#include "base/log.h"
#include "base/names.h"
#include "client-stand-in.h"
#include "openbao/auth.h"
#include "openbao/jwt-login.h"
#include "time-stand-in.h"

#include <string.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define WINDOW 300 /* seconds */
#define LEASE 3600
#define CREDENTIAL "{\"role\":\"r\",\"jwt\":\"j\"}"

/* Where the JWT comes from. */
typedef struct
{
  ObkJwtSupply base;
  gboolean broken;
  gboolean slow; /* it answers when supply_answer() tells it to */
  gboolean freed;
  guint fetches, cancelled;
  gint64 deadline_us;
  ObkJwtSupplyDone done; /* of the fetch under way */
  gpointer user_data;
} Supply;

/* What the log has of refreshes and warnings. */
typedef struct
{
  guint n;
  ObkLogLevel level;
  char *event;
  char *error_class;
  char *detail;
  gint64 ttl_seconds;
} Seen;

typedef struct
{
  ObkPoller *poller;
  ObkClient *client;
  Supply supply;
  ObkAuth *auth;
  guint logins;
  Seen seen;
} Fixture;

/* One who asked for a token. */
typedef struct
{
  ObkAuthWait *wait;
  guint calls;
  ObkSecret *token;
  GError *error;
} Asker;

static inline void
supply_answer (Supply *supply)
{
  g_autoptr (GError) error = g_error_new_literal (OBK_ERROR, OBK_ERROR_CREDENTIAL_INVALID, "broken");
  g_autoptr (ObkSecret) jwt = obk_secret_new_copy ("j", 1);
  ObkJwtSupplyDone done = supply->done;

  supply->done = NULL;
  done (supply->broken ? NULL : jwt, supply->broken ? error : NULL, supply->user_data);
}

static inline void
supply_fetch (ObkJwtSupply *base, gint64 deadline_us, ObkJwtSupplyDone done, gpointer user_data)
{
  Supply *supply = (Supply *)base;

  g_assert_null (supply->done);
  supply->fetches++;
  supply->deadline_us = deadline_us;
  supply->done = done;
  supply->user_data = user_data;
  if (!supply->slow)
    supply_answer (supply);
}

static inline void
supply_cancel (ObkJwtSupply *base)
{
  Supply *supply = (Supply *)base;

  g_assert_nonnull (supply->done);
  supply->done = NULL;
  supply->cancelled++;
}

static inline gint64
supply_ttl (ObkJwtSupply *base)
{
  return 42;
}

static inline void
supply_free (ObkJwtSupply *base)
{
  g_assert_null (((Supply *)base)->done);
  ((Supply *)base)->freed = TRUE;
}

/* The JWT is another one now. */
static inline void
supply_change (Supply *supply)
{
  supply->base.changed (supply->base.changed_data);
}

static inline void
take_record (const ObkLogRecord *record, gpointer user_data)
{
  Seen *seen = user_data;

  seen->n++;
  seen->level = record->level;
  g_free (seen->event);
  seen->event = g_strdup (record->event);
  g_clear_pointer (&seen->error_class, g_free);
  g_clear_pointer (&seen->detail, g_free);
  seen->ttl_seconds = -1;
  for (guint i = 0; i < record->n_fields; i++)
    {
      const ObkLogField *field = &record->fields[i];

      if (strcmp (field->name, OBK_FIELD_ERROR_CLASS) == 0)
        seen->error_class = g_strdup (field->value.string);
      else if (strcmp (field->name, OBK_FIELD_DETAIL) == 0)
        seen->detail = g_strdup (field->value.string);
      else if (strcmp (field->name, OBK_FIELD_TTL_SECONDS) == 0)
        seen->ttl_seconds = field->value.integer;
      if (field->type == OBK_LOG_FIELD_STRING) /* tokens of the tests */
        g_assert_null (strstr (field->value.string, "s.t"));
    }
}

static inline void
count_login (gpointer user_data)
{
  ((Fixture *)user_data)->logins++;
}

static inline void
new_auth (Fixture *f)
{
  const ObkAuthOptions options = {
    .login_before_token_expiry_us = WINDOW * SECOND,
    .token_renewal_increment_us = 3600 * SECOND,
    .login_timeout_us = 5 * SECOND,
    .grace_timeout_us = 60 * SECOND,
  };

  g_autoptr (GError) error = NULL;
  ObkCredential *credential = NULL;

  f->supply.base = (ObkJwtSupply){
    .fetch = supply_fetch,
    .cancel = supply_cancel,
    .ttl_seconds = supply_ttl,
    .free = supply_free,
  };
  credential = obk_jwt_login_new (f->client, "auth/my jwt", "r", &f->supply.base, &error);
  g_assert_no_error (error);
  f->auth = obk_auth_new (f->poller, credential, &options);
  obk_auth_set_login_callback (f->auth, count_login, f);
}

static inline void
setup (Fixture *f, gconstpointer data)
{
  obk_log_set_level (OBK_LOG_DEBUG);
  obk_log_set_sink (take_record, &f->seen);
  f->poller = stand_in_poller_new ();
  f->client = stand_in_client_new ();
  new_auth (f);
}

static inline void
teardown (Fixture *f, gconstpointer data)
{
  obk_auth_free (f->auth);
  g_assert_true (f->supply.freed);
  stand_in_client_free (f->client);
  stand_in_poller_free (f->poller);
  g_free (f->seen.event);
  g_free (f->seen.error_class);
  g_free (f->seen.detail);
}

static inline void
take_outcome (ObkSecret *token, const GError *error, gpointer user_data)
{
  Asker *asker = user_data;

  g_assert_true ((token != NULL) != (error != NULL));
  asker->calls++;
  asker->wait = NULL;
  asker->token = token != NULL ? obk_secret_ref (token) : NULL;
  asker->error = error != NULL ? g_error_copy (error) : NULL;
}

static inline void
asker_clear (Asker *asker)
{
  g_clear_pointer (&asker->token, obk_secret_unref);
  g_clear_error (&asker->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Asker, asker_clear)

static inline void
acquire (Fixture *f, Asker *asker)
{
  asker_clear (asker);
  *asker = (Asker){ 0 };
  asker->wait = obk_auth_acquire (f->auth, take_outcome, asker);
  g_assert_cmpuint (asker->calls, ==, 0);
}

static inline void
refused (Fixture *f, Asker *asker, ObkSecret *token)
{
  asker_clear (asker);
  *asker = (Asker){ 0 };
  asker->wait = obk_auth_refused (f->auth, token, take_outcome, asker);
  g_assert_cmpuint (asker->calls, ==, 0);
}

static inline void
turn (Fixture *f)
{
  stand_in_advance (f->poller, 0);
}

static inline void
assert_token (const Asker *asker, const char *token)
{
  g_assert_cmpuint (asker->calls, ==, 1);
  g_assert_no_error (asker->error);
  g_assert_cmpstr (obk_secret_data (asker->token), ==, token);
}

#define assert_failed(asker, code)                                                                                     \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_assert_cmpuint ((asker)->calls, ==, 1);                                                                          \
    g_assert_error ((asker)->error, OBK_ERROR, code);                                                                  \
  }                                                                                                                    \
  G_STMT_END

static inline void
assert_in_use (Fixture *f, const char *token)
{
  ObkSecret *found = obk_auth_peek (f->auth);

  g_assert_cmpstr (found != NULL ? obk_secret_data (found) : NULL, ==, token);
}

/* That the one call under way is a login, and nothing else. */
static inline void
assert_login (Fixture *f)
{
  const ObkClientRequest *request = &stand_in_call (f->client)->request;

  g_assert_cmpstr (request->operation, ==, OBK_OPERATION_JWT_LOGIN);
  g_assert_cmpstr (request->path, ==, "auth/my%20jwt/login");
  g_assert_cmpstr (obk_secret_data (request->body), ==, CREDENTIAL);
  g_assert_true (request->anonymous);
  g_assert_null (request->token);
}

static inline void
assert_renewal (Fixture *f, const char *token)
{
  const ObkClientRequest *request = &stand_in_call (f->client)->request;

  g_assert_cmpstr (request->operation, ==, OBK_OPERATION_TOKEN_RENEW);
  g_assert_cmpstr (request->path, ==, "auth/token/renew-self");
  g_assert_cmpstr (obk_secret_data (request->body), ==, "{\"increment\":\"3600s\"}");
  g_assert_false (request->anonymous);
  g_assert_cmpstr (obk_secret_data (request->token), ==, token);
}

static inline void
assert_idle (Fixture *f)
{
  g_assert_cmpuint (f->client->calls->len, ==, 0);
}

static inline void
answer (Fixture *f, const char *token, int lease, gboolean renewable)
{
  g_autofree char *json
      = g_strdup_printf ("{\"data\":null,\"auth\":{\"client_token\":\"%s\",\"lease_duration\":%d,\"renewable\":%s}}",
                         token, lease, renewable ? "true" : "false");

  stand_in_answer (f->client, json);
}

static inline void
fail (Fixture *f, ObkError code)
{
  stand_in_fail (f->client, OBK_ERROR, (int)code, "cause");
}

/* Logs in for the first time. */
static inline void
begin (Fixture *f, const char *token, int lease, gboolean renewable)
{
  obk_auth_start (f->auth);
  turn (f);
  assert_login (f);
  answer (f, token, lease, renewable);
  turn (f);
  assert_in_use (f, token);
}

static inline void
assert_seen (Fixture *f, const char *event, ObkLogLevel level, const char *error_class)
{
  g_assert_cmpstr (f->seen.event, ==, event);
  g_assert_cmpint (f->seen.level, ==, level);
  g_assert_cmpstr (f->seen.error_class, ==, error_class);
}

/* Nothing until a quarter before @seconds, one login by a quarter after. */
static inline void
assert_next_login (Fixture *f, int seconds)
{
  stand_in_advance (f->poller, seconds * SECOND * 3 / 4 - 1);
  assert_idle (f);
  stand_in_advance (f->poller, seconds * SECOND / 2 + 2);
  assert_login (f);
}
