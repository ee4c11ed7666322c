/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: this node's clock against OpenBao's. */
#include "cli/doctor/inquiry.h"

#include "base/error.h"

#include <glib/gi18n.h>

#define HEALTH_PATH "/v1/sys/health"

/* Source: https://openbao.org/api-docs/system/health/ */
static gboolean
is_of_openbao (const ObkInquiryAnswer *answer)
{
  static const guint known[] = { 200, 429, 472, 473, 501, 503 };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i] == answer->status)
      return answer->is_json;
  return FALSE;
}

gboolean
obk_doctor_clock_offset (ObkDoctor *doctor, ObkDoctorAddress *address, gint64 *offset_us, GError **error)
{
  ObkInquiryAnswer answer = { 0 };
  gint64 now_us = 0;

  if (!obk_inquiry_run (doctor, address, HEALTH_PATH, NULL, &answer, error))
    return FALSE;
  address->health = answer.status;
  if (!is_of_openbao (&answer))
    return obk_refuse (error, OBK_ERROR_UNAVAILABLE, _ ("status %u of %s, with an answer that is not OpenBao's"),
                       answer.status, HEALTH_PATH);
  if (answer.date_unix <= 0)
    return obk_refuse (error, OBK_ERROR_UNAVAILABLE, "%s", _ ("its answer has no Date header"));
  now_us = g_get_real_time ();
  /* The header has dropped what is less than a second: the clocks agree when ours is anywhere within that second. */
  if (now_us < answer.date_unix * G_USEC_PER_SEC)
    *offset_us = now_us - answer.date_unix * G_USEC_PER_SEC;
  else
    *offset_us = MAX (now_us - (answer.date_unix + 1) * G_USEC_PER_SEC, 0);
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
