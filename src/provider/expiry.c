/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates that somebody must replace: said once a day, from some days before their end. */
#include "provider/expiry.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"

#define DAY_US (86400 * (gint64)G_USEC_PER_SEC)

gboolean
obk_expiry_is_due (gint64 *said_us, gint64 left_s, gint64 ahead_s, gint64 now_us)
{
  g_return_val_if_fail (said_us != NULL, FALSE);

  if (left_s >= ahead_s)
    {
      *said_us = 0;
      return FALSE;
    }
  if (*said_us != 0 && now_us - *said_us < DAY_US)
    return FALSE;
  *said_us = now_us;
  return TRUE;
}

/* Returns: (transfer full): "ends in 13 days" */
static char *
describe_end (gint64 left_s)
{
  if (left_s <= 0)
    return g_strdup ("has ended");
  if (left_s < 2 * 86400)
    return g_strdup_printf ("ends in %d h", (int)(left_s / 3600));
  return g_strdup_printf ("ends in %d days", (int)(left_s / 86400));
}

/* Returns: G_MAXINT64 where there is none, and before it was seen */
static gint64
client_left_s (ObkSession *session)
{
  gint64 left_s = -1;

  if (obk_session_auth_method (session) == OBK_AUTH_CERT)
    left_s = obk_auth_credential_ttl_seconds (obk_session_auth (session));
  return left_s >= 0 ? left_s : G_MAXINT64;
}

static void
warn (const char *subject, gint64 left_s, const char *advice)
{
  g_autofree char *end = describe_end (left_s);
  g_autofree char *detail = g_strdup_printf ("%s %s: %s", subject, end, advice);
  ObkLogRecord record;

  obk_log_begin (&record, OBK_LOG_WARN, OBK_EVENT_WARNING);
  obk_log_string (&record, OBK_FIELD_DETAIL, detail);
  obk_log_int (&record, OBK_FIELD_TTL_SECONDS, MAX (left_s, 0));
  obk_log_emit (&record);
}

void
obk_expiry_look (ObkExpiry *expiry, ObkSession *session)
{
  gint64 authority_s = 0, client_s = 0, now_us = obk_clock_boot_us ();

  g_return_if_fail (expiry != NULL && session != NULL);

  authority_s = obk_session_ca_ttl_seconds (session);
  client_s = client_left_s (session);
  if (obk_expiry_is_due (&expiry->authority_us, authority_s, OBK_EXPIRY_AUTHORITY_SECONDS, now_us))
    warn ("the CA certificate that OpenBao's hangs on", authority_s,
          "add its successor to openbao.caCertFile on all nodes, then have OpenBao's issued by that one");
  if (obk_expiry_is_due (&expiry->client_us, client_s, OBK_EXPIRY_CLIENT_SECONDS, now_us))
    warn ("the client certificate, or one of its issuers that are sent with it,", client_s,
          "have a new one issued for the same key, and put it in its place");
}

char *
obk_expiry_trouble (ObkSession *session)
{
  gint64 authority_s = obk_session_ca_ttl_seconds (session);
  gint64 client_s = client_left_s (session);
  gboolean authority_ends = authority_s < OBK_EXPIRY_AUTHORITY_SECONDS;
  g_autofree char *end = NULL;

  if (!authority_ends && client_s >= OBK_EXPIRY_CLIENT_SECONDS)
    return NULL;
  if (authority_ends && authority_s <= client_s)
    {
      end = describe_end (authority_s);
      return g_strdup_printf ("the CA certificate %s", end);
    }
  end = describe_end (client_s);
  return g_strdup_printf ("the client certificate %s", end);
}
