/* SPDX-License-Identifier: Apache-2.0 */
/* What the running provider tells of itself: the pages /metrics, /live and /ready. */
#include "provider/vitals.h"

#include "base/canonical-json.h"
#include "base/names.h"
#include "commit.h"
#include "config-build.h"
#include "health/conditions.h"
#include "observe/metrics-page.h"

#include <microhttpd.h>

/* Metrics */

static void
tell (ObkMetricsPage *page, ObkMetric metric, double value)
{
  obk_metrics_page_tell (page, metric, NULL, NULL, value);
}

static void
tell_way (ObkMetricsPage *page, const ObkVitals *vitals)
{
  const ObkAddresses *addresses = obk_session_addresses (vitals->session);
  guint idle = 0, busy = 0;

  obk_http_connections (obk_session_http (vitals->session), &idle, &busy);
  obk_metrics_page_tell (page, OBK_METRIC_OPENBAO_CONNECTIONS, "idle", NULL, idle);
  obk_metrics_page_tell (page, OBK_METRIC_OPENBAO_CONNECTIONS, "busy", NULL, busy);
  for (guint i = 0; i < obk_addresses_count (addresses); i++)
    {
      g_autofree char *index = g_strdup_printf ("%u", i);

      obk_metrics_page_tell (page, OBK_METRIC_OPENBAO_ADDRESS_HEALTHY, index, NULL,
                             obk_addresses_healthy (addresses, i) ? 1 : 0);
    }
}

static void
tell_credential (ObkMetricsPage *page, const ObkVitals *vitals)
{
  const ObkAuth *auth = obk_session_auth (vitals->session);
  gboolean by_certificate = obk_session_auth_method (vitals->session) == OBK_AUTH_CERT;
  gint64 token_s = obk_auth_token_ttl_seconds (auth);
  gint64 credential_s = obk_auth_credential_ttl_seconds (auth);
  gint64 horizon_s = MAX (obk_session_ca_ttl_seconds (vitals->session), 0);

  obk_metrics_page_tell (page, OBK_METRIC_AUTH_METHOD, by_certificate ? "cert" : "jwt", NULL, 1);
  obk_metrics_page_tell (page, OBK_METRIC_CERTIFICATE_SOURCE, by_certificate ? "pkcs11" : "none", NULL, 1);
  tell (page, OBK_METRIC_TOKEN_TTL, (double)MAX (token_s, 0));
  if (credential_s >= 0)
    tell (page, by_certificate ? OBK_METRIC_CERTIFICATE_TTL : OBK_METRIC_JWT_TTL, (double)credential_s);
  if (credential_s >= 0 && obk_session_credential_runs_out (vitals->session))
    horizon_s = MIN (horizon_s, credential_s);
  if (token_s >= 0 && !obk_auth_token_is_renewable (auth))
    horizon_s = MIN (horizon_s, token_s);
  tell (page, OBK_METRIC_CREDENTIAL_HORIZON, (double)horizon_s);
}

static void
tell_last_uses (ObkMetricsPage *page, const ObkVitals *vitals, const ObkState *state)
{
  for (guint i = 0; i < state->snapshots->len; i++)
    {
      const ObkSnapshot *snapshot = &g_array_index (state->snapshots, ObkSnapshot, i);
      g_autofree char *version = g_strdup_printf ("%u", snapshot->version);
      gint64 last_use = obk_service_last_use (vitals->service, snapshot->version);

      if (obk_snapshot_is_retained (snapshot))
        obk_metrics_page_tell (page, OBK_METRIC_DECRYPT_LAST_USE, version, NULL, (double)last_use);
    }
}

static const char *
rotation_state (const ObkState *state)
{
  if (state == NULL)
    return "unknown";
  return obk_state_pending (state) != NULL ? "pending" : "active";
}

static void
tell_key (ObkMetricsPage *page, const ObkVitals *vitals, ObkNow now)
{
  g_autoptr (ObkBoard) board = obk_board_slot_get (vitals->board);
  const ObkKeyIdentity *serving = obk_board_active (board);
  ObkProberView view;

  obk_prober_view (vitals->prober, now, &view);
  tell (page, OBK_METRIC_STATUS_HEALTHY, obk_board_healthy (board, now.boot_us) ? 1 : 0);
  if (serving != NULL)
    {
      obk_metrics_page_tell (page, OBK_METRIC_STATUS_KEY_ID_HASH, obk_key_identity_key_id_hash (serving), NULL, 1);
      tell (page, OBK_METRIC_KEY_VERSION, obk_key_identity_version (serving));
    }
  if (view.verdict->good_us != 0)
    tell (page, OBK_METRIC_STATUS_CACHE_AGE, (double)(now.boot_us - view.verdict->good_us) / G_USEC_PER_SEC);
  obk_metrics_page_tell (page, OBK_METRIC_ROTATION_STATE, rotation_state (view.state), NULL, 1);
  tell (page, OBK_METRIC_PERSISTENCE_DEGRADED, obk_prober_is_degraded (vitals->prober) ? 1 : 0);
  tell (page, OBK_METRIC_CIRCUIT_BREAKER, view.breaker);
  if (view.state != NULL)
    {
      tell (page, OBK_METRIC_REGISTRY_GENERATION, (double)view.state->generation);
      tell_last_uses (page, vitals, view.state);
    }
}

static void
make_metrics (const ObkWebRequest *request, ObkWebAnswer *answer, gpointer user_data)
{
  const ObkVitals *vitals = user_data;
  ObkMetricsForm form = obk_metrics_form_negotiate (request->accept);
  g_autoptr (ObkMetricsPage) page = obk_metrics_page_new ();

  obk_metrics_page_tell (page, OBK_METRIC_BUILD_INFO, OBK_VERSION, OBK_COMMIT, 1);
  tell_way (page, vitals);
  tell_credential (page, vitals);
  tell_key (page, vitals, obk_clock_now ());
  obk_metrics_page_tell_process (page);
  answer->content_type = obk_metrics_form_content_type (form);
  answer->body = obk_metrics_page_print (page, form, &answer->length);
}

/* Health */

static void
finish_health (ObkCanonicalJson *json, gboolean healthy, ObkWebAnswer *answer)
{
  obk_canonical_json_end_object (json);
  answer->status = healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
  answer->content_type = "application/json";
  answer->body = obk_canonical_json_steal (json, &answer->length);
}

/* That it is asked at all shows that the main loop turns. */
static void
make_live (const ObkWebRequest *request, ObkWebAnswer *answer, gpointer user_data)
{
  const ObkVitals *vitals = user_data;
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);

  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "status", vitals->socket_open ? OBK_STATUS_OK : OBK_STATUS_ERROR);
  finish_health (json, vitals->socket_open, answer);
}

static void
add_conditions (ObkCanonicalJson *json, const ObkProberView *view, gint64 now_us)
{
  ObkCondition conditions[OBK_N_CONDITIONS];

  obk_conditions_judge (view->verdict, now_us, view->fresh_until_us, view->breaker != OBK_BREAKER_CLOSED, conditions);
  obk_canonical_json_begin_array (json, "conditions");
  for (guint i = 0; i < OBK_N_CONDITIONS; i++)
    {
      gboolean holds = *conditions[i].reason == '\0';

      obk_canonical_json_begin_object (json, NULL);
      obk_canonical_json_string (json, "name", conditions[i].name);
      obk_canonical_json_string (json, "status", holds ? OBK_STATUS_OK : OBK_STATUS_ERROR);
      obk_canonical_json_string (json, "reason", conditions[i].reason);
      obk_canonical_json_end_object (json);
    }
  obk_canonical_json_end_array (json);
}

static void
add_key (ObkCanonicalJson *json, const ObkKeyIdentity *serving)
{
  obk_canonical_json_begin_object (json, "key");
  obk_canonical_json_int (json, "version", obk_key_identity_version (serving));
  obk_canonical_json_string (json, "key_id_hash", obk_key_identity_key_id_hash (serving));
  obk_canonical_json_end_object (json);
}

/* The candidate, and when it will be used at the earliest. */
static void
add_pending (ObkCanonicalJson *json, const ObkProberView *view, ObkNow now)
{
  const ObkSnapshot *pending = view->state != NULL ? obk_state_pending (view->state) : NULL;
  g_autoptr (GDateTime) due = NULL;
  g_autofree char *text = NULL;

  if (pending == NULL)
    return;
  obk_canonical_json_begin_object (json, "pending");
  obk_canonical_json_int (json, "version", pending->version);
  if (view->due_us != OBK_NO_DEADLINE)
    {
      due = g_date_time_new_from_unix_utc (now.unix_s + MAX (view->due_us - now.boot_us, 0) / G_USEC_PER_SEC);
      text = g_date_time_format (due, "%Y-%m-%dT%H:%M:%SZ");
      obk_canonical_json_string (json, "expected_promotion", text);
    }
  obk_canonical_json_end_object (json);
}

/* By the very rule that Status is answered by, and at this moment: freshness runs out by itself. */
static void
make_ready (const ObkWebRequest *request, ObkWebAnswer *answer, gpointer user_data)
{
  const ObkVitals *vitals = user_data;
  ObkNow now = obk_clock_now ();
  g_autoptr (ObkBoard) board = obk_board_slot_get (vitals->board);
  g_autoptr (ObkCanonicalJson) json = obk_canonical_json_new (0);
  gboolean healthy = obk_board_healthy (board, now.boot_us);
  ObkProberView view;

  obk_prober_view (vitals->prober, now, &view);
  obk_canonical_json_begin_object (json, NULL);
  obk_canonical_json_string (json, "status", healthy ? OBK_HEALTHZ_OK : OBK_HEALTHZ_UNHEALTHY);
  obk_canonical_json_string (json, "reason", obk_board_reason (board, now.boot_us));
  add_conditions (json, &view, now.boot_us);
  obk_canonical_json_boolean (json, "persistence_degraded", obk_prober_is_degraded (vitals->prober));
  if (obk_board_active (board) != NULL)
    add_key (json, obk_board_active (board));
  add_pending (json, &view, now);
  finish_health (json, healthy, answer);
}

const ObkWebPage obk_vitals_metrics_pages[] = { { "/metrics", make_metrics }, { NULL, NULL } };
const ObkWebPage obk_vitals_health_pages[] = { { "/live", make_live }, { "/ready", make_ready }, { NULL, NULL } };
