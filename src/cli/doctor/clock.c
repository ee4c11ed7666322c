/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: this node's clock against OpenBao's. */
#include "cli/doctor/doctor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "openbao/http.h"

#include <glib/gi18n.h>

#define HEALTH_PATH "/v1/sys/health"

typedef struct
{
  GMainLoop *loop;
  gint64 date_unix;
  guint status;
  gboolean foreign;
  GError *error;
} Health;

/* Source: https://openbao.org/api-docs/system/health/ */
static gboolean
is_of_openbao (const ObkHttpResponse *response)
{
  static const guint known[] = { 200, 429, 472, 473, 501, 503 };

  g_autoptr (json_t) body = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i] == response->status)
      return json_is_object (body);
  return FALSE;
}

static void
got_health (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Health *health = user_data;

  if (error != NULL)
    health->error = g_error_copy (error);
  else
    {
      health->date_unix = response->date_unix;
      health->status = response->status;
      health->foreign = !is_of_openbao (response);
    }
  g_main_loop_quit (health->loop);
}

static gboolean
ask_date (ObkHttp *http, ObkDoctorAddress *address, gint64 timeout_us, gint64 *date_unix, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Health health = { .loop = loop };

  obk_http_send (http,
                 &(ObkHttpRequest){
                     .endpoint = address->endpoint,
                     .path = HEALTH_PATH,
                     .deadline_us = obk_clock_boot_us () + timeout_us,
                 },
                 got_health, &health);
  g_main_loop_run (loop);
  *date_unix = health.date_unix;
  address->health = health.status;
  if (health.error == NULL && health.date_unix > 0 && !health.foreign)
    return TRUE;
  if (health.error != NULL)
    g_propagate_error (error, health.error);
  else if (health.foreign)
    g_set_error (error, OBK_ERROR, OBK_ERROR_UNAVAILABLE, _ ("status %u of %s, with an answer that is not OpenBao's"),
                 health.status, HEALTH_PATH);
  else
    g_set_error_literal (error, OBK_ERROR, OBK_ERROR_UNAVAILABLE, _ ("its answer has no Date header"));
  return FALSE;
}

gboolean
obk_doctor_clock_offset (ObkDoctor *doctor, ObkDoctorAddress *address, gint64 *offset_us, GError **error)
{
  const ObkConfig *config = doctor->config;
  ObkPoller *poller = obk_doctor_poller (doctor, error);
  g_autoptr (ObkTunnel) tunnel = NULL;
  g_autoptr (ObkHttp) http = NULL;
  gint64 date_unix = 0, now_us = 0;

  if (poller == NULL)
    return FALSE;
  tunnel = obk_tunnel_new (poller, config->openbao.ca_cert_file, obk_session_wants_fips (config), error);
  http = tunnel != NULL ? obk_http_new (poller, tunnel, error) : NULL;
  if (http == NULL || !ask_date (http, address, config->openbao.timeout_us, &date_unix, error))
    return FALSE;
  now_us = g_get_real_time ();
  /* The header has dropped what is less than a second: the clocks agree when ours is anywhere within that second. */
  if (now_us < date_unix * G_USEC_PER_SEC)
    *offset_us = now_us - date_unix * G_USEC_PER_SEC;
  else
    *offset_us = MAX (now_us - (date_unix + 1) * G_USEC_PER_SEC, 0);
  return TRUE;
}

void
obk_doctor_judge_clock (const ObkConfig *config, ObkCheckReport *report, const char *authority, gint64 offset_us)
{
  g_autofree char *span = obk_doctor_span (offset_us);
  gboolean by_cert = config->auth.method == OBK_AUTH_CERT;
  const char *field = by_cert ? "auth.cert.clockSkewLeeway" : "auth.jwt.clockSkewLeeway";
  gint64 leeway_us = MAX (by_cert ? config->auth.cert.clock_skew_leeway_us : config->auth.jwt.clock_skew_leeway_us,
                          OBK_DOCTOR_CLOCK_US);
  const char *side = offset_us > 0 ? _ ("ahead of") : _ ("behind");

  if (ABS (offset_us) <= OBK_DOCTOR_CLOCK_US)
    {
      obk_check_ok (report, _ ("%s: this node's clock agrees with OpenBao's"), authority);
      return;
    }
  if (ABS (offset_us) <= leeway_us)
    obk_check_warn (report, _ ("%s: this node's clock is %s %s OpenBao's"), authority, span, side);
  else
    obk_check_fail (report, _ ("%s: this node's clock is %s %s OpenBao's, more than %s"), authority, span, side, field);
  obk_check_remedy (report, _ ("find out which of the two is wrong (timedatectl on both) and set that one"));
  obk_check_command (report, OBK_DOCTOR_SET_CLOCK);
}

void
obk_doctor_clock (ObkDoctor *doctor, ObkCheckReport *report)
{
  guint n_asked = 0;

  for (guint i = 0; i < doctor->addresses->len; i++)
    {
      ObkDoctorAddress *address = g_ptr_array_index (doctor->addresses, i);
      const char *authority = obk_endpoint_authority (address->endpoint);
      g_autoptr (GError) error = NULL;
      gint64 offset_us = 0;

      if (address->reached == NULL)
        continue;
      if (obk_doctor_clock_offset (doctor, address, &offset_us, &error))
        {
          obk_doctor_judge_clock (doctor->config, report, authority, offset_us);
          n_asked++;
        }
      else
        obk_check_warn (report, "%s: %s", authority, error->message);
    }
  if (n_asked > 0)
    report->blocks = FALSE; /* a login may pass all the same, and then shows more */
}
