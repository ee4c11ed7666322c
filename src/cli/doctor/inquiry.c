/* SPDX-License-Identifier: Apache-2.0 */
/* What an address of OpenBao answers to somebody without a token. */
#include "cli/doctor/inquiry.h"

#include "base/clock.h"
#include "base/json.h"
#include "openbao/http.h"

#include <string.h>

typedef struct
{
  GMainLoop *loop;
  ObkInquiryAnswer *answer;
  GError *error;
} Inquiry;

static void
answered (const ObkHttpResponse *response, const GError *error, gpointer user_data)
{
  Inquiry *inquiry = user_data;

  if (error != NULL)
    inquiry->error = g_error_copy (error);
  else
    {
      g_autoptr (json_t) json
          = obk_json_parse (obk_secret_data (response->body), obk_secret_length (response->body), NULL);

      inquiry->answer->status = response->status;
      inquiry->answer->date_unix = response->date_unix;
      inquiry->answer->is_json = json_is_object (json);
    }
  g_main_loop_quit (inquiry->loop);
}

gboolean
obk_inquiry_run (ObkDoctor *doctor, const ObkDoctorAddress *address, const char *path, const char *body,
                 ObkInquiryAnswer *answer, GError **error)
{
  const ObkConfig *config = doctor->config;
  ObkPoller *poller = obk_doctor_poller (doctor, error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (ObkSecret) content = body != NULL ? obk_secret_new_copy (body, strlen (body)) : NULL;
  g_autoptr (ObkTunnel) tunnel = NULL;
  g_autoptr (ObkHttp) http = NULL;
  Inquiry inquiry = { .loop = loop, .answer = answer };

  if (poller == NULL)
    return FALSE;
  tunnel = obk_tunnel_new (poller, config->openbao.ca_cert_file, obk_session_wants_fips (config), error);
  http = tunnel != NULL ? obk_http_new (poller, tunnel, error) : NULL;
  if (http == NULL)
    return FALSE;
  obk_http_send (
      http,
      &(ObkHttpRequest){
          .endpoint = address->endpoint,
          .path = path,
          .namespace = body != NULL && config->openbao.namespace[0] != '\0' ? config->openbao.namespace : NULL,
          .body = content,
          .deadline_us = obk_clock_boot_us () + config->openbao.timeout_us,
      },
      answered, &inquiry);
  g_main_loop_run (loop);
  if (inquiry.error != NULL)
    g_propagate_error (error, inquiry.error);
  return inquiry.error == NULL;
}
